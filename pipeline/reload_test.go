package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/budget"
)

// closing is a destination that tells when it was closed, and whether an
// attempt was under way then or came later.
type closing struct {
	*destination
	inside, closed, broken atomic.Int64
}

func (c *closing) Deliver(ctx context.Context, batch []*event.Event) sink.Result {
	c.inside.Add(1)
	defer c.inside.Add(-1)
	if c.closed.Load() > 0 {
		c.broken.Add(1)
	}
	return c.destination.Deliver(ctx, batch)
}

func (c *closing) Close() {
	if c.inside.Load() > 0 {
		c.broken.Add(1)
	}
	c.closed.Add(1)
}

// settingsOf are those of newWorld.
func settingsOf(name string) pipeline.Workspace {
	return pipeline.Workspace{
		Name: name, InFlight: 4, BatchItems: 10, Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
	}
}

func (w *world) reload(workspaces ...pipeline.Workspace) {
	w.t.Helper()
	if err := w.pipeline.Reload(workspaces); err != nil {
		w.t.Fatal(err)
	}
}

// within counts a destination's sends from a time on.
func (d *destination) within(from time.Time, length time.Duration) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, s := range d.sends {
		if since := s.at.Sub(from); since >= 0 && since < length {
			n++
		}
	}
	return n
}

// TestReloadLowersTheBudgetAtOnceAndRaisesItLater: also for a dispatcher that
// waits out a very slow budget. Another member may read the new file later: what
// is higher counts when it cannot send by the old budget any more.
func TestReloadLowersTheBudgetAtOnceAndRaisesItLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: time.Millisecond, items: 1}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) { ws.Budget = budget.Config{Requests: 10} })
		lease := w.kafka.Config().Lease
		w.produce("a", 0, 600, 300)
		time.Sleep(10 * time.Second)
		slow := settingsOf("a")
		slow.Budget = budget.Config{Requests: 1.0 / 600}
		w.reload(slow)
		from := time.Now()
		time.Sleep(5 * time.Minute)
		if n := d.within(from, 5*time.Minute); n > 5 {
			t.Errorf("%d sent in 5 min at 1/10min, want those in flight and one", n)
		}
		fast := settingsOf("a")
		fast.Budget = budget.Config{Requests: 100}
		w.reload(fast)
		from = time.Now()
		time.Sleep(lease + 2*time.Second)
		if n := d.within(from, lease); n > 1 { // one may just be due by the lower
			t.Errorf("%d sent by the higher budget before a lease was over", n)
		}
		if n := d.within(from.Add(lease), 1100*time.Millisecond); n < 90 || n > 111 {
			t.Errorf("%d sent in 1.1 s at 100/s, a lease after the reload", n)
		}
		unlimited := settingsOf("a")
		w.reload(unlimited)
		w.settle(600, lease+time.Second)
		w.stop()
		inOrder(t, d.delivered())
	})
}

func TestReloadChangesAttemptsAndBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: time.Second, items: 100}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) { ws.BatchItems = 1 })
		w.produce("a", 0, 500, 500)
		time.Sleep(10 * time.Second)
		for _, tc := range []struct{ inFlight, batch int }{{1, 1}, {16, 1}, {2, 5}, {8, 2}} {
			next := settingsOf("a")
			next.InFlight, next.BatchItems = tc.inFlight, tc.batch
			w.reload(next)
			time.Sleep(1500 * time.Millisecond) // those in flight end
			from := time.Now()
			time.Sleep(4 * time.Second)
			// Sends are remembered when they end.
			if n := d.within(from, 3*time.Second); n != 3*tc.inFlight {
				t.Errorf("in_flight %d: %d attempts of a second began in 3 s", tc.inFlight, n)
			}
			d.mu.Lock()
			for _, s := range d.sends {
				if s.at.After(from) && len(s.events) != tc.batch {
					t.Errorf("max_batch_items %d: have %d", tc.batch, len(s.events))
				}
			}
			d.mu.Unlock()
		}
		w.stop()
		inOrder(t, d.delivered())
	})
}

// TestReloadHandsOverToTheNewSink: what is in flight ends on the old sink,
// which is closed after it; everything later goes to the new one.
func TestReloadHandsOverToTheNewSink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := &destination{latency: 300 * time.Millisecond, items: 1}
		w := newWorld(t, map[string]*destination{"a": first}, nil)
		w.produce("a", 0, 400, 40)
		var sinks []*closing
		for range 5 {
			time.Sleep(700 * time.Millisecond)
			next := &closing{destination: &destination{latency: 300 * time.Millisecond, items: 1}}
			sinks = append(sinks, next)
			settings := settingsOf("a")
			settings.Sink = next
			w.reload(settings)
			at := time.Now()
			time.Sleep(time.Second)
			if n := first.within(at.Add(time.Nanosecond), time.Hour); n > 0 {
				t.Errorf("%d attempts began on the old sink after the reload", n)
			}
			first = next.destination
		}
		w.settle(400, 5*time.Minute)
		w.stop()
		for i, s := range sinks {
			if s.closed.Load() != 1 || s.broken.Load() != 0 {
				t.Errorf("sink %d: closed %d times, %d attempts over its end", i, s.closed.Load(), s.broken.Load())
			}
			inOrder(t, s.delivered())
		}
	})
}

