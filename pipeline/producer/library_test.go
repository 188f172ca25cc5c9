package producer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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

func send(t *testing.T, p *producer.Producer, user string, i int) {
	t.Helper()
	if err := p.Send(t.Context(), producer.Event{User: user, Name: "x", Data: map[string]int{"i": i}}); err != nil {
		t.Error(err)
	}
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.times)
}

// A batch goes out when it is full or its first event has waited, not before.
func TestProducerBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &fake{delay: time.Millisecond}
		p := library(t, a, nil)
		for i := range 99 {
			send(t, p, "u", i)
		}
		if have := a.count(); have != 0 {
			t.Fatalf("99 events: have %d handed over, want 0", have)
		}
		send(t, p, "u", 99)
		if have := a.count(); have != 100 {
			t.Fatalf("100 events: have %d handed over, want 100", have)
		}
		send(t, p, "u", 100)
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		if have := a.count(); have != 100 {
			t.Fatalf("before the wait: have %d handed over, want 100", have)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if have := a.count(); have != 101 {
			t.Fatalf("after the wait: have %d handed over, want 101", have)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// Ten batches await Kafka at most. Then the buffer fills, and Send blocks
// until there is room again or its context ends.
func TestProducerHoldsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &fake{delay: time.Minute}
		p := library(t, a, nil)
		for i := range 1100 {
			send(t, p, "u", i)
		}
		if have := a.count(); have != 1000 {
			t.Errorf("have %d handed over, want 1000", have)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Send(ctx, producer.Event{User: "u", Name: "x"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("full: have %v, want that the deadline passed", err)
		}
		began := time.Now()
		send(t, p, "u", 1100)
		if waited := time.Since(began); waited != 59*time.Second {
			t.Errorf("full: waited %v, want until the first batch was acknowledged, 59s", waited)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := make([]int, 1101)
		for i := range want {
			want[i] = i
		}
		equal(t, "events", numbers(t, a.values("u")), want)
	})
}

// Many goroutines, each with a user of its own: nothing is lost, each user's
// order stays, whether Kafka answers at once or later.
func TestProducerKeepsOrder(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &fake{delay: delay}
				p := library(t, a, func(c *producer.Config) { c.BatchEvents, c.Concurrency, c.BatchWait = 7, 3, time.Millisecond })
				var senders sync.WaitGroup
				want := make([]int, 300)
				for i := range want {
					want[i] = i
				}
				for g := range 8 {
					senders.Go(func() {
						for _, i := range want {
							send(t, p, fmt.Sprint(g), i)
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
					equal(t, "user", numbers(t, a.values(fmt.Sprint(g))), want)
				}
			})
		})
	}
}

func TestProducerTellsFailures(t *testing.T) {
	t.Parallel()
	var failed []string
	a := &fake{fail: func(r event.Record) error {
		if string(r.Key) == "bad" {
			return errBroker
		}
		return nil
	}}
	p := library(t, a, func(c *producer.Config) {
		c.BatchEvents = 2
		c.Failed = func(e producer.Event, err error) { failed = append(failed, e.User+": "+err.Error()) }
	})
	for _, user := range []string{"good", "bad", "good", "bad", "good"} {
		send(t, p, user, 0)
	}
	err := p.Close(t.Context())
	if !errors.Is(err, errBroker) || !strings.Contains(err.Error(), "2 events") {
		t.Errorf("close: have %v, want 2 events and the broker's reason", err)
	}
	equal(t, "failed", failed, []string{"bad: broker says no", "bad: broker says no"})
	if have := len(a.values("good")); have != 3 {
		t.Errorf("have %d good ones, want 3", have)
	}
	if err := p.Send(t.Context(), producer.Event{User: "u", Name: "x"}); !errors.Is(err, producer.ErrClosed) {
		t.Errorf("send after close: have %v, want ErrClosed", err)
	}
	if again := p.Close(t.Context()); again == nil {
		t.Error("second close: have no error, want the first's")
	}
}

// Close that gives up leaves the Producer fit to be closed again.
func TestProducerCloseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := library(t, &fake{delay: time.Minute}, nil)
		send(t, p, "u", 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("have %v, want that the deadline passed", err)
		}
		var closers sync.WaitGroup
		for range 3 {
			closers.Go(func() {
				if err := p.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		closers.Wait()
	})
}

func TestSendConverts(t *testing.T) {
	t.Parallel()
	at := time.Unix(1613063089, 999)
	for name, c := range map[string]struct {
		form producer.Form
		send producer.Event
		want string // the record's value, or in an error
	}{
		"event":       {producer.Entity, producer.Event{User: "42", Name: "buy", ID: "i", Time: at, Data: map[string]any{"v": 1}}, `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"buy","id":"i","timestamp":1613063089,"attributes":{"v":1}}`},
		"identify":    {producer.Entity, producer.Event{User: "42", Email: "a@b.c", Traits: struct{ Plan string }{"pro"}}, `{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"email":"a@b.c","Plan":"pro"}}`},
		"page":        {producer.Entity, producer.Event{Anonymous: "q", Type: "page", Name: "/"}, `{"type":"person","action":"page","identifiers":{"anonymous_id":"q"},"name":"/"}`},
		"object":      {producer.Object, producer.Event{User: "42", Name: "buy", Data: map[string]int{"v": 1}}, `{"user":"42","event":"buy","data":{"v":1}}`},
		"nobody":      {producer.Entity, producer.Event{Name: "buy"}, "names no user"},
		"nothing":     {producer.Entity, producer.Event{User: "42"}, "needs event"},
		"not objects": {producer.Entity, producer.Event{User: "42", Name: "buy", Data: 5}, "data: must be an object"},
		"not JSON":    {producer.Entity, producer.Event{User: "42", Name: "buy", Data: func() {}}, "encode the event"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &fake{}
			p := library(t, a, func(config *producer.Config) { config.Form, config.BatchEvents = c.form, 1 })
			err := p.Send(t.Context(), c.send)
			have := strings.Join(a.values(""), "")
			if err != nil {
				have = err.Error()
			}
			if have != c.want && (err == nil || !strings.Contains(have, c.want)) {
				t.Errorf("\nhave %s\nwant %s", have, c.want)
			}
		})
	}
}

func TestProducerConfig(t *testing.T) {
	t.Parallel()
	_, err := producer.New(&fake{}, producer.Config{})
	for _, want := range []string{"producer.topic", "producer.batch_events", "producer.batch_wait", "producer.concurrency"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("have %v, want %s in it", err, want)
		}
	}
}
