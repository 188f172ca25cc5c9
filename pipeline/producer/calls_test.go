package producer_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// panics is an application's type with a bug.
type panics struct {
	next *panics
	text string
}

func (p *panics) MarshalJSON() ([]byte, error) { return []byte(p.next.text), nil }

// saying is one call of the library and what it must come to: the key and the
// value of its record, or a part of its error.
type saying struct {
	name       string
	say        func(ctx context.Context, p *producer.Producer) error
	key, value string
	refused    string
}

func (s saying) check(t *testing.T, change func(*producer.Config)) {
	t.Helper()
	a := &fake{}
	p := library(t, a, change)
	err := s.say(t.Context(), p)
	if s.refused != "" {
		if !errors.Is(err, producer.ErrInvalid) || !strings.Contains(err.Error(), s.refused) {
			t.Errorf("have %v, want an invalid call and %q in it", err, s.refused)
		}
		if len(a.records) > 0 || p.Counts() != (producer.Counts{Refused: 1}) {
			t.Errorf("have %d records and %+v, want none", len(a.records), p.Counts())
		}
		return
	}
	if err != nil || len(a.records) != 1 {
		t.Fatalf("have %d records and %v, want one", len(a.records), err)
	}
	if r := a.records[0]; string(r.Key) != s.key || string(r.Value) != s.value || r.Partition != -1 {
		t.Errorf("\nhave %s: %s\nwant %s: %s", r.Key, r.Value, s.key, s.value)
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	at := producer.At(time.Unix(1613063089, 999))
	acme := producer.ObjectID("1", "acme")
	type ctx = context.Context
	type lib = *producer.Producer
	for _, s := range []saying{
		{name: "identify", say: func(c ctx, p lib) error {
			return p.Identify(c, producer.ID("42"), struct{ Plan string }{"pro"}, at)
		}, key: "42", value: `{"type":"person","action":"identify","identifiers":{"id":"42"},"timestamp":1613063089,"attributes":{"Plan":"pro"}}`},
		{name: "identify by email", say: func(c ctx, p lib) error {
			return p.Identify(c, producer.Email("Ada@Example.com"), nil)
		}, key: "ada@example.com", value: `{"type":"person","action":"identify","identifiers":{"email":"Ada@Example.com"}}`},
		{name: "identify by phone", say: func(c ctx, p lib) error {
			return p.Identify(c, producer.Phone("+31201234567"), map[string]any(nil))
		}, key: "+31201234567", value: `{"type":"person","action":"identify","identifiers":{"phone":"+31201234567"}}`},
		{name: "identify by cio_id", say: func(c ctx, p lib) error {
			return p.Identify(c, producer.CioID("a3000001"), json.RawMessage(` {"n": 1.0} `))
		}, key: "cio_a3000001", value: `{"type":"person","action":"identify","identifiers":{"cio_id":"a3000001"},"attributes":{"n": 1.0}}`},
		{name: "identify object", say: func(c ctx, p lib) error {
			return p.Identify(c, acme, map[string]string{"b": "<&>", "a": "é\u2028"})
		}, key: "1:acme", value: `{"type":"object","action":"identify","identifiers":{"object_type_id":"1","object_id":"acme"},"attributes":{"a":"é` + "\u2028" + `","b":"<&>"}}`},
		{name: "identify object by cio_object_id", say: func(c ctx, p lib) error {
			return p.Identify(c, producer.CioObjectID("ob1"), nil)
		}, key: "cio_object:ob1", value: `{"type":"object","action":"identify","identifiers":{"cio_object_id":"ob1"}}`},
		{name: "track", say: func(c ctx, p lib) error {
			return p.Track(c, producer.ID(`a"b`), "buy", map[string]any{"v": 1}, producer.EventID("i"), at)
		}, key: `a"b`, value: `{"type":"person","action":"event","identifiers":{"id":"a\"b"},"name":"buy","id":"i","timestamp":1613063089,"attributes":{"v":1}}`},
		{name: "track anonymous", say: func(c ctx, p lib) error {
			return p.Track(c, producer.Anonymous("q"), "buy", nil)
		}, key: "q", value: `{"type":"person","action":"event","identifiers":{"anonymous_id":"q"},"name":"buy"}`},
		{name: "page", say: func(c ctx, p lib) error {
			return p.Page(c, producer.ID("42"), "/", []byte(`{"ref":"x"}`))
		}, key: "42", value: `{"type":"person","action":"page","identifiers":{"id":"42"},"name":"/","attributes":{"ref":"x"}}`},
		{name: "screen", say: func(c ctx, p lib) error {
			return p.Screen(c, producer.ID("42"), "home", nil)
		}, key: "42", value: `{"type":"person","action":"screen","identifiers":{"id":"42"},"name":"home"}`},
		{name: "add device", say: func(c ctx, p lib) error {
			return p.AddDevice(c, producer.ID("42"), producer.Device{Token: "t", Platform: "ios", LastUsed: time.Unix(7, 0), Attributes: map[string]string{"app_version": "2"}})
		}, key: "42", value: `{"type":"person","action":"add_device","identifiers":{"id":"42"},"device":{"token":"t","platform":"ios","last_used":7,"attributes":{"app_version":"2"}}}`},
		{name: "delete device", say: func(c ctx, p lib) error {
			return p.DeleteDevice(c, producer.ID("42"), "t")
		}, key: "42", value: `{"type":"person","action":"delete_device","identifiers":{"id":"42"},"device":{"token":"t"}}`},
		{name: "delete", say: func(c ctx, p lib) error {
			return p.Delete(c, producer.ID("42"))
		}, key: "42", value: `{"type":"person","action":"delete","identifiers":{"id":"42"}}`},
		{name: "delete object", say: func(c ctx, p lib) error {
			return p.Delete(c, acme)
		}, key: "1:acme", value: `{"type":"object","action":"delete","identifiers":{"object_type_id":"1","object_id":"acme"}}`},
		{name: "suppress", say: func(c ctx, p lib) error {
			return p.Suppress(c, producer.ID("42"))
		}, key: "42", value: `{"type":"person","action":"suppress","identifiers":{"id":"42"}}`},
		{name: "unsuppress", say: func(c ctx, p lib) error {
			return p.Unsuppress(c, producer.ID("42"))
		}, key: "42", value: `{"type":"person","action":"unsuppress","identifiers":{"id":"42"}}`},
		{name: "merge", say: func(c ctx, p lib) error {
			return p.Merge(c, producer.Email("A@b.c"), producer.CioID("x"))
		}, key: "a@b.c", value: `{"type":"person","action":"merge","primary":{"email":"A@b.c"},"secondary":{"cio_id":"x"}}`},
		{name: "relate a person", say: func(c ctx, p lib) error {
			return p.AddRelationships(c, producer.ID("42"), []producer.Relationship{{With: acme, Attributes: map[string]int{"since": 7}}, {With: producer.CioObjectID("o")}})
		}, key: "42", value: `{"type":"person","action":"add_relationships","identifiers":{"id":"42"},"cio_relationships":[{"identifiers":{"object_type_id":"1","object_id":"acme"},"relationship_attributes":{"since":7}},{"identifiers":{"cio_object_id":"o"}}]}`},
		{name: "unrelate an object", say: func(c ctx, p lib) error {
			return p.DeleteRelationships(c, acme, []producer.Relationship{{With: producer.ID("42")}, {With: producer.Email("a@b.c")}})
		}, key: "1:acme", value: `{"type":"object","action":"delete_relationships","identifiers":{"object_type_id":"1","object_id":"acme"},"cio_relationships":[{"identifiers":{"id":"42"}},{"identifiers":{"email":"a@b.c"}}]}`},
		{name: "entity from a map", say: func(c ctx, p lib) error {
			return p.Entity(c, map[string]any{"type": "delivery", "action": "event", "identifiers": map[string]any{"id": "d"}, "name": "opened", "attributes": map[string]any{"device_token": "t"}})
		}, key: "d", value: `{"action":"event","attributes":{"device_token":"t"},"identifiers":{"id":"d"},"name":"opened","type":"delivery"}`},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.check(t, nil)
		})
	}
}

