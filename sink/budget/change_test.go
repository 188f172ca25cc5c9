package budget_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"sluice/sink/budget"
)

// TestChangesWakeWhoWaits: somebody waits for an attempt that is an hour away,
// when something changes.
func TestChangesWakeWhoWaits(t *testing.T) {
	t.Parallel()
	const hourly = budget.Rate(1.0 / 3600)
	cfg := budget.Config{Requests: hourly}
	set := func(to budget.Config, after time.Duration) func(p *budget.Pacer) {
		return func(p *budget.Pacer) {
			p.Set(to, 10, after)
			p.Set(to, 10, after) // again at the same instant: nothing is counted twice
		}
	}
	share := func(owned, total int) func(p *budget.Pacer) {
		return func(p *budget.Pacer) { p.SetShare(owned, total) }
	}
	tests := []struct {
		name      string
		cfg       budget.Config
		owned     int // of 48
		change    func(p *budget.Pacer)
		low, high time.Duration
	}{
		{"faster", cfg, 48, set(budget.Config{Requests: 10}, 0), 80 * time.Millisecond, 110 * time.Millisecond},
		{"faster, later", cfg, 48, set(budget.Config{Requests: 10}, 3*time.Second), 3080 * time.Millisecond, 3110 * time.Millisecond},
		{"unlimited", cfg, 48, set(budget.Config{}, 0), 0, 0},
		{"unlimited, later", cfg, 48, set(budget.Config{}, 3*time.Second), 3 * time.Second, 3 * time.Second},
		{"slower, at once", cfg, 48, set(budget.Config{Requests: hourly / 2}, time.Hour), 2 * time.Hour, 3 * time.Hour},
		{"events only", cfg, 48, set(budget.Config{Events: 100}, 0), 0, 20 * time.Millisecond},
		{"share from 1/48 to 1", budget.Config{Requests: 0.1}, 1, share(48, 48), 8 * time.Second, 12 * time.Second},
		{"share from 0", budget.Config{Requests: 10}, 0, share(1, 1), 200 * time.Millisecond, 340 * time.Millisecond},
		{"share from 0, unlimited", budget.Config{}, 0, share(1, 48), 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := rested(tt.cfg, 10)
				p.SetShare(tt.owned, 48)
				for range 2 {
					p.Try(one)
				}
				done := make(chan time.Time)
				go func() {
					if _, err := p.Wait(t.Context(), one); err != nil {
						t.Error(err)
					}
					done <- time.Now()
				}()
				time.Sleep(time.Millisecond)
				synctest.Wait()
				at := time.Now()
				tt.change(p)
				if took := (<-done).Sub(at); took < tt.low || took > tt.high {
					t.Errorf("waited %v, want %v to %v", took, tt.low, tt.high)
				}
			})
		})
	}
}

// TestFactorWakesWhoWaits: growth of the factor shortens the wait of those who
// sleep already.
func TestFactorWakesWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := rested(budget.Config{Requests: 0.1}, 1)
		for range 10 { // half of it each time, down to the floor
			p.Answered(time.Now(), true)
			time.Sleep(11 * time.Second)
			p.Answered(time.Now(), true)
		}
		if have := p.Status().Factor; have != 0.05 {
			t.Fatalf("factor %v", have)
		}
		for p.Try(one) == 0 {
		}
		start := time.Now()
		done := make(chan time.Duration)
		go func() {
			if _, err := p.Wait(t.Context(), one); err != nil {
				t.Error(err)
			}
			done <- time.Since(start)
		}()
		for range 10 { // as for attempts that are in flight
			time.Sleep(10 * time.Second)
			p.Answered(time.Now(), false)
		}
		if took := <-done; took > 150*time.Second {
			t.Errorf("waited %v, at the floor it would be 203 s", took)
		}
	})
}

// TestHigherComesLater: a budget that is raised is used after the delay and not
// before, however often it is set again; one that is lowered, at once.
func TestHigherComesLater(t *testing.T) {
	t.Parallel()
	const after = 3 * time.Second
	calls := func(rate budget.Rate, cost float64) []budget.Call {
		return []budget.Call{{Name: "app", Bits: 1, Rate: rate, Cost: cost}}
	}
	tests := []struct {
		name        string
		from, to    budget.Config
		now, future budget.Rate // Status.Rate
	}{
		{"higher", budget.Config{Requests: 10}, budget.Config{Requests: 20}, 10, 20},
		{"lower", budget.Config{Requests: 20}, budget.Config{Requests: 10}, 10, 10},
		{"unlimited", budget.Config{Requests: 20}, budget.Config{}, 20, budget.Rate(math.Inf(1))},
		{"limited", budget.Config{}, budget.Config{Requests: 10}, 10, 10},
		{"each by itself", budget.Config{Requests: 10, Events: 100}, budget.Config{Requests: 20, Events: 50}, 10, 20},
		{"with calls", budget.Config{Requests: 10}, budget.Config{Requests: 20, Calls: calls(1, 0)}, 10, 20},
		{"without calls", budget.Config{Requests: 10, Calls: calls(1, 2)}, budget.Config{Requests: 20}, 10, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := rested(tt.from, 10)
				check := func(want budget.Rate) {
					t.Helper()
					if want *= 0.985; p.Status().Rate != want {
						t.Errorf("after %v: %v/s, want %v", after, p.Status().Rate, want)
					}
				}
				p.Set(tt.to, 10, after)
				check(tt.now)
				time.Sleep(after / 2)
				p.Set(tt.to, 10, after)
				time.Sleep(after/2 - 1)
				check(tt.now)
				time.Sleep(time.Nanosecond)
				check(tt.future)
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
		p := rested(steady, 10)
		for _, between := range []budget.Config{{}, {Requests: 1}, {Events: 1}, {Requests: 1000, Events: 10}, steady} {
			p.Set(between, 3, 0)
			p.Set(steady, 10, 0)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			sent, requests := 0, 0
			for err := error(nil); err == nil; {
				_, err = p.Wait(ctx, func(room budget.Room) budget.Charge {
					n := min(room.Events, 5)
					sent += n
					requests++
					return budget.Charge{Events: n}
				})
			}
			cancel()
			if sent < 1900 || sent > 2020 || requests > 500 {
				t.Errorf("after %+v: %d events in %d requests in 10 s at 200/s and 50/s", between, sent, requests)
			}
		}
	})
}
