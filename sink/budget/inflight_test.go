package budget_test

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sluice/sink/budget"
)

// station is a destination that attempts queue at, with a backlog in front, in
// virtual time.
type station struct {
	now    time.Time
	dice   *rand.Rand
	agenda happenings
	bound  *budget.InFlight

	rate    float64                      // attempts a second that a pacer lets through; 0: all
	servers int                          // attempts that are worked on at once; 0: all
	latency func() time.Duration         // of the work on one
	fails   func(sent time.Time) float64 // the part that fails; nil: none

	next   time.Time // the pacer's next
	woken  bool      // for it
	flying int
	queue  []func()
	busy   int
	done   int
}

func newStation(start, most int) *station {
	s := &station{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), dice: rand.New(rand.NewPCG(5, 5))}
	s.bound = budget.NewInFlight(start, most, func() time.Time { return s.now })
	return s
}

// spread returns latencies around a median.
func (s *station) spread(median time.Duration, sigma float64) func() time.Duration {
	return func() time.Duration { return time.Duration(float64(median) * math.Exp(sigma*s.dice.NormFloat64())) }
}

func (s *station) in(d time.Duration, do func()) {
	heap.Push(&s.agenda, happening{s.now.Add(d), do})
}

// run returns the attempts a second that were done.
func (s *station) run(long time.Duration) float64 {
	s.done = 0
	end := s.now.Add(long)
	s.in(long, func() {})
	for s.now.Before(end) {
		s.fill()
		next := heap.Pop(&s.agenda).(happening)
		s.now = next.at
		next.do()
	}
	return float64(s.done) / long.Seconds()
}

func (s *station) fill() {
	for s.flying < s.bound.Bound() {
		if s.rate > 0 {
			if s.now.Before(s.next) {
				if !s.woken {
					s.woken = true
					s.in(s.next.Sub(s.now), func() { s.woken = false })
				}
				return
			}
			s.next = later(s.next, s.now.Add(-15*time.Millisecond)).Add(time.Duration(float64(time.Second) / s.rate))
		}
		s.send()
	}
}

func (s *station) send() {
	s.flying++
	sent := s.now
	full := s.flying >= s.bound.Bound()
	finish := func() {
		s.busy--
		if len(s.queue) > 0 {
			first := s.queue[0]
			s.queue = s.queue[1:]
			first()
		}
		failed := s.fails != nil && s.dice.Float64() < s.fails(sent)
		full = full || s.flying >= s.bound.Bound()
		s.flying--
		if !failed {
			s.done++
		}
		s.bound.Done(sent, failed, full)
	}
	work := func() {
		s.busy++
		s.in(s.latency(), finish)
	}
	if s.servers > 0 && s.busy >= s.servers {
		s.queue = append(s.queue, work)
		return
	}
	work()
}

func TestInFlightReachesTheRate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		rate    float64
		latency time.Duration
		sigma   float64
	}{
		{"steady", 100, 400 * time.Millisecond, 0},
		{"15 ms of jitter", 100, 400 * time.Millisecond, 0.04},
		{"wild", 100, 400 * time.Millisecond, 0.5},
		{"fast", 1000, 20 * time.Millisecond, 0.3},
		{"very far", 50, 2 * time.Second, 0.2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStation(15, 256)
			s.rate, s.latency = tt.rate, s.spread(tt.latency, tt.sigma)
			s.run(10*time.Second + 10*tt.latency)
			if have := s.run(30 * time.Second); have < 0.97*tt.rate {
				t.Errorf("%.1f a second of %v, with %d in flight", have, tt.rate, s.bound.Bound())
			}
			if have, need := s.bound.Bound(), tt.rate*tt.latency.Seconds(); float64(have) > max(15, 2.5*need) {
				t.Errorf("%d in flight, %v would do", have, need)
			}
		})
	}
}

// TestInFlightFollowsALatencyThatRises: a destination that has become slow for
// good is no queue.
func TestInFlightFollowsALatencyThatRises(t *testing.T) {
	t.Parallel()
	s := newStation(15, 256)
	s.rate, s.latency = 100, s.spread(50*time.Millisecond, 0.1)
	s.run(time.Minute)
	s.latency = s.spread(500*time.Millisecond, 0.1)
	s.run(40 * time.Second)
	if have := s.run(30 * time.Second); have < 97 {
		t.Errorf("%.1f a second of 100, with %d in flight", have, s.bound.Bound())
	}
}

