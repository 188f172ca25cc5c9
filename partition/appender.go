package partition

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
type Appender struct {
	client *kgo.Client
	large  *kgo.Client    // for records that exceed a usual batch, one at a time
	alone  sync.Mutex     // held while large is in use
	late   sync.WaitGroup // appends by large
}

// NewAppender makes an Appender; nothing is sent before the first Append.
func NewAppender(cfg Config, log *zap.Logger) (*Appender, error) {
	opts := append(cfg.watched(log.Named("appender")),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(keyPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.UnknownTopicRetries(3),
	)
	client, err := kgo.NewClient(append(opts, kgo.ProducerLinger(2*time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("make Kafka client: %w", err)
	}
	large, err := kgo.NewClient(append(opts, kgo.ProducerLinger(0), kgo.ProducerBatchMaxBytes(maxRecordBytes))...)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("make Kafka client: %w", err)
	}
	return &Appender{client: client, large: large}, nil
}

// maxRecordBytes bounds one record here; what its topic takes is the broker's
// word, which comes back as ErrTooLarge.
const maxRecordBytes = 64 << 20

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
// It blocks while too much is under way, at most until ctx ends. ErrTooLarge
// means that this record by itself is more than its topic takes.
func (a *Appender) Append(ctx context.Context, r event.Record, done func(Position, error)) {
	a.client.Produce(ctx, produced(r), func(rec *kgo.Record, err error) {
		if !tooLarge(err) {
			answered(r, rec, err, done)
			return
		}
		// The broker refuses whole batches and does not say for whose sake.
		a.late.Go(func() {
			a.alone.Lock()
			defer a.alone.Unlock()
			again := produced(r)
			answered(r, again, a.large.ProduceSync(ctx, again).FirstErr(), done)
		})
	})
}

func produced(r event.Record) *kgo.Record {
	rec := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Time}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return rec
}

func tooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

func answered(r event.Record, rec *kgo.Record, err error, done func(Position, error)) {
	switch {
	case tooLarge(err):
		err = fmt.Errorf("append to %s: %w", r.Topic, ErrTooLarge)
	case err != nil:
		err = fmt.Errorf("append to %s: %w", r.Topic, err)
	}
	done(Position{rec.Partition, rec.Offset}, err)
}

// Flush waits until everything appended has an answer.
func (a *Appender) Flush(ctx context.Context) error {
	if err := a.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	a.late.Wait()
	return nil
}

// Close ends the Appender; what is still under way fails.
func (a *Appender) Close() {
	a.client.Close()
	a.large.Close()
	a.late.Wait()
}
