package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"sluice/pipeline/event"
)

// ErrNoTopic says that a topic, or the partition of it that was asked for, does
// not exist.
var ErrNoTopic = errors.New("the topic does not exist")

// ErrPastEnd says that a Follower has read further than its log reaches: the
// topic was made anew, or its log was cut.
var ErrPastEnd = errors.New("the log ends before what was read of it")

// Follower reads one partition from an offset on, in order, without a group and
// without committing, and keeps its one client open. Unlike ReadRange it knows
// where it stands also where compaction has left nothing to read, so it tells
// the end of a compacted log from a broker that is slow to answer.
//
// It is used by one goroutine at a time; Close may be called by any.
type Follower struct {
	client       *kgo.Client
	decompressor kgo.Decompressor
	topic        string
	partition    int32
	next, end    int64

	topicID [16]byte
	leader  int32 // -1: not known
}

// NewFollower makes a Follower that begins at an offset of a partition; nothing
// is sent before the first Next. An offset below the log's start means the start.
func NewFollower(cfg Config, topic string, partition int32, from int64) (*Follower, error) {
	client, err := kgo.NewClient(cfg.options(zap.NewNop())...)
	if err != nil {
		return nil, fmt.Errorf("make Kafka client: %w", err)
	}
	return &Follower{
		client: client, decompressor: kgo.DefaultDecompressor(),
		topic: topic, partition: partition, next: from, leader: -1,
	}, nil
}

// Close ends the Follower.
func (f *Follower) Close() { f.client.Close() }

// Position is the offset of the next record to read, and the one where the log
// ended when Next asked last.
func (f *Follower) Position() (next, end int64) { return f.next, f.end }

// StartAt makes offset the next one to read.
func (f *Follower) StartAt(offset int64) { f.next = offset }

// Next returns what follows, or nothing when there is nothing within wait;
// wait 0 asks and does not wait. The records' bytes are the caller's to keep.
// What passes by itself, as a leader that moves, is waited for, for a bounded
// time. ErrNoTopic and ErrPastEnd are answered at once.
func (f *Follower) Next(ctx context.Context, wait time.Duration) (records []event.Record, err error) {
	for patience := time.Now().Add(knownWithin); ; {
		records, err = f.ask(ctx, wait)
		if err == nil || errors.Is(err, ErrNoTopic) || errors.Is(err, ErrPastEnd) || ctx.Err() != nil || time.Now().After(patience) {
			break
		}
		f.leader = -1
		if answer, ok := errors.AsType[*kerr.Error](err); ok && !answer.Retriable {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s/%d at %d: %w", f.topic, f.partition, f.next, err)
	}
	return records, nil
}

// ask makes one fetch of the partition's leader.
func (f *Follower) ask(ctx context.Context, wait time.Duration) ([]event.Record, error) {
	if f.leader < 0 {
		if err := f.locate(ctx); err != nil {
			return nil, err
		}
	}
	answer, err := f.client.Broker(int(f.leader)).Request(ctx, f.request(wait))
	if err != nil {
		return nil, fmt.Errorf("ask broker %d: %w", f.leader, err)
	}
	resp, _ := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	for _, t := range resp.Topics {
		for i := range t.Partitions {
			return f.take(ctx, &t.Partitions[i], wait)
		}
	}
	return nil, fmt.Errorf("broker %d said nothing of the partition", f.leader) // it may throttle us
}

func (f *Follower) request(wait time.Duration) *kmsg.FetchRequest {
	const maxBytes = 1 << 20 // a larger batch comes alone
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = f.partition, f.next, maxBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = f.topic, f.topicID, []kmsg.FetchRequestTopicPartition{p}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.IsolationLevel = int32(wait.Milliseconds()), 1, 1 //nolint:gosec // far below 2^31 ms
	req.Topics = append(req.Topics, t)
	return req
}

// take reads one answer and moves on.
func (f *Follower) take(ctx context.Context, p *kmsg.FetchResponseTopicPartition, wait time.Duration) ([]event.Record, error) {
	switch err := kerr.ErrorForCode(p.ErrorCode); {
	case errors.Is(err, kerr.OffsetOutOfRange):
		if err := f.rejoin(ctx); err != nil {
			return nil, err
		}
		return f.ask(ctx, wait)
	case err != nil:
		return nil, err
	}
	read, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: f.next, IsolationLevel: kgo.ReadCommitted(), Topic: f.topic, Partition: f.partition,
	}, p, f.decompressor, nil)
	if read.Err != nil {
		return nil, read.Err
	}
	f.next, f.end = next, p.LastStableOffset
	if len(p.RecordBatches) == 0 { // compaction has left nothing up to the end
		f.next = max(f.next, f.end)
	}
	records := make([]event.Record, len(read.Records))
	for i, r := range read.Records {
		records[i] = plain(r)
	}
	return records, nil
}

// rejoin goes to the log's start when what was asked for is gone.
func (f *Follower) rejoin(ctx context.Context) error {
	starts, err := listOffsets(ctx, f.client, map[string][]int32{f.topic: {f.partition}}, atStart)
	if err != nil {
		return err
	}
	start := starts[f.topic][f.partition]
	if start <= f.next {
		return ErrPastEnd
	}
	f.next = start
	return nil
}

// locate finds the partition's leader.
func (f *Follower) locate(ctx context.Context) error {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = new(f.topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, f.client)
	if err != nil {
		return fmt.Errorf("describe topic: %w", err)
	}
	for _, t := range resp.Topics {
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			return ErrNoTopic
		case err != nil:
			return fmt.Errorf("describe topic: %w", err)
		}
		for _, p := range t.Partitions {
			if p.Partition != f.partition {
				continue
			}
			if p.Leader < 0 {
				return kerr.LeaderNotAvailable
			}
			f.topicID, f.leader = t.TopicID, p.Leader
			return nil
		}
	}
	return ErrNoTopic
}
