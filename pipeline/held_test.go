package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/sink"
)

// failing is a destination at which some users fail for as long as bad says so.
type failing struct {
	destination
	bad atomic.Bool
}

func newFailing(users ...string) *failing {
	d := &failing{}
	d.destination = destination{latency: 10 * time.Millisecond, items: 10, answer: func(_ time.Time, events []string) sink.Result {
		if d.bad.Load() && slices.ContainsFunc(events, func(e string) bool {
			return slices.ContainsFunc(users, func(u string) bool { return strings.HasPrefix(e, u+":") })
		}) {
			return sink.Result{Verdict: sink.Unavailable, Status: 500}
		}
		return sink.Result{Verdict: sink.Delivered, Status: 200}
	}}
	d.bad.Store(true)
	return d
}

// patient has events held after three tries, as by default.
func patient(w *pipeline.Workspace) { w.Tries = pipeline.DefaultTries() }

// brisk is the same with shorter waits.
func brisk(w *pipeline.Workspace) {
	patient(w)
	w.Tries.Retry = sink.RetryConfig{Base: time.Second, Cap: 10 * time.Second}
}

// delivers waits, in the bubble's time, until the destination has n events.
func (w *world) delivers(n int, d *destination, limit time.Duration) {
	w.t.Helper()
	for deadline := time.Now().Add(limit); d.count() < n; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("after %v: %d delivered, want %d; %+v", limit, d.count(), n, w.pipeline.Balance())
		}
		if b := w.pipeline.Balance(); !b.Holds() {
			w.t.Fatalf("the balance does not add up: %+v", b)
		}
	}
}

func TestFailingUsersAreHeldInOrderWhileOthersFlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newFailing("u3", "u7")
		w := newWorld(t, map[string]*destination{"a": &d.destination}, patient)
		for i := range 300 {
			w.produce("a", i*20, 20, 20)
			time.Sleep(time.Second)
			if others := len(d.delivered()); i > 30 && others < (i-1)*18 {
				t.Fatalf("after %d s %d events of the other users are delivered, want at least %d", i+1, others, (i-1)*18)
			}
		}
		if n := len(w.kafka.Read(t, "a"+pipeline.HeldSuffix)); n < 500 {
			t.Errorf("%d events of the failing users were moved to the held tier, want nearly all of 600", n)
		}
		d.bad.Store(false)
		w.delivers(6000, &d.destination, 15*time.Minute)
		inOrder(t, d.delivered())
		w.stop()
		if n := len(d.delivered()); n != 6000 {
			t.Errorf("%d delivered, want 6000", n)
		}
		if dead := w.kafka.Read(t, "a"+pipeline.DeadSuffix); len(dead) > 0 {
			t.Errorf("%d dead letters, want none", len(dead))
		}
	})
}

func TestWhoTakesOverKnowsWhoIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newFailing("u3")
		w := newWorld(t, map[string]*destination{"a": &d.destination}, patient)
		n := 0
		for range 5 {
			for range 20 {
				w.produce("a", n, 20, 20)
				n += 20
				time.Sleep(time.Second)
			}
			w.stop()
			w.produce("a", n, 20, 20) // must not overtake what is held
			n += 20
			w.run(w.cfg)
		}
		d.bad.Store(false)
		w.delivers(n, &d.destination, 15*time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		if have := len(d.delivered()); have != n {
			t.Errorf("%d delivered, want %d", have, n)
		}
	})
}

func TestHeldEventIsADeadLetterInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newFailing("u3")
		d.answer = func(_ time.Time, events []string) sink.Result { // one event that never gets through
			if slices.Contains(events, "u3:3") {
				return sink.Result{Verdict: sink.Unavailable, Status: 500, Reason: "no"}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}
		w := newWorld(t, map[string]*destination{"a": &d.destination}, brisk)
		for i := range 150 { // others must get through, or no failure counts
			w.produce("a", i*20, 20, 20)
			time.Sleep(time.Second)
		}
		w.delivers(150*20-1, &d.destination, time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		dead := w.kafka.Read(t, "a"+pipeline.DeadSuffix)
		if len(dead) != 1 {
			t.Fatalf("%d dead letters, want 1", len(dead))
		}
		death, source, err := event.ParseDeath(dead[0])
		if err != nil {
			t.Fatal(err)
		}
		if death.Attempts != 13 || death.Reason != "gave_up" || source.Topic != "a" || death.Status != 500 {
			t.Errorf("dead letter of %v: %+v; want 13 attempts of what stood on topic a", source, death)
		}
	})
}

func TestUnkeyedEventIsHeldAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newFailing("")
		d.answer = func(_ time.Time, events []string) sink.Result {
			if d.bad.Load() && slices.Contains(events, ":0") {
				return sink.Result{Verdict: sink.Unavailable, Status: 500}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}
		w := newWorld(t, map[string]*destination{"a": &d.destination}, brisk)
		for i := range 12 {
			w.kafka.Append(t, event.Record{Topic: "a", Partition: 1, Value: fmt.Appendf(nil, `{"n":%d}`, i)})
			w.produce("a", i*20, 20, 20)
			time.Sleep(time.Second)
		}
		w.delivers(12*21-1, &d.destination, time.Second)
		if n := len(w.kafka.Read(t, "a"+pipeline.HeldSuffix)); n != 1 {
			t.Errorf("%d events are held, want 1", n)
		}
		d.bad.Store(false)
		w.delivers(12*21, &d.destination, time.Minute)
		w.stop()
	})
}

func TestUnwritableHeldTopicStopsItsUserAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newFailing("u3")
		w := newWorld(t, map[string]*destination{"a": &d.destination}, brisk)
		allow := w.kafka.Refuse(t, "a"+pipeline.HeldSuffix)
		for i := range 120 {
			w.produce("a", i*20, 20, 20)
			time.Sleep(time.Second)
		}
		if others := len(d.delivered()); others < 119*19 {
			t.Errorf("%d of the others' events delivered, want %d", others, 119*19)
		}
		d.bad.Store(false)
		allow()
		w.delivers(2400, &d.destination, 20*time.Minute)
		w.stop()
		inOrder(t, d.delivered())
	})
}
