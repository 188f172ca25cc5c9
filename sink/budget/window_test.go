package budget_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sluice/sink/budget"
)

// attempt is one request as it was granted.
type attempt struct {
	at      time.Time
	events  int
	bits    uint64
	classes []int // events of each
}

// fleet is some members' pacers of one workspace on one clock, each with a
// backlog: it asks whenever it may, unless it pauses.
type fleet struct {
	now    time.Time
	dice   *rand.Rand
	pacers []*budget.Pacer
	next   []time.Time // when each asks again
	sent   []attempt
	late   func() time.Duration // of a timer; nil: never
	pause  func() time.Duration // after an attempt; nil: none
	bits   func() uint64        // of an attempt; nil: none
	batch  int

	classes func(room budget.Room, most int) []int // events of each in an attempt; nil: none is told
}

func newFleet(members int, cfg budget.Config, batch int, seed uint64) *fleet {
	f := &fleet{
		now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), dice: rand.New(rand.NewPCG(seed, 3)),
		next: make([]time.Time, members), batch: batch,
	}
	for range members {
		f.pacers = append(f.pacers, budget.NewPacer(cfg, budget.Options{
			Batch: batch, Now: func() time.Time { return f.now }, Rand: f.random,
		}))
	}
	return f
}

// random is often the worst: no wait at all beside what must be.
func (f *fleet) random() float64 { return max(0, 2*f.dice.Float64()-1) }

// share tells a member its share, and wakes it.
func (f *fleet) share(member, owned, total int) {
	f.pacers[member].SetShare(owned, total)
	f.next[member] = f.now
}

