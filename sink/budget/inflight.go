package budget

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	tolerated  = 0.1                  // failures are part of a round, up to this part of it
	inflated   = 1.5                  // a latency so many times the usual is that of a queue
	noise      = 2 * time.Millisecond // more than the usual is nothing yet
	probeAfter = 10 * time.Second     // the usual latency is looked for anew after so long without sight of it
)

// InFlight adapts how many attempts may be in flight at once, from how they
// end. It is safe for concurrent use.
type InFlight struct {
	now   func() time.Time
	bound atomic.Int64 // written under mu

	mu    sync.Mutex // guards what follows
	start int
	most  int
	round round
	usual time.Duration // latency when there is no queue at the destination; 0: not known yet
	known time.Time     // when usual was last seen
	probe int           // the bound to go back to after a probe; 0: there is none
	slow  bool          // a bound that is too high was seen: grow by a quarter, no longer by half
}

// round is about one attempt of each that may be in flight.
type round struct {
	begun   time.Time // attempts of before are not of it
	ended   int
	failed  int
	full    bool          // the bound was reached
	latency time.Duration // of those that were timed, together
	timed   int
}

// NewInFlight makes a bound that begins at start and stays between 1 and most.
// A nil now is time.Now.
func NewInFlight(start, most int, now func() time.Time) *InFlight {
	if now == nil {
		now = time.Now
	}
	f := &InFlight{now: now}
	f.Set(start, most)
	return f
}

// Set changes the limits. A bound that was found stays, within them, unless
// start is another than before.
func (f *InFlight) Set(start, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	most = max(most, 1)
	start = min(max(start, 1), most)
	bound := min(int(f.bound.Load()), most)
	if start != f.start || bound == 0 {
		bound, f.probe = start, 0
	}
	f.start, f.most, f.probe = start, most, min(f.probe, most)
	f.bound.Store(int64(bound))
}

// Bound is how many attempts may be in flight now, at least 1.
func (f *InFlight) Bound() int { return int(f.bound.Load()) }

// Done tells that an attempt ended: failed means that it had no answer that
// helps (5xx, timeout, cut), full that the bound was reached while it was in
// flight. It returns the bound from now on.
func (f *InFlight) Done(sent time.Time, failed, full bool) (bound int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bound = int(f.bound.Load())
	r := &f.round
	if sent.Before(r.begun) {
		return bound
	}
	r.ended++
	r.full = r.full || full
	if failed {
		r.failed++
	} else if r.timed == 0 || (r.full && bound < f.most) { // a clock is asked where it matters
		r.latency += f.now().Sub(sent)
		r.timed++
	}
	if r.ended < bound {
		return bound
	}
	bound = f.conclude(bound)
	f.bound.Store(int64(bound))
	return bound
}

// conclude ends a round and returns the bound of the next.
func (f *InFlight) conclude(bound int) int {
	r, now := f.round, f.now()
	f.round = round{}
	next := bound
	switch part := float64(r.failed) / float64(r.ended); {
	case part > tolerated:
		next = max(1, int(float64(bound)*max(0.5, 1-part)))
		f.probe, f.slow = 0, true
	case f.probe > 0:
		f.usual, f.known = r.latency/time.Duration(r.timed), now
		next, f.probe = f.probe, 0
	case f.queued(r, now):
		f.slow = f.slow || r.full
		if r.full && bound < f.most && now.Sub(f.known) >= probeAfter {
			f.probe, next = bound, max(1, bound/4)
		}
	case r.full:
		step := bound / 2
		if f.slow {
			step = bound / 4
		}
		next = min(f.most, bound+max(1, step))
	}
	if next != bound {
		f.round.begun = now
	}
	return next
}

// queued tells whether the latency of a round is that of a queue, and learns
// the usual one when it is not.
func (f *InFlight) queued(r round, now time.Time) bool {
	mean := r.latency / time.Duration(r.timed)
	if f.usual == 0 {
		f.usual = mean
	}
	queued := float64(mean) > inflated*float64(f.usual)+float64(noise)
	if !queued {
		f.known = now
	}
	switch {
	case mean < f.usual:
		f.usual += (mean - f.usual) / 4
	case !r.full: // nothing waits for us: what it takes now is what it takes
		f.usual += (mean - f.usual) / 16
	}
	return queued
}
