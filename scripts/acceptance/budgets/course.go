package budgets

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The bars that hold in every check, as parts of a rate.
const (
	settledShare = 0.95 // of the rate, kept for settledSpan, is being back
	settledSpan  = 3 * time.Second
	farEnd       = 1.05 // of the rate, in the worst second at the destination: what the way there may bunch up
	told         = 0.99 // of the attempts that arrived must stand in the members' logs
)

// What may be repeated when an owner ends without a word: what was in flight,
// and what was settled since its last accepted commit (half a second of the
// rate). One that lives on without Kafka may send for its whole lease.
const (
	lease    = 3 * time.Second
	inFlight = 15 // attempts, the product's default
)

func afterCrash(rate int) float64  { return inFlight + float64(rate)/2 }
func afterZombie(rate int) float64 { return inFlight + float64(rate)*lease.Seconds() }

// update reads what arrived since the last update.
func (st *stage) update(ctx context.Context) error {
	arrivals, err := st.sim.History(ctx, int64(len(st.seen)))
	st.seen = append(st.seen, arrivals...)
	return err
}

// keep leaves the arrivals in the rig's folder, for whoever wants to look.
func (st *stage) keep() error {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	for _, a := range st.seen {
		if err := lines.Encode(a); err != nil {
			return fmt.Errorf("keep the arrivals: %w", err)
		}
	}
	if err := os.WriteFile(st.rig.Path("arrivals-"+st.config.Group+".ndjson"), b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("keep the arrivals: %w", err)
	}
	return nil
}

// arrivals are those of a workspace, in order, as of the last update.
func (st *stage) arrivals(w workspace) []rig.Arrival {
	var own []rig.Arrival
	for _, a := range st.seen {
		if a.Workspace == w.name {
			own = append(own, a)
		}
	}
	return own
}

// accepted is when a workspace's events were taken.
func (st *stage) accepted(w workspace) rig.Times {
	var moments []int64
	for _, a := range st.seen {
		if a.Workspace == w.name && a.Accepted() {
			moments = append(moments, a.Time)
		}
	}
	return rig.NewTimes(moments)
}

// sends is when the members' budgets granted the attempts for a workspace,
// over all members that ever ran.
func (st *stage) sends(w workspace) (rig.Times, error) {
	var moments []int64
	for _, m := range st.members {
		attempts, err := m.Attempts()
		if err != nil {
			return nil, err
		}
		for _, a := range attempts {
			if a.Workspace == w.name {
				moments = append(moments, a.Sent.UnixNano())
			}
		}
	}
	return rig.NewTimes(moments), nil
}

// throttled counts the requests of a workspace that were answered 429.
func throttled(arrivals []rig.Arrival) int64 {
	var refused []rig.Arrival
	for _, a := range arrivals {
		if a.Status == 429 {
			refused = append(refused, a)
		}
	}
	return int64(len(rig.Requests(refused)))
}

// gaps counts the events that were passed over: a user's events are delivered
// in order, so that below the last one of a user none may be missing.
func gaps(arrivals []rig.Arrival) int64 {
	type mark struct{ last, distinct int64 }
	marks := map[string]mark{}
	seen := map[int64]bool{}
	for _, a := range arrivals {
		if !a.Accepted() || seen[a.N] {
			continue
		}
		seen[a.N] = true
		m := marks[a.User]
		marks[a.User] = mark{max(m.last, a.Seq), m.distinct + 1}
	}
	var missing int64
	for _, m := range marks {
		missing += m.last - m.distinct
	}
	return missing
}

// judge puts what must hold through every fault into the result: never above
// the rate, nothing lost, nobody's events out of order, and no more twice than
// the fault may cost.
func (st *stage) judge(ctx context.Context, r *suite.Result, w workspace, duplicates float64) error {
	if err := st.held(ctx, r, w, w.rate); err != nil {
		return err
	}
	arrivals := st.arrivals(w)
	tally := rig.NewTally()
	tally.Add(arrivals)
	r.AtMost(label(w, "duplicates"), float64(tally.Duplicates), duplicates, "")
	r.Equal(label(w, "double effects"), tally.DoubleEffects, 0)
	r.Equal(label(w, "order breaks"), tally.OrderBreaks, 0)
	r.Equal(label(w, "passed over"), gaps(arrivals), 0)
	return nil
}

// held holds the worst second to most on the sending side, and to the rate with
// what the way bunches up at the destination.
func (st *stage) held(ctx context.Context, r *suite.Result, w workspace, most int) error {
	if err := st.update(ctx); err != nil {
		return err
	}
	if err := st.keep(); err != nil {
		return err
	}
	requests := rig.Requests(st.arrivals(w))
	sends, err := st.sends(w)
	if err != nil {
		return err
	}
	r.AtLeast(label(w, "requests"), float64(len(requests)), float64(w.rate), "")
	// Without their lines in the logs the members' worst second would be none.
	r.AtLeast(label(w, "attempts told"), 100*float64(len(sends))/float64(max(1, len(requests))), 100*told, "%")
	r.AtMost(label(w, "worst 1 s sent"), float64(sends.Busiest(time.Second)), float64(most), "")
	r.AtMost(label(w, "worst 1 s arrived"), float64(requests.Busiest(time.Second)), st.gate(farMost(w.rate), 1.25*farMost(w.rate)), "")
	return nil
}

// gate is a bar on the far side of the network: in the full form the promise, in
// the short one, on a machine that does other work beside, one that only a
// fault of ours misses. What was sent is held to the promise in both.
func (st *stage) gate(full, short float64) float64 {
	if st.rig.Long {
		return full
	}
	return short
}

// farMost is what may arrive in a second; a small rate is allowed two more, for
// a part of it is less than one request.
func farMost(rate int) float64 { return max(farEnd*float64(rate), float64(rate+2)) }

func label(w workspace, what string) string { return w.name + " " + what }

// back holds the time from a fault until a workspace flows at its rate again,
// and goes on to. It returns that long after the fault, and a little more.
func (st *stage) back(ctx context.Context, r *suite.Result, w workspace, fault time.Time, most time.Duration) error {
	until := fault.Add(most + 2*settledSpan)
	if err := rig.Pause(ctx, time.Until(until.Add(200*time.Millisecond))); err != nil {
		return err
	}
	if err := st.update(ctx); err != nil {
		return err
	}
	accepted := st.accepted(w)
	took, back := accepted.Back(fault, until, settledShare*float64(w.rate), settledSpan)
	if !back {
		r.Holds("back at 95%", false, "not by then", "<= "+most.String())
		return nil
	}
	r.AtMost("back at 95% after", took.Seconds(), most.Seconds(), " s")
	r.Note("silent for", fmt.Sprintf("%.1f s", accepted.Silence(fault, until).Seconds()))
	return nil
}
