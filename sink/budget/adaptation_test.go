package budget_test

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sluice/sink/budget"
)

// destination counts to the last request: it takes or throttles one.
type destination interface {
	take(at time.Time, limit float64) bool
}

// slidingLog takes a request when fewer than the limit were taken in the second
// before it.
type slidingLog struct{ taken []time.Time }

func (l *slidingLog) take(at time.Time, limit float64) bool {
	for len(l.taken) > 0 && at.Sub(l.taken[0]) >= time.Second {
		l.taken = l.taken[1:]
	}
	if float64(len(l.taken)) >= limit {
		return false
	}
	l.taken = append(l.taken, at)
	return true
}

func newSlidingLog() destination { return &slidingLog{} }

// bucket has a burst of 100 ms, and of two at least: one alone could not take an
// even stream that is a millisecond off.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) take(at time.Time, limit float64) bool {
	burst := max(2, limit/10)
	b.tokens = min(burst, b.tokens+limit*at.Sub(b.last).Seconds())
	if b.last.IsZero() {
		b.tokens = burst
	}
	b.last = at
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func newBucket() destination { return &bucket{} }

// happening is something that happens at an instant.
type happening struct {
	at time.Time
	do func()
}

type happenings []happening

func (h happenings) Len() int           { return len(h) }
func (h happenings) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h happenings) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)        { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// world is a member with a backlog, a network and a destination, in virtual
// time: timers are late by 0.3 ms on average, a way through the network takes
// 40 ms with a deviation of about spread x 40 ms.
type world struct {
	now    time.Time
	dice   *rand.Rand
	agenda happenings
	pacer  *budget.Pacer
	to     destination
	limit  func(after time.Duration) float64
	spread float64

	start  time.Time
	taken  []int // by second
	thrown []int
	factor []float64
}

func newWorld(seed uint64, r budget.Rate, to destination) *world {
	w := &world{
		start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), dice: rand.New(rand.NewPCG(seed, 7)), to: to, spread: 0.36,
		limit: func(time.Duration) float64 { return float64(r) },
	}
	w.now = w.start
	w.pacer = budget.NewPacer(budget.Config{Requests: r}, budget.Options{
		Batch: 1, Now: func() time.Time { return w.now }, Rand: w.dice.Float64,
	})
	w.pacer.SetShare(1, 1)
	return w
}

func (w *world) in(d time.Duration, do func()) { heap.Push(&w.agenda, happening{w.now.Add(d), do}) }

func (w *world) way() time.Duration {
	return time.Duration(40 * math.Exp(w.spread*w.dice.NormFloat64()) * float64(time.Millisecond))
}

func (w *world) run(long time.Duration) {
	seconds := int(long / time.Second)
	w.taken, w.thrown, w.factor = make([]int, seconds), make([]int, seconds), make([]float64, seconds)
	w.send()
	for end := w.start.Add(long); len(w.agenda) > 0; {
		next := heap.Pop(&w.agenda).(happening)
		if !next.at.Before(end) {
			return
		}
		w.now = next.at
		w.factor[int(w.now.Sub(w.start)/time.Second)] = w.pacer.Status().Factor
		next.do()
	}
}

func (w *world) send() {
	wait := w.pacer.Try(func(budget.Room) budget.Charge {
		sent := w.now
		w.in(w.way(), func() { w.arrive(sent) })
		return budget.Charge{Events: 1}
	})
	// A look at least every 20 ms is the wake-up after a change of the rate.
	w.in(min(wait, 20*time.Millisecond)+time.Duration(w.dice.ExpFloat64()*float64(300*time.Microsecond)), w.send)
}

func (w *world) arrive(sent time.Time) {
	after := w.now.Sub(w.start)
	ok := w.to.take(w.now, w.limit(after))
	if ok {
		w.taken[int(after/time.Second)]++
	} else {
		w.thrown[int(after/time.Second)]++
	}
	w.in(w.way(), func() { w.pacer.Answered(sent, !ok) })
}

func sum(of []int) (total int) {
	for _, n := range of {
		total += n
	}
	return total
}

// calm is what a destination always takes.
func calm(limit float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return limit }
}

// dip falls to low from one minute to two.
func dip(high, low float64) func(time.Duration) float64 {
	return func(after time.Duration) float64 {
		if after >= time.Minute && after < 2*time.Minute {
			return low
		}
		return high
	}
}

// TestLimitFallsAndComesBack: for a minute the destination takes 60 a second
// instead of 100.
func TestLimitFallsAndComesBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		to     func() destination
		spread float64
		accept bool // all that is sent is accepted in the end
	}{
		{"sliding log, 15 ms of jitter", newSlidingLog, 0.36, false},
		{"sliding log, 2 ms of jitter", newSlidingLog, 0.05, true},
		{"bucket, 15 ms of jitter", newBucket, 0.36, true},
		{"bucket, 2 ms of jitter", newBucket, 0.05, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				w := newWorld(seed, 100, tt.to())
				w.limit, w.spread = dip(100, 60), tt.spread
				w.run(4 * time.Minute)
				if have := sum(w.thrown); have >= 100 {
					t.Errorf("seed %d: %d answers 429 in all", seed, have)
				}
				if have := float64(sum(w.taken[60:120])) / 60 / 60; have < 0.85 {
					t.Errorf("seed %d: %.3f of the lower limit used", seed, have)
				}
				if have := slices.Max(w.factor[120:210]) * 98.5; have < 97 {
					t.Errorf("seed %d: at most %.1f a second asked for within 90 s", seed, have)
				}
				if have := float64(sum(w.taken[200:210])) / 10; tt.accept && have < 97 {
					t.Errorf("seed %d: %.1f a second accepted after 80 to 90 s", seed, have)
				}
			}
		})
	}
}

