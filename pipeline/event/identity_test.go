package event_test

import (
	"testing"
	"time"

	"sluice/pipeline/event"
)

// The derivation may never change: a redelivery after an upgrade must get the
// ID it had before, or the destination takes it for another event.
func TestDerivedIDIsStable(t *testing.T) {
	t.Parallel()
	if have := loaded(record("{}")).EventID().String(); have != derived {
		t.Errorf("want %s, have %s", derived, have)
	}
	old := record("{}")
	old.Time = time.UnixMilli(-1) // how Kafka's "no timestamp" arrives
	if have := loaded(old).EventID().String(); have != "0000000000GJSH5ZGNSCX25SCJ" {
		t.Errorf("a record without a time: have %s", have)
	}
}

func TestDerivedIDTellsRecordsApart(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	add := func(what string, r event.Record, cluster string) {
		var e event.Event
		e.Load(r, cluster)
		id := e.EventID().String()
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s share id %s", what, other, id)
		}
		seen[id] = what
	}
	add("base", record("{}"), "cluster")
	add("cluster", record("{}"), "cluste")
	for what, change := range map[string]func(*event.Record){
		"offset":    func(r *event.Record) { r.Offset++ },
		"partition": func(r *event.Record) { r.Partition++ },
		"topic":     func(r *event.Record) { r.Topic = "event" },
		"time":      func(r *event.Record) { r.Time = r.Time.Add(time.Millisecond) },
	} {
		r := record("{}")
		change(&r)
		add(what, r, "cluster")
	}
	shifted := record("{}")
	shifted.Topic = "revents"
	add("a letter moved from cluster to topic", shifted, "cluste")
}

// An id that is no ULID must tell users and event names apart, since producers
// number orders, not events.
func TestHashedIDHeedsKeyAndName(t *testing.T) {
	t.Parallel()
	id := func(key, name, body string) string {
		r := record(`{"type":"person","action":"event","identifiers":{"id":"42"},"name":"` + name + `","id":` + body + `}`)
		r.Key = []byte(key)
		return entity(r).ID.String()
	}
	base := id("42", "purchase", `"order-1"`)
	if base != hashed1 || id("42", "purch\\u0061se", `"order-1"`) != base {
		t.Errorf("want %s, have %s", hashed1, base)
	}
	for _, other := range []string{
		id("43", "purchase", `"order-1"`), id("42", "refund", `"order-1"`), id("42", "purchase", `"order-2"`),
		id("42", "purchaseo", `"rder-1"`), id("42", "purchase", `"order-1 "`),
	} {
		if other == base {
			t.Errorf("another event has id %s too", base)
		}
	}
}

func TestHeaderID(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key     []byte
		headers []event.Header
		want    string
	}{
		"ULID":             {[]byte("42"), []event.Header{header("id", ulidA)}, ulidA},
		"lower case":       {[]byte("42"), []event.Header{header("id", "01arz3ndektsv4rrffq69g5fav")}, ulidA},
		"last counts":      {[]byte("42"), []event.Header{header("id", ulidB), header("id", ulidA)}, ulidA},
		"empty is absent":  {[]byte("42"), []event.Header{header("id", "")}, derived},
		"ours is not ours": {[]byte("42"), []event.Header{header("sluice-id", ulidA), header("sluice-source", "a/1/2")}, derived},
		"hashed":           {[]byte("42"), []event.Header{header("id", "order-1")}, hashedHdr},
		"hashed, no user":  {nil, []event.Header{header("id", "order-1")}, "1ASQBA0DKV9M9H34TN0T7R9F6A"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(`{"id":"`+ulidB+`"}`, test.headers...)
			r.Key = test.key
			e := loaded(r)
			e.PrepareObject()
			if have := e.ID.String(); have != test.want {
				t.Errorf("want %s, have %s", test.want, have)
			}
		})
	}
	for _, unfit := range []string{"8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01ARZ3NDEKTSV4RRFFQ69G5FAU", "01ARZ3NDEKTSV4RRFFQ69G5FA"} {
		e := loaded(record("{}", header("id", unfit)))
		if have := e.EventID().String(); have == unfit || have == derived {
			t.Errorf("%s is no ULID and must be hashed, have %s", unfit, have)
		}
	}
}
