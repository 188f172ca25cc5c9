package budgets

import (
	"context"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// adapt lowers what the destination takes from 100/s to 60/s for a while.
func (s budgets) adapt(ctx context.Context, r *suite.Result) error {
	const low, returned = 60, 90 * time.Second
	w := workspace{"w100", 100}
	lowered := time.Minute // in both forms: the first seconds of it are the dear ones
	st, err := s.stage(ctx, plan{
		workspaces: []workspace{w}, partitions: 12, latency: 20 * time.Millisecond, lasts: lowered + returned + 45*time.Second,
	})
	if err != nil {
		return err
	}
	if err := st.sim.Configure(ctx, bucket(w.rate)); err != nil {
		return err
	}
	if err := st.join(ctx, "", ""); err != nil {
		return err
	}
	if err := st.flowing(ctx, w); err != nil {
		return err
	}
	if err := rig.Pause(ctx, 3*time.Second); err != nil {
		return err
	}
	from := time.Now()
	if err := st.sim.Configure(ctx, bucket(low)); err != nil {
		return err
	}
	if err := rig.Pause(ctx, lowered); err != nil {
		return err
	}
	to := time.Now()
	if err := st.sim.Configure(ctx, bucket(w.rate)); err != nil {
		return err
	}
	took, err := st.reaches(ctx, w, to, returned)
	if err != nil {
		return err
	}
	r.AtLeast("of the lowered limit used", 100*st.accepted(w).Rate(from, to)/low, st.gate(85, 75), "%")
	r.AtMost("back at 97% after", took.Seconds(), returned.Seconds(), " s")
	r.AtMost("answers 429 in all", float64(throttled(st.arrivals(w))), 99, "")
	if err := st.judge(ctx, r, w, 0); err != nil {
		return err
	}
	return st.stop()
}

// bucket is a limit that allows a tenth of a second of it at once.
func bucket(rate int) map[string]any {
	return map[string]any{"limit": fmt.Sprintf("%d/s", rate), "burst": rate / 10}
}

// reaches waits until a workspace was delivered to at 97 % of its rate for five
// seconds, and tells how long after an instant they began; more than the limit
// when they have not by then.
func (st *stage) reaches(ctx context.Context, w workspace, after time.Time, limit time.Duration) (time.Duration, error) {
	const share, length = 0.97, 5 * time.Second
	took := limit + time.Second
	for end := after.Add(length); time.Since(after) < limit+length; end = time.Now() {
		if err := rig.Pause(ctx, time.Until(end.Add(500*time.Millisecond))); err != nil {
			return took, err
		}
		if err := st.update(ctx); err != nil {
			return took, err
		}
		if st.accepted(w).Rate(end.Add(-length), end) >= share*float64(w.rate) {
			return end.Add(-length).Sub(after), nil
		}
	}
	return took, nil
}

// The others of a workspace that is down must not change by more, in per cent,
// and what pausing and resuming throws away is bounded.
const (
	unchanged     = 3
	amplification = 1.1
)

// down takes one of three workspaces away for a while.
func (s budgets) down(ctx context.Context, r *suite.Result) error {
	const items, calm = 10, 10 * time.Second
	gone, probeAfter := s.seconds(30, 60), s.seconds(5, 30)
	sick, well := workspace{"down", 100}, []workspace{{"well-1", 100}, {"well-2", 100}}
	st, err := s.stage(ctx, plan{
		// Few partitions, so that each is paused and resumed many times within the
		// time of the check.
		workspaces: append([]workspace{sick}, well...), partitions: 3, latency: 20 * time.Millisecond,
		lasts: calm + gone + 90*time.Second, items: items,
		settings: map[string]string{"breaker": fmt.Sprintf("{failures: 5, probe_after: %v, successes: 3}", probeAfter)},
	})
	if err != nil {
		return err
	}
	if err := st.join(ctx, "", ""); err != nil {
		return err
	}
	for _, w := range st.workspaces {
		if err := st.flowing(ctx, workspace{w.name, w.rate * items * 9 / 10}); err != nil {
			return err
		}
	}
	before := time.Now()
	read, err := st.reading(ctx)
	if err != nil {
		return err
	}
	if err := rig.Pause(ctx, calm); err != nil {
		return err
	}
	outage, err := st.outage(ctx, sick, gone)
	if err != nil {
		return err
	}
	if err := rig.Pause(ctx, probeAfter*11/10+8*time.Second); err != nil {
		return err
	}
	back := time.Now()
	for _, w := range st.workspaces {
		if err := st.judge(ctx, r, w, 0); err != nil {
			return err
		}
	}
	for _, w := range well {
		had, has := st.accepted(w).Rate(before, outage.from), st.accepted(w).Rate(outage.from, outage.to)
		r.AtLeast(label(w, "of its rate before"), 100*has/max(1, had), 100-st.gate(unchanged, 3*unchanged), "%")
		r.AtMost(label(w, "no more than before"), 100*has/max(1, had), 100+st.gate(unchanged, 3*unchanged), "%")
	}
	r.AtLeast("the one down, back", 100*st.accepted(sick).Rate(back.Add(-3*time.Second), back)/float64(sick.rate*items), 90, "%")
	now, err := st.reading(ctx)
	if err != nil {
		return err
	}
	amplified(r, read, now)
	return st.stop()
}

// outage takes a workspace's destination away for that long.
func (st *stage) outage(ctx context.Context, w workspace, long time.Duration) (o span, err error) {
	o.from = time.Now()
	if err := st.sim.Configure(ctx, map[string]any{"workspace": w.name, "down": true}); err != nil {
		return o, err
	}
	if err := rig.Pause(ctx, long); err != nil {
		return o, err
	}
	o.to = time.Now()
	return o, st.sim.Configure(ctx, map[string]any{"workspace": w.name, "down": false})
}

// reading is what members fetched from Kafka, and took of it.
type reading struct{ fetched, taken float64 }

func (st *stage) reading(ctx context.Context) (read reading, err error) {
	for _, m := range st.running() {
		metrics, err := m.Metrics(ctx)
		if err != nil {
			return read, err
		}
		read.fetched += metrics.Sum("sluice_partition_fetched_records_total")
		read.taken += metrics.Sum("sluice_partition_records_total", `what="read"`)
	}
	return read, nil
}

// amplified holds the records that were fetched to those that were taken, from
// one reading to another: what the client holds is in both.
func amplified(r *suite.Result, from, to reading) {
	fetched, taken := to.fetched-from.fetched, to.taken-from.taken
	r.AtLeast("records taken", taken, 20_000, "")
	if to.fetched < to.taken {
		r.Holds("records fetched", false, fmt.Sprintf("%.0f of %.0f taken", to.fetched, to.taken), "told")
		return
	}
	r.AtMost("fetched for each", fetched/max(1, taken), amplification, "")
}
