package gateway_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/pipeline/gateway"
)

// entityCases are one entity of each type and action, with the key of its lane.
func entityCases() []struct{ name, body, key string } {
	const device = `"device":{"token":"t","platform":"ios"}`
	const company = `"identifiers":{"object_type_id":"1","object_id":"acme"}`
	const related = `"cio_relationships":[{"identifiers":{"object_type_id":"1","object_id":"acme"}}]`
	const people = `"cio_relationships":[{"identifiers":{"id":"42"}}]`
	person := func(action, rest string) string {
		return `{"type":"person","action":"` + action + `","identifiers":{"id":"42"}` + rest + `}`
	}
	object := func(action, rest string) string {
		return `{"type":"object","action":"` + action + `",` + company + rest + `}`
	}
	return []struct{ name, body, key string }{
		{"identify", person("identify", `,"attributes":{"plan":"pro"}`), "42"},
		{"identify by email", `{"type":"person","action":"identify","identifiers":{"email":"Ada@Example.com"}}`, "ada@example.com"},
		{"identify by phone", `{"type":"person","action":"identify","identifiers":{"phone":"+15551234567"}}`, "+15551234567"},
		{"identify by cio_id", `{"type":"person","action":"identify","identifiers":{"cio_id":"a5b1"}}`, "cio_a5b1"},
		{"identify by number", `{"type":"person","action":"identify","identifiers":{"id":42}}`, "42"},
		{"delete", person("delete", ""), "42"},
		{"suppress", person("suppress", ""), "42"},
		{"unsuppress", person("unsuppress", ""), "42"},
		{"event", person("event", `,"name":"n"`), "42"},
		{"event of nobody known", `{"type":"person","action":"event","name":"n","identifiers":{"anonymous_id":"anon"}}`, "anon"},
		{"page", person("page", `,"name":"n"`), "42"},
		{"screen", person("screen", `,"name":"n"`), "42"},
		{"add_device", person("add_device", ","+device), "42"},
		{"delete_device", person("delete_device", `,"device":{"token":"t"}`), "42"},
		{"add_relationships", person("add_relationships", ","+related), "42"},
		{"delete_relationships", person("delete_relationships", ","+related), "42"},
		{"merge", `{"type":"person","action":"merge","primary":{"id":"1"},"secondary":{"email":"b@example.com"}}`, "1"},
		{"object identify", object("identify", `,"attributes":{"name":"Acme"},`+people), "1:acme"},
		{"object by cio_object_id", `{"type":"object","action":"identify","identifiers":{"cio_object_id":"ob1"}}`, "cio_object:ob1"},
		{"object identify_anonymous", object("identify_anonymous", `,"cio_relationships":[{"identifiers":{"anonymous_id":"a"}}]`), "1:acme"},
		{"object delete", object("delete", ""), "1:acme"},
		{"object add_relationships", object("add_relationships", ","+people), "1:acme"},
		{"object delete_relationships", object("delete_relationships", ","+people), "1:acme"},
		{"delivery event", `{"type":"delivery","action":"event","identifiers":{"id":"dlv"},"name":"opened","attributes":{"device_token":"t"}}`, "dlv"},
	}
}

func TestEveryTypeAndAction(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := newGateway(t, config(), k)
	cases := entityCases()
	items := make([]string, len(cases))
	for i, tc := range cases {
		items[i] = tc.body
		wantStatus(t, send(g, request("POST", "/api/v2/entity", tc.body)), 200)
	}
	wantStatus(t, send(g, request("POST", "/api/v2/batch", `{"batch":[`+strings.Join(items, ",")+`]}`)), 200)
	records := k.taken()
	if len(records) != 2*len(cases) {
		t.Fatalf("want %d records, have %d", 2*len(cases), len(records))
	}
	for i, r := range records {
		tc := cases[i%len(cases)]
		if string(r.Value) != tc.body || string(r.Key) != tc.key {
			t.Errorf("%s: want %q %s, have %q %s", tc.name, tc.key, tc.body, r.Key, r.Value)
		}
		// The key is that which any producer gives the same entity.
		if want, err := event.EntityKey(r.Value); err != nil || string(want) != string(r.Key) {
			t.Errorf("%s: want the key %q, have %q, %v", tc.name, want, r.Key, err)
		}
		var e event.Event
		e.Load(r, "cluster")
		if e.PrepareEntity(); e.Fault != nil {
			t.Errorf("%s: the record will not be delivered: %+v", tc.name, e.Fault)
		}
	}
}

