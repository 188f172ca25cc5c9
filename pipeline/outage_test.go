package pipeline_test

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
	"sluice/sink"
	"sluice/sink/budget"
)

// What TestOutage plays: a destination that takes outageRate events a second, one
// an attempt, is away for outageLasts, while half of that is produced.
const (
	outageCalm  = 30 * time.Second
	outageLasts = 10 * time.Minute
	outageRate  = 60
	outageUsers = 100
)

// faultAt is how the destination fails at a time of the outage: in every way in
// turn, so that none of them is taken for a fault of the events.
func faultAt(since time.Duration) sink.Result {
	ways := []sink.Result{
		{Verdict: sink.Unavailable, Status: 500, Reason: "500"},
		{Verdict: sink.Unavailable, Reason: "connection refused"},
		{Verdict: sink.Unavailable, Status: 503, RetryAfter: 20 * time.Second},
		{Verdict: sink.Unavailable, Reason: "timeout"},
		{Verdict: sink.Unavailable, Status: 502, Reason: "502"},
	}
	return ways[int(since/(outageLasts/time.Duration(len(ways))))%len(ways)]
}

// TestOutage: ten minutes without a destination. Nothing is set aside, what is
// in hand stays the same, no event's tries are spent; then the backlog is
// drained at the full budget and not above. It prints its figures, which the
// acceptance suite holds to bars of its own.
func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		down, up := start.Add(outageCalm), start.Add(outageCalm+outageLasts)
		d := &destination{latency: 20 * time.Millisecond, items: 1, answer: func(at time.Time, _ []string) sink.Result {
			if at.Before(down) || !at.Before(up) {
				return ok()
			}
			return faultAt(at.Sub(down))
		}}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) {
			ws.Budget, ws.GiveUpAfter = budget.Config{Requests: outageRate}, time.Minute
		})
		produced := 0
		var inHand []int64 // once a second while it lasts, after half a minute
		spent := 0         // records that the commits say were tried, at most
		for second := range int((outageCalm + outageLasts) / time.Second) {
			w.produce("a", produced, outageRate/2, outageUsers)
			produced += outageRate / 2
			time.Sleep(time.Until(start.Add(time.Duration(second+1) * time.Second)))
			if time.Since(down) > 30*time.Second {
				inHand = append(inHand, w.pipeline.Balance().InHand)
			}
			if time.Since(down) > 0 && second%30 == 0 {
				spent = max(spent, w.tried("a"))
			}
		}
		w.settle(int64(produced), 20*time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		if n := len(d.delivered()); n != produced {
			t.Errorf("%d delivered, want %d", n, produced)
		}
		letters := len(w.kafka.Read(t, "a"+pipeline.DeadSuffix))
		least, most := slices.Min(inHand), slices.Max(inHand)
		used, worst := d.drained(up)
		t.Logf("outage: minutes=%g produced=%d dead_letters=%d in_hand_least=%d in_hand_most=%d tries_spent=%d drain_used=%.4f drain_worst_second=%.4f",
			outageLasts.Minutes(), produced, letters, least, most, spent, used, worst)
		switch {
		case letters > 0 || spent > 0:
			t.Errorf("%d dead letters, and the tries of %d events spent, by an outage", letters, spent)
		case most > least || most > 200:
			t.Errorf("in hand were %d to %d events, want always the same, and few", least, most)
		case used < 0.97 || worst > 1:
			t.Errorf("drained at %.3f of the budget with a worst second of %.3f, want at least 0.97 and at most 1", used, worst)
		}
	})
}

// tried is how many records of a topic the group's commits call tried.
func (w *world) tried(topic string) (n int) {
	w.t.Helper()
	admin := w.admin()
	defer admin.Close()
	lags, err := admin.Lag(w.t.Context(), w.kafka.Config().Group, topic)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range lags {
		n += l.Retries
	}
	return n
}

// drained is which part of the budget was used once the destination was back,
// while there was a backlog, and in the fullest second ever.
func (d *destination) drained(up time.Time) (used, worst float64) {
	all := d.after(time.Time{})
	first := slices.IndexFunc(all, func(s send) bool { return !s.at.Before(up) })
	// The breaker's probes come first; then all go at once.
	for ; first+outageRate < len(all) && all[first+outageRate].at.Sub(all[first].at) > 2*time.Second; first++ {
	}
	// The backlog lasts for longer than this by far: it is as long as the outage.
	const window = time.Minute
	begin, n := all[first].at, 0
	for from, s := range all {
		if s.at.Before(begin.Add(window)) && !s.at.Before(begin) {
			n++
		}
		to := from
		for to < len(all) && all[to].at.Sub(s.at) < time.Second {
			to++
		}
		worst = math.Max(worst, float64(to-from)/outageRate)
	}
	return float64(n) / outageRate / window.Seconds(), worst
}
