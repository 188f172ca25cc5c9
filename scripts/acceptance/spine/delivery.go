package spine

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

const purchases = 69_659

// fullFile sends every purchase of the file through two members.
func (s spine) fullFile(ctx context.Context, r *suite.Result) error {
	sim, err := s.rig.Simulate(ctx, []string{"shop"}, "--latency", "5ms")
	if err != nil {
		return err
	}
	st, err := s.stage(ctx, rig.Config{
		Workspaces: []rig.Workspace{{Name: "shop", BaseURL: sim.URL, Settings: unpaced()}},
		Streams:    []rig.Stream{{Name: "purchases", Workspace: "shop", Partitions: 12}},
	})
	if err != nil {
		return err
	}
	members, err := st.members(ctx, "", "")
	if err != nil {
		return err
	}
	file := filepath.Join(s.rig.Root, "scripts", "data", "cdnow.csv")
	flags := []string{"--format", "csv", "--map", "user=customer_id,timestamp=date", "--event", "purchase"}
	produced, err := s.rig.Produce(ctx, st.file, st.stream, file, flags...)
	if err != nil {
		return err
	}
	if err := st.settled(ctx, 2*time.Minute); err != nil {
		return err
	}
	v, err := s.rig.Check(ctx, file, sim.URL, append(flags, "-c", st.file)...)
	if err != nil {
		return err
	}
	clean(r, v, purchases)
	r.Equal("produced", produced.Succeeded, purchases)
	r.Equal("duplicates", v.Duplicates, 0)
	r.Equal("dead letters", v.DeadLettered, 0)
	r.Note("requests", fmt.Sprint(v.Requests))
	if v.Seconds > 0 {
		r.Note("events/s", fmt.Sprintf("%.0f", float64(v.Delivered)/v.Seconds))
	}
	return stop(members)
}

// unpaced is a workspace that nothing but its destination holds back.
func unpaced() map[string]string {
	return map[string]string{"budget": "{requests: unlimited, events: unlimited}"}
}
