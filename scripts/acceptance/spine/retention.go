package spine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// retention deletes what a stopped member had not read yet.
func (s spine) retention(ctx context.Context, r *suite.Result) error {
	const events, partitions, left = 400, 4, 2
	sim, err := s.rig.Simulate(ctx, []string{"shop"}, "--latency", "1ms")
	if err != nil {
		return err
	}
	st, err := s.stage(ctx, rig.Config{
		Workspaces: []rig.Workspace{{Name: "shop", BaseURL: sim.URL, Settings: unpaced()}},
		Streams:    []rig.Stream{{Name: "retention", Workspace: "shop", Partitions: partitions}},
	})
	if err != nil {
		return err
	}
	lines := rig.NewLines(300, 6)
	produce := func() error {
		file, err := s.rig.WriteLines("retention", lines, events)
		if err != nil {
			return err
		}
		_, err = s.rig.Produce(ctx, st.file, st.stream, file)
		return err
	}
	members, err := st.members(ctx, "")
	if err != nil {
		return err
	}
	if err := produce(); err != nil {
		return err
	}
	if err := st.settled(ctx, 30*time.Second); err != nil {
		return err
	}
	if err := stop(members); err != nil {
		return err
	}
	committed, err := st.kafka.Group(ctx, st.config.Group, st.stream)
	if err != nil {
		return err
	}
	tally := rig.NewTally()
	if err := tally.Skip(ctx, sim); err != nil { // the second file counts from 1 again
		return err
	}
	if err := produce(); err != nil {
		return err
	}
	end, err := st.kafka.End(ctx, st.stream, 0)
	if err != nil {
		return err
	}
	gap := end - left - committed.Offsets[0]
	if gap < 1 {
		return fmt.Errorf("partition 0 has too few events for the check: %d unread", end-committed.Offsets[0])
	}
	if err := st.kafka.DeleteBefore(ctx, st.stream, 0, end-left); err != nil {
		return err
	}
	return s.resumes(ctx, r, st, gapPlay{sim, tally, committed.Offsets[0], end, gap, events - gap})
}

type gapPlay struct {
	sim       *rig.Simulator
	tally     *rig.Tally // of what is delivered from here on
	watermark int64      // of partition 0, deleted now
	end       int64      // of partition 0
	gap       int64      // records that are gone
	readable  int64      // events that can still be delivered
}

// resumes starts a member over the gap: the shard stops, says so, and goes on
// only when an operator says where.
func (s spine) resumes(ctx context.Context, r *suite.Result, st *stage, p gapPlay) error {
	members, err := st.members(ctx, "")
	if err != nil {
		return err
	}
	m := members[0]
	others := p.readable - (p.end - p.watermark - p.gap)
	err = rig.Await(ctx, 30*time.Second, "the other shards to flow and the gap to be told", func(ctx context.Context) bool {
		stopped, err := m.StoppedShards(ctx)
		return err == nil && stopped == 1 && p.tally.Update(ctx, p.sim) == nil && p.tally.Unique >= others
	})
	stopped, _ := m.StoppedShards(ctx)
	r.Equal("stopped shards", int64(stopped), 1)
	if err != nil {
		return err
	}
	if err := rig.Pause(ctx, 3*time.Second); err != nil {
		return err
	}
	if err := p.tally.Update(ctx, p.sim); err != nil {
		return err
	}
	group, err := st.kafka.Group(ctx, st.config.Group, st.stream)
	if err != nil {
		return err
	}
	r.Equal("delivered by the other shards", p.tally.Unique, others)
	r.Holds("watermark", group.Offsets[0] == p.watermark, strconv.FormatInt(group.Offsets[0], 10), "left at "+strconv.FormatInt(p.watermark, 10))
	binary, err := s.rig.Sluice()
	if err != nil {
		return err
	}
	if _, err := rig.Command(ctx, s.rig.Dir, nil, binary, "shard", "resume", st.stream, "0", "--at", "start", "-c", m.Config); err != nil {
		return err
	}
	if err := st.settled(ctx, 30*time.Second); err != nil {
		return err
	}
	if err := p.tally.Update(ctx, p.sim); err != nil {
		return err
	}
	counted, err := m.RetentionGap(ctx)
	if err != nil {
		return err
	}
	r.Equal("records counted as gone", int64(counted), p.gap)
	r.Equal("delivered after the resume", p.tally.Unique, p.readable)
	r.Equal("duplicates", p.tally.Duplicates, 0)
	return stop(members)
}
