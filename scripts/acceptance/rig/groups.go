package rig

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Group is how far a consumer group has come on one topic.
type Group struct {
	State   string // Stable, PreparingRebalance, …
	Members int    // that own something of the topic
	Joined  int    // members in all
	Lag     int64  // records behind the end, where nothing is committed from the start
	Offsets map[int32]int64
}

// Group asks for a group's state on one topic.
func (c *Cluster) Group(ctx context.Context, group, topic string) (Group, error) {
	g := Group{Offsets: map[int32]int64{}}
	starts, ends, err := c.bounds(ctx, topic)
	if err != nil {
		return g, err
	}
	committed, err := c.admin.FetchOffsets(ctx, group)
	if err != nil {
		return g, fmt.Errorf("fetch the offsets of group %s: %w", group, err)
	}
	for partition, end := range ends {
		at := starts[partition]
		if o, ok := committed.Lookup(topic, partition); ok && o.Err == nil && o.At >= 0 {
			at = o.At
			g.Offsets[partition] = o.At
		}
		g.Lag += max(0, end-at)
	}
	described, err := c.admin.DescribeGroups(ctx, group)
	if err != nil {
		return g, fmt.Errorf("describe group %s: %w", group, err)
	}
	d := described[group]
	g.State = d.State
	g.Joined = len(d.Members)
	for _, m := range d.Members {
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				if t.Topic == topic && len(t.Partitions) > 0 {
					g.Members++
				}
			}
		}
	}
	return g, nil
}

// Coordinator is the node (1 to 3) that coordinates a group.
func (c *Cluster) Coordinator(ctx context.Context, group string) (int, error) {
	found := c.admin.FindGroupCoordinators(ctx, group)
	answer, ok := found[group]
	if !ok {
		return 0, fmt.Errorf("find the coordinator of group %s: no answer", group)
	}
	if answer.Err != nil {
		return 0, fmt.Errorf("find the coordinator of group %s: %w", group, answer.Err)
	}
	return int(answer.NodeID), nil
}

// AwaitStable waits until the group is stable with that many members.
func (c *Cluster) AwaitStable(ctx context.Context, group, topic string, members int) error {
	var last Group
	var lastErr error
	err := Await(ctx, 60*time.Second, fmt.Sprintf("group %s to be stable with %d members", group, members), func(ctx context.Context) bool {
		last, lastErr = c.Group(ctx, group, topic)
		return lastErr == nil && last.State == "Stable" && last.Members == members
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%w; last seen: %s, %d members", err, last.State, last.Members), lastErr)
	}
	return nil
}

// AwaitCaughtUp waits until all that the topic holds now is settled and
// committed, whatever is appended meanwhile. Watching the lag would not do: for
// the first moments after a member died its partitions look settled.
func (c *Cluster) AwaitCaughtUp(ctx context.Context, group, topic string, limit time.Duration) error {
	_, ends, err := c.bounds(ctx, topic)
	if err != nil {
		return err
	}
	var last Group
	var lastErr error
	err = Await(ctx, limit, fmt.Sprintf("group %s to settle what %s holds", group, topic), func(ctx context.Context) bool {
		last, lastErr = c.Group(ctx, group, topic)
		if lastErr != nil {
			return false
		}
		for partition, end := range ends {
			if end > 0 && last.Offsets[partition] < end {
				return false
			}
		}
		return true
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%w; last seen: %s, %d members, %d behind", err, last.State, last.Members, last.Lag), lastErr)
	}
	return nil
}

// AwaitJoined waits until the group is stable with that many members, of which
// some may own nothing.
func (c *Cluster) AwaitJoined(ctx context.Context, group, topic string, members int) error {
	var last Group
	var lastErr error
	err := Await(ctx, 60*time.Second, fmt.Sprintf("group %s to be stable with %d members", group, members), func(ctx context.Context) bool {
		last, lastErr = c.Group(ctx, group, topic)
		return lastErr == nil && last.State == "Stable" && last.Joined == members
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%w; last seen: %s, %d members", err, last.State, last.Joined), lastErr)
	}
	return nil
}
