package budget_test

import (
	"math"
	"testing"
	"time"

	"sluice/sink/budget"
)

// A class of 25 events a second, in a workspace of 10 attempts a second with many
// events each, had 10 a second: each attempt was given one event of it.
func TestClassHasItsRateInFewAttempts(t *testing.T) {
	t.Parallel()
	const attempts, seconds = 10, 100
	for _, rate := range []budget.Rate{2, 5, 10, 11, 25, 100, 500} {
		now := time.Unix(1_700_000_000, 0)
		start, end := now, now.Add(seconds*time.Second)
		p := budget.NewPacer(
			budget.Config{Requests: attempts, Events: 1000, Classes: []budget.Class{{Name: "default"}, {Name: "x", Rate: rate}}},
			budget.Options{Batch: 100, Now: func() time.Time { return now }, Rand: func() float64 { return 0 }},
		)
		p.SetShare(1, 1)
		type sent struct {
			at     time.Time
			events int
		}
		var all []sent
		total, worst, window, first := 0, 0, 0, 0
		for now.Before(end) {
			wait := p.Try(func(room budget.Room) budget.Charge {
				n := min(room.Classes[1], room.Events)
				all = append(all, sent{now, n})
				total += n
				return budget.Charge{Events: room.Events, Bits: 1, Classes: []int{room.Events - n, n}}
			})
			now = now.Add(max(wait, time.Microsecond))
		}
		for _, s := range all {
			for window += s.events; s.at.Sub(all[first].at) >= time.Second; first++ {
				window -= all[first].events
			}
			worst = max(worst, window)
		}
		have, want := float64(total)/now.Sub(start).Seconds(), 0.985*float64(rate)
		if math.Abs(have-want) > 0.03*want+0.02 {
			t.Errorf("rate %v: has %.2f a second, want %.2f", rate, have, want)
		}
		if most := float64(rate) + max(1, float64(rate)/attempts) + 1; float64(worst) > most {
			t.Errorf("rate %v: a second holds %d, want at most %.1f", rate, worst, most)
		}
	}
}
