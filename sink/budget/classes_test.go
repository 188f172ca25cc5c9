package budget_test

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/sink/budget"
)

// spare is a budget that is in nobody's way, with these classes after the
// default one.
func spare(classes ...budget.Class) budget.Config {
	return budget.Config{Requests: 10_000, Classes: append([]budget.Class{{Name: "default"}}, classes...)}
}

// looked returns how many events of each class may go now, and when again.
func looked(p *budget.Pacer) (room []int, again time.Duration) {
	again = p.Try(func(r budget.Room) budget.Charge {
		room = slices.Clone(r.Classes)
		return budget.Charge{}
	})
	return room, again
}

// send sends so many events of each class.
func send(t *testing.T, p *budget.Pacer, classes ...int) {
	t.Helper()
	sent := false
	p.Try(func(budget.Room) budget.Charge {
		sent = true
		return budget.Charge{Events: sum(classes), Classes: classes}
	})
	if !sent {
		t.Fatal("no attempt was granted")
	}
}

func TestRoomOfClasses(t *testing.T) {
	t.Parallel()
	const free = math.MaxInt
	tests := []struct {
		name string
		cfg  budget.Config
		want []int
	}{
		{"no classes", budget.Config{Requests: 10_000}, nil},
		{"none with a limit", spare(budget.Class{Name: "a"}, budget.Class{Name: "b"}), nil},
		{"nothing with a limit at all", budget.Config{Classes: []budget.Class{{Name: "default"}}}, nil},
		{"a slow one goes one by one", spare(budget.Class{Name: "a", Rate: 25}), []int{free, 1}},
		{"a fast one as many as 15 ms hold", spare(budget.Class{Name: "a", Rate: 1000}), []int{free, 15}},
		{"some without a limit", spare(budget.Class{Name: "a"}, budget.Class{Name: "b", Rate: 1}), []int{free, free, 1}},
		{"nothing else has a limit", budget.Config{Classes: []budget.Class{{Name: "default"}, {Name: "a", Rate: 1}}}, []int{free, 1}},
		{"several where attempts are few", budget.Config{Requests: 10, Classes: []budget.Class{{Name: "default"}, {Name: "a", Rate: 25}}}, []int{free, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if have, _ := looked(rested(tt.cfg, 100)); !slices.Equal(have, tt.want) || (have == nil) != (tt.want == nil) {
					t.Errorf("have %v, want %v", have, tt.want)
				}
			})
		})
	}
}

// TestRoomIsLent: what fill is told is made anew each time in the same place,
// whatever fill writes there.
func TestRoomIsLent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := rested(spare(budget.Class{Name: "a", Rate: 1000}), 1)
		var first *int
		for range 3 {
			p.Try(func(room budget.Room) budget.Charge {
				if first == nil {
					first = &room.Classes[0]
				}
				if &room.Classes[0] != first {
					t.Error("made in another place")
				}
				if room.Classes[0] != math.MaxInt || room.Classes[1] != 15 {
					t.Errorf("room for %v", room.Classes)
				}
				clear(room.Classes)
				return budget.Charge{}
			})
		}
		if first == nil {
			t.Error("nothing was granted")
		}
	})
}

// TestClassIsOwedWhatExceeds: a fill that takes more of a class than there was
// room for is charged for it, and nobody else is.
func TestClassIsOwedWhatExceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := rested(spare(budget.Class{Name: "a", Rate: 10 / 0.985}, budget.Class{Name: "b", Rate: 10 / 0.985}), 100)
		send(t, p, 7, 51, -3, 9) // the last one is of no class
		time.Sleep(time.Millisecond)
		if have, _ := looked(p); !slices.Equal(have, []int{math.MaxInt, 0, 1}) {
			t.Errorf("room for %v right after", have)
		}
		time.Sleep(5*time.Second + 82*time.Millisecond)
		if have, again := looked(p); have[1] != 0 || again.Round(time.Millisecond) != 2*time.Millisecond {
			t.Errorf("room for %v, again after %v: 51 events are 5.1 s, less the tolerance", have, again)
		}
		time.Sleep(3 * time.Millisecond)
		if have, again := looked(p); have[1] != 1 || again != 0 {
			t.Errorf("room for %v, again after %v, when it is paid", have, again)
		}
	})
}

