package spine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// probeEvery is how often a refused workspace is tried again.
const probeEvery = 30 * time.Second

// refused takes the workspace's key away for a while.
func (s spine) refused(ctx context.Context, r *suite.Result) error {
	const events = 2_000
	sim, err := s.rig.Simulate(ctx, []string{"shop"}, "--latency", "5ms")
	if err != nil {
		return err
	}
	st, err := s.stage(ctx, rig.Config{
		Workspaces: []rig.Workspace{{Name: "shop", BaseURL: sim.URL, Settings: unpaced()}},
		Streams:    []rig.Stream{{Name: "refused", Workspace: "shop", Partitions: 6}},
	})
	if err != nil {
		return err
	}
	members, err := st.members(ctx, "")
	if err != nil {
		return err
	}
	if err := sim.Configure(ctx, map[string]any{"reject_key": true}); err != nil {
		return err
	}
	file, err := s.rig.WriteLines("refused", rig.NewLines(200, 3), events)
	if err != nil {
		return err
	}
	if _, err := s.rig.Produce(ctx, st.file, st.stream, file); err != nil {
		return err
	}
	err = rig.Await(ctx, 15*time.Second, "the workspace to be paused as refused", func(ctx context.Context) bool {
		health, err := members[0].Health(ctx)
		return err == nil && health["shop"].Refused
	})
	r.Holds("paused as refused", err == nil, strconv.FormatBool(err == nil), "true")
	if err != nil {
		return err
	}
	settling, err := sim.History(ctx, 0)
	if err != nil {
		return err
	}
	if err := rig.Pause(ctx, 5*time.Second); err != nil {
		return err
	}
	paused, err := sim.History(ctx, int64(len(settling)))
	if err != nil {
		return err
	}
	r.AtMost("requests in 5 s of the pause", float64(rig.MaxRequests(paused, int64(time.Hour))), 1, "")
	if err := sim.Configure(ctx, map[string]any{"reject_key": false}); err != nil {
		return err
	}
	began := time.Now()
	if err := st.settled(ctx, 2*probeEvery); err != nil {
		return err
	}
	r.AtMost("all settled after the key is taken again", time.Since(began).Seconds(), probeEvery.Seconds()+5, " s")
	v, err := s.rig.Check(ctx, file, sim.URL, "-c", st.file)
	if err != nil {
		return err
	}
	clean(r, v, events)
	r.Equal("dead letters", v.DeadLettered, 0)
	return stop(members)
}

// badUser keeps one user failing while the breaker tries to close.
func (s spine) badUser(ctx context.Context, r *suite.Result) error {
	const events, bad, probeAfter = 1_000, "u00000", 2 * time.Second
	sim, err := s.rig.Simulate(ctx, []string{"shop"}, "--latency", "5ms")
	if err != nil {
		return err
	}
	settings := unpaced()
	settings["breaker"] = fmt.Sprintf("{failures: 5, probe_after: %v, successes: 3}", probeAfter)
	st, err := s.stage(ctx, rig.Config{
		Workspaces: []rig.Workspace{{Name: "shop", BaseURL: sim.URL, Settings: settings}},
		Streams:    []rig.Stream{{Name: "bad-user", Workspace: "shop", Partitions: 6}},
	})
	if err != nil {
		return err
	}
	members, err := st.members(ctx, "")
	if err != nil {
		return err
	}
	if err := sim.Configure(ctx, map[string]any{"down": true}); err != nil {
		return err
	}
	// The zipf law makes this very user the busiest, so it is at the head.
	file, err := s.rig.WriteLines("bad-user", rig.NewLines(40, 4), events)
	if err != nil {
		return err
	}
	if _, err := s.rig.Produce(ctx, st.file, st.stream, file); err != nil {
		return err
	}
	if err := awaitCircuit(ctx, members[0], "shop", "open"); err != nil {
		return err
	}
	if err := sim.Configure(ctx, map[string]any{"fail_user": bad, "down": false}); err != nil {
		return err
	}
	return s.badUserRecovers(ctx, r, badUserPlay{st, sim, members, file, bad, events, probeAfter})
}

type badUserPlay struct {
	*stage
	sim        *rig.Simulator
	members    []*rig.Member
	file, bad  string
	events     int64
	probeAfter time.Duration
}

// badUserRecovers waits for everybody else, then for the user itself.
func (s spine) badUserRecovers(ctx context.Context, r *suite.Result, p badUserPlay) error {
	others, err := linesWithout(p.file, p.bad)
	if err != nil {
		return err
	}
	began := time.Now()
	tally := rig.NewTally()
	err = rig.Await(ctx, time.Minute, "the other users' events", func(ctx context.Context) bool {
		return tally.Update(ctx, p.sim) == nil && tally.Unique >= others
	})
	if err != nil {
		return fmt.Errorf("%w: %d of %d", err, tally.Unique, others)
	}
	r.Equal("other users' events", tally.Unique, others)
	// Each probe of the bad user opens the breaker again; probes rotate over lanes.
	r.AtMost("delivered after the outage within", time.Since(began).Seconds(), 5*p.probeAfter.Seconds(), " s")
	if err := p.sim.Configure(ctx, map[string]any{"fail_user": ""}); err != nil {
		return err
	}
	if err := p.settled(ctx, 90*time.Second); err != nil {
		return err
	}
	v, err := s.rig.Check(ctx, p.file, p.sim.URL, "-c", p.stage.file)
	if err != nil {
		return err
	}
	clean(r, v, p.events)
	r.Equal("dead letters", v.DeadLettered, 0)
	return stop(p.members)
}
