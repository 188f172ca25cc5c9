package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/budget"
)

func ok() sink.Result { return sink.Result{Verdict: sink.Delivered, Status: 200} }

func tooMany(after time.Duration) sink.Result {
	return sink.Result{Verdict: sink.Throttled, Status: 429, RetryAfter: after}
}

// sendsOf are the times at which attempts with an event of a user began.
func (d *destination) sendsOf(user string) []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	var at []time.Time
	for _, s := range d.sends {
		if slices.ContainsFunc(s.events, func(e string) bool { return strings.HasPrefix(e, user+":") }) {
			at = append(at, s.at)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// TestIsolated429DelaysItsUserAlone: for as long as was asked for and up to a
// fifth more, or for a second; everybody else goes on.
func TestIsolated429DelaysItsUserAlone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ asked, least, most time.Duration }{
		{7 * time.Second, 7 * time.Second, 8400 * time.Millisecond},
		{0, time.Second, 1200 * time.Millisecond},
		{10 * time.Minute, 10 * time.Minute, 12 * time.Minute},
	} {
		t.Run(tc.asked.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &destination{latency: 10 * time.Millisecond, items: 1}
				var once sync.Once
				d.answer = func(_ time.Time, events []string) sink.Result {
					r := ok()
					if events[0] == "u3:3" {
						once.Do(func() { r = tooMany(tc.asked) })
					}
					return r
				}
				w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) { ws.Budget = budget.Config{Requests: 100} })
				w.produce("a", 0, 200, 20)
				w.settle(190, 10*time.Second)
				w.settle(200, 15*time.Minute)
				w.stop()
				inOrder(t, d.delivered())
				at := d.sendsOf("u3")
				if waited := at[1].Sub(at[0]); waited < tc.least || waited > tc.most+50*time.Millisecond {
					t.Errorf("the user's next attempt came after %v, want %v to %v", waited, tc.least, tc.most)
				}
			})
		})
	}
}

// TestMany429sPauseTheWorkspace: nobody is sent anything for as long as was
// asked for, at most a minute at a time, and no attempt counts.
func TestMany429sPauseTheWorkspace(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ asked, least, most time.Duration }{
		{7 * time.Second, 6900 * time.Millisecond, 8500 * time.Millisecond},
		{time.Hour, 59 * time.Second, 61 * time.Second},
	} {
		t.Run(tc.asked.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				d := &destination{latency: 10 * time.Millisecond, items: 1}
				d.answer = func(at time.Time, _ []string) sink.Result {
					if since := at.Sub(start); since > 10*time.Second && since < 11*time.Second {
						return tooMany(tc.asked)
					}
					return ok()
				}
				w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) { ws.Budget = budget.Config{Requests: 20} })
				w.produce("a", 0, 300, 100)
				w.settle(300, 3*time.Hour)
				w.stop()
				inOrder(t, d.delivered())
				throttled, gap := d.within(start.Add(10*time.Second+time.Nanosecond), time.Second-time.Nanosecond), time.Duration(0)
				for i := 1; i < len(d.sends); i++ {
					if d.sends[i].at.Sub(start) < 2*time.Minute {
						gap = max(gap, d.sends[i].at.Sub(d.sends[i-1].at))
					}
				}
				if gap < tc.least || gap > tc.most {
					t.Errorf("the longest silence was %v, want %v to %v", gap, tc.least, tc.most)
				}
				if throttled < 2 || throttled > 6 {
					t.Errorf("%d answers 429, want the few that it takes to know", throttled)
				}
				if b := w.pipeline.Balance(); b.Delivered != 300 {
					t.Errorf("%+v", b)
				}
			})
		})
	}
}

// TestServerErrorsLeaveTheRateAlone: half an hour of answers 500 among others,
// and the rest still has the whole budget.
func TestServerErrorsLeaveTheRateAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, calls := &destination{latency: 10 * time.Millisecond, items: 1}, 0
		var mu sync.Mutex
		d.answer = func(time.Time, []string) sink.Result {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls%10 == 0 {
				return sink.Result{Verdict: sink.Unavailable, Status: 500}
			}
			return ok()
		}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) {
			ws.Budget, ws.InFlight = budget.Config{Requests: 50}, 15
		})
		w.produce("a", 0, 3000, 1000)
		time.Sleep(20 * time.Second)
		from := time.Now()
		time.Sleep(20 * time.Second)
		if n := d.within(from, 20*time.Second); n < 970 || n > 1000 {
			t.Errorf("%d attempts in 20 s at 50/s with a tenth failing", n)
		}
		w.stop()
		inOrder(t, d.delivered())
	})
}

// TestSlowDestinationReachesItsRate: 15 attempts of 400 ms are 37 a second;
// what may be in flight grows until the budget of 100 a second binds.
func TestSlowDestinationReachesItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 400 * time.Millisecond, items: 1}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) {
			ws.Budget, ws.InFlight, ws.MaxInFlight = budget.Config{Requests: 100}, pipeline.DefaultInFlight, pipeline.DefaultMaxInFlight
		})
		w.produce("a", 0, 6000, 2000)
		time.Sleep(20 * time.Second)
		from := time.Now()
		time.Sleep(11 * time.Second)
		if n := d.within(from, 10*time.Second); n < 970 || n > 1000 {
			t.Errorf("%d attempts in 10 s, want 970 to 1000", n)
		}
		w.stop()
		inOrder(t, d.delivered())
	})
}

