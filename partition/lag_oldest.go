package partition

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// scanFetchBytes bounds one broker's answer, however many partitions are asked
// for their first records.
const scanFetchBytes = 8 << 20

// scanPartitionBytes bounds what is read of one at a time: few records are
// wanted.
const scanPartitionBytes = 256 << 10

// FindOldest notes in each lag the time of its first unsettled record, which it
// reads without a group. It asks no partition for more than 256 KiB at a
// time and ends when all are found or ctx ends. What was found is noted even
// when an error says why others are not.
func (a *Admin) FindOldest(ctx context.Context, lags []ShardLag) error {
	s := scan{what: "the oldest unsettled record", take: (*ShardLag).dates, from: func(l *ShardLag) (int64, bool) {
		return max(l.Next(), l.Start), l.Lag() > 0
	}}
	return a.scan(ctx, lags, s)
}

// scan says what is read of each lag's partition.
type scan struct {
	what string
	from func(*ShardLag) (offset int64, wanted bool)
	// take is given a partition's records in order until it returns true.
	take func(*ShardLag, *kgo.Record) (enough bool)
}

// scan reads partitions side by side until each has enough, or ctx ends.
func (a *Admin) scan(ctx context.Context, lags []ShardLag, s scan) error {
	from := map[string]map[int32]kgo.Offset{}
	left := map[ShardID]*ShardLag{}
	for i := range lags {
		l := &lags[i]
		offset, wanted := s.from(l)
		if !wanted {
			continue
		}
		if from[l.Topic] == nil {
			from[l.Topic] = map[int32]kgo.Offset{}
		}
		from[l.Topic][l.Partition] = kgo.NewOffset().At(offset)
		left[ShardID{Stream: l.Topic, Partition: l.Partition}] = l
	}
	if len(left) == 0 {
		return nil
	}
	cl, err := a.cfg.newReader(zap.NewNop(), from,
		kgo.FetchMaxPartitionBytes(int32(min(a.cfg.FetchBytes, scanPartitionBytes))), //nolint:gosec // bounded
		kgo.FetchMaxBytes(scanFetchBytes),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	var fault error
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read %s of %d partitions: %w", s.what, len(left), err)
		}
		found := map[string][]int32{}
		for rec := range fetches.RecordsAll() {
			at := ShardID{Stream: rec.Topic, Partition: rec.Partition}
			if l := left[at]; l != nil && s.take(l, rec) {
				delete(left, at)
				found[at.Stream] = append(found[at.Stream], at.Partition)
			}
		}
		for _, f := range fetches.Errors() {
			at := ShardID{Stream: f.Topic, Partition: f.Partition}
			err := fmt.Errorf("read %s: %w", at, f.Err)
			if left[at] == nil {
				return err // of the client as a whole
			}
			if fault == nil {
				fault = err
			}
			delete(left, at)
			found[at.Stream] = append(found[at.Stream], at.Partition)
		}
		cl.PauseFetchPartitions(found)
	}
	return fault
}

// dates notes the time of a record if it is the first that is unsettled, and
// tells whether no later one is needed.
func (l *ShardLag) dates(rec *kgo.Record) bool {
	if rec.Offset >= l.End {
		return true
	}
	if !rec.Attrs.IsControl() && l.open(rec.Offset, rec.Offset+1) == 1 {
		l.Oldest = rec.Timestamp
		return true
	}
	return rec.Offset+1 == l.End
}
