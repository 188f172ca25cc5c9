package budget_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/sink/budget"
)

const (
	track     uint64 = 1 << iota // in no class of call
	app                          // 10 a second
	broadcast                    // 1 in 10 s
	bulk                         // costs 5
	light                        // costs a half
)

func withCalls() budget.Config {
	return budget.Config{Requests: 100, Calls: []budget.Call{
		{Name: "app", Bits: app | broadcast, Rate: 10},
		{Name: "broadcast", Bits: broadcast, Rate: 0.1},
		{Name: "bulk", Bits: bulk, Cost: 5},
		{Name: "light", Bits: light, Cost: 0.5},
	}}
}

// with returns the attempts that hold one of the operations.
func with(sent []attempt, bits uint64) []attempt {
	return slices.DeleteFunc(slices.Clone(sent), func(a attempt) bool { return a.bits&bits == 0 })
}

// TestCallsWithinTheBudget: with a backlog of everything, each class goes at its
// own rate, what has none takes the rest, and no window holds more than either.
func TestCallsWithinTheBudget(t *testing.T) {
	t.Parallel()
	f := newFleet(2, withCalls(), 1, 1)
	f.late = func() time.Duration { return time.Duration(f.dice.ExpFloat64() * float64(300*time.Microsecond)) }
	f.bits = func() uint64 { return broadcast | app | track }
	for i := range 4 {
		f.share(1-i%2, 0, 1)
		f.share(i%2, 1, 1)
		f.play(50 * time.Second)
	}
	for _, tt := range []struct {
		name   string
		bits   uint64
		window time.Duration
		most   int
		least  int // in all, in 200 s, of which each hand-over may cost two
	}{
		{"all", ^uint64(0), time.Second, 100, 19_500},
		{"app", app | broadcast, time.Second, 10, 1950},
		{"broadcast", broadcast, 10 * time.Second, 1, 15},
	} {
		sent := with(f.sent, tt.bits)
		if have, _ := worst(sent, tt.window); have > tt.most {
			t.Errorf("%s: %d within %v", tt.name, have, tt.window)
		}
		if len(sent) < tt.least {
			t.Errorf("%s: %d in all, want at least %d", tt.name, len(sent), tt.least)
		}
	}
}

func TestCosts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		bits uint64
		want float64 // attempts a second
	}{
		{"nothing said", 0, 98.5},
		{"in no class", track, 98.5},
		{"dear", bulk, 98.5 / 5},
		{"cheap", light, 98.5 * 2},
		{"cheap and ordinary: the highest", light | track, 98.5},
		{"cheap and dear: the highest", light | bulk, 98.5 / 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(1, withCalls(), 1, 1)
			f.bits = func() uint64 { return tt.bits }
			if tt.bits == 0 {
				f.bits = nil
			}
			f.share(0, 1, 1)
			f.play(20 * time.Second)
			took := f.sent[len(f.sent)-1].at.Sub(f.sent[100].at).Seconds()
			if have := float64(len(f.sent)-101) / took; have < tt.want*0.99 || have > tt.want*1.01 {
				t.Errorf("%.2f a second, want %.2f", have, tt.want)
			}
			cost := 98.5 / tt.want
			if have, _ := worst(f.sent, time.Second); float64(have)*cost > 100+cost {
				t.Errorf("%d attempts within a second", have)
			}
		})
	}
}

// TestShutOperations: what may not be sent now is named, and when it may again
// is told only to who has nothing else.
func TestShutOperations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := rested(withCalls(), 1)
		time.Sleep(time.Minute)
		take := func(bits, shut uint64) time.Duration {
			t.Helper()
			again, err := p.Wait(t.Context(), func(room budget.Room) budget.Charge {
				if room.Shut != shut {
					t.Errorf("shut %b, want %b", room.Shut, shut)
				}
				if bits&room.Shut != 0 || bits == 0 {
					return budget.Charge{}
				}
				return budget.Charge{Events: 1, Bits: bits}
			})
			if err != nil {
				t.Fatal(err)
			}
			return again
		}
		start := time.Now()
		if again := take(broadcast, 0); again != 0 {
			t.Errorf("again %v after a grant", again)
		}
		if again := take(track, app|broadcast); again != 0 {
			t.Errorf("again %v for what is not shut", again)
		}
		if again := take(0, app|broadcast); again < 70*time.Millisecond || again > 90*time.Millisecond {
			t.Errorf("again %v, want when app opens", again)
		}
		time.Sleep(90 * time.Millisecond)
		if again := take(broadcast, broadcast); again != time.Second {
			t.Errorf("again %v, want a second at most", again)
		}
		for take(broadcast, broadcast) > 0 {
			time.Sleep(time.Second)
			if time.Since(start) >= 10*time.Second {
				break
			}
		}
		time.Sleep(time.Second)
		if again := take(broadcast, 0); again != 0 {
			t.Errorf("again %v after 10 s", again)
		}
	})
}

