package partition

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"sluice/pipeline/event"
)

// maxPoll bounds how far a poll can overshoot the gate's marks; smallPoll is
// little enough to end within what came from one broker while portions are small.
const (
	maxPoll   = 1000
	smallPoll = 200
)

// poll reads until ctx ends. Rebalances wait while a poll's records are taken
// in, so that a record is never put into a later assignment of its shard.
func (c *Consumer) poll(ctx context.Context, s *session) {
	for {
		c.gate.rest(ctx)
		most := maxPoll
		if c.gate.portion.small() {
			most = smallPoll
		}
		fetches := s.client.PollRecords(ctx, most)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			s.client.AllowRebalance()
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			c.fetchError(ctx, s, topicPartition{topic, partition}, err)
		})
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { c.intake(s, p) })
		c.gate.apply(s.client, free(fetches, most))
		s.client.AllowRebalance()
	}
}

// intake turns one partition's records into events and puts them into lanes.
func (c *Consumer) intake(s *session, p kgo.FetchTopicPartition) {
	stream := c.byTopic[p.Topic]
	sh := c.lanes.find(stream.workspace(p.Partition), stream.shard(p.Partition))
	if sh == nil || len(p.Records) == 0 {
		return
	}
	s.polled = s.polled[:0]
	misplaced := int64(0)
	for _, r := range p.Records {
		if r.Key != nil && ShardOf(r.Key, sh.partitions) != p.Partition {
			misplaced++
		}
		s.polled = append(s.polled, c.decode(s, sh, r))
		r.Recycle()
	}
	sh.add(s.polled, misplaced, p.HighWatermark)
	c.metrics.misplaced(stream.Name, misplaced)
}

// decode copies a record into an event and fits it to its destination.
func (c *Consumer) decode(s *session, sh *shard, r *kgo.Record) *event.Event {
	s.scratch = s.scratch[:0]
	for _, h := range r.Headers {
		s.scratch = append(s.scratch, event.Header{Key: h.Key, Value: h.Value})
	}
	e, _ := sh.queue.events.Get().(*event.Event)
	load := e.Load
	if sh.id.Tier != Live {
		load = e.LoadMoved
	}
	load(event.Record{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Key: r.Key, Value: r.Value, Headers: s.scratch, Time: r.Timestamp,
	}, s.cluster)
	marked := !e.Due.IsZero()
	if e.Fault == nil {
		c.opts.Prepare(sh.queue.workspace, e)
	}
	if !marked {
		forgetPast(e)
	}
	return e
}

// forgetPast makes an event one that is not deferred when its due time is past:
// it goes at once, in order. One that was deferred before stays so on whatever
// tier it comes to, for what its user had since has not waited for it.
func forgetPast(e *event.Event) {
	if !e.Due.IsZero() && !e.Due.After(time.Now()) {
		e.Due = time.Time{}
	}
}

// fetchError handles what a poll reports beside records. The client retries
// what can be retried; an offset that is not in the log stops its shard.
func (c *Consumer) fetchError(ctx context.Context, s *session, at topicPartition, err error) {
	stream := c.byTopic[at.topic]
	id := stream.shard(at.partition)
	if !errors.Is(err, kerr.OffsetOutOfRange) {
		if !errors.Is(err, context.Canceled) {
			lament(c.log, "fetch", err, zap.Stringer("shard", id))
		}
		return
	}
	if sh := c.lanes.find(stream.workspace(id.Partition), id); sh != nil {
		c.stopShard(sh, reasonGap, logStart(ctx, s.client, at))
	}
}

// stopShard takes a shard out of service until an operator resumes it. What of
// it is in hand already goes on.
func (c *Consumer) stopShard(s *shard, reason string, logStart int64) {
	s.queue.mu.Lock()
	if s.phase == closed || s.stop != nil {
		s.queue.mu.Unlock()
		return
	}
	stop := Stop{Shard: s.id, Reason: reason, Watermark: -1, LogStart: logStart, Since: time.Now()}
	if s.loaded {
		stop.Watermark = s.win.base
	}
	s.stop = &stop
	s.queue.mu.Unlock()
	c.log.Error("shard stopped: "+reason+"; it goes on after `"+s.id.resumption()+"`",
		zap.Stringer("shard", s.id), zap.Int64("watermark", stop.Watermark), zap.Int64("log_start", stop.LogStart))
}
