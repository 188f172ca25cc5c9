package pipeline

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/sink"
)

// reasonGaveUp is the dead letters' reason of events that were given up.
const reasonGaveUp = "gave_up"

// gaveUp is the death of an event that never succeeded in the time it had.
func gaveUp(r sink.Result) event.Death {
	return event.Death{Verdict: sink.Unavailable.String(), Reason: reasonGaveUp, Detail: r.Reason, Status: r.Status}
}

// exhausted tells whether an event that failed by itself has had its time.
func (w *workspace) exhausted(pick partition.Pick, now time.Time) bool {
	return w.GiveUpAfter > 0 && !pick.First.IsZero() && now.Sub(pick.First) >= w.GiveUpAfter
}

// witness is a sink that remembers the last answer that was no success.
type witness struct {
	sink.Sink
	last atomic.Pointer[sink.Result]
}

// Deliver is the sink's.
func (w *witness) Deliver(ctx context.Context, batch []*event.Event) sink.Result {
	r := w.Sink.Deliver(ctx, batch)
	if r.Verdict != sink.Delivered && r.Verdict != sink.Interrupted {
		w.last.Store(&sink.Result{Verdict: r.Verdict, Status: r.Status, Reason: r.Reason})
	}
	return r
}

// lately is the last answer that was no success, for a person.
func (w *witness) lately() sink.Result {
	if r := w.last.Load(); r != nil {
		return *r
	}
	return sink.Result{Verdict: sink.Unavailable}
}

func describe(r sink.Result) string {
	switch {
	case r.Reason != "":
		return r.Reason
	case r.Status > 0:
		return fmt.Sprintf("%s (status %d)", r.Verdict, r.Status)
	}
	return r.Verdict.String()
}

// watchEvery is how often it is asked whether to give up.
const watchEvery = time.Second

// watch gives the workspace up when it is time to.
func (d *Direct) watch(ctx context.Context) {
	if d.cfg.GiveUpAfter == 0 {
		return
	}
	tick := time.NewTicker(min(watchEvery, d.cfg.GiveUpAfter))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := d.hopeless(); err != nil {
			d.reason = err
			d.local.End(err)
			d.stop()
			close(d.gaveUp)
			return
		}
	}
}

// hopeless says why the workspace is to be given up, nil while it is not.
func (d *Direct) hopeless() error {
	name, last := d.cfg.Workspace.Name, d.witness.lately()
	if d.ws.hold.isRefused() && d.ws.delivered.Load() == 0 {
		return fmt.Errorf("%w by workspace %s: %s; check its credentials, region and URL", ErrRefused, name, describe(last))
	}
	since := d.local.FailingSince()
	if since.IsZero() || time.Since(since) < d.cfg.GiveUpAfter {
		return nil
	}
	return fmt.Errorf("workspace %s: %w after %v without a success, the last answer: %s", name, ErrGaveUp, d.cfg.GiveUpAfter, describe(last))
}

// buryLeft writes a dead letter of each event in hand, which stays unsettled:
// it may be sent again from its place on.
func (d *Direct) buryLeft() error {
	if d.cfg.DeadLetter == nil {
		d.given.Store(d.Balance().InHand)
		return nil
	}
	death, now := gaveUp(d.witness.lately()), time.Now()
	death.Topic, death.Workspace, death.Last = "direct"+DeadSuffix, d.cfg.Workspace.Name, now
	for _, e := range d.local.Left() {
		if err := d.cfg.DeadLetter(context.Background(), event.DeadLetter(e, death)); err != nil {
			return fmt.Errorf("set aside what was given up: %w", err)
		}
		d.given.Add(1)
	}
	return nil
}

// undertaker is where the dead letters of a Direct go; nil keeps none.
type undertaker func(ctx context.Context, r event.Record) error

// Append implements appender.
func (u undertaker) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	if u == nil {
		done(partition.Position{}, nil)
		return
	}
	done(partition.Position{}, u(ctx, r))
}
