package producer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

func library(t *testing.T, a producer.Appender, change func(*producer.Config)) *producer.Producer {
	t.Helper()
	config := producer.DefaultConfig()
	config.Topic = "events"
	if change != nil {
		change(&config)
	}
	p, err := producer.New(a, config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func track(t *testing.T, p *producer.Producer, user string, i int) {
	t.Helper()
	if err := p.Track(t.Context(), producer.ID(user), "x", map[string]int{"i": i}); err != nil {
		t.Error(err)
	}
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.times)
}

// upTo is the numbers below n, in order.
func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// A batch of events that nobody waits for goes out when it is full or its
// first event has waited, not before.
func TestAsyncBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &fake{delay: time.Millisecond}
		p := library(t, a, nil).Async(nil)
		handedOver := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if have := a.count(); have != want {
				t.Fatalf("%s: have %d handed over, want %d", when, have, want)
			}
		}
		for i := range 99 {
			track(t, p, "u", i)
		}
		handedOver("99 events", 0)
		track(t, p, "u", 99)
		handedOver("100 events", 100)
		track(t, p, "u", 100)
		time.Sleep(999 * time.Millisecond)
		handedOver("before the wait", 100)
		time.Sleep(time.Millisecond)
		handedOver("after the wait", 101)
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A call that waits does not wait for others to fill its batch, and takes with
// it what was told before it.
func TestWaitingCallGoesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &fake{delay: time.Millisecond}
		p := library(t, a, nil)
		later := p.Async(nil)
		for i := range 150 {
			track(t, later, "u", i)
		}
		began := time.Now()
		track(t, p, "u", 150)
		if took := time.Since(began); took != time.Millisecond {
			t.Errorf("took %v, want the appender's millisecond", took)
		}
		equal(t, "events", numbers(t, a.values("u")), upTo(151))
		track(t, later, "u", 151)
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 2*time.Millisecond {
			t.Errorf("flush: after %v, want 2ms", took)
		}
		if have := p.Counts(); have != (producer.Counts{Taken: 152, Acknowledged: 152}) {
			t.Errorf("counts: %+v", have)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// While all batches that may be out await Kafka, waiting calls gather: the next
// batch takes all of them.
func TestWaitingCallsShareBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &fake{delay: time.Second}
		p := library(t, a, func(c *producer.Config) { c.Concurrency = 1 })
		began := time.Now()
		var calls sync.WaitGroup
		for i := range 101 {
			calls.Go(func() { track(t, p, fmt.Sprint(i), 0) })
			if i == 0 {
				synctest.Wait()
			}
		}
		calls.Wait()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %v, want 2s: one alone, 100 together", took)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// Many goroutines, each with a user of its own: nothing is lost, each user's
// order stays, whether Kafka answers at once or later, whether they wait or not.
func TestProducerKeepsOrder(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &fake{delay: delay}
				p := library(t, a, func(c *producer.Config) {
					c.BatchEvents, c.Concurrency, c.BatchWait, c.BufferEvents = 7, 3, time.Millisecond, 40
				})
				later := p.Async(nil)
				var senders sync.WaitGroup
				for g := range 8 {
					senders.Go(func() {
						for i := range 300 {
							if i%17 == g {
								track(t, p, fmt.Sprint(g), i)
							} else {
								track(t, later, fmt.Sprint(g), i)
							}
							if i%50 == g {
								time.Sleep(3 * time.Millisecond)
							}
						}
					})
				}
				senders.Wait()
				if err := p.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				for g := range 8 {
					equal(t, "user", numbers(t, a.values(fmt.Sprint(g))), upTo(300))
				}
			})
		})
	}
}

