package partition

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"sluice/pipeline/event"
)

// Range is a stretch of one partition: From is included, To is not.
type Range struct {
	Topic     string
	Partition int32
	From, To  int64
}

// newReader makes a client that reads partitions from these offsets on without a
// group, or from the log's start where retention took them.
func (c Config) newReader(log *zap.Logger, from map[string]map[int32]kgo.Offset, more ...kgo.Opt) (*kgo.Client, error) {
	opts := append(c.options(log),
		kgo.ConsumePartitions(from),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(c.FetchWait),
		kgo.KeepControlRecords(), // their offsets tell that the end is reached
	)
	cl, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("make Kafka client: %w", err)
	}
	return cl, nil
}

// ReadRange reads a range in order, without a group and without committing, and
// calls fn for each record; the record's bytes are fn's to keep. Offsets that
// the log does not hold are passed over. It returns fn's first error.
func ReadRange(ctx context.Context, cfg Config, r Range, fn func(event.Record) error) error {
	if r.From >= r.To {
		return nil
	}
	cl, err := cfg.newReader(zap.NewNop(), map[string]map[int32]kgo.Offset{r.Topic: {r.Partition: kgo.NewOffset().At(r.From)}})
	if err != nil {
		return err
	}
	defer cl.Close()
	for next := r.From; next < r.To; {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read %s/%d at %d: %w", r.Topic, r.Partition, next, err)
		}
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("read %s/%d at %d: %w", r.Topic, r.Partition, next, err)
		}
		for rec := range fetches.RecordsAll() {
			if next = rec.Offset + 1; rec.Offset >= r.To {
				break
			}
			if rec.Attrs.IsControl() {
				continue
			}
			if err := fn(plain(rec)); err != nil {
				return err
			}
		}
	}
	return nil
}

func plain(r *kgo.Record) event.Record {
	rec := event.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Time: r.Timestamp}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, event.Header{Key: h.Key, Value: h.Value})
	}
	return rec
}
