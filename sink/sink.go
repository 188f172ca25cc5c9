// Package sink says what a destination is: a Sink makes exactly one HTTP
// attempt for a batch of events and tells what it meant, as a Verdict.
//
// A Sink never retries, splits or sleeps by itself, so nothing passes by the
// budget, the lease or the breaker; those decisions are the pipeline's. The
// package gives it what such decisions need (Breaker, RetryConfig) and gives
// the sinks their one way out: Client, which makes single exchanges over
// pooled connections and whose errors never carry a secret.
package sink

import (
	"context"
	"time"

	"sluice/pipeline/event"
)

// Item is the verdict of one event of a batch.
type Item struct {
	Index   int // in the batch given to Deliver
	Verdict Verdict
	Reason  string
}

// Result is what one attempt came to.
type Result struct {
	Verdict    Verdict       // of every event that Items does not name
	Items      []Item        // events with a verdict of their own; nil for most answers
	Status     int           // HTTP status; 0 when no answer came
	RetryAfter time.Duration // as the destination asked; 0 when it did not
	Split      bool          // one event is at fault and the answer does not say which: halve until it stands alone
	Lost       bool          // the connection was cut or could not be made
	Reason     string        // short and for a person; never a secret or a payload
}

// Limits bound what one attempt may hold.
type Limits struct {
	Items int // events; 1 for a destination without batches
	Bytes int // sum of Event.Size
}

// Sink is one destination. Implementations are safe for concurrent use.
type Sink interface {
	// Prepare decodes e and fits it to the destination: it sets ID, Op, Size,
	// Solo and Barrier, or Fault when e can never be delivered. It is called
	// once, on intake, before e is shared.
	Prepare(e *event.Event)
	// Deliver makes one attempt for a batch that keeps to Limits (a Solo event
	// comes alone). When ctx ends first the verdict is Interrupted, or
	// Unavailable when ctx's deadline passed. When Deliver has returned,
	// nothing reads the batch's bytes any more: its events may be recycled.
	Deliver(ctx context.Context, batch []*event.Event) Result
	// Limits are constant.
	Limits() Limits
	// Close drops idle connections.
	Close()
}
