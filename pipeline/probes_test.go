package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline"
	"sluice/sink"
	"sluice/sink/budget"
)

func unavailable() sink.Result { return sink.Result{Verdict: sink.Unavailable, Status: 503} }

// after returns the attempts that began after a time, in order.
func (d *destination) after(from time.Time) []send {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []send
	for _, s := range d.sends {
		if s.at.After(from) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b send) int { return a.at.Compare(b.at) })
	return all
}

// TestProbesRotateOverLanesAndShards: while a workspace is down one event is
// tried every 30 s, of another user each time until all had their turn, from
// every shard; and no failure counts against any of them, however long it takes.
func TestProbesRotateOverLanesAndShards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, users := time.Now(), 12
		const outage = 15 * time.Minute
		d := &destination{latency: 10 * time.Millisecond, items: 10, answer: func(at time.Time, _ []string) sink.Result {
			if since := at.Sub(start); since > 5*time.Second && since < outage {
				return unavailable()
			}
			return ok()
		}}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) { ws.GiveUpAfter = time.Second })
		time.Sleep(6 * time.Second)
		w.produce("a", 0, 10*users, users)
		time.Sleep(10 * time.Second) // the breaker is open
		down := time.Now()
		time.Sleep(outage - 20*time.Second)
		probes := d.after(down)
		for len(probes) > 0 && probes[len(probes)-1].at.Sub(start) >= outage {
			probes = probes[:len(probes)-1]
		}
		if len(probes) < 2*users {
			t.Fatalf("%d probes, want at least %d", len(probes), 2*users)
		}
		last, shards, all := map[string]int{}, map[int32]bool{}, map[int32]bool{}
		for i := range users {
			all[partition.ShardOf(fmt.Append(nil, "u", i), parts)] = true
		}
		for i, p := range probes {
			if len(p.events) != 1 {
				t.Errorf("a probe with %d events", len(p.events))
			}
			if i > 0 && p.at.Sub(probes[i-1].at) < 30*time.Second {
				t.Errorf("a probe %v after the one before", p.at.Sub(probes[i-1].at))
			}
			user, _, _ := strings.Cut(p.events[0], ":")
			if before, seen := last[user]; seen && i-before < users {
				t.Errorf("probe %d is of %s again after %d others, want all %d users in between", i, user, i-before-1, users)
			}
			last[user] = i
			shards[partition.ShardOf([]byte(user), parts)] = true
		}
		if len(last) != users || len(shards) != len(all) {
			t.Errorf("probes of %d users in %d shards, want %d in %d", len(last), len(shards), users, len(all))
		}
		w.settle(int64(10*users), 5*time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		if b := w.pipeline.Balance(); b.DeadLettered > 0 {
			t.Errorf("an outage made dead letters: %+v", b)
		}
	})
}

// TestFailingHeadsDoNotKeepTheBreakerOpen: the first of every shard fail for
// ever; once the outage is over, somebody else's probe closes the breaker, and
// everybody else is delivered.
func TestFailingHeadsDoNotKeepTheBreakerOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d := &destination{latency: 10 * time.Millisecond, items: 10, answer: func(at time.Time, events []string) sink.Result {
			sick := func(e string) bool { user, _, _ := strings.Cut(e, ":"); return len(user) == 2 } // u0 to u9
			if at.Sub(start) < 2*time.Minute || slices.ContainsFunc(events, sick) {
				return unavailable()
			}
			return ok()
		}}
		w := newWorld(t, map[string]*destination{"a": d}, nil)
		w.produce("a", 0, 400, 40)
		time.Sleep(2 * time.Minute)
		for well := false; !well; _, well = w.pipeline.Health() {
			if time.Sleep(10 * time.Millisecond); time.Since(start) > 2*time.Minute+11*31*time.Second {
				t.Fatal("the breaker has not closed although ten of forty alone fail")
			}
		}
		w.settle(300, 30*time.Minute) // those that fail open it again and again
		w.stop()
		inOrder(t, d.delivered())
	})
}

// TestReturnGoesOnFromMemory: when a workspace comes back, what is in hand goes
// out at once, at the budget's rate.
func TestReturnGoesOnFromMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d := &destination{latency: 10 * time.Millisecond, items: 1, answer: func(at time.Time, _ []string) sink.Result {
			if at.Sub(start) < 2*time.Minute {
				return unavailable()
			}
			return ok()
		}}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) { ws.Budget = budget.Config{Requests: 50} })
		w.produce("a", 0, 500, 500)
		time.Sleep(4 * time.Minute)
		w.stop()
		back := d.after(start.Add(2 * time.Minute))
		if n := len(back); n != 500 {
			t.Fatalf("%d attempts after the outage, want 500", n)
		}
		if took := back[499].at.Sub(back[0].at); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("500 attempts took %v at 50/s", took)
		}
	})
}

// A dispatcher waits for its budget with a permit of when all was well. The
// breaker opens meanwhile: the attempt is not made.
func TestPermitEndsWithTheBreaker(t *testing.T) {
	t.Parallel()
	for _, many := range []bool{false, true} {
		t.Run(fmt.Sprint("many 429s ", many), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				d := &destination{latency: 2500 * time.Millisecond, items: 1, answer: func(at time.Time, _ []string) sink.Result {
					switch since := at.Sub(start); {
					case since < 20*time.Second || since > 50*time.Second:
						return ok()
					case many:
						return tooMany(30 * time.Second)
					}
					return unavailable()
				}}
				w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) {
					ws.Budget, ws.Breaker.Failures = budget.Config{Requests: 0.5}, 2
				})
				w.produce("a", 0, 60, 60)
				time.Sleep(90 * time.Second)
				w.stop()
				var closed time.Time // when the second that failed had its answer
				failed := d.after(start.Add(20 * time.Second))
				if closed = failed[1].at.Add(d.latency); len(failed) < 4 {
					t.Fatalf("%d attempts", len(failed))
				}
				for _, s := range failed {
					if late := s.at.Sub(closed); late > 0 && late < 28*time.Second {
						t.Errorf("an attempt %v after the workspace was closed", late)
					}
				}
			})
		})
	}
}
