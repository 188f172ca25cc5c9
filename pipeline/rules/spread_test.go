package rules_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// peak is the most points in any part of a window that is as long as width,
// wherever it begins.
func peak(points []float64, width float64) int {
	slices.Sort(points)
	most, first := 0, 0
	for last, p := range points {
		for p-points[first] >= width {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

const (
	burst  = 4500
	second = 1.0 / 180 // of three minutes
)

// A burst of 4,500 over three minutes is 25 a second. It is never above 32 in
// any second, whichever partitions it fills evenly, or when it is all in one.
func TestEvenSpreadHasNoPeak(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.SampledFrom([]int32{1, 2, 3, 12, 34, 48, 55}).Draw(t, "partitions")
		start := rapid.Int64Range(0, 1<<50).Draw(t, "start")
		alone := rapid.Int32Range(0, partitions-1).Draw(t, "alone")
		var all, one []float64
		for i := range int64(burst) {
			at := event.Source{Partition: int32(i % int64(partitions)), Offset: start + i/int64(partitions)}
			all = append(all, rules.EvenFraction(at))
			one = append(one, rules.EvenFraction(event.Source{Partition: alone, Offset: start + i}))
		}
		if have := peak(all, second); have > 32 {
			t.Errorf("%d partitions: want at most 32 in a second, have %d", partitions, have)
		}
		if have := peak(one, second); have > 28 {
			t.Errorf("partition %d alone: want at most 28 in a second, have %d", alone, have)
		}
	})
}

// Keys fill partitions by chance, and those of an old topic stand anywhere.
func TestEvenSpreadOfKeysHasLowPeaks(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct {
		partitions int32
		furthest   int64 // where a partition may begin
		want       int
		topic      string
	}{
		{12, 1, 32, "a new topic"},
		{48, 1, 35, "a new topic"},
		{12, 1 << 40, 36, "an old topic"},
		{48, 1 << 40, 43, "an old topic"},
	} {
		worst := 0
		for range 60 {
			next := make([]int64, test.partitions)
			for i := range next {
				next[i] = random.Int64N(test.furthest)
			}
			points := make([]float64, burst)
			for i := range points {
				p := random.Int32N(test.partitions)
				points[i] = rules.EvenFraction(event.Source{Partition: p, Offset: next[p]})
				next[p]++
			}
			worst = max(worst, peak(points, second))
		}
		if worst > test.want {
			t.Errorf("%d partitions of %s: want at most %d in a second, have %d", test.partitions, test.topic, test.want, worst)
		}
	}
}

// Random times are Poisson's: of 25 a second the peak is about 43, and beyond 55
// once in a thousand bursts or so. These bursts are always the same ones.
func TestRandomSpreadIsUniform(t *testing.T) {
	t.Parallel()
	const bursts = 200
	var peaks []int
	for burstNumber := range bursts {
		var points []float64
		for i := range burst {
			// Ids that count up, and one user, are the hardest to tell apart.
			id := [16]byte{byte(burstNumber), 14: byte(i >> 8), 15: byte(i)}
			points = append(points, rules.RandomFraction([]byte("42"), id))
		}
		peaks = append(peaks, peak(points, second))
	}
	slices.Sort(peaks)
	if worst, median := peaks[bursts-1], peaks[bursts/2]; worst > 55 || median < 41 || median > 45 {
		t.Errorf("want at most 55 in a second, 41 to 45 as a rule; have %d and %d", worst, median)
	}
}

func TestFractionsAreInTheWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := event.Source{Partition: rapid.Int32().Draw(t, "partition"), Offset: rapid.Int64().Draw(t, "offset")}
		even := rules.EvenFraction(at)
		at.Topic = "elsewhere"
		if even < 0 || even >= 1 || even != rules.EvenFraction(at) {
			t.Errorf("even: %v, then %v", even, rules.EvenFraction(at))
		}
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		id := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		if random := rules.RandomFraction(key, id); random < 0 || random >= 1 {
			t.Errorf("random: %v", random)
		}
	})
}

// What is under way must not move with a new version: these are for ever.
func TestFractionsStay(t *testing.T) {
	t.Parallel()
	for at, want := range map[event.Source]float64{
		{}:                         0,
		{Offset: 1}:                0.6180339887498949,
		{Offset: 2}:                0.2360679774997897,
		{Partition: 1}:             0.5698402909980532,
		{Partition: 3, Offset: 10}: math.Mod(3*0.5698402909980532+10*0.6180339887498949, 1),
	} {
		if have := rules.EvenFraction(at); math.Abs(have-want) > 1e-14 {
			t.Errorf("%v: want %v, have %v", at, want, have)
		}
	}
	for key, want := range map[string]float64{"": 0.7938534305963456, "42": 0.7469661193441695, "user-0000048213": 0.6794146608323259} {
		id := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
		if have := rules.RandomFraction([]byte(key), id); have != want {
			t.Errorf("%q: want %v, have %v", key, want, have)
		}
	}
}

// TestWhatMissedItsTimeIsSpreadAnew over the rest of its window: after twelve
// seconds without a member nothing bunches up, whichever tier it is read from.
func TestWhatMissedItsTimeIsSpreadAnew(t *testing.T) {
	t.Parallel()
	const count, window, partitions = 4500, 180 * time.Second, 12
	for _, tc := range []struct {
		by    rules.By
		most  int
		moved bool // it was deferred before
	}{{rules.Even, 33, false}, {rules.Even, 33, true}, {rules.Random, 64, false}, {rules.Random, 64, true}} {
		s := made(t, rules.Rule{Name: "all", Match: rules.Match{Exists: []string{"n"}}, Spread: rules.Spread{Over: window, By: tc.by}})
		away, back := produced().Add(80*time.Second), produced().Add(92*time.Second)
		var points []float64
		missed := 0
		for i := range int64(count) {
			e := new(event.Event)
			r := record(`{"n":1}`)
			r.Partition, r.Offset, r.Key = int32(i%partitions), i/partitions, []byte{byte(i), byte(i >> 8)}
			e.Load(r, "cluster")
			e.PrepareObject()
			v := s.Judge(e, place(), produced())
			due := v.Due
			if due.IsZero() {
				due = produced()
			}
			if due.After(away) && due.Before(back) {
				missed++
				if tc.moved {
					e.Due, e.MovedClass = due, "all"
				}
				v = s.Judge(e, place(), back)
				if due = v.Due; due.Before(back) { // by less than a second
					due = back
				}
			}
			if at := due.Sub(produced()); at < 0 || at >= window {
				t.Fatalf("due %v after it was produced, outside of the window", at)
			}
			points = append(points, due.Sub(produced()).Seconds()/window.Seconds())
		}
		if most := peak(points, 1/window.Seconds()); missed < 250 || most > tc.most {
			t.Errorf("%v: %d missed their time; then at most %d in a second, want %d", tc.by, missed, most, tc.most)
		}
	}
}