// Failures reach whom they should: the call that waits, the callback, the
// counts, and Close for those that no waiting call heard of.
func TestProducerTellsFailures(t *testing.T) {
	t.Parallel()
	a := &fake{fail: func(r event.Record) error {
		if string(r.Key) == "bad" {
			return errBroker
		}
		return nil
	}}
	p := library(t, a, func(c *producer.Config) { c.BatchEvents = 2 })
	var mu sync.Mutex
	var told []string
	later := p.Async(func(o producer.Outcome) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprintf("%s %s %v", o.Topic, o.Key, o.Err))
	})
	for _, user := range []string{"good", "bad", "good", "bad", "good"} {
		track(t, later, user, 0)
	}
	if err := p.Track(t.Context(), producer.ID("bad"), "x", nil); !errors.Is(err, errBroker) {
		t.Errorf("waiting: have %v, want the broker's reason", err)
	}
	err := p.Close(t.Context())
	if !errors.Is(err, errBroker) || !strings.Contains(err.Error(), "2 events") {
		t.Errorf("close: have %v, want 2 events and the broker's reason", err)
	}
	equal(t, "told", told, []string{
		"events good <nil>", "events bad broker says no", "events good <nil>", "events bad broker says no", "events good <nil>",
	})
	if have := p.Counts(); have != (producer.Counts{Taken: 6, Acknowledged: 3, Failed: 3}) {
		t.Errorf("counts: %+v", have)
	}
	for _, closed := range []*producer.Producer{p, later, p.In("eu")} {
		if err := closed.Delete(t.Context(), producer.ID("u")); !errors.Is(err, producer.ErrClosed) && !errors.Is(err, producer.ErrRegion) {
			t.Errorf("after close: have %v, want ErrClosed", err)
		}
	}
	if again := p.Close(t.Context()); again == nil || again.Error() != err.Error() {
		t.Errorf("second close: have %v, want %v", again, err)
	}
}

// A call that leaves before its outcome says so; a failure that comes later is
// Close's to tell.
func TestWaitingCallLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := library(t, &fake{delay: time.Minute, fail: func(event.Record) error { return errBroker }}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Track(ctx, producer.ID("u"), "x", nil)
		if !errors.Is(err, producer.ErrUnsettled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("have %v, want unsettled, by the deadline", err)
		}
		if err := p.Track(ctx, producer.ID("u"), "x", nil); errors.Is(err, producer.ErrUnsettled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the deadline: have %v, want that it was not taken", err)
		}
		if have := p.Counts(); have != (producer.Counts{Taken: 1, InHand: 1}) {
			t.Errorf("counts: %+v", have)
		}
		if err := p.Close(t.Context()); !errors.Is(err, errBroker) {
			t.Errorf("close: have %v, want the broker's reason", err)
		}
	})
}

// Close that gives up leaves the Producer fit to be closed again, and it
// returns only after the last callback did.
func TestProducerCloseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var heard atomic.Int32
		p := library(t, &fake{delay: time.Minute}, nil).Async(func(producer.Outcome) {
			time.Sleep(time.Second)
			heard.Add(1)
		})
		track(t, p, "u", 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 events in hand") {
			t.Errorf("have %v, want that the deadline passed with one in hand", err)
		}
		var closers sync.WaitGroup
		for range 3 {
			closers.Go(func() {
				if err := p.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if heard.Load() != 1 {
					t.Error("closed before the callback returned")
				}
			})
		}
		closers.Wait()
	})
}

// The time of an event is that of its call, however long it then waits.
func TestRecordHasTheCallsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &fake{}
		p := library(t, a, nil).Async(nil)
		began := time.Now()
		track(t, p, "u", 0)
		time.Sleep(time.Second)
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have := a.records[0].Time; !have.Equal(began) {
			t.Errorf("have %v, want %v", have, began)
		}
	})
}

func TestProducerConfig(t *testing.T) {
	t.Parallel()
	_, err := producer.New(&fake{}, producer.Config{RegionField: "country", Form: 9, WhenFull: 9})
	for _, want := range []string{
		"producer.topic", "producer.region_field", "producer.form", "producer.batch_events", "producer.batch_wait",
		"producer.concurrency", "producer.buffer_events", "producer.buffer_bytes", "producer.when_full",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("have %v, want %s in it", err, want)
		}
	}
	config := producer.DefaultConfig()
	config.Topic, config.Regions = "events", map[string]string{"eu": ""}
	_, err = producer.New(&fake{}, config)
	if err == nil || !strings.Contains(err.Error(), "producer.topic") || !strings.Contains(err.Error(), "producer.regions") {
		t.Errorf("have %v, want topic and regions in it", err)
	}
	config.Regions = nil
	if _, err := producer.New(nil, config); err == nil {
		t.Error("no appender: have no error")
	}
}