// TestFailingDestinationIsAskedByFew: while every attempt runs out of time, and
// the breaker is told to bear it, ever fewer are made at once; afterwards the
// rate is back.
func TestFailingDestinationIsAskedByFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d := &destination{latency: time.Second, items: 1}
		d.answer = func(at time.Time, _ []string) sink.Result {
			if since := at.Sub(start); since > 10*time.Second && since < 70*time.Second {
				return sink.Result{Verdict: sink.Unavailable, Reason: "timeout"}
			}
			return ok()
		}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) {
			ws.InFlight, ws.MaxInFlight, ws.Breaker.Failures = 16, 64, 1<<19
			ws.Retry = sink.RetryConfig{Base: time.Second, Cap: time.Second}
		})
		w.produce("a", 0, 8000, 3000)
		time.Sleep(150 * time.Second)
		few := d.within(start.Add(50*time.Second), 15*time.Second)
		if few > 3*16 {
			t.Errorf("%d attempts in 15 s of failure, want a few at a time", few)
		}
		if n := d.within(start.Add(130*time.Second), 10*time.Second); n < 10*16 {
			t.Errorf("%d attempts in 10 s a minute after the failure, want it back", n)
		}
		w.stop()
		inOrder(t, d.delivered())
	})
}

// objects is a destination whose events say their operation: {"n":1,"op":"delete"}.
type objects struct{ *destination }

func (o objects) Prepare(e *event.Event) {
	o.destination.Prepare(e)
	e.Op = event.OpIdentify
	if strings.Contains(string(e.Value), "delete") {
		e.Op = event.OpDelete
	}
}

// TestShutOperationHoldsItsLanesAlone: deletes have a tenth of a second each;
// everybody else goes at the whole rate meanwhile, in order for each user, and
// the dispatcher neither spins (time would stand still) nor oversleeps.
func TestShutOperationHoldsItsLanesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := &destination{latency: time.Millisecond, items: 10}, &graves{}
		direct := newDirect(t, d, g, func(c *pipeline.DirectConfig) {
			c.Workspace.Sink, c.Workspace.BatchItems = objects{d}, 1
			c.Workspace.Budget = budget.Config{Requests: 100, Calls: []budget.Call{{Name: "delete", Bits: 1 << event.OpDelete, Rate: 1}}}
		})
		send := func(user, n int, op string) {
			r := event.Record{Key: fmt.Append(nil, "u", user), Value: fmt.Appendf(nil, `{"n":%d,"op":%q}`, n, op)}
			if err := direct.Send(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		for i := range 20 { // users of whom each is deleted, and comes back
			send(i, 1, "delete")
			send(i, 2, "identify")
		}
		for i := range 480 {
			send(100+i%60, 10+i, "identify")
		}
		time.Sleep(6 * time.Second)
		others := 0
		for _, e := range d.delivered() {
			if len(strings.TrimLeft(e, "u")) > 4 { // of three digits
				others++
			}
		}
		if others < 470 {
			t.Errorf("%d of 480 delivered beside the shut operation in 6 s at 100/s", others)
		}
		time.Sleep(2 * time.Second)
		at := time.Now() // nothing is left but shut lanes: somebody else must not wait for them
		send(1000, 1, "identify")
		synctest.Wait()
		time.Sleep(20 * time.Millisecond)
		if sent := d.sendsOf("u1000"); len(sent) != 1 || sent[0].Sub(at) > 15*time.Millisecond {
			t.Errorf("an event beside shut lanes was sent at %v, want at once", sent)
		}
		if _, err := direct.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		inOrder(t, d.delivered())
		var deletes []time.Time
		for _, s := range d.sends {
			if strings.HasSuffix(s.events[0], ":1") && s.events[0] != "u1000:1" {
				deletes = append(deletes, s.at)
			}
		}
		slices.SortFunc(deletes, time.Time.Compare)
		for i := 1; i < len(deletes); i++ {
			if gap := deletes[i].Sub(deletes[i-1]); gap < time.Second || gap > 1100*time.Millisecond {
				t.Errorf("deletes %v apart, want one a second", gap)
			}
		}
		if took := deletes[len(deletes)-1].Sub(start); len(deletes) != 20 || took > 22*time.Second {
			t.Errorf("%d deletes, the last after %v", len(deletes), took)
		}
	})
}

// TestCostlyOperationTakesMoreOfTheBudget: an attempt that costs 5 leaves that
// much less to the others.
func TestCostlyOperationTakesMoreOfTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{items: 1}
		direct := newDirect(t, d, &graves{}, func(c *pipeline.DirectConfig) {
			c.Workspace.Sink = objects{d}
			c.Workspace.Budget = budget.Config{Requests: 10, Calls: []budget.Call{{Name: "delete", Bits: 1 << event.OpDelete, Cost: 5}}}
		})
		for i := range 60 {
			op := "identify"
			if i%6 == 0 {
				op = "delete"
			}
			if err := direct.Send(t.Context(), event.Record{Key: fmt.Append(nil, "u", i), Value: fmt.Appendf(nil, `{"n":1,"op":%q}`, op)}); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		if _, err := direct.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 9500*time.Millisecond || took > 10800*time.Millisecond {
			t.Errorf("50 attempts of 1 and 10 of 5 took %v at 10/s, want 10 s", took)
		}
	})
}

// TestOperationsFitTheirBits: a budget knows an operation by a bit.
func TestOperationsFitTheirBits(t *testing.T) {
	t.Parallel()
	for _, op := range event.Ops() {
		if op >= 64 {
			t.Errorf("%v is number %d: there are 64 bits", op, op)
		}
	}
}
