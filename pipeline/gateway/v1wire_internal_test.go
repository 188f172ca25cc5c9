package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/event"
)

// made is an item as the tests write it down.
type made struct {
	key, value   string
	op           event.Op
	named, stamp bool
}

// v1Wanted is what the recorded calls mean, by the name of the case.
func v1Wanted() map[string]made {
	bob := `{"type":"person","action":"identify","identifiers":{"id":"5"},"attributes":`
	who := `{"type":"person","action":`
	five := `,"identifiers":{"id":"5"}`
	id := `"id":"01HB4HBDKTFWYZCK01DMRSWRFD","timestamp":1613063089,`
	return map[string]made{
		"node identify":         {key: "5", value: bob + `{"email":"bob@example.com","created_at":1361205308,"plan":"basic"}}`, stamp: true},
		"node identify_escaped": {key: "a b/c+d@e.com?x=1&y", value: who + `"identify","identifiers":{"email":"a b/c+d@e.com?x=1&y"},"attributes":{"x":1}}`, stamp: true},
		"node destroy":          {key: "5", value: who + `"delete"` + five + `}`},
		"node suppress":         {key: "5", value: who + `"suppress"` + five + `}`},
		"node track":            {key: "5", value: who + `"event"` + five + `,"name":"purchase","attributes":{"price":23.45}}`, named: true, stamp: true},
		"node track_id_ts":      {key: "5", value: who + `"event"` + five + `,"name":"purchase",` + id + `"attributes":{"price":1}}`},
		"node trackAnonymous":   {key: "anon-1", value: who + `"event","identifiers":{"anonymous_id":"anon-1"},"name":"watched","attributes":{"video":"intro"}}`, named: true, stamp: true},
		"node trackPageView":    {key: "5", value: who + `"page"` + five + `,"name":"/home"}`, named: true, stamp: true},
		"node addDevice":        {key: "5", value: who + `"add_device"` + five + `,"device":{"token":"dev-1","platform":"ios","last_used":1613063089,"attributes":{"app_version":"1.2"}}}`},
		"node deleteDevice":     {key: "5", value: who + `"delete_device"` + five + `,"device":{"token":"dev/1"}}`},
		"node mergeCustomers":   {key: "a@example.com", value: who + `"merge","primary":{"email":"a@example.com"},"secondary":{"cio_id":"a3000001"}}`},
		"node submitForm":       {key: "a@example.com", op: event.OpFormSubmit, value: `{"form_id":"newsletter","body":{"data":{"email":"a@example.com","first_name":"A"}}}`},
		"node reportMetric": {
			key: "RPILAgUBcRhIBqSfeiIwdIYJKxTY", op: event.OpMetrics,
			value: `{"body":{"timestamp":1613063089,"delivery_id":"RPILAgUBcRhIBqSfeiIwdIYJKxTY","metric":"clicked","href":"https://x"}}`,
		},
		"Python identify":         {key: "5", value: bob + `{"email": "bob@example.com", "created_at": 1361205308, "plan": "basic"}}`, stamp: true},
		"Python identify_escaped": {key: "a b/c+d@e.com?x=1&y", value: who + `"identify","identifiers":{"email":"a b/c+d@e.com?x=1&y"},"attributes":{"x": 1}}`, stamp: true},
		"Python identify_empty":   {key: "5", value: bob + `{}}`, stamp: true},
		"Python track":            {key: "5", value: who + `"event"` + five + `,"name":"purchase","attributes":{"price": 23.45}}`, named: true, stamp: true},
		"Python track_id_ts":      {key: "5", value: who + `"event"` + five + `,"name":"purchase",` + id + `"attributes":{"price": 1}}`},
		"Python pageview":         {key: "5", value: who + `"page"` + five + `,"name":"/home","attributes":{"referrer": "/"}}`, named: true, stamp: true},
		"Python delete":           {key: "5", value: who + `"delete"` + five + `}`},
		"Python suppress":         {key: "5", value: who + `"suppress"` + five + `}`},
		"Python merge_customers":  {key: "a@example.com", value: who + `"merge","primary":{"email":"a@example.com"},"secondary":{"cio_id":"a3000001"}}`},
	}
}

