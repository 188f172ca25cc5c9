package spine

import (
	"context"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The crash checks produce at this rate into members that hold at most this
// many events in flight, so that the bound on duplicates is a number.
const (
	crashRate  = 1_000 // events a second
	attempts   = 4     // at once, of one member
	batchItems = 25    // of one attempt
	inFlight   = attempts * batchItems
)

// crash is a stream under steady load whose parts can be killed.
type crash struct {
	*stage
	sim   *rig.Simulator
	feed  *rig.Feed
	tally *rig.Tally
}

func (s spine) crash(ctx context.Context) (*crash, error) {
	sim, err := s.rig.Simulate(ctx, []string{"shop"}, "--latency", "20ms")
	if err != nil {
		return nil, err
	}
	settings := unpaced()
	settings["in_flight"], settings["max_in_flight"] = fmt.Sprint(attempts), fmt.Sprint(attempts)
	settings["max_batch_items"] = fmt.Sprint(batchItems)
	st, err := s.stage(ctx, rig.Config{
		Workspaces: []rig.Workspace{{Name: "shop", BaseURL: sim.URL, Settings: settings}},
		Streams:    []rig.Stream{{Name: "crash", Workspace: "shop", Partitions: 12}},
	})
	return &crash{stage: st, sim: sim, tally: rig.NewTally()}, err
}

// load begins to produce.
func (c *crash) load() (err error) {
	c.feed, err = c.rig.Feed(c.file, c.stream, fmt.Sprintf("%d/s", crashRate), rig.NewLines(5_000, 1))
	return err
}

// fault breaks something and mends it, waits until all that was produced by
// then is settled, and returns the duplicates that it cost and how long
// recovery took, from the break on.
func (c *crash) fault(ctx context.Context, breakAndMend func() error) (duplicates int64, recovery time.Duration, err error) {
	if err := rig.Pause(ctx, 2*time.Second); err != nil {
		return 0, 0, err
	}
	if err := c.tally.Update(ctx, c.sim); err != nil {
		return 0, 0, err
	}
	before, began := c.tally.Duplicates, time.Now()
	if err := breakAndMend(); err != nil {
		return 0, 0, err
	}
	if err := c.settled(ctx, 90*time.Second); err != nil {
		return 0, 0, err
	}
	recovery = time.Since(began)
	err = c.tally.Update(ctx, c.sim)
	return c.tally.Duplicates - before, recovery, err
}

// finish ends the load and judges the whole run, by the checker and by the
// tally.
func (c *crash) finish(ctx context.Context, r *suite.Result) error {
	report, err := c.feed.Stop(ctx)
	if err != nil {
		return err
	}
	if err := c.settled(ctx, 90*time.Second); err != nil {
		return err
	}
	v, err := c.rig.Check(ctx, c.feed.File, c.sim.URL, "-c", c.file)
	if err != nil {
		return err
	}
	if err := c.tally.Update(ctx, c.sim); err != nil {
		return err
	}
	clean(r, v, report.Succeeded)
	r.Equal("dead letters", v.DeadLettered, 0)
	r.Equal("second opinion: delivered", c.tally.Unique, v.Delivered)
	r.Equal("second opinion: order breaks", c.tally.OrderBreaks, 0)
	r.Note("produced at", fmt.Sprintf("%.0f/s", float64(report.Succeeded)/max(report.Seconds, 0.001)))
	r.Note("duplicates in all", fmt.Sprint(v.Duplicates))
	return nil
}

// killMember kills members in turn, one with a static identity and one without.
func (s spine) killMember(ctx context.Context, r *suite.Result) error {
	c, err := s.crash(ctx)
	if err != nil {
		return err
	}
	instances := []string{"a", ""}
	members, err := c.members(ctx, instances...)
	if err != nil {
		return err
	}
	if err := c.load(); err != nil {
		return err
	}
	var worst int64
	slowest := [2]time.Duration{}
	kills := s.pick(2, 10)
	for i := range kills {
		which := i % 2
		// Not in step with the commits: their period is half a second.
		if err := rig.Pause(ctx, time.Duration(i*137%500)*time.Millisecond); err != nil {
			return err
		}
		duplicates, recovery, err := c.fault(ctx, func() (err error) {
			members[which].Kill()
			members[which], err = c.rig.Run(c.config, instances[which])
			return err
		})
		if err != nil {
			return fmt.Errorf("kill %d: %w", i+1, err)
		}
		worst, slowest[which] = max(worst, duplicates), max(slowest[which], recovery)
	}
	if err := c.finish(ctx, r); err != nil {
		return err
	}
	r.Equal("kills", int64(kills), int64(s.pick(2, 10)))
	r.AtMost("duplicates of the worst kill", float64(worst), inFlight+crashRate/2, "")
	// First delivery within session and lease (12 s), within 5 s when static;
	// what waited meanwhile is worked off in the seconds after.
	r.AtMost("slowest recovery, dynamic", slowest[1].Seconds(), 12+4, " s")
	r.AtMost("static", slowest[0].Seconds(), 5+4, " s")
	return stop(members)
}

// killBroker kills nodes in turn: the group's coordinator first, and in the
// full form each of the others.
func (s spine) killBroker(ctx context.Context, r *suite.Result) error {
	c, err := s.crash(ctx)
	if err != nil {
		return err
	}
	members, err := c.members(ctx, "", "")
	if err != nil {
		return err
	}
	if err := c.load(); err != nil {
		return err
	}
	first, err := c.kafka.Coordinator(ctx, c.config.Group)
	if err != nil {
		return err
	}
	var worst int64
	var slowest time.Duration
	kills := s.pick(1, 3)
	for i := range kills {
		node := (first-1+i)%3 + 1
		duplicates, recovery, err := c.fault(ctx, func() error {
			if err := c.kafka.Kill(ctx, node); err != nil {
				return err
			}
			if err := rig.Pause(ctx, 5*time.Second); err != nil {
				return err
			}
			return c.kafka.Start(ctx, node)
		})
		if err != nil {
			return fmt.Errorf("kill of node %d: %w", node, err)
		}
		worst, slowest = max(worst, duplicates), max(slowest, recovery)
	}
	if err := c.finish(ctx, r); err != nil {
		return err
	}
	r.Equal("kills, coordinator first", int64(kills), int64(s.pick(1, 3)))
	// The lease is 3 s, and both members may have something in flight.
	r.AtMost("duplicates of the worst kill", float64(worst), 2*inFlight+3*crashRate, "")
	r.Note("slowest recovery", slowest.Round(100*time.Millisecond).String())
	return stop(members)
}
