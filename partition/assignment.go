package partition

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// adopt takes on a new generation, before any callback of it runs: first what
// is not ours in it stops, then its commits count. A member whose id changed
// while it held shards was evicted without being told: others may have owned
// them since, so everything is read anew with a new client.
func (c *Consumer) adopt(s *session, a adoption) {
	<-s.ready
	member, generation := s.client.GroupMetadata()
	owned := c.lanes.owned()
	if old, _ := c.members.get(); old != "" && old != member && len(owned) > 0 {
		c.lease.end()
		c.closeAll()
		s.end(errEvicted)
	}
	for _, sh := range owned {
		if !slices.Contains(a.assigned[sh.topic], sh.id.Partition) {
			sh.halt()
		}
	}
	c.members.adopt(member, generation)
	c.unfinished.adopt(a.pending)
	s.adopted = a
	c.count(s)
}

// count divides by the generation's numbers from now on: as its leader counts
// the shards, so that all its members divide alike, else, from a leader that
// does not say, as this member knows the topics.
func (c *Consumer) count(s *session) {
	own := map[string]int{}
	for topic, info := range s.topics {
		stream := c.byTopic[topic]
		if stream.tier != Live { // a shard counts once
			continue
		}
		for p := range info.partitions {
			own[stream.workspace(p)]++
		}
	}
	adopted := s.adopted
	c.lanes.count(func(workspace string, usable int) (owned, total int) {
		return adopted.share(workspace, usable, own[workspace])
	})
}

// assigned opens the shards that the group gave us; they are taken from once
// their committed offset is known and our claim of them is committed.
func (c *Consumer) assigned(ctx context.Context, cl *kgo.Client, s *session, added map[string][]int32) {
	if len(added) == 0 {
		return
	}
	if topics, _, err := describe(ctx, cl, slices.Collect(maps.Keys(added))); err == nil { // it may have grown or been made anew
		maps.Copy(s.topics, topics)
		c.count(s)
	}
	for topic, partitions := range added {
		stream := c.byTopic[topic]
		for _, p := range partitions {
			id := stream.shard(p)
			workspace := stream.workspace(p)
			if workspace == "" {
				c.log.Error("no route covers this partition: it is not delivered; add it to the stream's routes", zap.Stringer("shard", id))
				cl.PauseFetchPartitions(map[string][]int32{topic: {p}})
				continue
			}
			c.lanes.open(id, s.topics[topic], workspace)
		}
		c.log.Info("assigned", zap.String("stream", stream.Name), zap.Stringer("tier", stream.tier), zap.Int32s("partitions", partitions))
	}
}

// offsetsFetched tells new shards where they stand, before anything of them is
// fetched. An error makes the client join anew and ask again.
func (c *Consumer) offsetsFetched(ctx context.Context, cl *kgo.Client, s *session, resp *kmsg.OffsetFetchResponse) error {
	asked := map[string][]int32{}
	for _, sh := range c.lanes.owned() {
		if sh.phaseNow() == loading {
			asked[sh.topic] = append(asked[sh.topic], sh.id.Partition)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	starts, err := listOffsets(ctx, cl, asked, atStart)
	if err != nil {
		return fmt.Errorf("find where the logs start: %w", err)
	}
	var capturing []*shard
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			name := t.Topic
			if name == "" {
				name = s.topicName(t.TopicID)
			}
			for _, p := range t.Partitions {
				stream := c.byTopic[name]
				if sh := c.lanes.find(stream.workspace(p.Partition), stream.shard(p.Partition)); sh != nil {
					c.loadShard(sh, p, starts[name][p.Partition])
					if sh.id.Tier.captures() {
						capturing = append(capturing, sh)
					}
				}
			}
		}
	}
	if err := s.lookForCaptured(ctx, cl, capturing); err != nil {
		return err
	}
	c.gate.apply(cl, nil)
	c.commits.now()
	return nil
}

// loadShard sets a shard to its committed offset, or stops it when that offset
// is gone, or when the group has none although the log has a past: then it is
// either new to an old topic or its offsets expired, and only a person knows.
func (c *Consumer) loadShard(s *shard, p kmsg.OffsetFetchResponseGroupTopicPartition, logStart int64) {
	switch {
	case s.phaseNow() != loading:
	case p.Offset >= 0 && p.Offset < logStart:
		c.lanes.load(s, newWindow(p.Offset), false)
		c.stopShard(s, reasonGap, logStart)
	case p.Offset >= 0:
		text := ""
		if p.Metadata != nil {
			text = *p.Metadata
		}
		w, released, err := decodeMetadata(p.Offset, text)
		if err != nil && text != "" {
			c.log.Warn("commit metadata not understood; the watermark alone is used", zap.Stringer("shard", s.id), zap.Error(err))
		}
		c.lanes.load(s, w, released)
	case logStart == 0:
		c.lanes.load(s, newWindow(0), c.members.first())
	default:
		c.stopShard(s, reasonNoOffset, logStart)
	}
}

func (s *session) topicName(id [16]byte) string {
	for name, info := range s.topics {
		if info.id == id {
			return name
		}
	}
	return ""
}

// revoked hands shards over: nothing more is taken, attempts in flight may end
// for a bounded time, what is settled is committed, and only then is the fence
// raised that keeps late outcomes out.
func (c *Consumer) revoked(ctx context.Context, cl *kgo.Client, removed map[string][]int32) {
	c.commits.revoking.Add(1)
	defer c.commits.revoking.Add(-1)
	shards := c.pick(removed)
	if len(shards) > 0 {
		drainAll(shards, c.cfg.Drain)
		c.commits.release(ctx, cl, shards)
		for _, s := range shards {
			c.lanes.close(s)
		}
		c.log.Info("revoked", zap.Int("shards", len(shards)))
	}
	cl.ResumeFetchPartitions(removed) // a pause would outlive the assignment
}

// lost fences shards that are another's already.
func (c *Consumer) lost(_ context.Context, cl *kgo.Client, removed map[string][]int32) {
	c.lease.end()
	shards := c.pick(removed)
	for _, s := range shards {
		c.lanes.close(s)
	}
	cl.ResumeFetchPartitions(removed)
	if len(shards) > 0 {
		c.log.Warn("lost", zap.Int("shards", len(shards)))
	}
}

func (c *Consumer) pick(partitions map[string][]int32) []*shard {
	var shards []*shard
	for topic, numbers := range partitions {
		stream := c.byTopic[topic]
		for _, p := range numbers {
			if s := c.lanes.find(stream.workspace(p), stream.shard(p)); s != nil {
				shards = append(shards, s)
			}
		}
	}
	return shards
}

// drainAll drains shards side by side.
func drainAll(shards []*shard, limit time.Duration) {
	deadline := time.Now().Add(limit)
	var wg sync.WaitGroup
	for _, s := range shards {
		wg.Go(func() { s.drain(deadline) })
	}
	wg.Wait()
}