// TestOperationThatOpensMeanwhile: what was shut when fill looked and is open
// when it has taken nothing must not be waited for without end.
func TestOperationThatOpensMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := rested(withCalls(), 1)
		p.Try(func(budget.Room) budget.Charge { return budget.Charge{Events: 1, Bits: app} })
		time.Sleep(20 * time.Millisecond)
		again := p.Try(func(room budget.Room) budget.Charge {
			if room.Shut&app == 0 {
				t.Error("open")
			}
			time.Sleep(time.Second)
			return budget.Charge{}
		})
		if again <= 0 || again > time.Microsecond {
			t.Errorf("again %v, want at once", again)
		}
	})
}

// TestChangedCallsKeepTheirDebts: a reload must not let a class start anew.
func TestChangedCallsKeepTheirDebts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := withCalls()
		p := rested(cfg, 1)
		time.Sleep(time.Minute)
		p.Try(func(budget.Room) budget.Charge { return budget.Charge{Events: 1, Bits: broadcast} })
		slices.Reverse(cfg.Calls)
		cfg.Calls = append(cfg.Calls, budget.Call{Name: "new", Bits: track, Rate: 1})
		shut := func() (shut uint64) {
			time.Sleep(200 * time.Millisecond)
			p.Try(func(room budget.Room) budget.Charge { shut = room.Shut; return budget.Charge{} })
			return shut
		}
		p.Set(cfg, 1, 3*time.Second)
		if have := shut(); have != broadcast {
			t.Errorf("shut %b after a change of order, want %b", have, broadcast)
		}
		p.Set(budget.Config{Requests: 100}, 1, 3*time.Second)
		if have := shut(); have != broadcast {
			t.Errorf("shut %b right after its limit is gone, want %b", have, broadcast)
		}
		time.Sleep(3 * time.Second)
		if have := shut(); have != 0 {
			t.Errorf("shut %b long after its limit is gone", have)
		}
	})
}

// TestCheaperComesLater: a call that becomes cheaper is a higher rate.
func TestCheaperComesLater(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		from, to    []budget.Call
		now, future time.Duration // between two
	}{
		{"a new class", nil, []budget.Call{{Name: "app", Bits: app, Cost: 0.5}}, 100, 50},
		{"a class that goes", []budget.Call{{Name: "app", Bits: app, Cost: 5}}, nil, 500, 100},
		{"a class that changes", []budget.Call{{Name: "app", Bits: app}}, []budget.Call{{Name: "app", Bits: app, Cost: 0.5}}, 100, 50},
		{"a class that becomes dear", nil, []budget.Call{{Name: "app", Bits: app, Cost: 5}}, 500, 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := rested(budget.Config{Requests: 10 / 0.985, Calls: tt.from}, 1)
				between := func() time.Duration {
					time.Sleep(time.Second)
					p.Try(func(budget.Room) budget.Charge { return budget.Charge{Events: 1, Bits: app} })
					return (p.Try(one) + 15*time.Millisecond).Round(time.Millisecond) / time.Millisecond
				}
				p.Set(budget.Config{Requests: 10 / 0.985, Calls: tt.to}, 1, 3*time.Second)
				if have := between(); have != tt.now {
					t.Errorf("%d ms between two at first, want %d", have, tt.now)
				}
				time.Sleep(3 * time.Second)
				if have := between(); have != tt.future {
					t.Errorf("%d ms between two later, want %d", have, tt.future)
				}
			})
		})
	}
}
