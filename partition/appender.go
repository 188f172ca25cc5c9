package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"sluice/pipeline/event"
)

// Position is where an appended record stands.
type Position struct {
	Partition int32
	Offset    int64
}

// ErrTooLarge says that a record exceeds what its topic takes.
var ErrTooLarge = errors.New("the record is larger than its topic takes")

// Appender writes records with acks=all, idempotently and in order per
// partition. It is safe for concurrent use.
type Appender struct{ client *kgo.Client }

// NewAppender makes an Appender; nothing is sent before the first Append.
func NewAppender(cfg Config, log *zap.Logger) (*Appender, error) {
	opts := append(cfg.options(log.Named("appender")),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(keyPartitioner()),
		kgo.ProducerLinger(2*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(maxAppendBytes),
		kgo.UnknownTopicRetries(3),
	)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("make Kafka client: %w", err)
	}
	return &Appender{client: cl}, nil
}

// maxAppendBytes bounds one produce request's batch; what a topic takes is the
// broker's word, which comes back as ErrTooLarge.
const maxAppendBytes = 16 << 20

// keyPartitioner follows a record's own partition when it has one, else the
// key, else it sticks to one partition for a batch.
func keyPartitioner() kgo.Partitioner {
	byKey := kgo.StickyKeyPartitioner(nil)
	return kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
		keyed := byKey.ForTopic(topic)
		return func(r *kgo.Record, n int) int {
			if r.Partition >= 0 {
				return int(r.Partition) % n
			}
			return keyed.Partition(r, n)
		}
	})
}

// Append sends a record and calls done, from another goroutine, once it is
// acknowledged by all in-sync replicas or has failed for good. The record's
// bytes must stay untouched until then. A Partition of -1 lets the key decide.
// It blocks while too much is under way, at most until ctx ends.
func (a *Appender) Append(ctx context.Context, r event.Record, done func(Position, error)) {
	rec := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Time}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	a.client.Produce(ctx, rec, func(rec *kgo.Record, err error) {
		switch {
		case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
			err = fmt.Errorf("append to %s: %w", r.Topic, ErrTooLarge)
		case err != nil:
			err = fmt.Errorf("append to %s: %w", r.Topic, err)
		}
		done(Position{rec.Partition, rec.Offset}, err)
	})
}

// Flush waits until everything appended has an answer.
func (a *Appender) Flush(ctx context.Context) error {
	if err := a.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// Close ends the Appender; what is still under way fails.
func (a *Appender) Close() { a.client.Close() }
