package gateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/sink/simulator"
)

// object is a JSON object as encoding/json reads it, which is another reader
// than the one under test; numbers keep their digits.
type object = map[string]any

func parsed(t testing.TB, raw []byte) object {
	t.Helper()
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		raw = []byte("null")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out object
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return out
}

// without is o but for some names.
func without(o object, names ...string) object {
	out := object{}
	maps.Copy(out, o)
	for _, name := range names {
		delete(out, name)
	}
	return out
}

// timeOf is a v1 timestamp as the entity must say it; nil when it says none.
func timeOf(v any) any {
	text, number := "", false
	switch v := v.(type) {
	case json.Number:
		text, number = v.String(), true
	case string:
		text = v
	}
	seconds, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || seconds > 9_999_999_999:
		return nil
	case number:
		return json.Number(text)
	default:
		return json.Number(strconv.FormatInt(int64(seconds), 10))
	}
}

// put sets a member unless there is nothing to set.
func put(o object, name string, value any) {
	if value != nil && value != "" {
		o[name] = value
	}
}

// whoIs is the identifiers of a path.
func whoIs(arg string) object {
	if cio, found := strings.CutPrefix(arg, "cio_"); found {
		return object{"cio_id": cio}
	}
	if strings.Contains(arg, "@") {
		return object{"email": arg}
	}
	return object{"id": arg}
}

// meant is what a call of v1 means, as a v2 entity or as arguments; relations
// that it takes away are left to the caller.
func meant(name string, args []string, body object) object {
	entity := object{"type": "person", "action": name}
	if len(args) > 0 {
		entity["identifiers"] = whoIs(args[0])
	}
	switch name {
	case "identify":
		entity["attributes"] = without(body, "_timestamp", "cio_relationships")
		put(entity, "timestamp", timeOf(body["_timestamp"]))
		if links, _ := body["cio_relationships"].(object); links["action"] == "add_relationships" {
			entity["cio_relationships"] = links["relationships"]
		}
	case "track", "track_anonymous":
		entity["action"] = "event"
		if body["type"] == "page" || body["type"] == "screen" {
			entity["action"] = body["type"]
		}
		if name == "track_anonymous" && (body["anonymous_id"] == nil || body["anonymous_id"] == "") {
			body = without(body, "anonymous_id")
			if body["id"] == nil || body["id"] == "" {
				delete(body, "id")
			}
			return meantArguments("invite", args, body)
		}
		if name == "track_anonymous" {
			entity["identifiers"] = object{"anonymous_id": body["anonymous_id"]}
		}
		put(entity, "name", body["name"])
		put(entity, "id", body["id"])
		put(entity, "timestamp", timeOf(body["timestamp"]))
		put(entity, "attributes", body["data"])
	case "add_device":
		device, _ := body["device"].(object)
		device = without(device, "last_used", "token", "id")
		if device["attributes"] == nil {
			delete(device, "attributes")
		}
		sent, _ := body["device"].(object)
		device["token"] = sent["id"]
		put(device, "last_used", timeOf(sent["last_used"]))
		entity["device"] = device
	case "delete_device":
		entity["device"] = object{"token": args[1]}
	case "merge":
		delete(entity, "identifiers")
		for _, side := range []string{"primary", "secondary"} {
			who, _ := body[side].(object)
			left := object{}
			for kind, value := range who {
				put(left, kind, value)
			}
			entity[side] = left
		}
	case "delete", "suppress", "unsuppress":
	default:
		return meantArguments(name, args, body)
	}
	return entity
}

func meantArguments(name string, args []string, body object) object {
	if body == nil {
		body = object{}
	}
	switch name {
	case "form":
		return object{"form_id": args[0], "body": body}
	case "segment_add", "segment_remove":
		return object{"segment_id": args[0], "body": body}
	case "unsubscribe":
		return object{"delivery_id": args[0], "body": body}
	default:
		at := timeOf(body["timestamp"])
		body = without(body, "timestamp")
		if body["timestamp"] = at; at == nil {
			body["timestamp"] = json.Number(strconv.FormatInt(doorTime().Unix(), 10))
		}
		return object{"body": body}
	}
}

