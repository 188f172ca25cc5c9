package pipeline

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/sink"
	"sluice/sink/budget"
)

// attempt makes one HTTP attempt and gives each of its events an outcome.
func (w *workspace) attempt(ctx context.Context, j job) {
	b, t := j.batch, try{since: w.delivered.Load(), probe: j.permit.probe}
	w.flying.Add(1)
	d := w.enter()
	r := d.Deliver(w.during(ctx), b.Events)
	d.leave()
	w.flying.Add(-1)
	if r.Verdict == 0 { // a sink that says nothing has told us nothing
		r.Verdict = sink.Unavailable
	}
	w.record(j, r)
	heard := w.packing.learn(b, r, t.probe)
	t.many = w.learn(j, r, heard, w.delivered.Load() > t.since)
	j.permit.pass.Done(heard)
	w.note(r, j.permit, d)
	if len(r.Items) > 0 {
		b = w.settleItems(ctx, b, r)
	}
	if len(b.Picks) > 0 {
		w.settle(ctx, b, r, t)
	}
}

// try is what is known about an attempt beside its result.
type try struct {
	since uint64 // delivered, when it began
	probe bool
	many  bool // a 429 that is one of many
}

// record counts an attempt and, for who looks closely, logs it: sent is when the
// budget granted it.
func (w *workspace) record(j job, r sink.Result) {
	took := time.Since(j.sent)
	w.metrics.attempt(j.batch.Events, r, took)
	if line := w.log.Check(zap.DebugLevel, "attempt"); line != nil {
		line.Write(zap.Int("events", len(j.batch.Events)), zap.Stringer("verdict", r.Verdict), zap.Int("status", r.Status),
			zap.Int64("sent", j.sent.UnixNano()), zap.Duration("took", took))
	}
}

// learn lets the rate and the bound on attempts in flight adapt to an answer,
// and tells whether a 429 is one of many. The rate hears of answers alone: an
// error of the destination's or none says nothing about how much it takes.
// A failure that may be one event's own, while others get through, tells nothing
// of how many attempts it bears.
func (w *workspace) learn(j job, r sink.Result, heard sink.Outcome, others bool) (many bool) {
	if r.Verdict == sink.Interrupted {
		return false
	}
	throttled, failed := r.Verdict == sink.Throttled, r.Verdict == sink.Unavailable
	if r.Status > 0 || throttled {
		many = w.pacer.Answered(j.sent, throttled)
	}
	theirs := failed && heard == sink.Neutral && others
	if (r.Status > 0 || failed) && !theirs {
		w.slots.learn(j.sent, failed)
	}
	return many
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
			w.probes.forget()
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
			w.confirm(b.Events[i : i+1])
			w.now.Load().count(pick.Event.Lot, classDelivered)
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
		w.confirm(b.Events)
		w.now.Load().countAll(b.Events, classDelivered)
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
		w.throttled(b, r, t)
	case sink.Unavailable:
		w.unavailable(ctx, b, r, t)
	case sink.Refused:
		if t.probe {
			w.probes.failed(b.Picks[0].Event.Source)
		}
		w.finish(b.Picks, partition.RetryAt(time.Time{}, false))
	case sink.Interrupted:
		w.finish(b.Picks, partition.RetryAt(time.Time{}, false))
	}
}

// pauseMost bounds how long many 429s pause a workspace at a time; then it is
// found out whether that was enough.
const pauseMost = time.Minute

// throttled lets the lanes of an attempt wait for as long as the destination
// asks: one 429 may be a user's. Many are the workspace's, which pauses; so is
// that of a probe, which asks for the whole workspace.
func (w *workspace) throttled(b partition.Batch, r sink.Result, t try) {
	now, wait := time.Now(), pauseFor(r.RetryAfter)
	if !t.many && !t.probe {
		w.finish(b.Picks, partition.RetryAt(now.Add(wait), false))
		return
	}
	wait = min(wait, pauseMost)
	if w.hold.throttle(now, now.Add(wait)) {
		w.log.Warn("the destination throttles this workspace: it is paused", zap.Duration("for", wait))
	}
	w.finish(b.Picks, partition.RetryAt(time.Time{}, false))
}

// atLeast is a wait that was drawn, or one for as long as the destination asks
// when that is longer: again with up to a fifth more, or all that failed together
// would return together.
func atLeast(drawn, asked time.Duration) time.Duration {
	if asked > drawn {
		return pauseFor(asked)
	}
	return drawn
}

// pauseFor is how long a 429 is obeyed: what was asked for, or a second, and up
// to a fifth more so that not all return together.
func pauseFor(asked time.Duration) time.Duration {
	if asked <= 0 {
		asked = time.Second
	}
	return asked + time.Duration(rand.Float64()*float64(asked)/5)
}

// behindMost bounds how long an event that keeps failing waits for others to be
// served first.
const behindMost = 30 * time.Second

