package producer_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/partition"
	"sluice/pipeline/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBroker = errors.New("broker says no")

// fake is an Appender that keeps what it is given. Records that fail are not
// kept. After delay, done is called from another goroutine, in order.
type fake struct {
	delay time.Duration              // 0: done is called within Append
	fail  func(r event.Record) error // nil: nothing fails
	stuck bool                       // done is called only once the context ended
	then  func(n int)                // called after the nth Append

	mu      sync.Mutex
	records []event.Record
	times   []time.Time
	flight  sync.WaitGroup
	now     int // not done
	most    int // the highest now
}

func (f *fake) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	var err error
	if f.fail != nil {
		err = f.fail(r)
	}
	f.mu.Lock()
	if err == nil && !f.stuck {
		f.records = append(f.records, r)
	}
	f.times = append(f.times, time.Now())
	n := len(f.times)
	f.now++
	f.most = max(f.most, f.now)
	f.mu.Unlock()
	finish := func(err error) {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
		done(partition.Position{}, err)
	}
	switch {
	case f.stuck:
		f.flight.Go(func() {
			<-ctx.Done()
			finish(ctx.Err())
		})
	case f.delay > 0:
		f.flight.Add(1)
		time.AfterFunc(f.delay, func() { defer f.flight.Done(); finish(err) })
	default:
		finish(err)
	}
	if f.then != nil {
		f.then(n)
	}
}

func (f *fake) Flush(ctx context.Context) error {
	flushed := make(chan struct{})
	go func() { f.flight.Wait(); close(flushed) }()
	select {
	case <-flushed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// values are the values appended for a key, in order; for every key when it is "".
func (f *fake) values(key string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var values []string
	for _, r := range f.records {
		if key == "" || string(r.Key) == key {
			values = append(values, string(r.Value))
		}
	}
	return values
}

func equal[T comparable](t *testing.T, what string, have, want []T) {
	t.Helper()
	if !slices.Equal(have, want) {
		t.Errorf("%s:\nhave %v\nwant %v", what, have, want)
	}
}