// TestInFlightBuildsNoQueue: what is not paced grows to what the destination
// works on, not to what it can be made to hold.
func TestInFlightBuildsNoQueue(t *testing.T) {
	t.Parallel()
	s := newStation(15, 256)
	s.servers, s.latency = 40, s.spread(100*time.Millisecond, 0.2)
	s.run(time.Minute)
	if have := s.run(5 * time.Minute); have < 0.93*40/0.102 {
		t.Errorf("%.1f a second of %.1f", have, 40/0.102)
	}
	if have := s.bound.Bound(); have > 120 {
		t.Errorf("%d in flight at a destination that works on 40", have)
	}
}

func TestInFlightFallsAndComesBack(t *testing.T) {
	t.Parallel()
	s := newStation(15, 256)
	s.rate, s.latency = 100, s.spread(200*time.Millisecond, 0.2)
	s.run(30 * time.Second)
	s.fails = func(time.Time) float64 { return 1 }
	s.run(10 * time.Second)
	if have := s.bound.Bound(); have > 2 {
		t.Errorf("%d in flight while everything fails", have)
	}
	s.fails = nil
	s.run(10 * time.Second)
	if have := s.run(20 * time.Second); have < 97 {
		t.Errorf("%.1f a second of 100 afterwards, with %d in flight", have, s.bound.Bound())
	}
}

// TestInFlightToleratesAFewFailures: one answer 500 in a hundred is daily life,
// half of them is not.
func TestInFlightToleratesAFewFailures(t *testing.T) {
	t.Parallel()
	for part, want := range map[float64]struct{ low, high int }{0.01: {20, 60}, 0.5: {1, 6}} {
		s := newStation(15, 256)
		s.rate, s.latency = 100, s.spread(200*time.Millisecond, 0.2)
		s.fails = func(time.Time) float64 { return part }
		s.run(time.Minute)
		if have := s.bound.Bound(); have < want.low || have > want.high {
			t.Errorf("%d in flight with %v failing, want %d to %d", have, part, want.low, want.high)
		}
	}
}

// TestInFlightCutsOnceARound: what was begun before a cut says nothing about it.
func TestInFlightCutsOnceARound(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := budget.NewInFlight(16, 64, func() time.Time { return now })
	sent := now
	now = now.Add(10 * time.Second)
	for range 16 {
		f.Done(sent, true, true)
	}
	if have := f.Bound(); have != 8 {
		t.Fatalf("%d after a round of failures, want 8", have)
	}
	for range 100 {
		if have := f.Done(sent, true, true); have != 8 {
			t.Fatalf("%d: an attempt of before the cut counts", have)
		}
	}
	for i := range 8 {
		if have, want := f.Done(now, true, true), 8-4*(i/7); have != want {
			t.Errorf("%d after %d failures of the next round, want %d", have, i+1, want)
		}
	}
}

func TestInFlightGrowsOnlyWhenFull(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := budget.NewInFlight(16, 20, func() time.Time { return now })
	round := func(full bool) int {
		for range f.Bound() {
			f.Done(now.Add(-time.Second), false, full)
		}
		now = now.Add(2 * time.Second)
		return f.Bound()
	}
	for _, step := range []struct {
		full bool
		want int
	}{{false, 16}, {false, 16}, {true, 20}, {true, 20}, {false, 20}} {
		if have := round(step.full); have != step.want {
			t.Errorf("full %v: %d, want %d", step.full, have, step.want)
		}
	}
}

func TestInFlightLimits(t *testing.T) {
	t.Parallel()
	f := budget.NewInFlight(15, 256, nil)
	for _, step := range []struct{ start, most, want int }{
		{15, 256, 15}, {15, 10, 10}, {15, 256, 15}, {40, 256, 40}, {0, 0, 1}, {300, 256, 256},
	} {
		f.Set(step.start, step.most)
		if have := f.Bound(); have != step.want {
			t.Errorf("start %d, most %d: %d, want %d", step.start, step.most, have, step.want)
		}
	}
}

func TestInFlightFromManyGoroutines(t *testing.T) {
	t.Parallel()
	f := budget.NewInFlight(15, 64, nil)
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			for n := range 5000 {
				if i == 0 && n%1000 == 0 {
					f.Set(15, 32+n%64)
				}
				if have := f.Done(time.Now(), n%(i+2) == 0, n%3 == 0); have < 1 || have > 96 {
					t.Errorf("bound %d", have)
				}
			}
		})
	}
	running.Wait()
}
