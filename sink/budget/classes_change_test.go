package budget_test

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/sink/budget"
)

// TestClassThatIsRaisedComesLater: a class that may send more does so after the
// delay, one that may send less at once, by its name.
func TestClassThatIsRaisedComesLater(t *testing.T) {
	t.Parallel()
	const after = 3 * time.Second
	infinite := budget.Rate(math.Inf(1))
	a := func(rate budget.Rate) budget.Class { return budget.Class{Name: "a", Rate: rate / 0.985} }
	b := budget.Class{Name: "b", Rate: 1 / 0.985}
	tests := []struct {
		name        string
		from, to    budget.Config
		now, future []budget.Rate // by number
	}{
		{"higher", spare(a(10)), spare(a(20)), []budget.Rate{infinite, 10}, []budget.Rate{infinite, 20}},
		{"lower", spare(a(20)), spare(a(10)), []budget.Rate{infinite, 10}, []budget.Rate{infinite, 10}},
		{"higher, beside one that goes", spare(a(10), budget.Class{Name: "free"}), spare(a(20)), []budget.Rate{infinite, 10}, []budget.Rate{infinite, 20}},
		{"without its limit", spare(a(10)), spare(a(0)), []budget.Rate{infinite, 10}, []budget.Rate{infinite, infinite}},
		{"with a limit", spare(a(0)), spare(a(10)), []budget.Rate{infinite, 10}, []budget.Rate{infinite, 10}},
		{"new", spare(b), spare(b, a(10)), []budget.Rate{infinite, 1, 10}, []budget.Rate{infinite, 1, 10}},
		{"the first ones", budget.Config{}, spare(a(10)), []budget.Rate{infinite, 10}, []budget.Rate{infinite, 10}},
		{"gone", spare(a(10), b), spare(b), []budget.Rate{infinite, 1}, []budget.Rate{infinite, 1}},
		{"all gone", spare(a(10), b), budget.Config{}, nil, nil},
		{"in another order", spare(a(10), b), spare(b, a(20)), []budget.Rate{infinite, 1, 10}, []budget.Rate{infinite, 1, 20}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := rested(tt.from, 10)
				check := func(want []budget.Rate) {
					t.Helper()
					status := p.Status().Classes
					if len(status) != len(want) {
						t.Fatalf("%d classes, want %d", len(status), len(want))
					}
					for i := range want {
						if have := status[i].Rate; have != want[i] && math.Abs(float64(have-want[i])) > 1e-9 {
							t.Errorf("class %d: %v/s, want %v", i, have, want[i])
						}
					}
					if have, _ := looked(p); have != nil && len(have) != len(want) {
						t.Errorf("room for %d classes, want %d", len(have), len(want))
					}
				}
				p.Set(tt.to, 10, after)
				check(tt.now)
				time.Sleep(after / 2)
				p.Set(tt.to, 10, after) // again: the time is not put off
				time.Sleep(after/2 - 1)
				check(tt.now)
				time.Sleep(time.Nanosecond)
				check(tt.future)
			})
		})
	}
}

// TestClassKeepsItsDebt: a reload must not let a class start anew, whatever its
// number is then, nor by taking its rule away for a moment.
func TestClassKeepsItsDebt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const after = 3 * time.Second
		a, b := budget.Class{Name: "a", Rate: 10}, budget.Class{Name: "b", Rate: 10}
		p := rested(spare(a, b), 100)
		send(t, p, 0, 41) // more than 4 s
		room := func(want ...int) {
			t.Helper()
			time.Sleep(time.Millisecond)
			have, _ := looked(p)
			for i := range have {
				have[i] = min(have[i], 9)
			}
			if !slices.Equal(have, want) {
				t.Errorf("room for %v, want %v", have, want)
			}
		}
		room(9, 0, 1)
		p.Set(spare(b, a), 100, after)
		room(9, 1, 0)
		p.Set(spare(b), 100, after)
		room(9, 1)
		p.Set(spare(budget.Class{Name: "c"}, b, a), 100, after)
		room(9, 9, 1, 0)
		p.Set(budget.Config{Requests: 10_000}, 100, after)
		room()
		p.Set(spare(a), 100, after)
		room(9, 0)
		time.Sleep(after + time.Millisecond)
		room(9, 0)
		time.Sleep(1200 * time.Millisecond)
		room(9, 1)
	})
}

// TestNewNumbersMeanwhile: what an attempt holds is counted by the numbers that
// its fill was told, though they are others by the time it ends.
func TestNewNumbersMeanwhile(t *testing.T) {
	t.Parallel()
	a, b := budget.Class{Name: "a", Rate: 10}, budget.Class{Name: "b", Rate: 10}
	tests := []struct {
		name     string
		from, to budget.Config
		charged  []int
		want     []int // room afterwards
	}{
		{"in another order", spare(a, b), spare(b, a), []int{0, 5}, []int{9, 1, 0}},
		{"one fewer", spare(a, b), spare(b), []int{0, 0, 5}, []int{9, 0}},
		{"the same", spare(a, b), spare(a, b), []int{0, 5, 0}, []int{9, 0, 1}},
		{"none any more", spare(a, b), budget.Config{Requests: 10_000}, []int{0, 5, 5}, nil},
		{"one had no limit", spare(budget.Class{Name: "a"}, b), spare(a, b), []int{0, 5, 0}, []int{9, 0, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := rested(tt.from, 100)
				p.Try(func(budget.Room) budget.Charge {
					p.Set(tt.to, 100, time.Hour)
					return budget.Charge{Events: 5, Classes: tt.charged}
				})
				time.Sleep(200 * time.Millisecond)
				have, _ := looked(p)
				for i := range have {
					have[i] = min(have[i], 9)
				}
				if !slices.Equal(have, tt.want) {
					t.Errorf("room for %v, want %v", have, tt.want)
				}
			})
		})
	}
}

// TestOldNumbersCountForNothingNew: an attempt that was made up when no class
// had a limit owes nothing to one that has it now.
func TestOldNumbersCountForNothingNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := budget.Class{Name: "a", Rate: 10}
		p := rested(spare(a), 100)
		p.Set(budget.Config{Requests: 10_000}, 100, 0)
		p.Try(func(budget.Room) budget.Charge {
			p.Set(spare(a), 100, 0)
			return budget.Charge{Events: 50, Classes: []int{0, 50}}
		})
		time.Sleep(200 * time.Millisecond)
		if have, _ := looked(p); !slices.Equal(have, []int{math.MaxInt, 1}) {
			t.Errorf("room for %v", have)
		}
	})
}

func TestEqualClasses(t *testing.T) {
	t.Parallel()
	a, b := budget.Class{Name: "a", Rate: 10}, budget.Class{Name: "b", Rate: 10}
	tests := []struct {
		name      string
		one, two  budget.Config
		wantEqual bool
	}{
		{"the same", spare(a, b), spare(a, b), true},
		{"none", budget.Config{}, budget.Config{Classes: []budget.Class{}}, true},
		{"in another order", spare(a, b), spare(b, a), false},
		{"one more", spare(a), spare(a, b), false},
		{"another rate", spare(a), spare(budget.Class{Name: "a", Rate: 11}), false},
		{"another name", spare(a), spare(b), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if have := tt.one.Equal(tt.two); have != tt.wantEqual || tt.two.Equal(tt.one) != have {
				t.Errorf("equal %v, want %v", have, tt.wantEqual)
			}
		})
	}
}
