package budget_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/sink/budget"
)

// rested returns a pacer that owns all, owes nothing and is asked in a bubble.
func rested(cfg budget.Config, batch int) *budget.Pacer {
	p := budget.NewPacer(cfg, budget.Options{Batch: batch})
	p.SetShare(1, 1)
	for wait := p.Try(nothing); wait > 0; wait = p.Try(nothing) {
		time.Sleep(wait)
	}
	time.Sleep(time.Second)
	return p
}

func one(budget.Room) budget.Charge { return budget.Charge{Events: 1} }

func nothing(budget.Room) budget.Charge { return budget.Charge{} }

func events(n int) func(budget.Room) budget.Charge {
	return func(budget.Room) budget.Charge { return budget.Charge{Events: n} }
}

// Attempts that end ask for the next one themselves, many at the same instant.
func TestSeveralWaitersShareTheRate(t *testing.T) {
	t.Parallel()
	const waiters, r = 15, 80
	synctest.Test(t, func(t *testing.T) {
		p := rested(budget.Config{Requests: r}, 1)
		var all []attempt // written within grants, one at a time
		var waiting sync.WaitGroup
		granted := make([]int, waiters)
		for i := range waiters {
			waiting.Go(func() {
				for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
					_, err := p.Wait(t.Context(), func(budget.Room) budget.Charge {
						runtime.Gosched() // others ask meanwhile
						all = append(all, attempt{at: time.Now(), events: 1})
						granted[i]++
						return budget.Charge{Events: 1}
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		waiting.Wait()
		if have, _ := worst(all, time.Second); have > r {
			t.Errorf("%d attempts within a second", have)
		}
		if have := float64(len(all)) / 10 / r; have < 0.98 {
			t.Errorf("%.3f of the budget used", have)
		}
		for i, n := range granted {
			if fair := len(all) / waiters; n < fair-2 || n > fair+2 {
				t.Errorf("waiter %d was granted %d attempts, a fair part is %d", i, n, fair)
			}
		}
	})
}

// TestEverythingAtOnce is for the race detector: all that may be called, by
// anybody, at any time.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const r = 200
		cfg := budget.Config{Requests: r, Events: 5000, Calls: []budget.Call{{Name: "app", Bits: 2, Rate: 10}}}
		cfg.Classes = []budget.Class{{Name: "default"}, {Name: "newsletter", Rate: 25}}
		reordered := cfg
		reordered.Classes = []budget.Class{cfg.Classes[0], {Name: "digest", Rate: 1}, cfg.Classes[1]}
		p := rested(cfg, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var queue sync.Mutex // partition's: taken by fill, and held over SetShare
		var all []attempt
		var running sync.WaitGroup
		for i := range 8 {
			fill := func(room budget.Room) budget.Charge {
				queue.Lock()
				defer queue.Unlock()
				a := attempt{at: time.Now(), events: min(room.Events, 1+i), bits: (1 + uint64(i)%2) &^ room.Shut}
				if a.bits == 0 {
					return budget.Charge{}
				}
				all = append(all, a)
				newsletter := len(room.Classes) - 1
				room.Classes[0] = 0 // it is lent, so that it may be counted down
				room.Classes[newsletter] = min(a.events, room.Classes[newsletter])
				return budget.Charge{Events: a.events, Bits: a.bits, Classes: room.Classes}
			}
			running.Go(func() {
				for {
					again, err := p.Wait(ctx, fill)
					if err != nil {
						return
					}
					if again > 0 {
						time.Sleep(again)
					}
					p.Answered(time.Now(), i == 0 && again == 0)
					p.Try(fill)
					p.Status()
				}
			})
		}
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				queue.Lock()
				p.SetShare(i%4, 3)
				queue.Unlock()
				p.Set([]budget.Config{cfg, reordered}[i%2], 10+i%3, time.Second)
				time.Sleep(37 * time.Millisecond)
			}
		})
		running.Wait()
		if have, _ := worst(all, time.Second); have > r || have < r/20 {
			t.Errorf("%d attempts within a second", have)
		}
	})
}

func TestUnlimitedNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, cfg := range map[string]budget.Config{"nothing": {}, "requests": {Requests: 10}, "events": {Events: 10}} {
			rested(cfg, 100).Try(func(room budget.Room) budget.Charge {
				if (room.Events == math.MaxInt) != (cfg.Events == 0) {
					t.Errorf("limited in %s: granted %d events", name, room.Events)
				}
				return budget.Charge{Events: 1}
			})
		}
		asked := 0
		p := budget.NewPacer(budget.Config{}, budget.Options{Batch: 100, Now: func() time.Time { asked++; return time.Now() }})
		if wait := p.Try(one); wait == 0 {
			t.Error("granted without a share")
		}
		p.SetShare(1, 48)
		before, start, granted := asked, time.Now(), 0
		for range 10_000 {
			_, err := p.Wait(t.Context(), func(budget.Room) budget.Charge { granted++; return budget.Charge{Events: 1 << 20} })
			if err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != 0 || granted != 10_000 {
			t.Errorf("%d grants took %v", granted, waited)
		}
		if asked != before {
			t.Errorf("asked the clock %d times", asked-before)
		}
		p.SetShare(0, 48)
		if wait := p.Try(one); wait == 0 {
			t.Error("granted after the share went")
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := rested(budget.Config{Requests: 0.1}, 1)
		p.Try(one)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		var waiting sync.WaitGroup
		for range 3 { // the first in line, and those behind
			waiting.Go(func() {
				_, err := p.Wait(ctx, func(budget.Room) budget.Charge { t.Error("granted"); return budget.Charge{Events: 1} })
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
					t.Errorf("have %v after %v", err, time.Since(start))
				}
			})
		}
		waiting.Wait()
		// What was given up is not charged: the next one waits no longer for it.
		if _, err := p.Wait(t.Context(), one); err != nil || time.Since(start).Round(time.Millisecond) != 10137*time.Millisecond {
			t.Errorf("have %v after %v, want 1/(0.985 x 0.1/s) - 15 ms after the first", err, time.Since(start))
		}
	})
}

func TestOnlyWhatIsSentIsCharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := rested(budget.Config{Requests: 10, Events: 1000}, 100)
		for range 3 { // nothing was ready after all
			if wait := p.Try(nothing); wait != 0 {
				t.Fatalf("waits %v for what was not sent", wait)
			}
		}
		p.Try(one)
		wait := p.Try(func(budget.Room) budget.Charge { t.Error("granted at once"); return budget.Charge{Events: 1} })
		if want := time.Second*1000/9850 - 15*time.Millisecond; wait.Round(time.Microsecond) != want.Round(time.Microsecond) {
			t.Errorf("told to wait %v, want %v", wait, want)
		}
	})
}

// TestSlowFillIsChargedWhenItEnds: a fill that waits for a lock sends when it
// has it.
func TestSlowFillIsChargedWhenItEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := rested(budget.Config{Requests: 10}, 1)
		p.Try(func(budget.Room) budget.Charge {
			time.Sleep(300 * time.Millisecond)
			return budget.Charge{Events: 1}
		})
		if wait := p.Try(one); wait < 85*time.Millisecond {
			t.Errorf("the next may be sent %v after", wait)
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
		{"the longer wait, for requests", budget.Config{Requests: 1, Events: 100}, 12, 1000228 * time.Microsecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := rested(tt.cfg, 50)
				p.Try(events(tt.events))
				start := time.Now()
				if _, err := p.Wait(t.Context(), one); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(start).Round(time.Microsecond); waited != tt.want {
					t.Errorf("waited %v, want %v", waited, tt.want)
				}
			})
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := budget.NewPacer(budget.Config{Requests: 100, Events: 1000}, budget.Options{Batch: 10, Now: func() time.Time { return now }})
	if have, want := p.Status(), (budget.Status{Factor: 1, Total: 1}); !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v, want %+v", have, want)
	}
	p.SetShare(3, 12)
	if have, want := p.Status(), (budget.Status{Rate: 24.625, Events: 250, Factor: 1, Owned: 3, Total: 12}); !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v, want %+v", have, want)
	}
	p.SetShare(30, 12) // never more than all
	if have, want := p.Status(), (budget.Status{Rate: 98.5, Events: 1000, Factor: 1, Owned: 12, Total: 12}); !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v, want %+v", have, want)
	}
	p.Set(budget.Config{Events: 1000}, 10, 0)
	if have, want := p.Status(), (budget.Status{Rate: budget.Rate(math.Inf(1)), Events: 1000, Factor: 1, Owned: 12, Total: 12}); !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v, want %+v", have, want)
	}
}