// doorTime is when the tests' calls arrive.
func doorTime() time.Time { return time.Unix(1_700_000_000, 0) }

// v1Send decodes one call as the gateway would, and fails when no endpoint
// takes it.
func v1Send(t testing.TB, line, body string) ([]item, reply) {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	u, err := url.Parse("http://gateway" + target)
	if err != nil {
		t.Fatal(err)
	}
	e, args := v1Endpoint(method, u.EscapedPath())
	if e == nil {
		t.Fatalf("%s: no endpoint", line)
	}
	return e.decode(&call{
		args: args, query: u.Query(), contentType: "application/json", body: []byte(body), now: doorTime(),
		stream: Stream{Name: "events", Topic: "events", Region: "us"},
	})
}

// The calls that the official libraries were recorded making.
func TestV1WireCases(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/wire-cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ SDK, Case, Method, Target, Body string }
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 26 {
		t.Fatalf("want 26 recorded cases, have %d", len(cases))
	}
	unseen := v1Wanted()
	for _, c := range cases {
		name := "node " + c.Case
		if strings.Contains(c.SDK, "Python") {
			name = "Python " + c.Case
		}
		switch {
		case strings.HasPrefix(c.Target, "/api/v2/"):
			if e, _ := v1Endpoint(c.Method, c.Target); e != nil {
				t.Errorf("%s: v1 takes a call of v2", name)
			}
			continue
		case c.Case == "getAccountRegion":
			_, have := v1Send(t, c.Method+" "+c.Target, c.Body)
			checkRegion(t, have, "us", "https://track.customer.io")
			continue
		}
		want, known := unseen[name]
		delete(unseen, name)
		items, refused := v1Send(t, c.Method+" "+c.Target, c.Body)
		if !known || refused.status != 0 || len(items) != 1 {
			t.Errorf("%s: known %v, %d items, refused %d %s", name, known, len(items), refused.status, refused.body)
			continue
		}
		checkMade(t, name, items[0], want)
	}
	for name := range unseen {
		t.Errorf("%s: not among the recorded cases", name)
	}
}

func checkMade(t *testing.T, name string, i item, want made) {
	t.Helper()
	if have := (made{string(i.key), string(i.value), i.op, i.named, i.stamp}); have != want {
		t.Errorf("%s:\nwant %+v\nhave %+v", name, want, have)
	}
	prepared(t, i)
}

// prepared is the event that the pipeline reads from the item's record, which
// must have no fault and stand under the key that v2 gives it.
func prepared(t testing.TB, i item) *event.Event {
	t.Helper()
	r := event.Record{Topic: "events", Offset: 7, Key: i.key, Value: i.value, Time: doorTime()}
	if i.op != event.OpNone {
		r.Headers = []event.Header{{Key: event.HeaderOp, Value: []byte(i.op.String())}}
	} else if key, err := event.EntityKey(i.value); err != nil || string(key) != string(i.key) {
		t.Errorf("%s: want key %q, have %q, %v", i.value, key, i.key, err)
	}
	e := new(event.Event)
	e.Load(r, "cluster")
	e.PrepareEntity()
	if e.Fault != nil {
		t.Fatalf("%s: %+v", i.value, *e.Fault)
	}
	return e
}

func checkRegion(t *testing.T, have reply, region, url string) {
	t.Helper()
	var body struct {
		URL           string
		Region        string
		EnvironmentID int `json:"environment_id"`
	}
	if err := json.Unmarshal(have.body, &body); err != nil || have.status != http.StatusOK || body.Region != region || body.URL != url || body.EnvironmentID == 0 {
		t.Errorf("want region %s, have %d %s", region, have.status, have.body)
	}
}