// TestReloadAsksARefusedWorkspaceAtOnce: with new credentials it goes on
// within a moment, although attempts with the old ones are still being refused.
func TestReloadAsksARefusedWorkspaceAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refuses := func(time.Time, []string) sink.Result { return sink.Result{Verdict: sink.Refused, Status: 401} }
		old := &destination{latency: time.Second, items: 1, answer: refuses}
		w := newWorld(t, map[string]*destination{"a": old}, nil)
		w.produce("a", 0, 20, 20)
		time.Sleep(5 * time.Second)
		// The same credentials: asked again, refused again.
		at := time.Now()
		w.reload(settingsOf("a"))
		time.Sleep(2 * time.Second)
		if n := old.within(at, 2*time.Second); n != 1 {
			t.Errorf("%d probes after a reload, want one", n)
		}
		w.reload() // nothing changed, a probe all the same: it is out when the next reload comes
		time.Sleep(time.Millisecond)
		right := &destination{latency: 10 * time.Millisecond, items: 1}
		settings := settingsOf("a")
		settings.Sink = right
		w.reload(settings)
		w.settle(20, 2*time.Second)
		if health, ok := w.pipeline.Health(); !ok {
			t.Errorf("health says %+v", health)
		}
		w.stop()
	})
}

// TestReloadBeginsANewBreaker: an open breaker judged the old sink.
func TestReloadBeginsANewBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := func(time.Time, []string) sink.Result { return sink.Result{Verdict: sink.Unavailable, Status: 503} }
		old := &destination{latency: 10 * time.Millisecond, items: 1, answer: down}
		w := newWorld(t, map[string]*destination{"a": old}, func(ws *pipeline.Workspace) {
			ws.Breaker.ProbeAfter = time.Hour
			ws.Retry = sink.RetryConfig{Base: time.Second, Cap: time.Second}
		})
		w.produce("a", 0, 20, 20)
		time.Sleep(5 * time.Second)
		if health, _ := w.pipeline.Health(); health["a"].CircuitState != "open" {
			t.Fatalf("health says %+v", health)
		}
		same := settingsOf("a")
		same.Breaker.ProbeAfter, same.Budget = time.Hour, budget.Config{Requests: 50}
		w.reload(same)
		if health, _ := w.pipeline.Health(); health["a"].CircuitState != "open" {
			t.Errorf("a new budget closed the breaker: %+v", health)
		}
		well := settingsOf("a")
		well.Sink = &destination{latency: 10 * time.Millisecond, items: 1}
		w.reload(well)
		w.settle(20, 40*time.Second) // one that failed twice lets the others go first
		if health, ok := w.pipeline.Health(); !ok {
			t.Errorf("health says %+v", health)
		}
		w.stop()
	})
}

// TestReloadIsAllOrNothing: a fault in one workspace leaves the other alone,
// and the new sinks are not taken.
func TestReloadIsAllOrNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: time.Millisecond, items: 1}
		w := newWorld(t, map[string]*destination{"a": d}, nil)
		next := &closing{destination: &destination{latency: time.Millisecond, items: 1}}
		good, bad, unknown := settingsOf("a"), settingsOf("a"), settingsOf("b")
		good.Sink = next
		bad.InFlight, bad.BatchItems = 0, 0
		err := w.pipeline.Reload([]pipeline.Workspace{good, bad, unknown})
		for _, want := range []string{"workspaces[1].in_flight", "workspaces[1].max_batch_items", `workspaces[2]: workspace "b"`} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("want %s in %v", want, err)
			}
		}
		w.produce("a", 0, 10, 10)
		w.settle(10, time.Second)
		w.stop()
		if len(d.delivered()) != 10 || next.closed.Load() != 0 {
			t.Errorf("%d delivered by the old sink, the new one closed %d times", len(d.delivered()), next.closed.Load())
		}
	})
}

// TestReloadWhileEverythingMoves reloads all the time, from several goroutines
// and beyond the end: nothing is lost, out of order, or left open.
func TestReloadWhileEverythingMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &destination{latency: 3 * time.Millisecond, items: 10}
		w := newWorld(t, map[string]*destination{"a": shared}, nil)
		w.produce("a", 0, 3000, 50)
		var mu sync.Mutex
		var sinks []*closing
		var g sync.WaitGroup
		for i := range 3 {
			g.Go(func() {
				for n := range 60 {
					s := &closing{destination: shared}
					settings := settingsOf("a")
					settings.Sink, settings.InFlight, settings.BatchItems = s, 1+(n+i)%9, 1+n%10
					settings.Breaker.Failures += n
					if n%3 == 0 {
						settings.Budget = budget.Config{Requests: 200, Events: 900}
					}
					if err := w.pipeline.Reload([]pipeline.Workspace{settings}); err != nil {
						t.Error(err)
					}
					mu.Lock()
					sinks = append(sinks, s)
					mu.Unlock()
					time.Sleep(7 * time.Millisecond)
				}
			})
		}
		w.settle(3000, time.Minute)
		g.Wait()
		w.stop()
		late := &closing{destination: shared}
		settings := settingsOf("a")
		settings.Sink = late
		w.reload(settings)
		inOrder(t, shared.delivered())
		for i, s := range append(sinks, late) {
			if s.closed.Load() != 1 || s.broken.Load() > 0 {
				t.Fatalf("sink %s: closed %d times, %d attempts over its end", fmt.Sprint(i, "/", len(sinks)), s.closed.Load(), s.broken.Load())
			}
		}
	})
}
