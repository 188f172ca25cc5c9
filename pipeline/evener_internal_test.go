package pipeline

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// wave is what a member sends of a spread of twelve partitions over three
// minutes, of which it has six.
func wave(seed uint64) []time.Duration {
	r := rand.New(rand.NewPCG(seed, 1))
	var next [12]int64
	for p := range next {
		next[p] = r.Int64N(50)
	}
	var all []time.Duration
	for range 4500 {
		p := r.IntN(len(next))
		share := rules.EvenFraction(event.Source{Partition: int32(p), Offset: next[p]})
		if next[p]++; p%2 == 0 {
			all = append(all, time.Duration(share*float64(3*time.Minute)))
		}
	}
	return all
}

// evened sends what is due at those times, one at a time as it comes due. Of
// what comes it knows what is due before the next full ten seconds, as what a
// delay tier gives.
func evened(dues []time.Duration, begin time.Time) []time.Duration {
	const step = 10 * time.Second
	var v evener
	known := 0
	slices.Sort(dues)
	sent := make([]time.Duration, len(dues))
	for i, d := range dues {
		for ; known < len(dues) && dues[known] < d.Truncate(step)+step; known++ {
			v.expect(1, begin.Add(dues[known]))
		}
		sent[i] = v.turn(1, begin.Add(d), begin.Add(d)).Sub(begin)
	}
	return sent
}

// busiest is the most of any second. It sorts.
func busiest(times []time.Duration) int {
	slices.Sort(times)
	most, first := 0, 0
	for i, t := range times {
		for t-times[first] >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// What one member has of a spread goes more evenly than it comes due, and none
// of it a second late.
func TestEvener(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for seed := range uint64(20) {
		dues := wave(seed)
		sent := evened(dues, begin)
		for i, at := range sent {
			if late := at - dues[i]; late < 0 || late > evenWait {
				t.Fatalf("seed %d: want what is due after %s sent within a second, have %s later", seed, dues[i], late)
			}
		}
		// 12.5 a second: an even second has 13, and one that begins just before one has 14.
		if was, is := busiest(slices.Clone(dues)), busiest(sent); is > 15 || is > was {
			t.Errorf("seed %d: want at most 15 in a second, have %d, and had %d before", seed, is, was)
		}
	}
}

// Those that missed their time come due among the others.
func TestEvenerAfterAKill(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	const kill, back, end = 90 * time.Second, 100 * time.Second, 180 * time.Second
	for seed := range uint64(20) {
		var dues []time.Duration
		missed := int64(0)
		for _, d := range append(wave(seed), wave(seed+100)...) {
			if d >= kill && d < back {
				missed++
				d = back + time.Duration(rules.EvenFraction(event.Source{Offset: missed})*float64(end-back))
			}
			if d >= back {
				dues = append(dues, d)
			}
		}
		// 25 a second and the 250 missed over the 80 seconds that are left: 28.1.
		if is := busiest(evened(dues, begin)); is > 32 {
			t.Errorf("seed %d: want at most 32 in a second, have %d", seed, is)
		}
	}
}

// A burst that is no more than a timer's inexactness is left alone, and who
// comes late anyway does not wait for others.
func TestEvenerLetsGo(t *testing.T) {
	t.Parallel()
	var v evener
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	if at := v.turn(1, now, now); !at.Equal(now) {
		t.Errorf("a class of which nothing is known: want now, have %s later", at.Sub(now))
	}
	for range 8 { // one a second
		v.expect(1, now)
	}
	v.turn(1, now, now)
	if at := v.turn(1, now, now); at.Sub(now) < 900*time.Millisecond {
		t.Errorf("the second at once: want most of a second later, have %s", at.Sub(now))
	}
	if at := v.turn(1, now.Add(-time.Second), now); !at.Equal(now) {
		t.Errorf("one that is late: want now, have %s later", at.Sub(now))
	}
	for range 8000 {
		v.expect(2, now)
	}
	for i := range 20 {
		if at := v.turn(2, now, now); !at.Equal(now) {
			t.Errorf("event %d of a thousand a second: want now, have %s later", i, at.Sub(now))
		}
	}
}