func TestEntityFaults(t *testing.T) {
	t.Parallel()
	id := func(n int) string { return strings.Repeat("i", n) }
	person := func(rest string) string { return `{"type":"person",` + rest + `}` }
	attributes := func(list string) string {
		return person(`"action":"identify","identifiers":{"id":"1"},"attributes":{` + list + `}`)
	}
	many := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"a%d":1`, i)
		}
		return attributes(strings.Join(list, ","))
	}
	g := newGateway(t, config(), &kafka{})
	for _, tc := range []struct {
		name, body    string
		reason, field string // empty: taken
	}{
		{"no type", `{"action":"identify"}`, "required", "type"},
		{"unknown type", `{"type":"thing","action":"identify"}`, "invalid", "type"},
		{"no action", person(`"identifiers":{"id":"1"}`), "required", "action"},
		{"unknown action", person(`"action":"dance","identifiers":{"id":"1"}`), "invalid", "action"},
		{"no identifiers", person(`"action":"identify"`), "required", "identifiers"},
		{"two identifiers", person(`"action":"identify","identifiers":{"id":"1","email":"a@b.c"}`), "invalid", "identifiers"},
		{"empty identifier", person(`"action":"identify","identifiers":{"id":""}`), "invalid", "identifiers"},
		{"no name", person(`"action":"event","identifiers":{"id":"1"}`), "required", "name"},
		{"name of a number", person(`"action":"event","identifiers":{"id":"1"},"name":1`), "invalid", "name"},
		{"no device", person(`"action":"add_device","identifiers":{"id":"1"}`), "required", "device"},
		{"no platform", person(`"action":"add_device","identifiers":{"id":"1"},"device":{"token":"t"}`), "required", "device.platform"},
		{"relationship to nobody", person(`"action":"add_relationships","identifiers":{"id":"1"},"cio_relationships":[{}]`), "invalid", "cio_relationships[0].identifiers"},
		{"merge with identifiers", person(`"action":"merge","identifiers":{"id":"1"},"primary":{"id":"1"},"secondary":{"id":"2"}`), "invalid", "identifiers"},
		{"merge without secondary", person(`"action":"merge","primary":{"id":"1"}`), "required", "secondary"},
		{"merge by phone", person(`"action":"merge","primary":{"phone":"+15551234567"},"secondary":{"id":"2"}`), "invalid", "primary"},
		{"delivery bounced", `{"type":"delivery","action":"event","identifiers":{"id":"d"},"name":"bounced","attributes":{"device_token":"t"}}`, "invalid", "name"},
		{"attributes of a list", person(`"action":"identify","identifiers":{"id":"1"},"attributes":[]`), "invalid", "attributes"},
		{"longest id", person(`"action":"delete","identifiers":{"id":"` + id(150) + `"}`), "", ""},
		{"id too long", person(`"action":"delete","identifiers":{"id":"` + id(151) + `"}`), "invalid", "identifiers"},
		{"secondary too long", person(`"action":"merge","primary":{"id":"1"},"secondary":{"id":"` + id(151) + `"}`), "invalid", "secondary"},
		{"no address", person(`"action":"delete","identifiers":{"email":"nobody"}`), "invalid", "identifiers"},
		{"phone not in E.164", person(`"action":"delete","identifiers":{"phone":"0555"}`), "invalid", "identifiers"},
		{"longest event name", person(`"action":"event","identifiers":{"id":"1"},"name":"` + id(100) + `"`), "", ""},
		{"event name too long", person(`"action":"event","identifiers":{"id":"1"},"name":"` + id(101) + `"`), "invalid", "name"},
		{"most attributes", many(300), "", ""},
		{"too many attributes", many(301), "invalid", "attributes"},
		{"longest attribute", attributes(`"` + id(150) + `":"` + id(1000) + `"`), "", ""},
		{"attribute name too long", attributes(`"` + id(151) + `":1`), "invalid", "attributes"},
		{"attribute value too long", attributes(`"a":"` + id(1001) + `"`), "invalid", "attributes"},
		{"escapes do not count", attributes(`"a":"` + strings.Repeat(`\u0061`, 1000) + `"`), "", ""},
		{"an unreadable timestamp is the door's", person(`"action":"event","identifiers":{"id":"1"},"name":"n","timestamp":"soon"`), "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := send(g, request("POST", "/api/v2/entity", tc.body))
			batch := send(g, request("POST", "/api/v2/batch", `{"batch":[`+purchase+`,`+tc.body+`]}`))
			if tc.reason == "" {
				wantStatus(t, w, 200)
				wantStatus(t, batch, 200)
				return
			}
			wantStatus(t, w, 400)
			wantFlaw(t, w.Body.Bytes(), nil, tc.reason, tc.field)
			wantStatus(t, batch, 207)
			one := 1
			wantFlaw(t, batch.Body.Bytes(), &one, tc.reason, tc.field)
		})
	}
}

// wantFlaw checks an errors body of one entry.
func wantFlaw(t *testing.T, body []byte, index *int, reason, field string) {
	t.Helper()
	var have struct {
		Errors []struct {
			Index   *int   `json:"batch_index"`
			Reason  string `json:"reason"`
			Field   string `json:"field"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(body, &have); err != nil || len(have.Errors) != 1 {
		t.Fatalf("want one error, have %s (%v)", body, err)
	}
	e := have.Errors[0]
	if (e.Index == nil) != (index == nil) || index != nil && *e.Index != *index {
		t.Errorf("batch_index: want %v, have %v", index, e.Index)
	}
	if e.Reason != reason || e.Field != field || e.Message == "" {
		t.Errorf("want %s of %s with a message, have %+v", reason, field, e)
	}
}