func TestV1Region(t *testing.T) {
	t.Parallel()
	_, eu := v1AnswerRegion(&call{stream: Stream{Name: "a", Region: "eu"}})
	checkRegion(t, eu, "eu", "https://track-eu.customer.io")
	if _, again := v1AnswerRegion(&call{stream: Stream{Name: "a", Region: "eu"}}); string(again.body) != string(eu.body) {
		t.Errorf("the same stream answers %s and %s", eu.body, again.body)
	}
	if _, many := v1AnswerRegion(&call{}); many.status != http.StatusBadRequest || !strings.Contains(string(many.body), `{"meta":{"errors":["`) {
		t.Errorf("a caller of several regions: %d %s", many.status, many.body)
	}
}

// All recorded calls, headers and all, are answered through the door as the
// contract says, to the byte: one library takes anything but a 200 for an error.
func TestV1WireAnswers(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/wire-cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		SDK, Case, Method, Target, Body string
		Headers                         map[string]string
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	w := newWorlds(t)
	for _, c := range cases {
		before := len(w.log.from(0))
		r := httptest.NewRequestWithContext(t.Context(), c.Method, c.Target, strings.NewReader(c.Body))
		for name, value := range c.Headers {
			r.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		w.door.ServeHTTP(rec, r)
		wantStatus, wantBody, wantRecords := http.StatusOK, "{}\n", 1
		switch c.Case {
		case "submitForm":
			wantStatus, wantBody = http.StatusNoContent, ""
		case "getAccountRegion":
			wantBody, wantRecords = rec.Body.String(), 0
			checkRegion(t, reply{status: rec.Code, body: rec.Body.Bytes()}, "us", "https://track.customer.io")
		case "batch":
			wantRecords = 2
		}
		if rec.Code != wantStatus || rec.Body.String() != wantBody {
			t.Errorf("%s %s: want %d %q, have %d %q", c.SDK, c.Case, wantStatus, wantBody, rec.Code, rec.Body)
		}
		if kind := rec.Header().Get("Content-Type"); wantBody != "" && kind != "application/json; charset=utf-8" {
			t.Errorf("%s %s: Content-Type is %q", c.SDK, c.Case, kind)
		}
		if have := len(w.log.from(before)); have != wantRecords {
			t.Errorf("%s %s: want %d records, have %d", c.SDK, c.Case, wantRecords, have)
		}
	}
}

// A path or a method that v1 has not is answered in JSON, and never by a
// redirect to one that it has.
func TestV1WireNowhere(t *testing.T) {
	t.Parallel()
	w := newWorlds(t)
	for line, want := range map[string]struct {
		status int
		allow  string
	}{
		"PUT /api/v1/customers/5/":                {404, ""},
		"PUT /api/v1/customers//":                 {404, ""},
		"PUT /api/v1/customers/":                  {404, ""},
		"POST /api/v1//events":                    {404, ""},
		"POST /api/v1/events/":                    {404, ""},
		"POST /api/v1/./events":                   {404, ""},
		"POST /api/v1/customers/../events":        {400, ""}, // an identifier of dots
		"POST /api/v1/customers/5":                {405, "PUT, DELETE"},
		"GET /api/v1/customers/5/events":          {405, "POST"},
		"POST /api/v1/customers/5/devices":        {405, "PUT"},
		"PUT /api/v1/customers/5/devices/d":       {405, "DELETE"},
		"POST /api/v1/accounts/region":            {405, "GET"},
		"GET /unsubscribe/d":                      {405, "POST"},
		"PATCH /api/v1/segments/7/add_customers":  {405, "POST"},
		"DELETE /api/v1/segments/7/add_customers": {405, "POST"},
	} {
		method, target, _ := strings.Cut(line, " ")
		r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader("{}"))
		r.SetBasicAuth("site", "key")
		rec := httptest.NewRecorder()
		w.door.ServeHTTP(rec, r)
		if rec.Code != want.status || rec.Header().Get("Allow") != want.allow || !json.Valid(rec.Body.Bytes()) || rec.Header().Get("Location") != "" {
			t.Errorf("%s: want %d Allow %q, have %d Allow %q, %s", line, want.status, want.allow, rec.Code, rec.Header().Get("Allow"), rec.Body)
		}
	}
	if n := len(w.log.from(0)); n > 0 {
		t.Errorf("want no record, have %d", n)
	}
}