// What the API would not take, or could not mean, is told at the call. Each
// text of an error is looked for; the next test looks for values in them.
func TestCallsThatAreRefused(t *testing.T) {
	t.Parallel()
	who, acme := producer.ID("42"), producer.ObjectID("1", "acme")
	at, eventID := producer.At(time.Unix(7, 0)), producer.EventID("i")
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	type ctx = context.Context
	type lib = *producer.Producer
	for _, s := range []saying{
		{name: "nobody", say: func(c ctx, p lib) error { return p.Delete(c, producer.Identity{}) }, refused: "names nobody"},
		{name: "empty id", say: func(c ctx, p lib) error { return p.Delete(c, producer.ID("")) }, refused: "id: must not be empty"},
		{name: "half an object", say: func(c ctx, p lib) error { return p.Delete(c, producer.ObjectID("", "acme")) }, refused: "object_type_id: must not be empty"},
		{name: "no address", say: func(c ctx, p lib) error { return p.Delete(c, producer.Email("ada")) }, refused: "email: must be an address"},
		{name: "no number", say: func(c ctx, p lib) error { return p.Delete(c, producer.Phone("020 1234567")) }, refused: "phone: must be a number"},
		{name: "no UTF-8", say: func(c ctx, p lib) error { return p.Delete(c, producer.ID("\xff")) }, refused: "id: must be well-formed UTF-8"},
		{name: "delete anonymous", say: func(c ctx, p lib) error { return p.Delete(c, producer.Anonymous("q")) }, refused: "identifiers must be exactly"},
		{name: "merge a phone", say: func(c ctx, p lib) error { return p.Merge(c, who, producer.Phone("+31201234567")) }, refused: "secondary must be exactly"},
		{name: "merge with nobody", say: func(c ctx, p lib) error { return p.Merge(c, who, producer.Identity{}) }, refused: "secondary: names nobody"},
		{name: "merge objects", say: func(c ctx, p lib) error { return p.Merge(c, acme, acme) }, refused: "must be a person"},
		{name: "object tracks", say: func(c ctx, p lib) error { return p.Track(c, acme, "x", nil) }, refused: "must be a person"},
		{name: "no name", say: func(c ctx, p lib) error { return p.Screen(c, who, "", nil) }, refused: "name: must not be empty"},
		{name: "name no UTF-8", say: func(c ctx, p lib) error { return p.Page(c, who, "\xff", nil) }, refused: "name: must be well-formed UTF-8"},
		{name: "data no object", say: func(c ctx, p lib) error { return p.Track(c, who, "x", 5) }, refused: "attributes: must be a JSON object"},
		{name: "data no JSON", say: func(c ctx, p lib) error { return p.Track(c, who, "x", func() {}) }, refused: "marshal func()"},
		{name: "data two values", say: func(c ctx, p lib) error { return p.Track(c, who, "x", []byte(`{},"extra":{}`)) }, refused: "attributes: must be a JSON object"},
		{name: "data cyclic", say: func(c ctx, p lib) error { return p.Track(c, who, "x", cyclic) }, refused: "marshal map[string]interface {}"},
		{name: "data panics", say: func(c ctx, p lib) error { return p.Track(c, who, "x", map[string]any{"v": &panics{}}) }, refused: "panicked"},
		{name: "data no UTF-8", say: func(c ctx, p lib) error { return p.Track(c, who, "x", map[string]string{"a": "\xff"}) }, refused: "UTF-8"},
		{name: "data too deep", say: func(c ctx, p lib) error {
			return p.Track(c, who, "x", []byte(`{"a":`+strings.Repeat("[", 63)+strings.Repeat("]", 63)+`}`))
		}, refused: "nested more than 64 deep"},
		{name: "time among attributes", say: func(c ctx, p lib) error { return p.Identify(c, who, map[string]any{"_timestamp": 7}) }, refused: "attributes: _timestamp has no place"},
		{name: "links among attributes", say: func(c ctx, p lib) error { return p.Identify(c, acme, map[string]any{"cio_relationships": nil}) }, refused: "attributes: cio_relationships has no place"},
		{name: "identify takes no event id", say: func(c ctx, p lib) error { return p.Identify(c, who, nil, eventID) }, refused: "takes no event id"},
		{name: "object takes no time", say: func(c ctx, p lib) error { return p.Identify(c, acme, nil, at) }, refused: "takes no time"},
		{name: "delete takes no time", say: func(c ctx, p lib) error { return p.Delete(c, who, at) }, refused: "takes no time"},
		{name: "entity takes no time", say: func(c ctx, p lib) error { return p.Entity(c, []byte(`{}`), at) }, refused: "takes no time"},
		{name: "empty event id", say: func(c ctx, p lib) error { return p.Track(c, who, "x", nil, producer.EventID("")) }, refused: "event id: must not be empty"},
		{name: "ancient", say: func(c ctx, p lib) error { return p.Track(c, who, "x", nil, producer.At(time.Time{})) }, refused: "time: must be between"},
		{name: "milliseconds", say: func(c ctx, p lib) error { return p.Track(c, who, "x", nil, producer.At(time.Unix(1613063089000, 0))) }, refused: "time: must be between"},
		{name: "our own header", say: func(c ctx, p lib) error { return p.Delete(c, who, producer.Header("sluice-reason", "x")) }, refused: "header: must not"},
		{name: "an operation", say: func(c ctx, p lib) error { return p.Delete(c, who, producer.Header("op", "metrics")) }, refused: "header: must not"},
		{name: "unfit header", say: func(c ctx, p lib) error { return p.Delete(c, who, producer.Header("deliver_at", "soon")) }, refused: "header deliver_at must be"},
		{name: "no token", say: func(c ctx, p lib) error { return p.DeleteDevice(c, who, "") }, refused: "device token: must not be empty"},
		{name: "no platform", say: func(c ctx, p lib) error { return p.AddDevice(c, who, producer.Device{Token: "t"}) }, refused: "platform: must be ios or android"},
		{name: "ancient device", say: func(c ctx, p lib) error {
			return p.AddDevice(c, who, producer.Device{Token: "t", Platform: "ios", LastUsed: time.Unix(-1, 0)})
		}, refused: "device time: must be between"},
		{name: "device attributes", say: func(c ctx, p lib) error {
			return p.AddDevice(c, who, producer.Device{Token: "t", Platform: "ios", Attributes: "x"})
		}, refused: "device attributes: must be a JSON object"},
		{name: "no relationships", say: func(c ctx, p lib) error { return p.AddRelationships(c, who, nil) }, refused: "relationships: must not be empty"},
		{name: "people related", say: func(c ctx, p lib) error {
			return p.AddRelationships(c, who, []producer.Relationship{{With: who}})
		}, refused: "cio_relationships[0].identifiers must be exactly"},
		{name: "related by phone", say: func(c ctx, p lib) error {
			return p.AddRelationships(c, acme, []producer.Relationship{{With: who}, {With: producer.Phone("+31201234567")}})
		}, refused: "cio_relationships[1].identifiers must be exactly"},
		{name: "anonymous related", say: func(c ctx, p lib) error {
			return p.AddRelationships(c, acme, []producer.Relationship{{With: producer.Anonymous("q")}})
		}, refused: "identify_anonymous"},
		{name: "related with nobody", say: func(c ctx, p lib) error {
			return p.DeleteRelationships(c, acme, []producer.Relationship{{}})
		}, refused: "relationships[0]: names nobody"},
		{name: "deleted with attributes", say: func(c ctx, p lib) error {
			return p.DeleteRelationships(c, who, []producer.Relationship{{With: acme, Attributes: map[string]int{"a": 1}}})
		}, refused: "a deletion has no attributes"},
		{name: "no entity", say: func(c ctx, p lib) error { return p.Entity(c, []byte(`{"user":"42"}`)) }, refused: "type is required"},
		{name: "empty entity", say: func(c ctx, p lib) error { return p.Entity(c, nil) }, refused: "not an object"},
		{name: "entity without JSON", say: func(c ctx, p lib) error { return p.Entity(c, []byte(nil)) }, refused: "ends too early"},
		{name: "entity by no address", say: func(c ctx, p lib) error {
			return p.Entity(c, []byte(`{"type":"person","action":"delete","identifiers":{"email":"ada"}}`))
		}, refused: "identifiers: email: must be an address"},
		{name: "entity with attributes of links", say: func(c ctx, p lib) error {
			return p.Entity(c, []byte(`{"type":"person","action":"add_relationships","identifiers":{"id":"1"},"cio_relationships":[{"identifiers":{"cio_object_id":"o"},"relationship_attributes":[]}]}`))
		}, refused: "relationships[0]: attributes: must be a JSON object"},
		{name: "entity with links to nothing", say: func(c ctx, p lib) error {
			return p.Entity(c, []byte(`{"type":"person","action":"identify","identifiers":{"id":"1"},"cio_relationships":[{}]}`))
		}, refused: "relationships[0]: identifiers: must be a JSON object"},
		{name: "entity with a long link", say: func(c ctx, p lib) error {
			return p.Entity(c, []byte(`{"type":"person","action":"identify","identifiers":{"id":"1"},"cio_relationships":[{"identifiers":{"cio_object_id":"`+strings.Repeat("x", 151)+`"}}]}`))
		}, refused: "relationships[0]: identifiers: cio_object_id: may have 150"},
		{name: "object among entities", say: func(c ctx, p lib) error { return p.Send(c, "42", map[string]any{}) }, refused: "the stream takes entities"},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.check(t, nil)
		})
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	type ctx = context.Context
	type lib = *producer.Producer
	for _, s := range []saying{
		{name: "any object", say: func(c ctx, p lib) error { return p.Send(c, "42", map[string]any{"id": 7}) }, key: "42", value: `{"id":7}`},
		{name: "as it is", say: func(c ctx, p lib) error { return p.Send(c, "42", json.RawMessage(" {\"a\": 1}\n")) }, key: "42", value: `{"a": 1}`},
		{name: "an entity", say: func(c ctx, p lib) error { return p.Delete(c, producer.ID("42")) }, key: "42", value: `{"type":"person","action":"delete","identifiers":{"id":"42"}}`},
		{name: "no user", say: func(c ctx, p lib) error { return p.Send(c, "", map[string]any{}) }, refused: "user: must not be empty"},
		{name: "no object", say: func(c ctx, p lib) error { return p.Send(c, "42", "text") }, refused: "not an object"},
		{name: "a name twice", say: func(c ctx, p lib) error { return p.Send(c, "42", []byte(`{"a":1,"a":2}`)) }, refused: "a name stands twice"},
		{name: "no time", say: func(c ctx, p lib) error { return p.Send(c, "42", nil, producer.At(time.Unix(7, 0))) }, refused: "takes no time"},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.check(t, func(c *producer.Config) { c.Form = producer.Object })
		})
	}
}