func TestBatchShapes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		want       int
		records    int
	}{
		{"one", `{"batch":[` + purchase + `]}`, 200, 1},
		{"blanks", " {\n\"batch\" : [ " + purchase + " ,\t" + purchase + " ] } ", 200, 2},
		{"escaped name", `{"b\u0061tch":[` + purchase + `]}`, 200, 1},
		{"more members", `{"sent_at":"now","batch":[` + purchase + `],"n":[1,{"batch":[]}]}`, 200, 1},
		{"brackets in strings", `{"batch":[{"type":"person","action":"event","identifiers":{"id":"]}"},"name":"\\\"}],"}]}`, 200, 1},
		{"items of every kind", `{"batch":[1,"a",null,true,[],[{}],-1.5e3,` + purchase + `]}`, 207, 1},
		{"nothing good", `{"batch":[{}]}`, 207, 0},
		{"empty", `{"batch":[]}`, 400, 0},
		{"null", `{"batch":null}`, 400, 0},
		{"no batch", `{}`, 400, 0},
		{"batch twice", `{"batch":[],"batch":[` + purchase + `]}`, 400, 0},
		{"object", `{"batch":{}}`, 400, 0},
		{"bare list", `[` + purchase + `]`, 400, 0},
		{"comma at the end", `{"batch":[` + purchase + `,]}`, 400, 0},
		{"comma at the start", `{"batch":[,` + purchase + `]}`, 400, 0},
		{"two commas", `{"batch":[` + purchase + `,,` + purchase + `]}`, 400, 0},
		{"no comma", `{"batch":[` + purchase + ` ` + purchase + `]}`, 400, 0},
		{"not closed", `{"batch":[` + purchase + `]`, 400, 0},
		{"string not closed", `{"batch":[` + purchase + `,"]}`, 400, 0},
		{"more behind", `{"batch":[` + purchase + `]}x`, 400, 0},
		{"broken item", `{"batch":[` + purchase + `,{"a":tru}]}`, 400, 0},
		{"crossed brackets", `{"batch":[` + purchase + `,{"a":[}]]}`, 400, 0},
		{"word", `{"batch":[nul]}`, 400, 0},
		{"broken behind a name given twice", `{"batch":[` + purchase + `,{"a":1,"a":tru}]}`, 400, 0},
		{"broken and too large", `{"batch":[` + purchase + `,{"a":[` + strings.Repeat("1,", 20_000) + `}]}`, 400, 0},
		{"broken and too deep", `{"batch":[` + purchase + `,` + strings.Repeat("[", 70) + `}` + strings.Repeat("]", 69) + `]}`, 400, 0},
		{"nothing", ``, 400, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			k := &kafka{}
			wantStatus(t, send(newGateway(t, config(), k), request("POST", "/api/v2/batch", tc.body)), tc.want)
			if have := len(k.taken()); have != tc.records {
				t.Errorf("want %d records, have %d", tc.records, have)
			}
		})
	}
}

