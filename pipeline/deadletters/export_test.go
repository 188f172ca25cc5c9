package deadletters_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"sluice/pipeline/deadletters"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

const (
	purchase = `{"type":"person","action":"event","identifiers":{"id":"ada"},"name":"hunter2","attributes":{"n":1}}`
	identify = `{"type": "person",` + "\n" + `"action": "identify", "identifiers": {"id": "ada"}, "attributes": {"plan": "hunter2"}}`
	unnamed  = `{"type":"person","action":"event","identifiers":{"id":"ada"}}`
)

func export(t *testing.T, w *world, c deadletters.Copy) (lines []string, done deadletters.Exported) {
	t.Helper()
	var out bytes.Buffer
	done, err := w.box.Export(t.Context(), deadletters.Filter{}, c, &out)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), done
}

func TestExportReadsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.die(t, "ada", purchase, event.Death{})
	w.die(t, "ada", identify, event.Death{})
	w.die(t, "ada", unnamed, event.Death{Reason: "missing_field"})
	w.die(t, "somebody else", purchase, event.Death{})
	w.die(t, "ada", "-", event.Death{})
	w.die(t, "ada", "no JSON", event.Death{})
	w.die(t, "ada", `{"form_id":"1","body":{}}`, event.Death{}, event.Header{Key: "op", Value: []byte("form_submit")})
	lines, done := export(t, w, deadletters.Copy{Form: producer.Entity, Payload: true})
	left := map[string]int{}
	for _, c := range done.LeftOut {
		left[c.Name] = c.Letters
	}
	want := map[string]int{"kept for another user than its content names": 1, "no value": 1, "not a JSON object": 1, "a call whose headers a line cannot say": 1}
	if done.Written != 3 || done.Mend != 1 || done.Masked || !maps.Equal(left, want) || len(lines) != 3 {
		t.Fatalf("want 3 of 7 written and %v left out, have %+v\n%s", want, done, strings.Join(lines, "\n"))
	}
	// What produce makes of a line is what the member would have sent.
	in, converter := producer.NDJSON(strings.NewReader(strings.Join(lines, "\n"))), producer.NewConverter(producer.Entity, false)
	for i := range 2 {
		line, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		item, err := converter.Convert(line)
		if err != nil {
			t.Fatal(err)
		}
		var again event.Event
		again.Load(item.Record, "another")
		again.PrepareEntity()
		var was event.Event
		was.Load(w.letter(t, i), "cluster")
		was.PrepareEntity()
		if sent, wanted := again.AppendEntity(nil), was.AppendEntity(nil); i == 0 && string(sent) != string(wanted) || string(item.Record.Key) != "ada" {
			t.Errorf("line %d: want %s, have %s", i, wanted, sent)
		}
	}
	if _, err := in.Next(); err != nil {
		t.Errorf("third line: %v", err)
	}
}

// letter is the event of ada's nth letter, as it was on the live topic.
func (w *world) letter(t *testing.T, n int) event.Record {
	t.Helper()
	for _, r := range w.Read(t, dead) {
		death, source, err := event.ParseDeath(r)
		if err == nil && string(r.Key) == "ada" {
			if n--; n < 0 {
				return event.Record{
					Topic: source.Topic, Offset: source.Offset, Key: r.Key, Value: r.Value, Time: death.Time,
					Headers: []event.Header{{Key: "id", Value: []byte(death.ID.String())}},
				}
			}
		}
	}
	t.Fatal("no such letter")
	return event.Record{}
}

func TestExportIsMasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.die(t, "ada", purchase, event.Death{Detail: "what it said"}, event.Header{Key: "http-header-authorization", Value: []byte("hunter2")})
	w.die(t, "ada", `{"a":"hunter2"}`, event.Death{})
	w.handle(t, deadletters.Order{Deed: deadletters.Drop, Filter: deadletters.Filter{Reasons: []string{"none"}}})
	lines, done := export(t, w, deadletters.Copy{Form: producer.Entity})
	if done.Written != 2 || !done.Masked || strings.Contains(strings.Join(lines, ""), secret) {
		t.Fatalf("have %+v\n%s", done, strings.Join(lines, "\n"))
	}
	var v deadletters.View
	if err := json.Unmarshal([]byte(lines[0]), &v); err != nil || v.User != "ada" || v.Detail != "what it said" || v.Reason != "rejected" || !v.Masked {
		t.Errorf("have %+v, %v", v, err)
	}
	if _, err := w.box.Export(t.Context(), deadletters.Filter{}, deadletters.Copy{}, full{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("want the writer's error, have %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestExportOfObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.die(t, "ada", `{"user":"ada","x":1}`, event.Death{})
	w.die(t, "ada", `{"x":1}`, event.Death{})
	w.die(t, "ada", `{"x":1}`, event.Death{}, event.Header{Key: "http-method", Value: []byte("POST")})
	lines, done := export(t, w, deadletters.Copy{Form: producer.Object, Payload: true})
	if done.Written != 2 || done.Mend != 1 || len(done.LeftOut) != 1 || lines[0] != `{"user":"ada","x":1}` {
		t.Errorf("have %+v %q", done, lines)
	}
}

func TestFindAndAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := event.Header{Key: "id", Value: []byte("01JD5ZC3W8F9N3V0Y5B6Q7R8ST")}
	w.die(t, "ada", `{}`, event.Death{}, own)
	w.die(t, "ada", `{}`, event.Death{}, own)
	found, err := w.box.Find(t.Context(), "01JD5ZC3W8F9N3V0Y5B6Q7R8ST")
	if err != nil || len(found) != 2 || found[1].Offset != 1 {
		t.Fatalf("have %v, %v", found, err)
	}
	w.handle(t, deadletters.Order{Deed: deadletters.Redrive})
	l, fate, err := w.box.At(t.Context(), found[1].Partition, 1)
	if err != nil || fate.State != deadletters.Redriven || l.State != deadletters.Redriven || fate.By != "tester" || string(l.Record.Value) != "{}" {
		t.Errorf("have %+v %+v %v", l, fate, err)
	}
	if _, err := w.box.Find(t.Context(), "01JD5ZC3W8F9N3V0Y5B6Q7R8SV"); !errors.Is(err, deadletters.ErrNone) {
		t.Errorf("have %v", err)
	}
	for _, offset := range []int64{2, 99} { // a mark, and nothing
		if _, _, err := w.box.At(t.Context(), found[1].Partition, offset); !errors.Is(err, deadletters.ErrNone) {
			t.Errorf("%d: have %v", offset, err)
		}
	}
}
