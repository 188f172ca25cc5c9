package producer

import (
	"context"
	"errors"
	"io"
	"time"
)

// read takes events from the input and converts them, as far ahead as room
// allows. It ends with the input, or soon after ctx.
func (r *run) read(ctx context.Context, in Input) {
	defer close(r.taken)
	converter := NewConverter(r.options.Form, r.options.Seq)
	for ctx.Err() == nil {
		t := take(in, converter)
		if errors.Is(t.end, io.EOF) {
			return
		}
		if r.room.Acquire(ctx, t.cost) != nil {
			return
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

// take reads and converts one event.
func take(in Input, converter *Converter) taken {
	line, err := in.Next()
	var bad *LineError
	switch {
	case errors.As(err, &bad):
		return taken{bad: bad, cost: cost(len(bad.Raw))}
	case err != nil:
		return taken{end: err}
	}
	t := taken{line: line}
	if t.item, err = converter.Convert(line); err != nil {
		t.bad = &LineError{N: line.N, Number: line.Number, Raw: line.Raw, Err: err}
	}
	t.cost = cost(len(line.Raw) + len(t.item.Record.Value))
	return t
}

// cost is what an event takes of the room.
func cost(bytes int) int64 { return max(int64(bytes), minCost) }

// Failure is the error as it is written for a person.
func (e *LineError) Failure() Failure {
	return Failure{Line: e.Number, Reason: e.Err.Error(), Input: string(e.Raw), Cut: e.Cut}
}

// collector counts outcomes. It belongs to one goroutine.
type collector struct {
	report   Report
	failures failures
	began    time.Time
	progress func(Report)
}

// collect counts until the outcomes are closed.
func (r *run) collect() collector {
	c := collector{failures: failures{out: r.options.FailedTo}, began: time.Now(), progress: r.options.Progress}
	var tick <-chan time.Time
	if r.options.Tick > 0 {
		ticker := time.NewTicker(r.options.Tick)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-tick:
			c.show()
		case o, more := <-r.outcomes:
			if !more {
				c.report.Seconds = time.Since(c.began).Seconds()
				return c
			}
			c.add(o)
			r.room.Release(o.cost)
		}
	}
}

func (c *collector) add(o outcome) {
	c.report.Read++
	if o.failed != nil {
		c.report.Failed++
		c.failures.add(*o.failed)
	} else {
		c.report.Succeeded++
		c.report.Bytes += int64(o.bytes)
	}
	if c.report.Read%reportEvery == 0 {
		c.show()
	}
}

func (c *collector) show() {
	if c.progress == nil {
		return
	}
	c.report.Seconds = time.Since(c.began).Seconds()
	c.progress(c.report)
}