// checkMeaning decodes one call and, when it is taken, wants its records to say
// what it meant, and the API to take what they say.
func checkMeaning(t *testing.T, e *endpoint, args []string, body string) bool {
	t.Helper()
	items, refused := e.decode(&call{args: args, contentType: "application/json", body: []byte(body), now: doorTime()})
	if e.name == "region" || refused.status != 0 {
		if len(items) > 0 || !json.Valid(refused.body) || refused.status != http.StatusBadRequest {
			t.Fatalf("%s %q %s: %d items and %d %s", e.name, args, body, len(items), refused.status, refused.body)
		}
		return false
	}
	if len(items) == 0 {
		t.Fatalf("%s %q %s: neither taken nor refused", e.name, args, body)
	}
	sent := object(nil)
	switch e.name {
	case "delete", "suppress", "unsuppress", "delete_device": // their bodies are not looked at
	default:
		sent = parsed(t, []byte(body))
	}
	if want, have := meant(e.name, args, sent), parsed(t, items[0].value); !reflect.DeepEqual(want, have) {
		t.Errorf("%s %q %s:\nwant %v\nhave %v", e.name, args, body, want, have)
	}
	if e.name == "identify" {
		checkRemovals(t, args, sent, items[1:])
	} else if len(items) != 1 {
		t.Errorf("%s %q %s: want one item, have %d", e.name, args, body, len(items))
	}
	for _, i := range items {
		ev := prepared(t, i)
		said := parsed(t, i.value)
		if ev.Op == event.OpInvite {
			said = parsed(t, ev.Field(event.FieldBody))
		}
		_, hasID := said["id"]
		if events := ev.Op == event.OpInvite || ev.Op == event.OpEvent || ev.Op == event.OpPage || ev.Op == event.OpScreen; i.named != (events && !hasID) {
			t.Errorf("%s: named is %v", i.value, i.named)
		}
		if i.op == event.OpNone && ev.Size <= v1MaxEntityBytes {
			takenByAPI(t, ev.AppendEntity(nil))
		}
	}
	return true
}

// checkRemovals wants the items after the first to take away what v1 asked to
// be taken away.
func checkRemovals(t *testing.T, args []string, sent object, items []item) {
	t.Helper()
	var want, have []any
	if links, _ := sent["cio_relationships"].(object); links["action"] == "delete_relationships" {
		list, _ := links["relationships"].([]any)
		for _, link := range list {
			want = append(want, object{"identifiers": link.(object)["identifiers"]})
		}
	}
	for _, i := range items {
		entity := parsed(t, i.value)
		list, _ := entity["cio_relationships"].([]any)
		have = append(have, list...)
		if !reflect.DeepEqual(without(entity, "cio_relationships"), object{"type": "person", "action": "delete_relationships", "identifiers": whoIs(args[0])}) {
			t.Errorf("have %s", i.value)
		}
	}
	if !reflect.DeepEqual(want, have) {
		t.Errorf("taken away: want %v, have %v", want, have)
	}
}

func takenByAPI(t testing.TB, entity []byte) {
	t.Helper()
	sim, err := simulator.New(simulator.DefaultConfig(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v2/entity", bytes.NewReader(entity))
	r.SetBasicAuth("site", "key")
	rec := httptest.NewRecorder()
	if sim.ServeHTTP(rec, r); rec.Code != http.StatusOK {
		t.Errorf("%s: the API answers %d %s", entity, rec.Code, rec.Body)
	}
}

// v1All is every endpoint, once.
func v1All() []*endpoint {
	var all []*endpoint
	for place := v1Customer; place <= v1Region; place++ {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
			if e := place.endpoint(method); e != nil {
				all = append(all, e)
			}
		}
	}
	return all
}

// FuzzV1Decode: no body makes a decoder panic, what is taken means what was
// meant, and the API takes it.
func FuzzV1Decode(f *testing.F) {
	for i := range v1All() {
		for _, body := range []string{
			``, `null`, `{}`, `{"a":1.10,"_timestamp":"1613063089","b":[{}],"cio_relationships":{"action":"add_relationships","relationships":[{"identifiers":{"cio_object_id":"o"}}]}}`,
			` {"_timestamp" : 1e9 , "cio_relationships":{"action":"delete_relationships","relationships":[{"identifiers":{"object_type_id":1,"object_id":"\u0061"}}]}, "x":"y" } `,
			`{"name":"x","type":"page","id":"i","timestamp":1613063089.5,"data":{"k":"\ud83d\ude00"},"anonymous_id":"a"}`,
			`{"device":{"id":"d","token":"t","platform":"ios","last_used":"","attributes":null,"n":0.0}}`,
			`{"primary":{"id":5,"email":null},"secondary":{"email":"a@b"}}`,
			`{"data":{"email":"a@b","x":""},"ids":["1"],"delivery_id":"d","metric":"opened","event":"opened","timestamp":null}`,
		} {
			f.Add(uint8(i), "5", "d/1", body)
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, first, second, body string) {
		all := v1All()
		checkMeaning(t, all[int(n)%len(all)], []string{first, second}, body)
	})
}

// Whatever stands in a body that is taken, in whatever order and however it is
// written, the entity says it.
func TestV1Meaning(t *testing.T) {
	t.Parallel()
	w := jsonWriter{rand.New(rand.NewPCG(1, 2))}
	taken := map[string]int{}
	for range 150 {
		for _, e := range v1All() {
			args := []string{w.pick("5", "a@B.io", "cio_a3", "a b/c+d", "ü"), w.pick("d/1", "x")}
			if checkMeaning(t, e, args, w.body()) {
				taken[e.name]++
			}
		}
	}
	for _, e := range v1All() {
		if taken[e.name] < 10 && e.name != "region" {
			t.Errorf("%s: only %d of 150 bodies were taken", e.name, taken[e.name])
		}
	}
}