// TestJitterAloneDoesNotWearTheRateDown: the network alone makes a strict
// destination throttle now and then, for ever.
func TestJitterAloneDoesNotWearTheRateDown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		r      budget.Rate
		to     func() destination
		spread float64
		least  float64 // of the limit accepted
		most   float64 // of the answers 429
	}{
		{"100/s, sliding log, 15 ms", 100, newSlidingLog, 0.36, 0.95, 0.003},
		{"100/s, sliding log, 6 ms", 100, newSlidingLog, 0.15, 0.965, 0.003},
		{"100/s, bucket, 15 ms", 100, newBucket, 0.36, 0.98, 0},
		{"10/s, sliding log, 15 ms", 10, newSlidingLog, 0.36, 0.9, 0.02},
		{"10/s, sliding log, 2 ms", 10, newSlidingLog, 0.05, 0.97, 0.01},
		{"10/s, bucket, 15 ms", 10, newBucket, 0.36, 0.97, 0.002},
		{"200/s, sliding log, 15 ms", 200, newSlidingLog, 0.36, 0.95, 0.002},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				w := newWorld(seed, tt.r, tt.to())
				w.spread = tt.spread
				w.run(5 * time.Minute)
				limit := float64(tt.r)
				if have := float64(sum(w.taken[10:])) / 290 / limit; have < tt.least {
					t.Errorf("seed %d: %.4f of the limit used", seed, have)
				}
				if have := float64(sum(w.thrown)) / 300 / limit; have > tt.most {
					t.Errorf("seed %d: %.4f of the answers 429", seed, have)
				}
			}
		})
	}
}

// TestOneCutLandsOnWhatIsAccepted: whatever the destination takes, a steady
// limit below the budget is found within seconds and used.
func TestOneCutLandsOnWhatIsAccepted(t *testing.T) {
	t.Parallel()
	for _, part := range []float64{0.06, 0.1, 0.3, 0.5, 0.8, 0.95} {
		w := newWorld(1, 100, newBucket())
		w.limit = calm(100 * part)
		w.run(2 * time.Minute)
		if have := float64(sum(w.taken[20:])) / 100 / (100 * part); have < 0.85 {
			t.Errorf("a limit of %.2f: %.3f of it used", part, have)
		}
		if have := float64(sum(w.thrown[20:])) / float64(sum(w.taken[20:])); have > 0.06 {
			t.Errorf("a limit of %.2f: %.3f throttled once it was found", part, have)
		}
	}
}

// TestNothingIsTakenAnyMore: the factor has a floor, from which it comes back.
func TestNothingIsTakenAnyMore(t *testing.T) {
	t.Parallel()
	w := newWorld(1, 100, newBucket())
	w.limit = dip(100, 0)
	w.run(4 * time.Minute)
	if have := slices.Min(w.factor[70:]); have != 0.05 {
		t.Errorf("factor %v at least", have)
	}
	if have := sum(w.thrown); have > 600 {
		t.Errorf("%d requests for nothing", have)
	}
	if have := w.factor[239]; have != 1 {
		t.Errorf("factor %v two minutes later", have)
	}
}

func TestManyOrOne(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		r     budget.Rate
		owned int // of 10
		want  int // throttled answers of a window that are many
	}{
		{"3 of the 100 of a second", 100, 10, 3},
		{"30 of the 1,000 of a second", 1000, 10, 30},
		{"but 2 at least", 10, 10, 2},
		{"of the own share", 1000, 2, 6},
		{"unlimited: of the answers", 0, 10, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			p := budget.NewPacer(budget.Config{Requests: tt.r}, budget.Options{Now: func() time.Time { return now }})
			p.SetShare(tt.owned, 10)
			sent := now
			for range 100 {
				p.Answered(sent, false)
			}
			for n := 1; n <= tt.want; n++ {
				if have, want := p.Answered(sent, true), n >= tt.want; have != want {
					t.Errorf("throttled answer %d: many %v, want %v", n, have, want)
				}
			}
			now = now.Add(10 * time.Second)
			p.Answered(sent, false) // the end of the window, and the cut
			want := 0.995 * (1 - float64(tt.want)/float64(101+tt.want))
			if have := p.Status().Factor; math.Abs(have-want) > 1e-9 {
				t.Errorf("factor %v, want %v", have, want)
			}
			for range 100 {
				if p.Answered(sent, true) {
					t.Fatal("an answer to a request of before the cut counts")
				}
			}
			now = now.Add(time.Second)
			if p.Answered(now, true) {
				t.Error("one alone is many in the next window")
			}
		})
	}
}
