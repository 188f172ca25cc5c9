package partition

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestClassesInTurnWithinBounds draws classes that all have enough to send: each
// has its share by weight to within a run among those of its priority, a lower
// priority nothing but floors, and each its floor to within a run, over any
// stretch of time.
func TestClassesInTurnWithinBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 7).Draw(t, "classes")
		floored := rapid.Bool().Draw(t, "floors")
		run := rapid.IntRange(1, 12).Draw(t, "run")
		classes := make([]Class, n)
		left := 0.95
		for i := range classes {
			classes[i] = Class{Name: fmt.Sprint(i), Weight: float64(rapid.IntRange(1, 20).Draw(t, "weight"))}
			classes[i].Priority = int8(rapid.IntRange(-1, 1).Draw(t, "priority"))
			if floored {
				classes[i].Floor = rapid.Float64Range(0, left/2).Draw(t, "floor")
				left -= classes[i].Floor
			}
		}
		highest := slices.MaxFunc(classes, func(a, b Class) int { return int(a.Priority) - int(b.Priority) }).Priority
		b := newBench()
		bench := &classedBench{bench: b, own: [2]*shard{b.shard(0), b.shard(1)}}
		b.lanes.Classes("w", classes)
		taken := make([]float64, n)
		total, lane := 0.0, 0
		owed, most := make([]float64, n), make([]float64, n) // floor less taken, and its least so far
		for range rapid.IntRange(20, 60).Draw(t, "takes") {
			for i := range classes { // always enough for any take
				for bench.own[0].ofClass(uint8(i))+bench.own[1].ofClass(uint8(i)) < 120 {
					lane++
					for range run {
						bench.add(lane%2, fmt.Sprint("l", lane), uint8(i))
					}
				}
			}
			batch := bench.take(rapid.IntRange(1, 60).Draw(t, "items"))
			for _, e := range batch.Events {
				taken[e.Lot]++
				total++
				for i := range classes {
					if owed[i] += classes[i].Floor; i == int(e.Lot) {
						owed[i]--
					}
					most[i] = min(most[i], owed[i])
					if behind := owed[i] - most[i]; floored && classes[i].Floor > 0 && behind > float64(2*run+1) {
						t.Fatalf("class %d is %.1f behind its floor of %.3f, with runs of %d", i, behind, classes[i].Floor, run)
					}
				}
			}
			bench.deliver(batch.Picks)
		}
		for i, c := range classes {
			if c.Priority < highest && taken[i] > c.Floor*total+float64(2*run+1) {
				t.Fatalf("class %d of a lower priority has %.0f of %.0f, and a floor of %.3f", i, taken[i], total, c.Floor)
			}
			for j, d := range classes {
				if floored || c.Priority < highest || d.Priority < highest {
					continue
				}
				if ahead := taken[i]/c.Weight - taken[j]/d.Weight; ahead > float64(run)*(1/c.Weight+1/d.Weight)+1e-6 {
					t.Fatalf("class %d has %.0f, class %d %.0f, with weights %v and %v", i, taken[i], j, taken[j], c.Weight, d.Weight)
				}
			}
		}
	})
}

// TestClassesKeepTheirPromises draws events, allowances, outcomes and changes of
// the classes: a key's events stay in order with one run in flight, no class has
// more than its allowance, nothing is left that could go, and Ready never stays
// silent about it.
func TestClassesKeepTheirPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newClassedBench(drawClasses(t)...)
		highest, flying := map[string]int64{}, map[string]bool{}
		var out []Pick
		for range rapid.IntRange(10, 150).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "act") {
			case 0, 1, 2, 3:
				key := rapid.SampledFrom([]string{"a", "b", "c", "d", ""}).Draw(t, "key")
				b.add(rapid.IntRange(0, 1).Draw(t, "shard"), key, uint8(rapid.IntRange(0, 5).Draw(t, "lot")))
			case 4, 5, 6:
				out = append(out, b.takeWithin(t, flying)...)
			case 7, 8:
				if len(out) > 0 {
					finishLane(t, b.bench, &out, flying, highest)
				}
			case 9:
				b.lanes.Classes("w", append([]Class{{Name: "default"}}, drawClasses(t)...))
			}
			records, inClasses := 0, 0
			for _, s := range b.own {
				records += s.records
			}
			for _, c := range b.lanes.inClasses() {
				inClasses += c.records
			}
			if records != inClasses {
				t.Fatalf("%d in hand, %d by class", records, inClasses)
			}
		}
	})
}

func drawClasses(t *rapid.T) []Class {
	names := rapid.Permutation([]string{"p", "q", "r", "s"}).Draw(t, "names")
	classes := make([]Class, rapid.IntRange(0, 4).Draw(t, "classes"))
	for i := range classes {
		classes[i] = Class{
			Name: names[i], Priority: int8(rapid.IntRange(-1, 1).Draw(t, "priority")),
			Weight: rapid.Float64Range(0, 5).Draw(t, "weight"), Floor: rapid.Float64Range(0, 0.6).Draw(t, "floor"),
		}
	}
	return classes
}

// takeWithin takes with drawn allowances and checks what came of it.
func (b *classedBench) takeWithin(t *rapid.T, flying map[string]bool) []Pick {
	limit := Limit{Items: rapid.IntRange(1, 6).Draw(t, "items")}
	if rapid.Bool().Draw(t, "bounded") {
		limit.Classes = rapid.SliceOfN(rapid.IntRange(0, 3), 0, 6).Draw(t, "allowances")
	}
	given := slices.Clone(limit.Classes)
	b.signalled()
	batch := b.lanes.Take("w", limit)
	if !slices.Equal(given, limit.Classes) {
		t.Fatal("the taker's allowances were written to")
	}
	left := func(lot uint8) int {
		if int(lot) < len(given) {
			return given[lot]
		}
		return 1 << 30
	}
	for _, p := range batch.Picks {
		if left(p.Event.Lot) <= 0 {
			t.Fatalf("more of class %d than its allowance of %d", p.Event.Lot, limit.Classes[p.Event.Lot])
		}
		if int(p.Event.Lot) < len(given) {
			given[p.Event.Lot]--
		}
	}
	for run := range Runs(batch.Picks) {
		id := laneID(run[0])
		if run[0].Event.Key != nil && flying[id] {
			t.Fatalf("%s is in two attempts", id)
		}
		flying[id] = true
	}
	could, waits, fits := false, false, false // what has failed by itself travels alone
	for _, s := range b.own {
		for l := range ready(s) {
			if left(s.queue.lot(l.head)) > 0 {
				could = true
				fits = fits || batch.Empty() || !batch.solo() && !l.alone(l.head)
			} else {
				waits = true
			}
		}
	}
	if have := b.signalled(); fits && len(batch.Picks) < limit.Items || could && !have {
		t.Fatalf("%d of %d taken, signalled %v, and something could go", len(batch.Picks), limit.Items, have)
	}
	if waits != batch.PassedOver {
		t.Fatalf("passed over %v, want %v", batch.PassedOver, waits)
	}
	return batch.Picks
}

// ready yields a shard's lanes that wait for their turn.
func ready(s *shard) func(func(*lane) bool) {
	return func(yield func(*lane) bool) {
		for line := range s.lines.all() {
			for _, e := range line.ready.entries {
				if !yield(e.value) {
					return
				}
			}
		}
	}
}