// unavailable puts a batch back. A failure counts against a record only when it
// stood alone in the attempt and others got through since its last try: an
// outage is nobody's fault, and while the breaker is not closed nothing counts.
// While others do get through, a batch that fails is halved until the event that
// fails stands alone.
func (w *workspace) unavailable(ctx context.Context, b partition.Batch, r sink.Result, t try) {
	delivered := w.delivered.Load()
	if len(b.Picks) > 1 && delivered > t.since {
		w.halve(ctx, b)
		return
	}
	at := time.Now()
	if r.RetryAfter > 0 && delivered == t.since {
		w.hold.throttle(at, at.Add(pauseFor(r.RetryAfter)))
	}
	if t.probe { // the next one is another lane's
		w.probes.failed(b.Picks[0].Event.Source)
	}
	frozen := t.probe || w.hold.blocked()
	if !frozen && r.Status > 0 && r.RetryAfter == 0 && len(b.Picks) > 1 {
		w.narrow(b, delivered)
		return
	}
	for _, pick := range b.Picks {
		last, marked := t.since, pick.Mark > 0
		if pick.Mark > 0 {
			last = pick.Mark - 1
		}
		counted := !frozen && len(b.Picks) == 1 && delivered > last
		if counted {
			w.counts.failed.Add(1)
		}
		now := w.now.Load()
		pick.Mark = delivered + 1
		if counted && w.resigned(ctx, pick, r, at) {
			continue
		}
		delay := now.retry.Delay(pick.Attempts, rand.Float64())
		if tier := pick.Shard().Tier; counted || tier == partition.Held || tier == partition.Overflow || pick.Deferred() {
			delay = now.tries.delay(pick, now.retry)
		}
		if t.probe || frozen && marked {
			// Not among the first when the breaker closes: if it is these that fail,
			// they would open it again before anybody else was served.
			delay += min(now.trips.ProbeAfter, behindMost) + time.Second
		}
		w.finish([]partition.Pick{pick}, partition.Outcome{
			Kind: partition.Retry, At: at.Add(atLeast(delay, r.RetryAfter)), Counted: counted, Mark: pick.Mark,
		})
	}
}

// narrow puts a batch back that failed while nothing else was delivered: smaller
// ones find out whether that is one event's fault. While no attempt succeeds,
// they come after a while.
func (w *workspace) narrow(b partition.Batch, delivered uint64) {
	back := partition.Outcome{Kind: partition.Retry, Mark: delivered + 1}
	if w.packing.doubtful() {
		back.At = time.Now().Add(w.now.Load().retry.Delay(0, rand.Float64()))
	}
	if b.Lanes() == 1 {
		back.Narrow = len(b.Picks) / 2
	}
	w.finish(b.Picks, back)
}

// resigned takes an event away from where it has failed too often: to the held
// tier, or to a person. It reports false when the event is tried again.
func (w *workspace) resigned(ctx context.Context, pick partition.Pick, r sink.Result, at time.Time) bool {
	become := w.now.Load().tries.judge(pick, at)
	if w.exhausted(pick, at) {
		become = hopeless
	}
	switch become {
	case hopeless:
		w.deadLetter(ctx, pick, gaveUp(r))
	case later:
		due := at.Add(w.now.Load().tries.delay(pick, w.now.Load().retry))
		w.attempts.Go(func() { w.delay(ctx, pick, due, true) })
	case aside:
		w.log.Warn("held: it keeps failing while others get through; its user's later events wait behind it",
			zap.Stringer("source", pick.Event.Source), zap.Int("status", r.Status), zap.String("reason", r.Reason))
		pick.Attempts++
		if pick.First.IsZero() {
			pick.First = at
		}
		w.attempts.Go(func() { w.move(ctx, []partition.Pick{pick}) })
	case again:
		return false
	}
	return true
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

// resend makes an attempt of what was part of another, which may wait for the
// budget for as long as this member's tenure lasts.
func (w *workspace) resend(ctx context.Context, b partition.Batch) {
	p, _, ok := w.tryAdmit()
	if ok && p.probe {
		w.decline(p)
		ok = false
	}
	if ok {
		j := job{permit: p, stale: true}
		_, err := w.pacer.Wait(w.during(ctx), func(room budget.Room) budget.Charge {
			if !w.hold.allows(p) || !w.lanes.Leased() {
				return budget.Charge{}
			}
			if w.now.Load().shut(b, room) {
				return budget.Charge{}
			}
			c := w.now.Load().charge(b, room)
			j.batch, j.sent, j.stale = b, time.Now(), false
			return c
		})
		if err == nil && !j.stale {
			w.attempt(ctx, j)
			return
		}
		w.decline(p)
	}
	back := partition.RetryAt(time.Time{}, false)
	if b.Lanes() == 1 { // what was found out about the run stays known
		back.Narrow = len(b.Picks)
	}
	w.finish(b.Picks, back)
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
