package partition

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"sluice/pipeline/event"
)

// Tail calls fn for at most the n newest records of each partition of the
// topics, without a group and without committing, and returns when what was
// there at the call is read or ctx ends. The record's bytes are fn's to keep.
func (a *Admin) Tail(ctx context.Context, topics []string, n int64, fn func(event.Record)) error {
	from := map[string]map[int32]kgo.Offset{}
	left := map[ShardID]int64{} // the end of each partition that is still read
	for _, topic := range topics {
		b, err := a.Bounds(ctx, topic)
		if err != nil {
			return err
		}
		from[topic] = map[int32]kgo.Offset{}
		for p, end := range b.End {
			if start := max(b.Start[p], end-n); start < end {
				from[topic][p] = kgo.NewOffset().At(start)
				left[ShardID{Stream: topic, Partition: p}] = end
			}
		}
	}
	if len(left) == 0 {
		return nil
	}
	cl, err := a.cfg.newReader(zap.NewNop(), from)
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read the newest records: %w", err)
		}
		for _, fault := range fetches.Errors() {
			return fmt.Errorf("read %s/%d: %w", fault.Topic, fault.Partition, fault.Err)
		}
		for rec := range fetches.RecordsAll() {
			at := ShardID{Stream: rec.Topic, Partition: rec.Partition}
			end, reading := left[at]
			if !reading {
				continue
			}
			if rec.Offset < end && !rec.Attrs.IsControl() {
				fn(plain(rec))
			}
			if rec.Offset+1 >= end {
				delete(left, at)
			}
		}
	}
	return nil
}
