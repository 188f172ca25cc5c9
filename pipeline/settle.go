package pipeline

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/sink"
)

// attempt makes one HTTP attempt and gives each of its events an outcome.
func (w *workspace) attempt(ctx context.Context, b partition.Batch, p permit) {
	since := w.delivered.Load()
	start := time.Now()
	d := w.enter()
	r := d.Deliver(ctx, b.Events)
	d.leave()
	if r.Verdict == 0 { // a sink that says nothing has told us nothing
		r.Verdict = sink.Unavailable
	}
	w.metrics.attempt(b.Events, r, time.Since(start))
	p.pass.Done(sink.OutcomeOf(r))
	w.note(r, p, d)
	if len(r.Items) > 0 {
		b = w.settleItems(ctx, b, r)
	}
	if len(b.Picks) > 0 {
		w.settle(ctx, b, r, try{since: since, probe: p.probe})
	}
}

// try is what is known about an attempt beside its result.
type try struct {
	since uint64 // delivered, when it began
	probe bool
}

// note tells the hold what an answer says of the workspace as a whole.
// What a sink says that a reload has replaced is no news about the new one.
func (w *workspace) note(r sink.Result, p permit, d *door) {
	switch r.Verdict {
	case sink.Refused:
		if !w.uses(d) {
			break
		}
		if w.hold.refuse(time.Now()) {
			w.log.Error("the destination refuses this workspace: it is paused and asked again every 30s; check its credentials, region and URL",
				zap.Int("status", r.Status), zap.String("reason", r.Reason))
			w.metrics.refused(true)
			w.block()
		}
		if !w.uses(d) { // replaced after it was asked about: the probe of that reload is due
			w.hold.probeNow()
		}
		return
	case sink.Delivered, sink.Rejected:
		if w.uses(d) && w.hold.accept() {
			w.log.Info("the destination takes this workspace again")
			w.metrics.refused(false)
			w.block()
		}
	case sink.Throttled, sink.Unavailable, sink.Interrupted:
	}
	if p.probe {
		w.hold.giveBack()
	}
}

// settleItems gives the events that the answer names their own outcome, and
// returns the rest of the batch.
func (w *workspace) settleItems(ctx context.Context, b partition.Batch, r sink.Result) partition.Batch {
	named := make(map[int]sink.Item, len(r.Items))
	for _, item := range r.Items {
		named[item.Index] = item
	}
	rest := partition.Batch{Bytes: b.Bytes}
	for i, pick := range b.Picks {
		item, ok := named[i]
		switch {
		case !ok || item.Verdict == r.Verdict:
			rest.Picks = append(rest.Picks, pick)
			rest.Events = append(rest.Events, pick.Event)
		case item.Verdict == sink.Rejected:
			w.deadLetter(ctx, pick, rejected(r.Status, item.Reason))
		case item.Verdict == sink.Delivered:
			w.finish([]partition.Pick{pick}, partition.Outcome{Kind: partition.Delivered})
		default:
			w.putBack(pick, time.Now().Add(w.now.Load().retry.Delay(pick.Attempts, rand.Float64())), false)
		}
	}
	return rest
}

// settle turns a verdict on a whole batch into outcomes.
func (w *workspace) settle(ctx context.Context, b partition.Batch, r sink.Result, t try) {
	switch r.Verdict {
	case sink.Delivered:
		w.delivered.Add(1)
		w.finish(b.Picks, partition.Outcome{Kind: partition.Delivered})
	case sink.Rejected:
		if r.Split && len(b.Picks) > 1 {
			w.halve(ctx, b)
			return
		}
		for _, pick := range b.Picks {
			w.deadLetter(ctx, pick, rejected(r.Status, r.Reason))
		}
	case sink.Throttled:
		until := time.Now().Add(pauseFor(r.RetryAfter))
		w.hold.throttle(until)
		w.finish(b.Picks, partition.RetryAt(time.Time{}, false))
	case sink.Unavailable:
		w.unavailable(ctx, b, r, t)
	case sink.Refused, sink.Interrupted:
		w.finish(b.Picks, partition.RetryAt(time.Time{}, false))
	}
}

// pauseFor is how long a 429 pauses the workspace: what was asked for, or a
// second, and up to a fifth more so that members do not return together.
func pauseFor(asked time.Duration) time.Duration {
	if asked <= 0 {
		asked = time.Second
	}
	return asked + time.Duration(rand.Float64()*float64(asked)/5)
}

// unavailable puts a batch back. A failure counts against a record only when it
// stood alone in the attempt and others got through since its last try: an
// outage is nobody's fault. While others do get through, a batch that fails is
// halved until the event that fails stands alone.
func (w *workspace) unavailable(ctx context.Context, b partition.Batch, r sink.Result, t try) {
	delivered := w.delivered.Load()
	if len(b.Picks) > 1 && delivered > t.since {
		w.halve(ctx, b)
		return
	}
	now := time.Now()
	if r.RetryAfter > 0 && delivered == t.since {
		w.hold.throttle(now.Add(pauseFor(r.RetryAfter)))
	}
	for _, pick := range b.Picks {
		last := t.since
		if pick.Mark > 0 {
			last = pick.Mark - 1
		}
		counted := len(b.Picks) == 1 && delivered > last
		delay := w.now.Load().retry.Delay(pick.Attempts, rand.Float64())
		if t.probe { // the next probe is another lane's
			delay = w.now.Load().trips.ProbeAfter + time.Second
		}
		if counted {
			w.counts.failed.Add(1)
		}
		if counted && w.exhausted(pick, now) {
			w.deadLetter(ctx, pick, gaveUp(r))
			continue
		}
		w.finish([]partition.Pick{pick}, partition.Outcome{
			Kind: partition.Retry, At: now.Add(max(delay, r.RetryAfter)), Counted: counted, Mark: delivered + 1,
		})
	}
}

// halve sends the two halves of a batch one after the other, within the budget
// and while the workspace is well; what cannot be sent goes back to its lanes.
func (w *workspace) halve(ctx context.Context, b partition.Batch) {
	first, second := b.Split()
	if b.Lanes() == 1 { // its second half waits for the first, and then for its turn
		w.finish(second.Picks, partition.Outcome{Kind: partition.Retry, Narrow: len(first.Picks)})
		w.resend(ctx, first)
		return
	}
	w.resend(ctx, first)
	w.resend(ctx, second)
}

func (w *workspace) resend(ctx context.Context, b partition.Batch) {
	p, _, ok := w.tryAdmit()
	if ok && p.probe {
		w.decline(p)
		ok = false
	}
	if ok {
		if err := w.pacer.Wait(ctx, func(int) int { return len(b.Picks) }); err == nil {
			w.attempt(ctx, b, p)
			return
		}
		w.decline(p)
	}
	w.finish(b.Picks, partition.RetryAt(time.Time{}, false))
}

func (w *workspace) putBack(pick partition.Pick, at time.Time, counted bool) {
	w.finish([]partition.Pick{pick}, partition.RetryAt(at, counted))
}

func (w *workspace) finish(picks []partition.Pick, o partition.Outcome) {
	if o.Kind != partition.Retry {
		w.counts.completed.Add(int64(len(picks)))
	}
	w.lanes.Finish(picks, o)
}
