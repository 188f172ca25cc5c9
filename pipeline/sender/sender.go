// Package sender sends the events of a file straight to one workspace, without
// Kafka: it reads and converts them as pipeline/producer does and gives them to
// a pipeline.Direct, with the lines as their places.
//
// Every event has an outcome: it succeeded, or it failed and is written down
// with its reason, or it was not settled when the run ended early. Then the
// report names the line to go on from and the lines above it that need nothing
// more, so that a second run sends nothing twice and each user's events stay in
// order over both.
package sender

import (
	"context"
	"errors"
	"io"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/producer"
)

// Options say how Run sends.
type Options struct {
	Form producer.Form // what the workspace is sent
	Seq  bool          // number the events, as producer.NewConverter describes

	// Content names the input by its content. With the line's number it makes
	// the id of an event that carries none, so that a destination which knows
	// ids drops what a second run of the same input repeats. Empty: the ids are
	// of this run alone.
	Content string
	From    int64 // the first line to send; the lines before need nothing
	Settled Lines // lines from there on that need nothing

	Progress func(Report)  // called for every 1,000 events settled; nil for never
	Tick     time.Duration // Progress is also called this often; 0 for never
	// FailedTo receives a producer.Failure a line. A fault of it ends the run:
	// an event counts as failed only when that is written. Nil keeps the count
	// alone.
	FailedTo io.Writer
}

// Report is what became of a file's events. At the end
// Read = Succeeded + Failed + Unsent.
type Report struct {
	Read      int     `json:"read"`      // taken from the file and to be sent
	Succeeded int     `json:"succeeded"` // the destination has them
	Failed    int     `json:"failed"`    // could not be read, were rejected or given up
	Unsent    int     `json:"unsent"`    // read and not settled when the run ended
	Seconds   float64 `json:"seconds"`

	// FromLine is where to go on, 0 when everything is settled. Lines below it
	// need nothing; neither do those of Settled, which are above it.
	FromLine int64 `json:"from_line,omitempty"`
	Settled  Lines `json:"-"`

	FailedPath  string `json:"failed_path,omitempty"`  // where FailedTo leads; set by its owner
	SettledPath string `json:"settled_path,omitempty"` // where Settled is written; set by its owner
}

// letGo is how long Run waits, when stopped, for a read that is under way.
const letGo = 100 * time.Millisecond

// Run sends every event of an input, in order, and returns when all of them are
// settled. Memory is bounded by cfg, but for one number a user with Seq. What of
// cfg this package fills is overwritten: DeadLetter, Settled, Namespace, From.
//
// When ctx ends, reading stops, attempts in flight may end for at most the
// drain time, and the report, whose FromLine tells where to go on, is returned
// with ctx's cause. So it is with pipeline.ErrGaveUp, where the events in hand
// are written down as failed but lie above FromLine, and pipeline.ErrRefused.
// An input that cannot be read further ends the run when what was read is
// settled. A read that blocks (a terminal, an idle pipe) is left behind, with
// the input, until it returns.
func Run(ctx context.Context, cfg pipeline.DirectConfig, in producer.Input, o Options) (Report, error) {
	o.From = max(o.From, 1)
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r := &run{options: o, began: time.Now(), fail: fail, taken: make(chan taken, readAhead)}
	cfg.DeadLetter, cfg.Settled, cfg.Namespace, cfg.From = r.deadLetter, r.settled, o.Content, o.From
	direct, err := pipeline.NewDirect(cfg)
	if err != nil {
		return Report{}, err
	}
	r.direct = direct
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	read := make(chan struct{})
	go func() { defer close(read); r.read(reading, in) }()
	ticking, stopTicking := context.WithCancel(ctx)
	ticked := make(chan struct{})
	go func() { defer close(ticked); r.tick(ticking) }()

	err = r.feed(ctx)
	became, closeErr := direct.Close(ctx)
	stopTicking()
	<-ticked
	stopReading()
	select {
	case <-read:
	case <-time.After(letGo):
	}
	return r.report(became, err == nil), outcome(err, closeErr)
}

// outcome chooses what to say of how feeding and closing ended: the input's
// fault beside anything else, of the others the later one, which is the same.
func outcome(fed, closed error) error {
	if fault := (*inputError)(nil); errors.As(fed, &fault) {
		return errors.Join(fault.err, closed)
	}
	if closed != nil {
		return closed
	}
	return fed
}

// report sums up; whole says that the input was read to its end.
func (r *run) report(d pipeline.DirectReport, whole bool) Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	report := Report{
		Succeeded: int(d.Delivered), Failed: int(d.Failed+d.GivenUp) + r.bad, Unsent: int(d.Left),
		Seconds: time.Since(r.began).Seconds(),
	}
	report.Read = report.Succeeded + report.Failed + report.Unsent
	if whole && d.Left+d.GivenUp == 0 {
		return report
	}
	report.FromLine = d.Next
	report.Settled = Lines(d.Settled).join(r.options.Settled, d.Next)
	for len(report.Settled) > 0 && report.Settled[0].From == report.FromLine {
		report.FromLine = report.Settled[0].To + 1
		report.Settled = report.Settled[1:]
	}
	return report
}
