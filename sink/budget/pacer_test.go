package budget_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/sink/budget"
)

// attempt is one request as it was granted.
type attempt struct {
	at     time.Time
	events int
}

// play sends for so long, as a dispatcher does, and returns what was granted.
// Each attempt takes all that the pacer allows, at most batch events.
func play(t *testing.T, p *budget.Pacer, batch int, long time.Duration, pause func()) []attempt {
	t.Helper()
	var sent []attempt
	for end := time.Now().Add(long); time.Now().Before(end); pause() {
		err := p.Wait(t.Context(), func(room int) int {
			if room < 1 {
				t.Errorf("granted %d events", room)
			}
			sent = append(sent, attempt{time.Now(), min(room, batch)})
			return min(room, batch)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return sent
}

// worst returns the most attempts and the most events of any half-open window
// of one second. A window that holds most can be moved to begin with an attempt.
func worst(sent []attempt) (attempts, events int) {
	held, last := 0, 0
	for first, begin := range sent {
		for last < len(sent) && sent[last].at.Before(begin.at.Add(time.Second)) {
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
func pauses(r int, often bool) func() {
	random := rand.New(rand.NewPCG(uint64(r), 1))
	odds := 12
	if !often {
		odds += 4 * r
	}
	spacing := time.Second / time.Duration(r)
	return func() {
		switch random.IntN(odds) {
		case 0:
			time.Sleep(time.Second + time.Duration(random.IntN(3)-1))
		case 1:
			time.Sleep(time.Duration(random.Int64N(int64(3 * time.Second))))
		case 2:
			time.Sleep(max(0, spacing+time.Duration(random.IntN(3)-1)))
		case 3:
			time.Sleep(time.Duration(random.Int64N(int64(2 * spacing))))
		case 4:
			time.Sleep(time.Nanosecond)
		}
	}
}

// Whoever counts requests over any second, wherever that second begins, must
// never count more than the rate: bursts after a pause included.
func TestNoSecondHoldsMoreThanTheRate(t *testing.T) {
	t.Parallel()
	for r := 1; r <= 400; r++ {
		t.Run(fmt.Sprint(r), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, often := range []bool{true, false} {
					p := budget.NewPacer(budget.Config{Requests: budget.Rate(r)}, 1)
					sent := play(t, p, 1, 5*time.Second+time.Minute/time.Duration(r), pauses(r, often))
					if have, _ := worst(sent); have > r {
						t.Errorf("pauses often %v: %d attempts within a second", often, have)
					}
				}
			})
		})
	}
}

func TestNoSecondHoldsMoreEventsThanTheRateAndABatch(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 7, 100, 1000} {
		for _, r := range []int{1, 2, 9, 10, 11, 66, 100, 333, 1000, 2500} {
			for _, requests := range []budget.Rate{0, 5, 80} {
				t.Run(fmt.Sprintf("%d/s in batches of %d, %v requests", r, batch, requests), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						p := budget.NewPacer(budget.Config{Requests: requests, Events: budget.Rate(r)}, batch)
						if _, have := worst(play(t, p, batch, 15*time.Second, pauses(r, false))); have > r+batch {
							t.Errorf("%d events within a second", have)
						}
					})
				})
			}
		}
	}
}

// Attempts that end ask for the next one themselves, many at the same instant.
func TestSeveralWaitersShareTheRate(t *testing.T) {
	t.Parallel()
	const waiters, r = 15, 80
	synctest.Test(t, func(t *testing.T) {
		p := budget.NewPacer(budget.Config{Requests: r}, 1)
		var all []attempt // written within grants, one at a time
		var waiting sync.WaitGroup
		for i := range waiters {
			pause := pauses(r, i%2 == 0)
			if i == 0 { // somebody asks at any time, or the budget could not be used
				pause = func() {}
			}
			waiting.Go(func() {
				for end := time.Now().Add(10 * time.Second); time.Now().Before(end); pause() {
					err := p.Wait(t.Context(), func(int) int {
						runtime.Gosched() // others ask meanwhile
						all = append(all, attempt{time.Now(), 1})
						return 1
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		waiting.Wait()
		if have, _ := worst(all); have > r {
			t.Errorf("%d attempts within a second", have)
		}
		if have := float64(len(all)) / 10 / r; have < 0.97 {
			t.Errorf("%.3f of the budget used", have)
		}
	})
}

// With more to send than the budget allows, the budget is used.
func TestBacklogUsesTheBudget(t *testing.T) {
	t.Parallel()
	const least = 0.97
	tests := []struct {
		cfg   budget.Config
		batch int
		want  float64 // events a second that could go out
	}{
		{budget.Config{Requests: 0.1}, 1, 0.1},
		{budget.Config{Requests: 1}, 1, 1},
		{budget.Config{Requests: 10}, 1, 10},
		{budget.Config{Requests: 80}, 1, 80},
		{budget.Config{Requests: 400}, 1, 400},
		{budget.Config{Requests: 10000}, 1, 10000},
		{budget.Config{Requests: 80}, 100, 8000},
		{budget.Config{Events: 1}, 100, 1},
		{budget.Config{Events: 15}, 100, 15},
		{budget.Config{Events: 1000}, 100, 1000},
		{budget.DefaultConfig(), 100, 1000},
		{budget.DefaultConfig(), 1, 80},
		{budget.Config{Requests: 10, Events: 1000}, 100, 985},
		{budget.Config{Requests: 5, Events: 5000}, 100, 500},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v in batches of %d", tt.cfg, tt.batch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				long := max(10, 20/tt.want) * float64(time.Second)
				sent := play(t, budget.NewPacer(tt.cfg, tt.batch), tt.batch, time.Duration(long), func() {})
				events := 0
				for _, a := range sent[1:] { // a burst at the start would flatter
					events += a.events
				}
				took := sent[len(sent)-1].at.Sub(sent[0].at)
				if have := float64(events) / took.Seconds() / tt.want; have < least || have > 1.02 {
					t.Errorf("%.3f of the budget used", have)
				}
			})
		})
	}
}

func TestUnlimitedNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		for name, cfg := range map[string]budget.Config{"nothing": {}, "requests": {Requests: 10}, "events": {Events: 10}} {
			budget.NewPacer(cfg, 100).Try(func(room int) int {
				if (room == math.MaxInt) != (cfg.Events == 0) {
					t.Errorf("limited in %s: granted %d events", name, room)
				}
				return 1
			})
		}
		p := budget.NewPacer(budget.Config{}, 100)
		granted := 0
		for range 10_000 {
			err := p.Wait(t.Context(), func(room int) int { granted++; return min(room, 1<<20) })
			if err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != 0 || granted != 10_000 {
			t.Errorf("%d grants took %v", granted, waited)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.NewPacer(budget.Config{Requests: 0.1}, 1)
		p.Try(one)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := p.Wait(ctx, func(int) int { t.Error("granted"); return 1 })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("have %v after %v", err, time.Since(start))
		}
		// What was given up is not charged: the next one waits no longer for it.
		if err := p.Wait(t.Context(), one); err != nil || time.Since(start).Round(time.Millisecond) != 10152*time.Millisecond {
			t.Errorf("have %v after %v, want 1/(0.985 x 0.1/s) after the first", err, time.Since(start))
		}
	})
}

