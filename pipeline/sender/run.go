package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// reportEvery is how many events settle between two calls of Progress.
const reportEvery = 1000

// readAhead is how many lines are read before there is room for them; each may
// be producer.MaxLine long.
const readAhead = 16

// headerInput carries an event's line through the lanes when it is not the
// record's value as it stands, for the line is what a failure shows.
const headerInput = "input"

// run is one call of Run. One goroutine reads and converts, one feeds the
// Direct, whose attempts call deadLetter and settled.
type run struct {
	options Options
	direct  *pipeline.Direct
	began   time.Time
	fail    context.CancelCauseFunc // ends the run
	taken   chan taken

	mu    sync.Mutex // guards all below, the calls of Progress and FailedTo
	bad   int        // lines that failed before they became an event
	count int        // settled, bad lines included
}

// taken is what the reader took from the input: an event, one that failed, or
// the error that ended the input.
type taken struct {
	record event.Record
	bad    *producer.LineError
	end    error
}

// inputError is a fault of the input itself.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

// read takes events from the input and converts them, a little ahead.
func (r *run) read(ctx context.Context, in producer.Input) {
	defer close(r.taken)
	converter := producer.NewConverter(r.options.Form, r.options.Seq)
	for ctx.Err() == nil {
		t, wanted := r.take(in, converter)
		if errors.Is(t.end, io.EOF) {
			return
		}
		if !wanted {
			continue
		}
		select {
		case r.taken <- t:
		case <-ctx.Done():
			return
		}
		if t.end != nil {
			return
		}
	}
}

// take reads one line and tells whether it is to be sent. The others are
// converted all the same when events are numbered.
func (r *run) take(in producer.Input, converter *producer.Converter) (t taken, wanted bool) {
	line, err := in.Next()
	var bad *producer.LineError
	switch {
	case errors.As(err, &bad):
		return taken{bad: bad}, r.wants(bad.Number)
	case err != nil:
		return taken{end: err}, true
	}
	if wanted = r.wants(line.Number); !wanted && !r.options.Seq {
		return taken{}, false
	}
	item, err := converter.Convert(line)
	if err != nil {
		return taken{bad: &producer.LineError{N: line.N, Number: line.Number, Raw: line.Raw, Err: err}}, wanted
	}
	t.record = item.Record
	t.record.Offset = int64(line.Number)
	if r.options.Content != "" && !item.HasID {
		id := r.options.Content + "/" + strconv.Itoa(line.Number)
		t.record.Headers = append(t.record.Headers, event.Header{Key: event.HeaderID, Value: []byte(id)})
	}
	if !bytes.Equal(line.Raw, t.record.Value) {
		t.record.Headers = append(t.record.Headers, event.Header{Key: headerInput, Value: line.Raw})
	}
	return t, wanted
}

func (r *run) wants(line int) bool {
	return int64(line) >= r.options.From && !r.options.Settled.Has(int64(line))
}

// feed sends what the reader takes.
func (r *run) feed(ctx context.Context) error {
	for {
		var t taken
		var more bool
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case t, more = <-r.taken:
		}
		var err error
		switch {
		case !more && ctx.Err() != nil: // the reader ended because we did
			return context.Cause(ctx)
		case !more:
			return nil
		case t.end != nil:
			return &inputError{t.end}
		case t.bad != nil:
			err = r.badLine(t.bad)
		default:
			err = r.direct.Send(ctx, t.record)
		}
		if err != nil {
			return err
		}
	}
}

func (r *run) badLine(bad *producer.LineError) error {
	if err := r.failed(bad.Failure()); err != nil {
		r.fail(err)
		return err
	}
	r.mu.Lock()
	r.bad++
	r.mu.Unlock()
	r.settled(1)
	return nil
}

// failed writes an event down that failed.
func (r *run) failed(f producer.Failure) error {
	if r.options.FailedTo == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return f.Write(r.options.FailedTo)
}

// deadLetter takes an event that the Direct sets aside.
func (r *run) deadLetter(_ context.Context, dead event.Record) error {
	death, source, err := event.ParseDeath(dead)
	if err == nil {
		err = r.failed(producer.Failure{Line: int(source.Offset), Reason: reason(death), Input: string(input(dead))})
	}
	if err != nil {
		r.fail(err)
	}
	return err
}

// input is the line that a dead letter came from.
func input(dead event.Record) []byte {
	for _, h := range dead.Headers {
		if h.Key == headerInput {
			return h.Value
		}
	}
	return dead.Value
}

// reason is a death for a person.
func reason(d event.Death) string {
	text := d.Reason
	if d.Status > 0 {
		text += fmt.Sprintf(" (status %d)", d.Status)
	}
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	return text
}

// settled counts, and shows progress at every thousand.
func (r *run) settled(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.count / reportEvery
	if r.count += n; r.count/reportEvery > before {
		r.show()
	}
}

// show runs under r.mu.
func (r *run) show() {
	if r.options.Progress == nil {
		return
	}
	b := r.direct.Balance()
	report := Report{
		Succeeded: int(b.Delivered), Failed: int(b.DeadLettered) + r.bad,
		Seconds: time.Since(r.began).Seconds(), FromLine: r.direct.Position(),
	}
	report.Read = report.Succeeded + report.Failed
	r.options.Progress(report)
}

// tick shows progress now and then until ctx ends.
func (r *run) tick(ctx context.Context) {
	if r.options.Tick <= 0 {
		return
	}
	ticker := time.NewTicker(r.options.Tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.mu.Lock()
			r.show()
			r.mu.Unlock()
		}
	}
}
