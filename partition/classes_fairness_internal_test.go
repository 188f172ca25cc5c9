package partition

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// rivals are classes that come, go and are shut while what each has is counted.
type rivals struct {
	*classedBench
	classes []Class
	taken   []float64
	total   float64
}

func newRivals(classes []Class) *rivals {
	r := &rivals{classedBench: newClassedBench(), classes: classes, taken: make([]float64, len(classes))}
	r.lanes.Classes("w", classes)
	return r
}

// waiting is how much of a class waits.
func (r *rivals) waiting(class int) int {
	return r.own[0].ofClass(uint8(class)) + r.own[1].ofClass(uint8(class))
}

// fill gives a class so much to send, each event with a lane of its own.
func (r *rivals) fill(class, events int) {
	for r.waiting(class) < events {
		r.add(class%2, "", uint8(class))
	}
}

// serve takes, counts and delivers.
func (r *rivals) serve(items int, allowances ...int) Batch {
	batch := r.take(items, allowances...)
	for _, e := range batch.Events {
		r.taken[e.Lot]++
		r.total++
	}
	r.deliver(batch.Picks)
	return batch
}

// gap is by how much a class is ahead of another, by their weights.
func (r *rivals) gap(i, j int) float64 {
	return r.taken[i]/r.classes[i].Weight - r.taken[j]/r.classes[j].Weight
}

// TestFairWhileOthersComeAndGo draws up to 64 classes, some a thousand times as
// heavy as others, that idle, come back and are shut: whenever two of one priority
// had something to send all along, neither had more than an event before the
// other. No take leaves room while something may go.
func TestFairWhileOthersComeAndGo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		classes := make([]Class, rapid.SampledFrom([]int{2, 3, 5, 63, 64}).Draw(t, "classes"))
		for i := range classes {
			classes[i] = Class{Name: fmt.Sprint(i), Weight: rapid.SampledFrom([]float64{1, 1, 3, 1000}).Draw(t, "weight"), Limited: i > 0}
			classes[i].Priority = int8(rapid.SampledFrom([]int{0, 0, 1, -1}).Draw(t, "priority"))
		}
		r := newRivals(classes)
		allowances := make([]int, len(classes))
		for range rapid.IntRange(1, 12).Draw(t, "spells") {
			items := rapid.IntRange(1, 100).Draw(t, "items")
			var there []int
			for i := range classes {
				what := rapid.SampledFrom([]string{"waits", "waits", "waits", "idles", "is shut"}).Draw(t, "what")
				if allowances[i] = math.MaxInt; what == "is shut" {
					allowances[i] = 0
				}
				if what == "waits" {
					there = append(there, i)
				}
			}
			takes := rapid.IntRange(1, 20).Draw(t, "takes")
			before := slices.Clone(r.taken)
			for n := range takes {
				for _, i := range there {
					r.fill(i, 2*items)
				}
				if had := len(r.serve(items, allowances...).Picks); had < items && len(there) > 0 {
					t.Fatalf("%d of %d taken, and there is more", had, items)
				}
				if n == 0 { // what idles has sent what it had, and the others have met
					before = append(before[:0], r.taken...)
				}
			}
			now := r.taken
			for _, i := range there {
				for _, j := range there {
					if classes[i].Priority != classes[j].Priority {
						continue
					}
					ahead := (now[i]-before[i])/classes[i].Weight - (now[j]-before[j])/classes[j].Weight
					if bound := 1/classes[i].Weight + 1/classes[j].Weight; ahead > bound+1e-6 {
						t.Fatalf("class %d (weight %v) is %.4f ahead of %d (weight %v), and may be %.4f", i, classes[i].Weight, ahead, j, classes[j].Weight, bound)
					}
				}
			}
		}
	})
}