// TestWhenAShutClassOpens: who takes nothing is told when the first of what is
// shut opens, operations and classes alike.
func TestWhenAShutClassOpens(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		sent  []int
		bits  uint64
		want  time.Duration
		slack time.Duration
	}{
		{"nothing is shut", []int{1}, track, 0, 0},
		{"one", []int{0, 1}, track, 85 * time.Millisecond, time.Millisecond},
		{"the first of two", []int{0, 3, 1}, track, 235 * time.Millisecond, time.Millisecond},
		{"the longest is a second", []int{0, 99, 9}, track, time.Second, 0},
		{"an operation before a class", []int{0, 3}, app, 85 * time.Millisecond, time.Millisecond},
		{"a class before an operation", []int{0, 1}, broadcast, 85 * time.Millisecond, time.Millisecond},
		{"an operation alone", []int{1}, app, 85 * time.Millisecond, time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := spare(budget.Class{Name: "a", Rate: 10 / 0.985}, budget.Class{Name: "b", Rate: 4 / 0.985})
				cfg.Calls = []budget.Call{{Name: "app", Bits: app, Rate: 10 / 0.985}, {Name: "broadcast", Bits: broadcast, Rate: 0.1}}
				p := rested(cfg, 100)
				time.Sleep(time.Minute)
				p.Try(func(budget.Room) budget.Charge {
					return budget.Charge{Events: max(1, sum(tt.sent)), Bits: tt.bits, Classes: tt.sent}
				})
				again, err := p.Wait(t.Context(), nothing)
				if err != nil || again < tt.want-tt.slack || again > tt.want+tt.slack {
					t.Errorf("again after %v (%v), want %v", again, err, tt.want)
				}
			})
		})
	}
}

// TestClassThatOpensMeanwhile: what was shut when fill looked is asked for again
// at once when it is open, or has no limit any more, by the time fill ends.
func TestClassThatOpensMeanwhile(t *testing.T) {
	t.Parallel()
	a := budget.Class{Name: "a", Rate: 10}
	tests := map[string]func(p *budget.Pacer){
		"in time":     func(*budget.Pacer) { time.Sleep(time.Second) },
		"freed":       func(p *budget.Pacer) { p.Set(spare(budget.Class{Name: "a"}), 1, 0) },
		"gone":        func(p *budget.Pacer) { p.Set(budget.Config{Requests: 10_000}, 1, 0) },
		"gone for b":  func(p *budget.Pacer) { p.Set(spare(budget.Class{Name: "b", Rate: 1}), 1, 0) },
		"much faster": func(p *budget.Pacer) { p.Set(spare(budget.Class{Name: "a", Rate: 1e6}), 1, 0) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := rested(spare(a), 1)
				send(t, p, 0, 1)
				time.Sleep(time.Millisecond)
				again := p.Try(func(room budget.Room) budget.Charge {
					if room.Classes[1] != 0 {
						t.Error("open")
					}
					change(p)
					return budget.Charge{}
				})
				if again <= 0 || again > time.Microsecond {
					t.Errorf("again after %v, want at once", again)
				}
			})
		})
	}
}

// TestClassesFollowTheAnswers: what the destination throttles, classes are
// slowed by too.
func TestClassesFollowTheAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := rested(spare(budget.Class{Name: "a", Rate: 10}), 1)
		sent := time.Now()
		p.Answered(sent, true)
		time.Sleep(time.Second)
		p.Answered(sent, false) // half of them
		if have, want := float64(p.Status().Classes[1].Rate), 9.85*p.Status().Factor; math.Abs(have-want) > 1e-9 || have > 5 {
			t.Errorf("%v/s, want %v", have, want)
		}
		send(t, p, 0, 1)
		time.Sleep(time.Millisecond)
		if _, again := looked(p); again < 180*time.Millisecond || again > 200*time.Millisecond {
			t.Errorf("again after %v at half of 10/s", again)
		}
	})
}

func TestStatusOfClasses(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := budget.NewPacer(spare(budget.Class{Name: "a", Rate: 40 / 0.985}), budget.Options{
		Now: func() time.Time { return now }, Rand: func() float64 { return 0 },
	})
	const never = time.Duration(math.MaxInt64)
	infinite := budget.Rate(math.Inf(1))
	check := func(act string, want ...budget.ClassStatus) {
		t.Helper()
		have := p.Status().Classes
		for i := range have {
			have[i].Wait = have[i].Wait.Round(time.Microsecond)
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%s: have %+v, want %+v", act, have, want)
		}
	}
	check("no share", budget.ClassStatus{Name: "default", Wait: never}, budget.ClassStatus{Name: "a", Wait: never})
	p.SetShare(1, 4)
	check("a quarter, right after a hand-over",
		budget.ClassStatus{Name: "default", Rate: infinite, Open: true}, budget.ClassStatus{Name: "a", Rate: 10, Wait: 100 * time.Millisecond})
	now = now.Add(time.Second)
	check("a second later",
		budget.ClassStatus{Name: "default", Rate: infinite, Open: true}, budget.ClassStatus{Name: "a", Rate: 10, Open: true})
	p.Set(budget.Config{Requests: 10}, 1, time.Second)
	check("none any more")
}