// Headers go with the record, and an object's id is one of them, for its body
// is the application's own.
func TestHeaders(t *testing.T) {
	t.Parallel()
	a := &fake{}
	p := library(t, a, func(c *producer.Config) { c.Form = producer.Object })
	class := producer.Header(event.HeaderClass, "bulk")
	if err := p.Track(t.Context(), producer.ID("42"), "x", nil, class, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), "42", map[string]any{}, class, producer.EventID("01ARZ3NDEKTSV4RRFFQ69G5FAV")); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"class=bulk ", "class=bulk id=01ARZ3NDEKTSV4RRFFQ69G5FAV "} {
		have := ""
		for _, h := range a.records[i].Headers {
			have += h.Key + "=" + string(h.Value) + " "
		}
		if have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
	if err := p.Track(nil, producer.ID("42"), "x", nil); !errors.Is(err, producer.ErrInvalid) { //nolint:staticcheck // a context that is nil must not panic
		t.Errorf("no context: have %v, want an invalid call", err)
	}
}

// What an application told stays what it was, whatever happens to its own data
// after the call.
func TestCallsCopy(t *testing.T) {
	t.Parallel()
	a := &fake{}
	p := library(t, a, nil).Async(nil)
	entity := []byte(`{"type":"person","action":"delete","identifiers":{"id":"42"}}`)
	traits := map[string]any{"plan": "pro"}
	if err := errors.Join(p.Entity(t.Context(), entity), p.Identify(t.Context(), producer.ID("42"), traits)); err != nil {
		t.Fatal(err)
	}
	clear(entity)
	traits["plan"] = "free"
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "values", a.values("42"), []string{
		`{"type":"person","action":"delete","identifiers":{"id":"42"}}`,
		`{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"plan":"pro"}}`,
	})
}