// TestFloorsOfEverything: when floors are all that there is, each class has its
// own, whatever its priority and weight.
func TestFloorsOfEverything(t *testing.T) {
	t.Parallel()
	for _, floors := range [][]float64{{0.25, 0.25, 0.25, 0.25}, {0.7, 0.1, 0.1, 0.1}, {1, 1, 1, 1}, {0.5, 0.5, 0, 0}} {
		classes, sum := make([]Class, len(floors)), 0.0
		for i, floor := range floors {
			classes[i] = Class{Name: fmt.Sprint(i), Priority: int8(1 - i%3), Weight: float64(1 + 999*(i%2)), Floor: floor}
			sum += floor
		}
		r := newRivals(classes)
		for range 200 {
			for i := range classes {
				r.fill(i, 100)
			}
			r.serve(50)
		}
		for i, floor := range floors {
			if want := r.total * floor / sum; math.Abs(r.taken[i]-want) > 2*float64(len(floors)) {
				t.Errorf("floors %v: class %d has %.0f of %.0f, want %.0f", floors, i, r.taken[i], r.total, want)
			}
		}
	}
}

// A class that its own rate opens for one event at a time lost what its floor had
// owed it whenever it was shut: with a floor as high as its rate it had half.
func TestFloorOfClassThatOpensOneAtATime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		floor float64
		every int // takes of ten events until it opens again
		want  float64
	}{
		{"the floor is the rate", 0.01, 10, 0.01},
		{"the floor is lower", 0.01, 4, 0.01},
		{"the rate is lower", 0.05, 10, 0.01},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRivals([]Class{{Name: "default", Priority: 1, Weight: 1}, {Name: "x", Weight: 1, Floor: tt.floor, Limited: true}})
			shut := 0
			for range 2000 {
				r.fill(0, 20)
				r.fill(1, 5)
				allowance, had := 0, r.taken[1]
				if shut--; shut <= 0 {
					allowance = 1
				}
				if r.serve(10, math.MaxInt, allowance); r.taken[1] > had {
					shut = tt.every
				}
			}
			if part := r.taken[1] / r.total; part < 0.9*tt.want || part > 1.1*tt.want+tt.floor/100 {
				t.Errorf("it has %.4f of all, want %.4f", part, tt.want)
			}
		})
	}
}

// TestEveryClassShut: nothing is taken, whoever takes is told once, and the first
// that opens goes at once.
func TestEveryClassShut(t *testing.T) {
	t.Parallel()
	classes := make([]Class, classesMost)
	for i := range classes {
		classes[i] = Class{Name: fmt.Sprint(i), Weight: 1, Limited: true}
	}
	r := newRivals(classes)
	for i := range classes {
		r.fill(i, 3)
	}
	for round := range 3 {
		r.signalled()
		if batch := r.serve(100, make([]int, classesMost)...); !batch.Empty() || !batch.PassedOver || r.signalled() {
			t.Fatalf("round %d: %d taken, passed over %v", round, len(batch.Picks), batch.PassedOver)
		}
	}
	for range 3 * classesMost {
		allowances := make([]int, classesMost)
		open := rand.IntN(classesMost)
		allowances[open] = 1
		had := r.taken[open]
		if batch := r.serve(100, allowances...); len(batch.Picks) > 1 || had < 3 && len(batch.Picks) != 1 {
			t.Fatalf("class %d has had %.0f: %d taken of the one that is open", open, had, len(batch.Picks))
		}
	}
}

// TestClocksGoBack: shares stay right however much was sent before, and whatever
// the weights.
func TestClocksGoBack(t *testing.T) {
	t.Parallel()
	r := newRivals([]Class{{Name: "default", Weight: 1e-9}, {Name: "x", Weight: 1e-6}, {Name: "y", Weight: 1e-6}})
	for range 400 {
		for i := range r.classes {
			r.fill(i, 40)
		}
		r.serve(20)
		if clock := r.own[0].queue.rota.clocks[0]; clock > rebaseAt {
			t.Fatalf("the clock stands at %g", clock)
		}
	}
	if gap := r.gap(1, 2) * 1e-6; math.Abs(gap) > 1.01 || r.taken[0] < 2 || r.taken[0] > 8 {
		t.Errorf("of %.0f: %v, want thousandths of the heavy ones, which have the same", r.total, r.taken)
	}
}
