package producer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"sluice/partition"
)

const (
	// reportEvery is how many events settle between two calls of Progress.
	reportEvery = 1000
	// maxFlight bounds what is read and not yet settled, in bytes. An event
	// costs at least minCost, so that their number is bounded too: 4,096.
	maxFlight = 32 << 20
	minCost   = 8 << 10
	// grace is how long appends may still be acknowledged after ctx ended.
	grace = 30 * time.Second
	// letGo is how long Run waits, when stopped, for a read that is under way.
	letGo = 100 * time.Millisecond
)

// Options say how Run produces.
type Options struct {
	Topic    string        // the stream's live topic
	Rate     float64       // events a second, evenly spaced; 0 is unlimited
	Seq      bool          // number the events, as NewConverter describes
	Form     Form          // what the stream's destination is sent
	Progress func(Report)  // called for every 1,000 events settled; nil for never
	Tick     time.Duration // Progress is also called this often; 0 for never
	// FailedTo receives one JSON object a line for each failed event: line,
	// reason, input (and cut, when input is only the beginning of a line that
	// is too long). Nil keeps the count alone.
	FailedTo io.Writer
}

// Report is what became of a file's events.
type Report struct {
	Read       int     `json:"read"`      // events whose outcome is known: succeeded + failed
	Succeeded  int     `json:"succeeded"` // acknowledged by Kafka
	Failed     int     `json:"failed"`    // could not be read, or were not acknowledged
	Bytes      int64   `json:"bytes"`     // keys and values of the succeeded
	Seconds    float64 `json:"seconds"`
	FailedPath string  `json:"failed_path,omitempty"` // where FailedTo leads; set by its owner
}

// Run appends every event of an input, in order, and returns when all of them
// are settled. Events that fail are counted, written to FailedTo and never
// stop the others; what is appended of a user keeps the file's order. Memory
// is bounded whatever the file's length, but for one number a user with Seq.
//
// When ctx ends, reading stops, what was appended has half a minute to be
// acknowledged, and the report is returned with ctx's error. The error is also
// that of an input that could not be read further, or of FailedTo. A read that
// blocks (a terminal, an idle pipe) cannot be interrupted: when ctx ends it is
// left behind, with the input, until it returns.
func Run(ctx context.Context, a Appender, in Input, o Options) (Report, error) {
	if o.Topic == "" {
		return Report{}, errors.New("produce: needs a topic")
	}
	if o.Rate < 0 {
		return Report{}, fmt.Errorf("produce: rate must not be below 0, have %v", o.Rate)
	}
	r := &run{
		appender: a, options: o, room: semaphore.NewWeighted(maxFlight),
		taken: make(chan taken, 64), outcomes: make(chan outcome, maxFlight/minCost),
	}
	lasting, abandon := outlive(ctx, grace)
	defer abandon()
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	read := make(chan struct{})
	go func() { defer close(read); r.read(reading, in) }()
	collected := make(chan collector)
	go func() { collected <- r.collect() }()

	err := r.feed(ctx, lasting)
	if flushErr := a.Flush(lasting); flushErr != nil {
		err = errors.Join(err, fmt.Errorf("flush: %w", flushErr))
	}
	abandon()
	r.flight.Wait()
	close(r.outcomes)
	c := <-collected
	stopReading()
	select {
	case <-read:
	case <-time.After(letGo):
	}
	return c.report, errors.Join(err, c.failures.err)
}

// run is one call of Run. Three goroutines share it: one reads and converts,
// one paces and appends, one counts; they meet in channels.
type run struct {
	appender Appender
	options  Options
	room     *semaphore.Weighted // taken by the reader, given back by the collector
	taken    chan taken
	outcomes chan outcome
	flight   sync.WaitGroup // appends that are not done
}

// taken is what the reader took from the input: an event, one that failed, or
// the error that ended the input.
type taken struct {
	line Line
	item Item
	bad  *LineError
	end  error
	cost int64
}

// outcome is what became of one event.
type outcome struct {
	bytes  int
	cost   int64
	failed *Failure
}

// feed appends what the reader takes. The appends' own context outlives ctx,
// so that stopping does not cast doubt on what is under way.
func (r *run) feed(ctx, lasting context.Context) error {
	pace := newPacer(r.options.Rate)
	for {
		var t taken
		var more bool
		select {
		case <-ctx.Done():
			return fmt.Errorf("produce: %w", context.Cause(ctx))
		case t, more = <-r.taken:
		}
		switch {
		case !more:
			return nil
		case t.end != nil:
			return t.end
		case t.bad != nil:
			failed := t.bad.Failure()
			r.outcomes <- outcome{cost: t.cost, failed: &failed}
			continue
		}
		if pace.wait(ctx) != nil {
			return fmt.Errorf("produce: %w", context.Cause(ctx))
		}
		r.append(lasting, t)
	}
}

func (r *run) append(ctx context.Context, t taken) {
	r.flight.Add(1)
	record := t.item.Record
	record.Topic = r.options.Topic
	r.appender.Append(ctx, record, func(_ partition.Position, err error) {
		defer r.flight.Done()
		o := outcome{cost: t.cost, bytes: len(record.Key) + len(record.Value)}
		if err != nil {
			o.failed = &Failure{Line: t.line.Number, Reason: err.Error(), Input: string(t.line.Raw)}
		}
		// Never blocks: there is a place for each event that room admits.
		r.outcomes <- o
	})
}

// outlive returns a context with ctx's values that ends a while after ctx, or
// when it is cancelled.
func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(by)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-lasting.Done():
		}
	})
	return lasting, func() { stop(); cancel() }
}
