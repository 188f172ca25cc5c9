package budgets

import (
	"context"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// bars are what a rate is held to while there is a backlog.
type bars struct {
	used      float64 // of the rate, at least
	worst100  float64 // requests in any 100 ms at the destination, at most
	throttled bool    // the destination has a bucket of 100 ms, and must not need it
}

// rate runs two workspaces, of 100/s and of 10/s, on that many members; when it
// has been measured one more joins.
func (s budgets) rate(members int) check {
	return func(ctx context.Context, r *suite.Result) error {
		measured, after := s.seconds(25, 120), s.seconds(8, 20)
		hundred, ten := workspace{"w100", 100}, workspace{"w10", 10}
		st, err := s.stage(ctx, plan{
			workspaces: []workspace{hundred, ten}, partitions: 48, latency: 20 * time.Millisecond,
			lasts: measured + after + 40*time.Second,
		})
		if err != nil {
			return err
		}
		if err := st.sim.Configure(ctx, map[string]any{"workspace": hundred.name, "limit": "100/s", "burst": 10}); err != nil {
			return err
		}
		if err := st.join(ctx, make([]string, members)...); err != nil {
			return err
		}
		for _, w := range st.workspaces {
			if err := st.flowing(ctx, w); err != nil {
				return err
			}
		}
		from := time.Now()
		if err := rig.Pause(ctx, measured); err != nil {
			return err
		}
		to := time.Now()
		if err := st.join(ctx, ""); err != nil {
			return err
		}
		if err := rig.Pause(ctx, after); err != nil {
			return err
		}
		if err := st.used(ctx, r, hundred, span{from, to}, bars{used: 97, worst100: 16, throttled: true}); err != nil {
			return err
		}
		if err := st.used(ctx, r, ten, span{from, to}, bars{used: 92, worst100: 3}); err != nil {
			return err
		}
		return st.stop()
	}
}

type span struct{ from, to time.Time }

// used holds a workspace to its bars, and to what must hold always.
func (st *stage) used(ctx context.Context, r *suite.Result, w workspace, measured span, b bars) error {
	if err := st.judge(ctx, r, w, 0); err != nil {
		return err
	}
	arrivals := st.arrivals(w)
	r.AtLeast(label(w, "used"), 100*st.accepted(w).Rate(measured.from, measured.to)/float64(w.rate), st.gate(b.used, b.used-7), "%")
	r.AtMost(label(w, "worst 100 ms arrived"), float64(rig.Requests(arrivals).Busiest(100*time.Millisecond)), st.gate(b.worst100, 1.25*b.worst100), "")
	if b.throttled {
		r.AtMost(label(w, "answers 429"), float64(throttled(arrivals)), st.gate(0, 10), "")
	}
	return nil
}

// split is a workspace that is larger than one member's reach.
func (s budgets) split(ctx context.Context, r *suite.Result) error {
	big := workspace{"w3000", 3_000}
	measured := s.seconds(15, 60)
	st, err := s.stage(ctx, plan{
		workspaces: []workspace{big}, partitions: 48, lasts: measured*3/2 + 30*time.Second,
		users: rig.NewSkewed(20_000, 5, 1.0001),
	})
	if err != nil {
		return err
	}
	if err := st.join(ctx, make([]string, 4)...); err != nil {
		return err
	}
	if err := st.flowing(ctx, workspace{big.name, big.rate * 9 / 10}); err != nil {
		return err
	}
	n, sum := st.owners(ctx, big)
	from := time.Now()
	if err := rig.Pause(ctx, measured); err != nil {
		return err
	}
	to := time.Now()
	if err := st.update(ctx); err != nil {
		return err
	}
	r.Equal("owners", int64(n), 3)
	r.Holds("shares", sum > 0.999 && sum < 1.001, fmt.Sprintf("%.3f", sum), "add up to 1")
	r.AtLeast("used", 100*st.accepted(big).Rate(from, to)/float64(big.rate), 90, "%")
	// Each unit's pacer may have one more in a window that begins anywhere.
	if err := st.held(ctx, r, big, big.rate+4); err != nil {
		return err
	}
	r.Equal("passed over", gaps(st.arrivals(big)), 0)
	return st.stop()
}
