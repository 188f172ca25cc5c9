package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	eventBytes = 300
	users      = 100_000
)

// load is what goes into a topic: n events of about 300 bytes, keyed by users
// drawn from a zipf law with exponent 1.1, each counted in "seq" per user.
type load struct {
	topic  string
	n      int
	entity bool // a Track v2 entity; else a plain object
	rate   int  // events a second; 0: as fast as they go
	quiet  int  // this many at first do not say when they were sent
}

// loaded is what went in.
type loaded struct {
	events  int64
	hottest int64 // of user 0
}

// hotUser is the most frequent user.
const hotUser = "u000000"

// run appends the events and returns when the last is acknowledged; sent, when
// given, is kept up to date meanwhile.
func (l load) run(ctx context.Context, brokers string, sent *atomic.Int64) (loaded, error) {
	linger := 5 * time.Millisecond
	if l.rate > 0 {
		linger = 0 // what a live producer would do; waiting would hide in the delay
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.DefaultProduceTopic(l.topic),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.MaxBufferedRecords(100_000), kgo.ProducerLinger(linger),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return loaded{}, fmt.Errorf("load %s: %w", l.topic, err)
	}
	defer client.Close()
	random := rand.New(rand.NewPCG(1, 1))
	zipf := rand.NewZipf(random, 1.1, 100, users-1)
	seqs := make([]int64, users)
	var failed atomic.Pointer[error]
	began := time.Now()
	for i := range l.n {
		if err := l.pace(ctx, began, i); err != nil {
			return loaded{}, err
		}
		k := zipf.Uint64()
		key := fmt.Sprintf("u%06d", k)
		client.Produce(ctx, &kgo.Record{Key: []byte(key), Value: l.event(random, key, seqs[k], i >= l.quiet)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
		seqs[k]++
		if sent != nil {
			sent.Add(1)
		}
	}
	if err := client.Flush(ctx); err != nil {
		return loaded{}, fmt.Errorf("load %s: %w", l.topic, err)
	}
	if err := failed.Load(); err != nil {
		return loaded{}, fmt.Errorf("load %s: %w", l.topic, *err)
	}
	return loaded{int64(l.n), seqs[0]}, nil
}

// pace waits until event i is due.
func (l load) pace(ctx context.Context, began time.Time, i int) error {
	if l.rate == 0 {
		return ctx.Err()
	}
	due := time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(l.rate)))
	if due <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(due)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (l load) event(random *rand.Rand, user string, seq int64, timed bool) []byte {
	names := [...]string{"signup", "page_viewed", "product_added", "order_placed", "email_opened"}
	name := names[random.IntN(len(names))]
	facts := fmt.Sprintf(`"user":%q,"seq":%d`, user, seq)
	if timed && l.rate > 0 {
		facts += fmt.Sprintf(`,"ns":%d`, time.Now().UnixNano())
	}
	rest := fmt.Sprintf(`"plan":"pro","amount":%d.%02d,"currency":"EUR","source":"web","campaign":"c%03d"`, random.IntN(500), random.IntN(100), random.IntN(1000))
	var b []byte
	if l.entity {
		b = fmt.Appendf(b, `{"type":"person","identifiers":{"id":%q},"action":"event","name":%q,"attributes":{%s,%s,"note":"`, user, name, facts, rest)
	} else {
		b = fmt.Appendf(b, `{%s,"event":%q,"attributes":{%s,"note":"`, facts, name, rest)
	}
	for len(b) < eventBytes-3 {
		b = append(b, 'x')
	}
	return append(b, `"}}`...)
}
