package event_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"sluice/pipeline/event"
)

// spliced are the root fields that may differ between what was produced and
// what goes out.
func spliced(name string) bool { return name == "id" || name == "timestamp" }

// FuzzEntity holds the decode to what splicing relies on: what has no fault is
// one JSON object to any parser, goes out with Size bytes as one again, and
// keeps every other root field byte for byte.
func FuzzEntity(f *testing.F) {
	for _, g := range goldens() {
		f.Add([]byte(g.value), g.header)
	}
	for _, seed := range []string{purchase, "", "{}", "[", nested(65), "{\"a\":\"\xff\"}", ` {"type":"person","action":"event","identifiers":{"id":"1"},"name":"n","id":null,"timestamp":"7"} `} {
		f.Add([]byte(seed), "")
	}
	f.Fuzz(func(t *testing.T, value []byte, op string) {
		r := record("", header("op", op))
		r.Value = value
		if value == nil {
			r.Value = []byte{}
		}
		e := entity(r)
		if e.Fault != nil {
			if e.Fault.Detail == "" || len(e.AppendEntity(nil)) != 0 {
				t.Fatalf("fault %+v sends %s", *e.Fault, e.AppendEntity(nil))
			}
			return
		}
		out := e.AppendEntity([]byte("lead"))
		if len(out) != e.Size+len("lead") || string(out[:4]) != "lead" {
			t.Fatalf("size %d, appended %d", e.Size, len(out)-len("lead"))
		}
		out = out[len("lead"):]
		in := fields(t, value)
		for field := event.FieldType; field.String() != ""; field++ {
			if have, want := e.Field(field), in[field.String()]; string(have) != string(want) {
				t.Fatalf("field %s: want %s, have %s", field, want, have)
			}
		}
		if op != "" {
			if string(out) != string(in["body"]) {
				t.Fatalf("want the body %s, have %s", in["body"], out)
			}
			return
		}
		checkSpliced(t, e, in, fields(t, out))
	})
}

func checkSpliced(t *testing.T, e *event.Event, in, out map[string]json.RawMessage) {
	t.Helper()
	for name, raw := range in {
		if !spliced(name) && !bytes.Equal(raw, out[name]) {
			t.Fatalf("%s went out as %s, came in as %s", name, out[name], raw)
		}
	}
	for name := range out {
		if _, ok := in[name]; !ok && !spliced(name) {
			t.Fatalf("%s was made up", name)
		}
	}
	switch e.Op {
	case event.OpEvent, event.OpPage, event.OpScreen:
		var text string
		if err := json.Unmarshal(out["id"], &text); err != nil {
			t.Fatalf("id %s: %v", out["id"], err)
		}
		if id, err := ulid.ParseStrict(text); err != nil || id != e.ID {
			t.Fatalf("id: want %s, have %s, %v", e.ID, text, err)
		}
		fallthrough
	case event.OpIdentify:
		var seconds int64
		if err := json.Unmarshal(out["timestamp"], &seconds); err != nil || seconds != e.Unix() || seconds < 0 {
			t.Fatalf("timestamp %s, unix %d: %v", out["timestamp"], e.Unix(), err)
		}
	default:
		for _, name := range []string{"id", "timestamp"} {
			if !bytes.Equal(in[name], out[name]) {
				t.Fatalf("%s of %s: want %s, have %s", name, e.Op, in[name], out[name])
			}
		}
	}
}

// fields decodes one object by the standard library, which knows nothing of
// ours.
func fields(t *testing.T, value []byte) map[string]json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(value, &members); err != nil || members == nil {
		t.Fatalf("%q is not an object to the standard library: %v", value, err)
	}
	return members
}

// FuzzHeaders gives every header any bytes: what is kept of them is fit for a
// label or an HTTP header, and the event can always be set aside.
func FuzzHeaders(f *testing.F) {
	f.Add("id", []byte(ulidA), "class", []byte("bulk"))
	f.Add("deliver_at", []byte("2026-03-04T05:06:07Z"), "traceparent", []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	f.Add("op", []byte("metrics"), "sluice-id", []byte("x"))
	f.Add("spread", []byte("2h45.5m"), "spread", []byte("9223372036854775807ns"))
	f.Add("deliver_at", []byte("99999999999999999999"), "id", []byte{0xff})
	f.Fuzz(func(t *testing.T, key1 string, value1 []byte, key2 string, value2 []byte) {
		r := record(purchase, event.Header{Key: key1, Value: value1}, event.Header{Key: key2, Value: value2})
		e := entity(r)
		for _, c := range []byte(e.Class + e.Traceparent) {
			if c <= ' ' || c > '~' {
				t.Fatalf("class %q, traceparent %q", e.Class, e.Traceparent)
			}
		}
		if e.Spread < 0 || e.Spread > event.MaxAhead {
			t.Fatalf("spread %s", e.Spread)
		}
		if e.EventID().IsZero() && key1 != "id" && key2 != "id" {
			t.Fatal("no id")
		}
		have, source, err := event.ParseDeath(event.DeadLetter(e, death()))
		if err != nil || source != e.Source || have.ID != e.EventID() {
			t.Fatalf("the dead letter reads %+v of %v: %v", have, source, err)
		}
	})
}

// FuzzParseDeath reads any headers: an error or what DeadLetter would write.
func FuzzParseDeath(f *testing.F) {
	f.Add("400", "3", "2026-03-04T05:06:07.000Z", "events/7/4711", ulidA)
	f.Add("x", "", "", "a/b/c", "")
	f.Fuzz(func(t *testing.T, status, attempts, first, source, id string) {
		_, from, err := event.ParseDeath(event.Record{Headers: []event.Header{
			header(event.HeaderReason, "r"), header(event.HeaderVerdict, "v"), header(event.HeaderWorkspace, "w"),
			header(event.HeaderStatus, status), header(event.HeaderAttempts, attempts), header(event.HeaderFirst, first),
			header(event.HeaderSource, source), header(event.HeaderEventID, id),
		}})
		if err != nil {
			return
		}
		again, err := event.ParseSource(from.String())
		if err != nil || again != from || strings.Contains(from.Topic, "/") {
			t.Fatalf("source %q reads %+v, then %+v, %v", source, from, again, err)
		}
	})
}

// FuzzDerivedID checks that an ID is the same on every redelivery, wherever
// the record's bytes happen to lie, and holds the record's time.
func FuzzDerivedID(f *testing.F) {
	f.Add("cluster", "events", int32(7), int64(4711), int64(recordMillis))
	f.Add("", "", int32(-1), int64(-1), int64(-1))
	f.Fuzz(func(t *testing.T, cluster, topic string, partition int32, offset, millis int64) {
		r := event.Record{Topic: topic, Partition: partition, Offset: offset, Value: []byte("{}"), Time: time.UnixMilli(millis)}
		var recycled, fresh event.Event
		recycled.Load(record(purchase, header("id", ulidA)), "another")
		recycled.PrepareEntity()
		recycled.Load(r, cluster)
		recycled.PrepareObject()
		fresh.Load(r, cluster)
		if recycled.ID != fresh.EventID() {
			t.Fatalf("have %s and %s", recycled.ID, fresh.EventID())
		}
		want := min(max(millis, 0), int64(ulid.MaxTime()))
		if have := int64(recycled.ID.Time()); have != want {
			t.Fatalf("time: want %d, have %d", want, have)
		}
		r.Offset++
		fresh.Load(r, cluster)
		if fresh.EventID() == recycled.ID {
			t.Fatal("the next record has the same id")
		}
	})
}
