package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"sluice/pipeline/event"
)

// ErrClosed is returned by Send after Close was called.
var ErrClosed = errors.New("producer: closed")

// Event is something that an application tells about a person.
type Event struct {
	// User is the person's id. Without one, Email or Anonymous names the
	// person; beside one they are attributes of an identify.
	User      string `json:"user,omitzero"`
	Email     string `json:"email,omitzero"`
	Anonymous string `json:"anonymous_id,omitzero"`

	Type string    `json:"type,omitzero"`  // page or screen; empty for an event or an identify
	Name string    `json:"event,omitzero"` // empty for an identify
	ID   string    `json:"id,omitzero"`    // of an event: a repeat with the same id is dropped by Customer.io
	Time time.Time `json:"-"`              // zero: when Kafka took it; whole seconds count

	Data   any `json:"data,omitzero"`   // an event's; marshals to a JSON object
	Traits any `json:"traits,omitzero"` // an identify's; marshals to a JSON object
}

// Config is how a Producer buffers.
type Config struct {
	Topic       string        // the stream's live topic
	Form        Form          // what the stream's destination is sent
	BatchEvents int           // events handed over together at most
	BatchWait   time.Duration // how long an event waits for others at most
	Concurrency int           // batches that may await their acknowledgement at once

	// Failed hears of each event that was taken by Send and not acknowledged.
	// It is called from the appender's goroutine and must not block; nil
	// leaves the failures to Close's error.
	Failed func(Event, error)
}

// DefaultConfig is batches of 100 events or one second, ten at once. The topic
// is the caller's to set.
func DefaultConfig() Config {
	return Config{BatchEvents: 100, BatchWait: time.Second, Concurrency: 10}
}

// Validate returns every fault, joined, each with its path.
func (c Config) Validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	must(c.Topic != "", "producer.topic: must not be empty")
	must(c.BatchEvents > 0, "producer.batch_events: must be above 0, have %d", c.BatchEvents)
	must(c.BatchWait > 0, "producer.batch_wait: must be above 0, have %v", c.BatchWait)
	must(c.Concurrency > 0, "producer.concurrency: must be above 0, have %d", c.Concurrency)
	return errors.Join(faults...)
}

// Producer sends an application's events into a stream. It buffers them in
// memory: an event is safe when Kafka acknowledged it, not when Send returned,
// and Close tells whether all were. It is safe for concurrent use; events that
// one goroutine sends of one user keep their order.
type Producer struct {
	appender Appender
	config   Config
	room     chan struct{} // a place for each event between Send and its outcome
	turn     sync.Mutex    // held while a batch is handed over, so that batches keep their order
	closing  chan struct{} // held by the call of Close that waits
	wakers   sync.WaitGroup

	mu     sync.Mutex // guards all below
	buffer []entry
	due    bool // the buffer's first event waited long enough
	out    int  // batches not acknowledged
	timer  *time.Timer
	closed bool
	failed int
	first  error // of the failures
}

// entry is an event in the buffer.
type entry struct {
	event  Event
	record event.Record
	at     time.Time // when Send took it
}

// New returns a Producer on an appender, which stays the caller's to close,
// after the Producer.
func New(a Appender, c Config) (*Producer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Producer{
		appender: a, config: c, closing: make(chan struct{}, 1),
		room: make(chan struct{}, c.BatchEvents*(c.Concurrency+1)),
	}, nil
}

// Send takes an event. It blocks while the buffer is full, until ctx ends. An
// error means that the event was not taken: it is unfit, ctx ended, or the
// Producer is closed (ErrClosed).
func (p *Producer) Send(ctx context.Context, e Event) error {
	record, err := p.record(e)
	if err != nil {
		return err
	}
	select {
	case p.room <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for room in the buffer: %w", context.Cause(ctx))
	}
	if !p.hold(entry{event: e, record: record, at: time.Now()}) {
		<-p.room
		return ErrClosed
	}
	p.handOver(false)
	return nil
}

func (p *Producer) record(e Event) (event.Record, error) {
	line := struct {
		Event
		Timestamp int64 `json:"timestamp,omitzero"`
	}{Event: e}
	if !e.Time.IsZero() {
		line.Timestamp = e.Time.Unix()
	}
	object, err := json.Marshal(line)
	if err != nil {
		return event.Record{}, fmt.Errorf("encode the event: %w", err)
	}
	item, err := NewConverter(p.config.Form, false).Convert(Line{Object: object})
	if err != nil {
		return event.Record{}, fmt.Errorf("convert the event: %w", err)
	}
	item.Record.Topic = p.config.Topic
	return item.Record, nil
}

// hold puts an event into the buffer, unless the Producer is closed.
func (p *Producer) hold(e entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.buffer = append(p.buffer, e)
	if len(p.buffer) == 1 {
		p.wait()
	}
	return true
}

// Close hands over what is buffered and waits until every event has an
// outcome, or ctx ends. Its error says how many were not acknowledged, with
// the first reason. Further calls of Send return ErrClosed; a second Close
// waits like the first.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.handOver(true)
	if err := p.appender.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if err := p.drain(ctx); err != nil {
		return err
	}
	p.wakers.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed > 0 {
		return fmt.Errorf("append: %d events were not acknowledged, the first: %w", p.failed, p.first)
	}
	return nil
}

// drain waits until nothing is between Send and its outcome: then all the room
// can be taken.
func (p *Producer) drain(ctx context.Context) error {
	wait := func(place chan struct{}) error {
		select {
		case place <- struct{}{}:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for acknowledgements: %w", context.Cause(ctx))
		}
	}
	// Two calls that took half of the room each would wait for ever.
	if err := wait(p.closing); err != nil {
		return err
	}
	defer func() { <-p.closing }()
	taken := 0
	defer func() {
		for range taken {
			<-p.room
		}
	}()
	for ; taken < cap(p.room); taken++ {
		if err := wait(p.room); err != nil {
			return err
		}
	}
	return nil
}