// play lets time pass.
func (f *fleet) play(long time.Duration) {
	end := f.now.Add(long)
	for {
		who := 0
		for i := range f.next {
			if f.next[i].Before(f.next[who]) {
				who = i
			}
		}
		if !f.next[who].Before(end) {
			f.now = end
			return
		}
		f.now = later(f.now, f.next[who])
		f.next[who] = f.now.Add(f.ask(who))
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// ask makes one attempt and returns when that member asks again.
func (f *fleet) ask(who int) time.Duration {
	granted := false
	wait := f.pacers[who].Try(func(room budget.Room) budget.Charge {
		granted = true
		a := attempt{at: f.now, events: min(room.Events, f.batch)}
		if f.bits != nil {
			a.bits = f.bits() &^ room.Shut
			if a.bits == 0 {
				return budget.Charge{}
			}
		}
		if f.classes != nil {
			a.classes = f.classes(room, a.events)
			if a.events = sum(a.classes); a.events == 0 {
				return budget.Charge{}
			}
		}
		f.sent = append(f.sent, a)
		return budget.Charge{Events: a.events, Bits: a.bits, Classes: a.classes}
	})
	wait = min(wait, 1000*time.Hour)
	if granted && f.pause != nil {
		return wait + f.pause()
	}
	if (!granted || wait > 0) && f.late != nil {
		return wait + f.late()
	}
	return wait
}

// worst returns the most attempts and the most events of any half-open window
// of that length. A window that holds most can be moved to begin with an
// attempt.
func worst(sent []attempt, window time.Duration) (attempts, events int) {
	held, last := 0, 0
	for first, begin := range sent {
		for last < len(sent) && sent[last].at.Before(begin.at.Add(window)) {
			held += sent[last].events
			last++
		}
		attempts, events = max(attempts, last-first), max(events, held)
		held -= begin.events
	}
	return attempts, events
}

// pauses returns what an adversary does between attempts: nothing for a run of
// them, short or about a second long, then a pause that ends about where a
// window or a grant would.
func (f *fleet) pauses(r float64, often bool) func() time.Duration {
	odds := 12
	if !often {
		odds += 4 * int(r)
	}
	spacing := time.Duration(float64(time.Second) / r)
	return func() time.Duration {
		switch f.dice.IntN(odds) {
		case 0:
			return time.Second + time.Duration(f.dice.IntN(3)-1)
		case 1:
			return time.Duration(f.dice.Int64N(int64(3 * time.Second)))
		case 2:
			return max(0, spacing+time.Duration(f.dice.IntN(3)-1))
		case 3:
			return time.Duration(f.dice.Int64N(int64(2 * spacing)))
		case 4:
			return time.Nanosecond
		default:
			return 0
		}
	}
}

// meddle changes what it may about a member: share, factor, budget; never above
// r for the whole.
func (f *fleet) meddle(member, r int) {
	switch f.dice.IntN(8) {
	case 0, 1:
		f.share(member, 1, 1)
	case 2:
		f.share(member, 1, 2)
	case 3:
		f.share(member, 1, 48)
	case 4:
		f.share(member, f.dice.IntN(7), 6)
	case 5:
		for range 1 + f.dice.IntN(50) {
			f.pacers[member].Answered(f.now, f.dice.IntN(2) == 0)
		}
	case 6:
		lower := budget.Rate(f.dice.Float64() * float64(r))
		f.pacers[member].Set(budget.Config{Requests: lower}, f.batch, 0)
	case 7:
		f.pacers[member].Set(budget.Config{Requests: budget.Rate(r)}, f.batch, time.Duration(f.dice.Int64N(int64(time.Second))))
	}
	f.next[member] = f.now
}

// Whoever counts requests over any second, wherever that second begins, must
// never count more than the rate: bursts after a pause included.
func TestNoSecondHoldsMoreThanTheRate(t *testing.T) {
	t.Parallel()
	for r := 1; r <= 400; r++ {
		for _, often := range []bool{true, false} {
			f := newFleet(1, budget.Config{Requests: budget.Rate(r)}, 1, uint64(r))
			f.pause = f.pauses(float64(r), often)
			f.share(0, 1, 1)
			f.play(5*time.Second + time.Minute/time.Duration(r))
			if have, _ := worst(f.sent, time.Second); have > r || have == 0 {
				t.Errorf("%d/s, pauses often %v: %d attempts within a second", r, often, have)
			}
			bound := 1 + (0.1+0.015)*0.985*float64(r)
			if have, _ := worst(f.sent, 100*time.Millisecond); float64(have) > bound+1e-6 {
				t.Errorf("%d/s, pauses often %v: %d attempts within 100 ms, want at most %.2f", r, often, have, bound)
			}
		}
	}
}

// The same while share, factor and rate change at any time.
func TestNoSecondHoldsMoreWhateverChanges(t *testing.T) {
	t.Parallel()
	for r := 1; r <= 400; r++ {
		f := newFleet(1, budget.Config{Requests: budget.Rate(r)}, 1, uint64(r))
		if r%3 == 0 {
			f.pause = f.pauses(float64(r), false)
		}
		f.share(0, 1, 1)
		for range 25 {
			f.play(time.Duration(f.dice.Int64N(int64(600 * time.Millisecond))))
			f.meddle(0, r)
		}
		if have, _ := worst(f.sent, time.Second); have > r {
			t.Errorf("%d/s: %d attempts within a second", r, have)
		}
	}
}

// One member stops and another begins at the same instant: who counts both must
// not count more than the rate either, however the share comes over.
func TestNoSecondHoldsMoreAcrossHandOvers(t *testing.T) {
	t.Parallel()
	const shards = 12
	ways := map[string]func(f *fleet, from, to int){
		"at once": func(f *fleet, from, to int) {
			f.share(from, 0, shards)
			f.share(to, shards, shards)
		},
		"away at once, back in pieces": func(f *fleet, from, to int) {
			f.share(from, 0, shards)
			for n := 1; n <= shards; n++ {
				f.share(to, n, shards)
				f.play(time.Duration(f.dice.Int64N(int64(3 * time.Millisecond))))
			}
		},
		"and lost and found again": func(f *fleet, from, to int) {
			f.share(from, 0, shards)
			for range 5 {
				f.share(to, shards, shards)
				f.share(to, 0, shards)
			}
			f.share(to, shards, shards)
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for r := 1; r <= 400; r++ {
				f := newFleet(3, budget.Config{Requests: budget.Rate(r)}, 1, uint64(r))
				if r%3 == 0 {
					f.pause = f.pauses(float64(r), false)
				}
				owner := 0
				f.share(owner, shards, shards)
				for range 8 {
					f.play(time.Duration(f.dice.Int64N(int64(max(1500*time.Millisecond, 5*time.Second/time.Duration(r))))))
					next := (owner + 1 + f.dice.IntN(2)) % 3
					way(f, owner, next)
					owner = next
				}
				if have, _ := worst(f.sent, time.Second); have > r || have == 0 {
					t.Errorf("%d/s: %d attempts within a second", r, have)
				}
			}
		})
	}
}

// Members that share a workspace at the same time may add up to one attempt
// more for each of them but one, as each of them has one to begin with.
func TestNoSecondHoldsMoreThanTheRateAndTheSharers(t *testing.T) {
	t.Parallel()
	const shards, members = 12, 3
	for r := 1; r <= 400; r++ {
		f := newFleet(members, budget.Config{Requests: budget.Rate(r)}, 1, uint64(r))
		have := [members]int{shards}
		f.share(0, shards, shards)
		for range 15 {
			f.play(time.Duration(f.dice.Int64N(int64(time.Second))))
			from, to := f.dice.IntN(members), f.dice.IntN(members)
			moved := f.dice.IntN(have[from] + 1)
			have[from] -= moved
			f.share(from, have[from], shards)
			have[to] += moved
			f.share(to, have[to], shards)
		}
		if have, _ := worst(f.sent, time.Second); have > r+members-1 {
			t.Errorf("%d/s over %d members: %d attempts within a second", r, members, have)
		}
	}
}

func TestNoSecondHoldsMoreEventsThanTheRateAndABatch(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 7, 100, 1000} {
		for _, r := range []int{1, 2, 9, 10, 11, 66, 100, 333, 1000, 2500} {
			for _, requests := range []budget.Rate{0, 5, 80} {
				cfg := budget.Config{Requests: requests, Events: budget.Rate(r)}
				f := newFleet(2, cfg, batch, uint64(r))
				f.pause = f.pauses(float64(r), false)
				f.share(0, 1, 1)
				f.play(10 * time.Second)
				for i := range 8 { // and across hand-overs
					f.share(i%2, 0, 1)
					f.share(1-i%2, 1, 1)
					f.play(time.Duration(f.dice.Int64N(int64(2 * time.Second))))
				}
				small := max(1, min(batch, r/10))
				if _, have := worst(f.sent, time.Second); have > r+small || have == 0 {
					t.Errorf("%d/s in batches of %d, %v requests: %d events within a second", r, batch, requests, have)
				}
			}
		}
	}
}

