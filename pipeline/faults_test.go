package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/sink"
)

func TestPoisonBecomesDeadLettersAndNeighboursPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 10 * time.Millisecond, items: 10}
		w := newWorld(t, map[string]*destination{"a": d}, nil)
		w.produce("a", 0, 20, 5)
		poison := map[string]*event.Record{
			event.ReasonNotJSON:   {Key: []byte("u1"), Value: []byte("no")},
			event.ReasonEmptyKey:  {Key: []byte{}, Value: []byte(`{"n":1}`)},
			event.ReasonTombstone: {Key: []byte("u2")},
		}
		for _, r := range poison {
			r.Topic = "a"
			w.kafka.Append(t, *r)
		}
		w.produce("a", 20, 20, 5)
		w.settle(43, time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		if n := len(d.delivered()); n != 40 {
			t.Errorf("%d delivered, want 40", n)
		}
		dead := w.kafka.Read(t, "a"+pipeline.DeadSuffix)
		if len(dead) != len(poison) {
			t.Fatalf("%d dead letters, want %d", len(dead), len(poison))
		}
		for _, r := range dead {
			death, source, err := event.ParseDeath(r)
			if err != nil {
				t.Fatal(err)
			}
			want := poison[death.Reason]
			if want == nil {
				t.Fatalf("unexpected reason %q", death.Reason)
			}
			if string(r.Key) != string(want.Key) || string(r.Value) != string(want.Value) || (r.Value == nil) != (want.Value == nil) {
				t.Errorf("%s: key %q value %q, want them as they came", death.Reason, r.Key, r.Value)
			}
			if source.Topic != "a" || death.Workspace != "a" {
				t.Errorf("%s: source %v, workspace %q", death.Reason, source, death.Workspace)
			}
		}
	})
}

// An answer that names no event: the batch is halved until the bad ones stand
// alone, and only they become dead letters.
func TestRejectedBatchIsHalved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bad := func(e string) bool {
			return strings.HasSuffix(e, ":13") || strings.HasSuffix(e, ":27") || strings.HasSuffix(e, ":28")
		}
		d := &destination{latency: 10 * time.Millisecond, items: 10, answer: func(_ time.Time, events []string) sink.Result {
			if slices.ContainsFunc(events, bad) {
				return sink.Result{Verdict: sink.Rejected, Status: 400, Split: len(events) > 1, Reason: "bad"}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}}
		w := newWorld(t, map[string]*destination{"a": d}, nil)
		w.produce("a", 0, 60, 3) // long runs of few users: halves fall within a run
		w.settle(60, time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		if b := w.pipeline.Balance(); b.Delivered != 57 || b.DeadLettered != 3 {
			t.Errorf("%+v, want 57 delivered and 3 dead letters", b)
		}
	})
}

func TestNamedItemsBecomeDeadLetters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 10 * time.Millisecond, items: 10, answer: func(_ time.Time, events []string) sink.Result {
			r := sink.Result{Verdict: sink.Delivered, Status: 207}
			for i, e := range events {
				if strings.HasSuffix(e, "3") {
					r.Items = append(r.Items, sink.Item{Index: i, Verdict: sink.Rejected, Reason: "required: name"})
				}
			}
			return r
		}}
		w := newWorld(t, map[string]*destination{"a": d}, nil)
		w.produce("a", 0, 40, 7)
		w.settle(40, time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		if b := w.pipeline.Balance(); b.Delivered != 36 || b.DeadLettered != 4 {
			t.Errorf("%+v, want 36 delivered and 4 dead letters", b)
		}
	})
}

// One user whose events always fail must neither slow the others nor keep an
// open breaker open: probes take turns over lanes.
func TestOneFailingUserHoldsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d := &destination{latency: 10 * time.Millisecond, items: 10, answer: func(at time.Time, events []string) sink.Result {
			outage := at.Sub(start) > 10*time.Second && at.Sub(start) < 20*time.Second
			cured := at.Sub(start) > 10*time.Minute
			if outage || !cured && slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, "u0:") }) {
				return sink.Result{Verdict: sink.Unavailable, Status: 500}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}}
		w := newWorld(t, map[string]*destination{"a": d}, nil)
		for i := range 60 {
			w.produce("a", i*10, 10, 10)
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		others := 0
		for _, e := range d.delivered() {
			if !strings.HasPrefix(e, "u0:") {
				others++
			}
		}
		if others != 540 {
			t.Errorf("%d events of other users delivered, want all 540", others)
		}
		if health, ok := w.pipeline.Health(); !ok {
			t.Errorf("the breaker stayed open for one user: %+v", health)
		}
		w.settle(600, 40*time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		if b := w.pipeline.Balance(); b.DeadLettered > 0 {
			t.Errorf("dead letters for a destination that answered 500: %+v", b)
		}
	})
}

// What is in flight when a member stops may end; nothing is delivered twice by
// the next one, and nothing is missing.
func TestStopDrainsAndTheNextGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 2 * time.Second, items: 1}
		w := newWorld(t, map[string]*destination{"a": d}, nil)
		w.produce("a", 0, 12, 12)
		time.Sleep(3 * time.Second) // four are delivered, four are in flight
		w.stop()
		if n := len(d.delivered()); n != 8 {
			t.Fatalf("%d delivered, want the 4 before the stop and the 4 in flight", n)
		}
		if b := w.pipeline.Balance(); !b.Holds() || b.InHand != 0 || b.HandedBack != 4 {
			t.Errorf("after the stop: %+v", b)
		}
		committed := int64(0)
		admin := w.admin()
		defer admin.Close()
		offsets, err := admin.Committed(t.Context(), "g", "a")
		if err != nil {
			t.Fatal(err)
		}
		for p, c := range offsets {
			if committed += c.Offset + c.Settled; !c.Released {
				t.Errorf("partition %d was not released", p)
			}
		}
		if committed != 8 {
			t.Errorf("%d events committed as settled, want 8 (%s)", committed, fmt.Sprint(offsets))
		}
	})
}