func TestPartialAnswer(t *testing.T) {
	t.Parallel()
	w := send(newGateway(t, config(), &kafka{}), request("POST", "/api/v2/batch",
		`{"batch":[`+purchase+`,{"type":"person","action":"event","identifiers":{"id":"1"}},`+purchase+`,{"a":1,"a":2}]}`))
	wantStatus(t, w, 207)
	want := `{"errors":[{"batch_index":1,"reason":"required","field":"name","message":"name is required"},` +
		`{"batch_index":3,"reason":"invalid","field":"body","message":"a name stands twice in one object, at byte 7"}]}` + "\n"
	if have := w.Body.String(); have != want {
		t.Errorf("want %s have %s", want, have)
	}
}

// FuzzBatch holds the batch's own splitting against the library's reading of
// the same bytes: what is taken is what stood there, item by item, and what is
// no JSON is refused whole.
func FuzzBatch(f *testing.F) {
	for _, tc := range entityCases() {
		f.Add(`{"batch":[` + tc.body + `,` + purchase + `]}`)
	}
	f.Add(`{"batch":[1,"]",{"a":[}]]}`)
	f.Add(`{"x":{"batch":[]},"batch":[{"a":"\\"}]}`)
	f.Add(" {\n\"batch\" : [ {} ,\t{} ] } ")
	k := &kafka{}
	g, err := gateway.New(config(), streams(), k, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		k.set(func() { k.records = nil })
		w := send(g, request("POST", "/api/v2/batch", body))
		if w.Code != 200 && w.Code != 207 && w.Code != 400 {
			t.Fatalf("have status %d for %q", w.Code, body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("the answer is no JSON: %s", w.Body)
		}
		records := k.taken()
		if w.Code == 400 {
			if len(records) > 0 {
				t.Errorf("refused, and %d records appended: %q", len(records), body)
			}
			return
		}
		var want struct {
			Batch []json.RawMessage `json:"batch"`
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatalf("taken, and no JSON: %q: %v", body, err)
		}
		if err := json.Unmarshal(members["batch"], &want.Batch); err != nil {
			t.Fatalf("taken, and no batch: %q: %v", body, err)
		}
		next := 0
		for _, raw := range want.Batch {
			if _, err := event.EntityKey(raw); err != nil || next == len(records) {
				continue
			}
			if string(records[next].Value) == string(raw) {
				next++
			}
		}
		if next != len(records) {
			t.Errorf("%d of %d records are not what stood in %q", len(records)-next, len(records), body)
		}
	})
}
