package replay_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/replay"
)

// One user was merged into another of another shard. The merge must not overtake
// what the first one did before it, which was copied and is not delivered, also
// when the member dies: before it has noted the copy, or after.
func TestMergeWaitsForWhomItMakesGo(t *testing.T) {
	t.Parallel()
	primary, secondary := "ada", ""
	for i := 0; secondary == ""; i++ {
		if user := fmt.Sprint("user-", i); partition.ShardOf([]byte(user), partitions) != partition.ShardOf([]byte(primary), partitions) {
			secondary = user
		}
	}
	for _, death := range []string{"nobody dies", "before the note", "after the note"} {
		t.Run(death, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t)
				at := time.Now().Add(-time.Hour)
				w.write(t, secondary, track(secondary, 0), at)
				w.write(t, primary, merge(primary, secondary), at.Add(time.Second))
				w.write(t, secondary, identify(secondary, 1), at.Add(2*time.Second))
				w.write(t, primary, merge(primary, secondary), at.Add(3*time.Second))
				w.settle(t, live)
				died := make(chan struct{})
				var first member
				ready := make(chan struct{})
				first = w.member(t, "m1", meddle(func(int, event.Record) (bool, bool) {
					<-ready
					if death == "before the note" {
						first.dead.Store(true)
						close(died)
						return true, false
					}
					return true, true
				}))
				close(ready)
				job := w.start(t, replay.Selection{Stream: "events"})
				switch death {
				case "before the note":
					<-died
				case "after the note":
					w.await(t, job.ID, "want the first event copied", func(s replay.Status) bool { return s.Copied == 1 })
					first.dead.Store(true)
				}
				w.member(t, "m2", nil)
				for n := 1; n <= 4; n++ {
					time.Sleep(time.Minute)
					if have := len(w.Read(t, tier)); have != n {
						t.Fatalf("want %d copies before the last is delivered, have %d", n, have)
					}
					if s := w.status(t, job.ID); n < 4 && !strings.Contains(s.Waiting, "a merge names") {
						t.Errorf("want it to say what it waits for, have %q", s.Waiting)
					}
					w.settle(t, tier)
				}
				w.await(t, job.ID, "want it done", done)
			})
		})
	}
}
