package event_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/event"
)

// recordMillis is when the records of these tests were written.
const recordMillis = 1700000000123

// derived is the ID of a record at events/7/4711 in cluster "cluster", worked
// out by another program from the rule that derivedID states.
const derived = "01HF7YAT3VGJSH5ZGNSCX25SCJ"

// record is a live record of user 42.
func record(value string, headers ...event.Header) event.Record {
	return event.Record{
		Topic: "events", Partition: 7, Offset: 4711, Key: []byte("42"), Value: []byte(value),
		Headers: headers, Time: time.UnixMilli(recordMillis),
	}
}

func header(key, value string) event.Header { return event.Header{Key: key, Value: []byte(value)} }

// entity loads and prepares a record as an entity.
func entity(r event.Record) *event.Event {
	e := new(event.Event)
	e.Load(r, "cluster")
	e.PrepareEntity()
	return e
}

func reason(f *event.Fault) string {
	if f == nil {
		return ""
	}
	return f.Reason
}

func TestLoadOwnsItsBytes(t *testing.T) {
	t.Parallel()
	r := record(`{"a":1}`, header("class", "bulk"), header("x", "y"))
	want := event.DeadLetter(loaded(r), event.Death{Topic: "dead"})

	e := loaded(r)
	for _, b := range [][]byte{r.Key, r.Value, r.Headers[0].Value, r.Headers[1].Value} {
		for i := range b {
			b[i] = '#'
		}
	}
	have := event.DeadLetter(e, event.Death{Topic: "dead"})
	if string(have.Key) != "42" || string(have.Value) != `{"a":1}` || e.Class != "bulk" {
		t.Errorf("the event changed with its record: key %q value %q class %q", have.Key, have.Value, e.Class)
	}
	for i, h := range want.Headers[2:] {
		if string(have.Headers[i+2].Value) != string(h.Value) {
			t.Errorf("header %s: want %q, have %q", h.Key, h.Value, have.Headers[i+2].Value)
		}
	}
	if string(have.Headers[1].Value) != "y" {
		t.Errorf("header x: want y, have %q", have.Headers[1].Value)
	}
}

func loaded(r event.Record) *event.Event {
	e := new(event.Event)
	e.Load(r, "cluster")
	return e
}

func TestLoadTellsNullFromEmpty(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		key, value         []byte
		wantNil, wantNoVal bool
		wantReason         string
	}{
		"both there":       {key: []byte("k"), value: []byte("{}")},
		"null key":         {value: []byte("{}"), wantNil: true},
		"empty key":        {key: []byte{}, value: []byte("{}"), wantReason: event.ReasonEmptyKey},
		"tombstone":        {key: []byte("k"), wantNoVal: true, wantReason: event.ReasonTombstone},
		"empty value":      {key: []byte("k"), value: []byte{}},
		"neither":          {wantNil: true, wantNoVal: true, wantReason: event.ReasonTombstone},
		"empty, tombstone": {key: []byte{}, wantNoVal: true, wantReason: event.ReasonEmptyKey},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := loaded(event.Record{Key: test.key, Value: test.value})
			if have := e.Key == nil; have != test.wantNil {
				t.Errorf("key is nil: want %v, have %v", test.wantNil, have)
			}
			if have := e.Value == nil; have != test.wantNoVal {
				t.Errorf("value is nil: want %v, have %v", test.wantNoVal, have)
			}
			if have := reason(e.Fault); have != test.wantReason {
				t.Errorf("reason: want %q, have %q", test.wantReason, have)
			}
		})
	}
}

// A recycled event must not remember anything of the record before: a fault,
// a header or a field left over would be another user's.
func TestLoadForgetsTheRecordBefore(t *testing.T) {
	t.Parallel()
	rich := record(
		`{"type":"person","action":"delete","identifiers":{"email":"a@b.example"},"timestamp":5,"id":"x"}`,
		header("id", "one"), header("class", "bulk"), header("deliver_at", "1700000000"), header("mine", "1"),
		header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
	)
	plain := record(`{"type":"person","action":"event","identifiers":{"id":"42"},"name":"n"}`)
	recycled := new(event.Event)
	for _, r := range []event.Record{rich, record("{"), record("{}", header("op", "nonsense")), {Key: []byte{}}} {
		recycled.Load(r, "other")
		recycled.PrepareEntity()
		recycled.Solo, recycled.Size = true, 99

		recycled.Load(plain, "cluster")
		recycled.PrepareEntity()
		fresh := entity(plain)
		if have, want := string(recycled.AppendEntity(nil)), string(fresh.AppendEntity(nil)); have != want {
			t.Errorf("entity: want %s, have %s", want, have)
		}
		if recycled.Fault != nil || recycled.Solo || recycled.Barrier || recycled.Class != "" ||
			recycled.Traceparent != "" || !recycled.DeliverAt.IsZero() || recycled.ID != fresh.ID {
			t.Errorf("something of the record before is left: %+v", recycled)
		}
		died := event.DeadLetter(recycled, event.Death{})
		if slices.ContainsFunc(died.Headers, func(h event.Header) bool { return h.Key == "mine" }) {
			t.Error("a header of the record before is left")
		}
	}
}

func TestPrepareHeedsAnEarlierFault(t *testing.T) {
	t.Parallel()
	e := loaded(record("{}", header("class", "a b")))
	e.PrepareObject()
	e.PrepareEntity()
	if reason(e.Fault) != event.ReasonBadHeader || e.Op != event.OpNone || len(e.AppendEntity(nil)) != 0 {
		t.Errorf("want %s and nothing to send, have %+v as %s", event.ReasonBadHeader, e.Fault, e.Op)
	}
}

func TestPrepareObject(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ value, wantReason string }{
		"any object":     {" { \"id\" : 7, \"type\":\"ship\" }\n", ""},
		"empty object":   {"{}", ""},
		"array":          {"[{}]", event.ReasonNotObject},
		"number":         {"12", event.ReasonNotObject},
		"null":           {"null", event.ReasonNotObject},
		"twice the name": {`{"a":{"b":1,"b":2}}`, event.ReasonDuplicateKey},
		"nothing":        {"", event.ReasonNotJSON},
		"cut":            {`{"a":`, event.ReasonNotJSON},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := loaded(record(test.value, header("op", "any word")))
			e.PrepareObject()
			if have := reason(e.Fault); have != test.wantReason {
				t.Fatalf("reason: want %q, have %q", test.wantReason, have)
			}
			if test.wantReason != "" {
				return
			}
			if have := string(e.AppendEntity(nil)); have != test.value || e.Size != len(test.value) {
				t.Errorf("want the value as it came, have %q of size %d", have, e.Size)
			}
			if e.Op != event.OpSend || e.ID.String() != derived || e.Field(event.FieldID) != nil {
				t.Errorf("want op send and id %s, have %s and %s", derived, e.Op, e.ID)
			}
		})
	}
}

func TestOpsAndReasonsAreDistinctWords(t *testing.T) {
	t.Parallel()
	words := event.Reasons()
	for _, op := range event.Ops() {
		words = append(words, "op:"+op.String())
	}
	seen := make(map[string]bool)
	for _, word := range words {
		if seen[word] || word == "op:" || word == "op:unknown" || strings.ToLower(word) != word {
			t.Errorf("%q stands twice or is no label", word)
		}
		seen[word] = true
	}
	if have := event.Op(200).String(); have != "unknown" {
		t.Errorf("an operation beyond the list: want unknown, have %s", have)
	}
}
