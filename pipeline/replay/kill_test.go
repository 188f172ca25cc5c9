package replay_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/replay"
)

// The process dies at an append, which was written or was not; another member
// goes on once the claim is dead, and every record is there exactly once.
func TestReplayKilledAnywhereCopiesOnce(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{false, true} {
		for _, kill := range []int{1, 2, 7, 19, 40} {
			t.Run(fmt.Sprintf("append %d written %v", kill, written), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newVirtualWorld(t)
					want := fill(t, w, 40)
					died := make(chan struct{})
					var first member
					ready := make(chan struct{})
					first = w.member(t, "m1", meddle(func(n int, _ event.Record) (bool, bool) {
						<-ready
						if n == kill {
							first.dead.Store(true)
							close(died)
							return written, false
						}
						return n < kill, n < kill
					}))
					close(ready)
					defer w.deliver(t, tier)()
					job := w.start(t, replay.Selection{Stream: "events"})
					<-died
					began := time.Now()
					w.member(t, "m2", nil)
					w.await(t, job.ID, "want it done", done)
					if took := time.Since(began); took < 10*time.Second || took > 40*time.Second {
						t.Errorf("want the claim to die first, have %v", took)
					}
					if have := w.copies(t, tier, job.ID); !reflect.DeepEqual(have, want) {
						t.Errorf("want each once and in order: %v, have %v", want, have)
					}
				})
			})
		}
	}
}

// Three members die one after the other, each at another append.
func TestReplayKilledAgainAndAgainCopiesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := fill(t, w, 300)
		defer w.deliver(t, tier)()
		job := w.start(t, replay.Selection{Stream: "events"})
		for i := range 3 {
			died, ready := make(chan struct{}), make(chan struct{})
			var m member
			m = w.member(t, fmt.Sprint("m", i), meddle(func(n int, _ event.Record) (bool, bool) {
				<-ready
				if n == 20+i {
					m.dead.Store(true)
					close(died)
				}
				return n <= 20+i, n < 20+i
			}))
			close(ready)
			<-died
			m.stop()
		}
		w.member(t, "last", nil)
		w.await(t, job.ID, "want it done", done)
		if have := w.copies(t, tier, job.ID); !reflect.DeepEqual(have, want) {
			t.Error("want each once and in order")
		}
	})
}

// A member that stops in good order gives its claim back: the next goes on at
// once.
func TestReplayGoesOnAtOnceAfterAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := fill(t, w, 900) // more than may wait on the tier, which nobody reads yet
		w.deps.Workspaces[0].EventRate = 10
		first := w.member(t, "m1", nil)
		job := w.start(t, replay.Selection{Stream: "events"})
		w.await(t, job.ID, "want the tier full", func(s replay.Status) bool { return s.Copied == full && s.Waiting != "" })
		first.stop()
		if s := w.status(t, job.ID); s.Holder != "" {
			t.Errorf("want nobody to hold it, have %q", s.Holder)
		}
		began := time.Now()
		w.member(t, "m2", nil)
		w.await(t, job.ID, "want it taken up", func(s replay.Status) bool { return s.Holder == "m2" })
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("want it taken up at once, have %v", took)
		}
		defer w.deliver(t, tier)()
		w.await(t, job.ID, "want it done", done)
		if have := w.copies(t, tier, job.ID); !reflect.DeepEqual(have, want) {
			t.Error("want each once and in order")
		}
	})
}

func TestTwoRunnersCopyOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := fill(t, w, 200)
		for i := range 3 {
			w.member(t, fmt.Sprint("m", i), nil)
		}
		defer w.deliver(t, tier)()
		job := w.start(t, replay.Selection{Stream: "events"})
		w.await(t, job.ID, "want it done", done)
		if have := w.copies(t, tier, job.ID); !reflect.DeepEqual(have, want) {
			t.Error("want each once and in order")
		}
	})
}

// The holder is frozen in the middle of an append; when it wakes, another member
// has gone on and it copies nothing more.
func TestFrozenHolderCopiesNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := fill(t, w, 30)
		frozen, woken := make(chan struct{}), make(chan struct{})
		first := w.member(t, "m1", meddle(func(n int, _ event.Record) (bool, bool) {
			if n == 5 {
				close(frozen)
				<-woken
			}
			return n < 5, true // what it was about to append, it appends nowhere
		}))
		defer w.deliver(t, tier)()
		job := w.start(t, replay.Selection{Stream: "events", Shards: []int32{1}})
		<-frozen
		first.dead.Store(true) // a frozen process renews nothing
		w.member(t, "m2", nil)
		w.await(t, job.ID, "want it done", done)
		first.dead.Store(false)
		close(woken)
		time.Sleep(30 * time.Second)
		if have := w.copies(t, tier, job.ID); !slices.Equal(have[1], want[1]) {
			t.Errorf("want each once: %v, have %v", want[1], have[1])
		}
	})
}
