package producer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"sluice/pipeline/event"
)

// Producer writes what an application tells about its users into a stream. Its
// methods wait until Kafka has the event on all in-sync replicas: no error
// means that it is safe there, and it will be delivered.
//
// Async returns one whose methods only put the event into the buffer, and tell
// what became of it later. In returns one of a region. All of them share one
// buffer, so that the events of an Identity keep the order in which they were
// told, through whichever of them: calls that follow one another for certain,
// not calls of several goroutines at once.
//
// Every method judges its call by the published limits of Customer.io before
// anything is taken, and marshals what it is given before it returns: nothing
// of the caller's is touched later. Errors are told apart by ErrInvalid,
// ErrRegion, ErrFull, ErrClosed and ErrUnsettled; any other is the context's,
// before the event was taken, or Kafka's. Nothing that a call is given makes it panic: what cannot be marshalled
// is an error, and so is a MarshalJSON that panics.
//
// A Producer is safe for concurrent use.
type Producer struct {
	buffer *buffer
	region string
	placed bool // a region was chosen
	async  bool
	done   func(Outcome)
}

// New returns a Producer on an appender, which stays the caller's to close,
// after the Producer. It starts nothing; goroutines run only while there is
// something to hand over.
func New(a Appender, c Config) (*Producer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if a == nil {
		return nil, errNoAppender
	}
	c.Regions = maps.Clone(c.Regions)
	return &Producer{buffer: newBuffer(a, c)}, nil
}

// Async returns a Producer on the same buffer whose methods return as soon as
// the event is in it. Done then hears once of each event that was taken, from
// a goroutine that Kafka's answers wait for: it must neither panic nor block nor
// call a method that may. Nil leaves the failures to the counts and to Close's error.
func (p *Producer) Async(done func(Outcome)) *Producer {
	view := *p
	view.async, view.done = true, done
	return &view
}

// In returns a Producer on the same buffer whose events belong to a region,
// one of Config.Regions; any other makes every call fail with ErrRegion.
func (p *Producer) In(region string) *Producer {
	view := *p
	view.region, view.placed = region, true
	return &view
}

// Counts returns the counts of the buffer, which all its Producers share.
func (p *Producer) Counts() Counts { return p.buffer.counted() }

// Flush hands over what is buffered and waits until every event taken before
// has an outcome, or ctx ends.
func (p *Producer) Flush(ctx context.Context) error { return p.buffer.flush(ctx) }

// Close takes no more calls, hands over what is buffered and waits until every
// event has an outcome, or ctx ends. Its error says how many events failed
// without a waiting call hearing of it, with the first reason. It closes every
// Producer on the buffer; closing again waits and tells the same.
func (p *Producer) Close(ctx context.Context) error { return p.buffer.close(ctx) }

// do makes a call's record and has the buffer take it.
func (p *Producer) do(ctx context.Context, c *call, options []Option) error {
	if ctx == nil {
		return fmt.Errorf("%s: %w: no context", c.method, ErrInvalid)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", c.method, context.Cause(ctx))
	}
	record, err := p.record(c, options)
	if err != nil {
		p.buffer.refused.Add(1)
		return fmt.Errorf("%s: %w", c.method, err)
	}
	e := entry{record: record, size: int64(len(record.Key) + len(record.Value) + overhead), done: p.done}
	if !p.async {
		e.done, e.waiter = nil, &waiter{outcome: make(chan error, 1)}
	}
	if err := p.buffer.take(ctx, e); err != nil {
		return fmt.Errorf("%s: %w", c.method, err)
	}
	if p.async {
		return nil
	}
	if err := e.waiter.wait(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.method, err)
	}
	return nil
}

// record makes the record of a call that its destination would take.
func (p *Producer) record(c *call, options []Option) (event.Record, error) {
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option(c); err != nil {
			return event.Record{}, invalid(err)
		}
	}
	form := Entity
	if c.action == event.OpSend {
		if form = Object; p.buffer.config.Form != Object {
			return event.Record{}, invalid(errNotForm)
		}
	}
	value, err := c.value()
	if err != nil {
		return event.Record{}, invalid(err)
	}
	key := c.who.key()
	if c.whole {
		if key, err = c.keyOf(value); err != nil {
			return event.Record{}, invalid(err)
		}
	}
	r := event.Record{Partition: byKey, Key: key, Value: value, Headers: c.headers, Time: time.Now()}
	if c.action == event.OpSend && c.id != "" {
		r.Headers = append(r.Headers, event.Header{Key: event.HeaderID, Value: []byte(c.id)})
	}
	k := p.buffer.checker()
	err = k.check(r, form, c.whole)
	p.buffer.checkers.Put(k)
	if err != nil {
		return event.Record{}, invalid(err)
	}
	r.Topic, err = p.topic(r)
	return r, err
}

var (
	errNoAppender = errors.New("producer: needs an appender")
	errNotForm    = errors.New("the stream takes entities (Config.Form): use Entity, or any other method")
)

func invalid(err error) error { return fmt.Errorf("%w: %w", ErrInvalid, err) }
