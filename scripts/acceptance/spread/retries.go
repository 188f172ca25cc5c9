package spread

import (
	"context"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The outage's case: a backend that takes so many requests a second, away for
// so long while so many requests wait.
const (
	outageRate = 50
	outageWait = 2_000
	outageAway = 30 * time.Second
)

// retries takes a backend away while requests wait for it. Then they must leave
// as evenly as ever: an hour's outage must not end in a flood.
func (s spread) retries(ctx context.Context, r *suite.Result) error {
	st, err := s.stage(ctx, 2, map[string]string{
		"budget":          fmt.Sprintf("{requests: %d/s, events: unlimited}", outageRate),
		"max_batch_items": "1",
		"breaker":         "{failures: 5, probe_after: 2s, successes: 3}",
	})
	if err != nil {
		return err
	}
	if err := st.sim.Configure(ctx, map[string]any{"down": true}); err != nil {
		return err
	}
	down := time.Now()
	err = st.produce(ctx, outageWait, func(i int) string {
		return fmt.Sprintf(`{"user":"u%05d","event":"hook","data":{"n":%d}}`, i, i)
	})
	if err != nil {
		return err
	}
	if err := rig.Pause(ctx, time.Until(down.Add(outageAway))); err != nil {
		return err
	}
	if err := st.sim.Configure(ctx, map[string]any{"down": false}); err != nil {
		return err
	}
	up := time.Now()
	if err := st.arrived(ctx, "hook", outageWait, 2*time.Minute); err != nil {
		return err
	}
	times := st.times("hook")
	first, last := time.Unix(0, times[0]), time.Unix(0, times[len(times)-1])
	r.AtMost("again after", first.Sub(up).Seconds(), 10, " s")
	r.AtMost("busiest second", float64(times.Busiest(time.Second)), s.gate(outageRate, outageRate+2), "")
	r.AtMost("busiest tenth of a second", float64(times.Busiest(100*time.Millisecond)), s.gate(outageRate/10+3, outageRate/10+5), "")
	steady := first.Add(5 * time.Second) // the breaker closes by single probes
	r.AtMost("dispersion of tenths of a second", dispersion(times.Between(steady, last), 100*time.Millisecond), s.gate(0.5, 0.8), " (1: at random)")
	r.AtLeast("of the budget used", 100*times.Rate(steady, last)/outageRate, s.gate(95, 85), "%")
	st.once(r, "hook", outageWait)
	return st.stop()
}

// dispersion is the variance over the mean of how many moments fall into each of
// consecutive spans: 0 when all are alike, 1 when they fall at random, more when
// they come in clusters.
func dispersion(t rig.Times, span time.Duration) float64 {
	if len(t) < 2 {
		return 0
	}
	counts := make([]float64, int(time.Duration(t[len(t)-1]-t[0])/span))
	if len(counts) == 0 {
		return 0
	}
	for _, at := range t {
		if i := int(time.Duration(at-t[0]) / span); i < len(counts) {
			counts[i]++
		}
	}
	var sum, squares float64
	for _, c := range counts {
		sum += c
		squares += c * c
	}
	mean := sum / float64(len(counts))
	return (squares/float64(len(counts)) - mean*mean) / mean
}