func one(int) int { return 1 }

func TestOnlyWhatIsSentIsCharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.NewPacer(budget.Config{Requests: 10, Events: 1000}, 100)
		for range 3 { // nothing was ready after all
			if wait := p.Try(func(int) int { return 0 }); wait != 0 {
				t.Fatalf("waits %v for what was not sent", wait)
			}
		}
		p.Try(one)
		wait := p.Try(func(int) int { t.Error("granted at once"); return 1 })
		if want := time.Second * 1000 / 9850; wait.Round(time.Microsecond) != want.Round(time.Microsecond) {
			t.Errorf("told to wait %v, want %v", wait, want)
		}
	})
}

// An attempt can hold more than was left, as one that cannot be split does.
func TestWhatExceedsTheBudgetIsOwed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		cfg    budget.Config
		events int
		want   time.Duration // until the next attempt
	}{
		{"events", budget.Config{Events: 100}, 210, 2010 * time.Millisecond},
		{"many times over", budget.Config{Events: 100}, 10_010, 100_010 * time.Millisecond},
		{"within the budget", budget.Config{Events: 100}, 9, 0},
		{"the longer wait, for events", budget.Config{Requests: 100, Events: 100}, 110, 1010 * time.Millisecond},
		{"the longer wait, for requests", budget.Config{Requests: 1, Events: 100}, 12, 1015228 * time.Microsecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := budget.NewPacer(tt.cfg, 50)
				p.Try(func(int) int { return tt.events })
				start := time.Now()
				if err := p.Wait(t.Context(), one); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(start).Round(time.Microsecond); waited != tt.want {
					t.Errorf("waited %v, want %v", waited, tt.want)
				}
			})
		})
	}
}

// TestSetWakesWhoWaits: a budget of one an hour becomes another while somebody
// waits for it; what was charged before stays charged.
func TestSetWakesWhoWaits(t *testing.T) {
	t.Parallel()
	one := func(int) int { return 1 }
	for name, tc := range map[string]struct {
		to        budget.Config
		low, high time.Duration
	}{
		"faster":    {budget.Config{Requests: 10}, 90 * time.Millisecond, 110 * time.Millisecond},
		"unlimited": {budget.Config{}, 0, 0},
		"slower":    {budget.Config{Requests: 1.0 / 7200}, 2 * time.Hour, 3 * time.Hour},
		"events":    {budget.Config{Events: 100}, 0, 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := budget.NewPacer(budget.Config{Requests: 1.0 / 3600}, 10)
				p.Try(one)
				done := make(chan time.Time)
				go func() {
					if err := p.Wait(t.Context(), one); err != nil {
						t.Error(err)
					}
					done <- time.Now()
				}()
				synctest.Wait()
				at := time.Now()
				p.Set(tc.to, 10)
				p.Set(tc.to, 10) // again at the same instant: nothing is counted twice
				if took := (<-done).Sub(at); took < tc.low || took > tc.high {
					t.Errorf("waited %v, want %v to %v", took, tc.low, tc.high)
				}
			})
		})
	}
}

// TestSetBackAndForth: whatever a budget was between, afterwards its rate
// holds.
func TestSetBackAndForth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steady := budget.Config{Requests: 50, Events: 200}
		p := budget.NewPacer(steady, 10)
		for _, between := range []budget.Config{{}, {Requests: 1}, {Events: 1}, {Requests: 1000, Events: 10}, steady} {
			p.Set(between, 3)
			p.Set(steady, 10)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			sent, requests := 0, 0
			for p.Wait(ctx, func(room int) int { n := min(room, 5); sent += n; requests++; return n }) == nil {
				continue
			}
			cancel()
			if sent < 1900 || sent > 2020 || requests > 500 {
				t.Errorf("after %+v: %d events in %d requests in 10 s at 200/s and 50/s", between, sent, requests)
			}
		}
	})
}
