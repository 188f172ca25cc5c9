package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// offsetsTopic is where Kafka keeps groups: whoever leads a group's partition
// of it coordinates the group.
const offsetsTopic = "__consumer_offsets"

// Shut asks one node (1 to 3) to end, as for maintenance: it hands its
// leaderships over first. One that does not within half a minute is killed.
func (k *Kafka) Shut(ctx context.Context, node int) error {
	text, err := os.ReadFile(filepath.Join(k.data, "n"+strconv.Itoa(node), "pid"))
	if err != nil {
		return fmt.Errorf("stop node %d: %w", node, err)
	}
	first, _, _ := strings.Cut(string(text), " ")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return fmt.Errorf("stop node %d: its pid: %w", node, err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop node %d: %w", node, err)
	}
	err = Await(ctx, 30*time.Second, fmt.Sprintf("node %d to end", node), func(context.Context) bool {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	})
	if err != nil && ctx.Err() == nil {
		return k.Kill(ctx, node)
	}
	return err
}

// MoveLeaders gives every partition of the topics another leader among its
// replicas, without moving data. A partition whose next replica is away keeps
// the leader that it has.
func (c *Cluster) MoveLeaders(ctx context.Context, topics ...string) error {
	known, err := c.admin.ListTopicsWithInternal(ctx, topics...)
	if err != nil {
		return fmt.Errorf("move leaders: %w", err)
	}
	var turned kadm.AlterPartitionAssignmentsReq
	var all kadm.TopicsSet
	known.EachPartition(func(p kadm.PartitionDetail) {
		if len(p.Replicas) > 1 {
			turned.Assign(p.Topic, p.Partition, append(append([]int32{}, p.Replicas[1:]...), p.Replicas[0]))
			all.Add(p.Topic, p.Partition)
		}
	})
	if _, err := c.admin.AlterPartitionAssignments(ctx, turned); err != nil {
		return fmt.Errorf("move leaders: turn the replicas: %w", err)
	}
	if _, err := c.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, all); err != nil {
		return fmt.Errorf("move leaders: elect: %w", err)
	}
	return nil
}

// MoveCoordinators is MoveLeaders for what coordinates groups.
func (c *Cluster) MoveCoordinators(ctx context.Context) error {
	return c.MoveLeaders(ctx, offsetsTopic)
}

// Ends are the ends of a topic's partitions, of those that have a leader now.
func (c *Cluster) Ends(ctx context.Context, topic string) (map[int32]int64, error) {
	_, ends, err := c.bounds(ctx, topic)
	return ends, err
}

// AwaitInSync waits until every replica of the topics, and of what Kafka keeps
// groups in, has caught up with its leader.
func (c *Cluster) AwaitInSync(ctx context.Context, limit time.Duration, topics ...string) error {
	behind := 0
	err := Await(ctx, limit, "all replicas to be in sync", func(ctx context.Context) bool {
		known, err := c.admin.ListTopicsWithInternal(ctx, append([]string{offsetsTopic}, topics...)...)
		if err != nil {
			return false
		}
		behind = 0
		known.EachPartition(func(p kadm.PartitionDetail) {
			if len(p.ISR) < len(p.Replicas) {
				behind++
			}
		})
		return behind == 0
	})
	if err != nil {
		return fmt.Errorf("%w; %d partitions are not", err, behind)
	}
	return nil
}
