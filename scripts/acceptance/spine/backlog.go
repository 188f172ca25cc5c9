package spine

import (
	"context"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The backlog check delivers this many events a second in attempts of so many,
// far fewer than it holds: a watermark that passed what is only in hand would
// lose thousands to a kill.
const (
	backlogItems    = 50
	backlogRequests = 20 // a second
)

// killBacklog kills a member whose windows are full of events not sent yet.
func (s spine) killBacklog(ctx context.Context, r *suite.Result) error {
	sim, err := s.rig.Simulate(ctx, []string{"shop"}, "--latency", "20ms")
	if err != nil {
		return err
	}
	settings := map[string]string{
		"budget":    fmt.Sprintf("{requests: %d/s, events: unlimited}", backlogRequests),
		"in_flight": "2", "max_in_flight": "2", "max_batch_items": fmt.Sprint(backlogItems),
	}
	st, err := s.stage(ctx, rig.Config{
		Workspaces: []rig.Workspace{{Name: "shop", BaseURL: sim.URL, Settings: settings}},
		Streams:    []rig.Stream{{Name: "backlog", Workspace: "shop", Partitions: 6}},
	})
	if err != nil {
		return err
	}
	kills := s.pick(2, 6)
	n := 4_000 * (kills + 1)
	file, err := s.rig.WriteLines("backlog", rig.NewLines(3_000, 7), n)
	if err != nil {
		return err
	}
	if _, err := s.rig.Produce(ctx, st.file, st.stream, file); err != nil {
		return err
	}
	members, err := st.members(ctx, "only")
	if err != nil {
		return err
	}
	for range kills {
		if err := rig.Pause(ctx, 2*time.Second); err != nil {
			return err
		}
		members[0].Kill()
		if members[0], err = st.rig.Run(st.config, "only"); err != nil {
			return err
		}
		if err := members[0].Ready(ctx); err != nil {
			return err
		}
	}
	if err := st.settled(ctx, 90*time.Second); err != nil {
		return err
	}
	v, err := s.rig.Check(ctx, file, sim.URL, "-c", st.file)
	if err != nil {
		return err
	}
	clean(r, v, int64(n))
	const rate = backlogItems * backlogRequests
	r.AtMost("duplicates a kill", float64(v.Duplicates)/float64(kills), 2*backlogItems+rate/2, "")
	r.Note("kills", fmt.Sprint(kills))
	return stop(members)
}