// With more to send than the budget allows, the budget is used, though timers
// are late.
func TestBacklogUsesTheBudget(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cfg   budget.Config
		batch int
		want  float64 // events a second that could go out
		least float64 // part of them
	}{
		{budget.Config{Requests: 0.1}, 1, 0.1, 0.98},
		{budget.Config{Requests: 1}, 1, 1, 0.98},
		{budget.Config{Requests: 10}, 1, 10, 0.98},
		{budget.Config{Requests: 80}, 1, 80, 0.98},
		{budget.Config{Requests: 400}, 1, 400, 0.98},
		{budget.Config{Requests: 10000}, 1, 10000, 0.98},
		{budget.Config{Requests: 80}, 100, 8000, 0.98},
		{budget.Config{Events: 1}, 100, 1, 0.98},
		{budget.Config{Events: 15}, 100, 15, 0.97},
		{budget.Config{Events: 1000}, 100, 1000, 0.98},
		{budget.DefaultConfig(), 100, 1000, 0.98},
		{budget.DefaultConfig(), 1, 80, 0.98},
		{budget.Config{Requests: 10, Events: 1000}, 100, 985, 0.98},
		{budget.Config{Requests: 5, Events: 5000}, 100, 500, 0.98},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v in batches of %d", tt.cfg, tt.batch), func(t *testing.T) {
			t.Parallel()
			f := newFleet(1, tt.cfg, tt.batch, 1)
			f.late = func() time.Duration { return time.Duration(f.dice.ExpFloat64() * float64(300*time.Microsecond)) }
			f.share(0, 1, 1)
			f.play(time.Duration(max(20, 100/tt.want) * float64(time.Second)))
			events := 0
			for _, a := range f.sent[1:] { // a burst at the start would flatter
				events += a.events
			}
			took := f.sent[len(f.sent)-1].at.Sub(f.sent[0].at)
			if have := float64(events) / took.Seconds() / tt.want; have < tt.least || have > 1.02 {
				t.Errorf("%.4f of the budget used", have)
			}
		})
	}
}

// TestDebtIsGCRA: at a constant rate the pacer grants exactly when the
// algorithm in its usual form, with a theoretical arrival time, does.
func TestDebtIsGCRA(t *testing.T) {
	t.Parallel()
	for r := 1; r <= 400; r += 3 {
		f := newFleet(1, budget.Config{Requests: budget.Rate(r)}, 1, uint64(r))
		f.share(0, 1, 1)
		f.play(4*time.Second/time.Duration(r) + 100*time.Millisecond)
		f.now = f.now.Add(10 * time.Second) // all is paid
		interval := 1 / (0.985 * float64(r))
		start, arrival := f.now, 0.0
		for range 2000 {
			granted := false
			f.pacers[0].Try(func(budget.Room) budget.Charge { granted = true; return budget.Charge{Events: 1} })
			at := f.now.Sub(start).Seconds()
			if margin := arrival - 0.015 - at; math.Abs(margin) > 1e-7 && granted != (margin < 0) {
				t.Fatalf("%d/s: granted %v at %v, %v s before it may", r, granted, at, margin)
			}
			if granted {
				arrival = max(arrival, at) + interval
			}
			f.now = f.now.Add(time.Duration(f.dice.ExpFloat64() * interval * 0.6 * float64(time.Second)))
		}
	}
}

// TestShareThatComesInPiecesIsUsedAtOnce: what a hand-over costs does not grow
// with the number of pieces in which the share comes.
func TestShareThatComesInPiecesIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	for _, r := range []int{1, 10, 100, 1000} {
		first := make([]time.Duration, 0, 2)
		for _, pieces := range []int{1, 48} {
			f := newFleet(1, budget.Config{Requests: budget.Rate(r)}, 1, 1)
			begun := f.now
			for n := 1; n <= pieces; n++ {
				f.share(0, n, pieces)
			}
			f.play(4*time.Second/time.Duration(r) + 100*time.Millisecond)
			first = append(first, f.sent[0].at.Sub(begun))
		}
		interval := time.Duration(float64(time.Second) / (0.985 * float64(r)))
		if low, high := 2*interval+30*time.Millisecond, 3*interval+31*time.Millisecond; slices.Min(first) < low || slices.Max(first) > high {
			t.Errorf("%d/s: first attempts after %v, want %v to %v", r, first, low, high)
		}
	}
}
