package partition

import (
	"testing"
	"time"
)

// TestHandover says what it costs when a workspace changes hands: how long
// nothing is sent, and how much is delivered twice. A process that leaves costs
// neither; a crash costs session, join and lease; a static twin the lease.
func TestHandover(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		schedule   func(w *world)
		silence    time.Duration // at most
		duplicates int           // at most
	}{
		{"leave", func(w *world) {
			owner := quiet(w, "")
			w.at(4*time.Second, func() { quiet(w, "") })
			w.at(8*time.Second, owner.leave)
		}, 2 * time.Second, 0},
		{"rolling restart", func(w *world) {
			for i := range 3 {
				p := quiet(w, "")
				w.at(time.Duration(6+4*i)*time.Second, func() {
					p.leave()
					w.after(time.Second, func() { quiet(w, "") })
				})
			}
		}, 2 * time.Second, 0},
		{"crash", dies, 10500 * time.Millisecond, 60},
		{"static twin of an owner that is cut off", func(w *world) {
			cutOffWithTwin(w, 8*time.Second, func(*process) {})
		}, 500 * time.Millisecond, 340},
		{"restart of a static member", func(w *world) {
			owner := quiet(w, "i")
			w.at(8*time.Second, owner.die)
			w.at(9*time.Second, func() { quiet(w, "i") })
		}, 5 * time.Second, 60},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(3, shippedRules(), []realm{{100, []int32{4}}})
			w.stragglers = 0
			w.after(0, w.witness.watch)
			tc.schedule(w)
			w.run(24 * time.Second)
			for _, report := range w.witness.reports {
				t.Error(report)
			}
			if have := w.spaces[0].silence(5 * time.Second); have > tc.silence {
				t.Errorf("nothing was sent for %v, want at most %v", have, tc.silence)
			}
			if have := w.duplicates(); have > tc.duplicates {
				t.Errorf("%d events were delivered twice, want at most %d", have, tc.duplicates)
			}
		})
	}
}

// silence is the longest time without a send from then on.
func (sp *space) silence(from time.Duration) time.Duration {
	longest, last := time.Duration(0), from
	for _, m := range sp.marks {
		if m.at >= from {
			longest, last = max(longest, m.at-last), m.at
		}
	}
	return longest
}

// duplicates counts deliveries beyond the first of each event.
func (w *world) duplicates() int {
	n := 0
	for _, s := range w.sites {
		for _, hits := range s.hits {
			n += max(0, int(hits)-1)
		}
	}
	return n
}
