package pipeline

import (
	"context"
	"time"

	"sluice/partition"
	"sluice/sink"
	"sluice/sink/budget"
)

// permit is leave to make one attempt.
type permit struct {
	pass    sink.Pass // of the breaker
	version uint64    // of the hold
	probe   bool      // one event only: of a breaker or of a refusal
}

// job is an attempt that is made up and permitted.
type job struct {
	batch  partition.Batch
	permit permit
	sent   time.Time        // when the budget granted it
	drops  []partition.Pick // repeats, which are not in batch
	closed []partition.Pick // whose quiet hours have begun, which are not in batch either
	stale  bool             // the permit was no longer good when the budget was: nothing is taken
	shut   bool             // some lanes may have been passed over for the budget of their operation or class
}

// dispatch sends a workspace's events until intake ends. Every attempt goes
// through the same stages in the same order; an attempt is made up last, of
// what is ready at that moment.
func (w *workspace) dispatch(intake, delivery context.Context) {
	jobs := make(chan job) // to a worker that is idle
	defer close(jobs)
	for w.slots.take(intake) {
		j, ok := w.next(intake, delivery)
		if !ok {
			w.slots.give()
			return
		}
		select {
		case jobs <- j:
		default: // none is: one more, at most as many as there are slots
			w.attempts.Go(func() { w.work(intake, delivery, j, jobs) })
		}
	}
}

// work makes attempts, one after the other, until the dispatcher ends. While
// there is more to send it serves itself, which saves two hand-overs.
func (w *workspace) work(intake, delivery context.Context, j job, more <-chan job) {
	for ok := true; ok; {
		w.attempt(delivery, j)
		w.lanes.Recycle(w.Name, j.batch)
		if j, ok = w.following(intake, delivery); ok {
			continue
		}
		w.slots.give()
		j, ok = <-more
	}
}

// next goes through the stages until it has a batch to send.
func (w *workspace) next(intake, delivery context.Context) (job, bool) {
	var again time.Duration
	for w.ready(intake, again) { // 1. a lane has something
		for asking := true; asking; {
			p, ok := w.admit(intake) // 2. the destination is well, or wants a probe
			if !ok {
				return job{}, false
			}
			j := job{permit: p}
			var err error
			again, err = w.pacer.Wait(intake, func(room budget.Room) budget.Charge { // 3. the budget grants an attempt
				return w.fill(&j, room) // 4. what is ready now
			})
			w.drop(&j)
			w.postpone(delivery, &j)
			if w.setAside(delivery, j.batch); len(j.batch.Picks) > 0 {
				w.lookAgain(j)
				return j, true
			}
			if w.decline(p); err != nil {
				return job{}, false
			}
			asking = j.stale || len(j.drops) > 0 || len(j.closed) > 0
		}
		if again == 0 && !w.lanes.Leased() {
			again = leaseAgain
		}
	}
	return job{}, false
}

// leaseAgain is how soon lanes are asked again that gave nothing because this
// member's lease was over: a dispatcher need not rely on being told of its
// renewal.
const leaseAgain = 50 * time.Millisecond

// following goes through the same stages without waiting for anything.
func (w *workspace) following(intake, delivery context.Context) (job, bool) {
	if intake.Err() != nil || w.slots.over() {
		return job{}, false
	}
	p, _, ok := w.tryAdmit()
	if !ok {
		return job{}, false
	}
	j := job{permit: p}
	w.pacer.Try(func(room budget.Room) budget.Charge { return w.fill(&j, room) })
	w.lookAgain(j)
	w.drop(&j)
	w.postpone(delivery, &j)
	if w.setAside(delivery, j.batch); len(j.batch.Picks) > 0 {
		return j, true
	}
	w.decline(p)
	return job{}, false
}

// lookAgain has the dispatcher find out when the lanes may go that an attempt
// passed over for their operation's budget: nothing makes them ready anew.
func (w *workspace) lookAgain(j job) {
	if !j.shut {
		return
	}
	select {
	case w.passedOver <- struct{}{}:
	default:
	}
}

// ready waits until a lane has something, or for so long when that is above 0:
// then what was ready, and could not be taken, may be.
func (w *workspace) ready(ctx context.Context, again time.Duration) bool {
	var due <-chan time.Time
	if again > 0 {
		timer := time.NewTimer(again)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-w.lanes.Ready(w.Name):
	case <-w.passedOver:
	case <-due:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// admit waits until the workspace may be asked.
func (w *workspace) admit(ctx context.Context) (permit, bool) {
	for {
		p, again, ok := w.tryAdmit()
		if ok {
			return p, true
		}
		wait := time.NewTimer(time.Until(again))
		if again.IsZero() {
			wait.Stop()
		}
		select {
		case <-ctx.Done():
			wait.Stop()
			return permit{}, false
		case <-w.hold.changed:
		case <-wait.C:
		}
		wait.Stop()
	}
}

// tryAdmit asks once; when the answer is no it says when to ask again.
func (w *workspace) tryAdmit() (permit, time.Time, bool) {
	p, again, ok := w.hold.admit()
	if !ok {
		return permit{}, again, false
	}
	breaker := w.now.Load().breaker
	if p.pass, ok = breaker.Allow(); !ok {
		if p.probe {
			w.hold.giveBack()
		}
		return permit{}, breaker.NextProbe(), false
	}
	p.probe = p.probe || p.pass.Probe()
	return p, time.Time{}, true
}

// decline gives back a permit that was not used.
func (w *workspace) decline(p permit) {
	p.pass.Done(sink.Neutral)
	if p.probe {
		w.hold.giveBack()
	}
}

// fill makes up an attempt at the moment at which the budget grants it, and
// returns what it takes of the budget. Who waited long for that may find that
// the destination is not well any more.
func (w *workspace) fill(j *job, room budget.Room) budget.Charge {
	if j.stale = !w.hold.allows(j.permit); j.stale {
		return budget.Charge{}
	}
	s := w.now.Load()
	limit := partition.Limit{
		Items: w.packing.limit(min(s.limits.Items, room.Events)), Bytes: s.limits.Bytes, Shut: room.Shut, Classes: room.Classes,
	}
	if j.permit.probe {
		j.batch = w.takeProbe(limit)
	} else {
		j.batch = w.lanes.Take(w.Name, limit)
	}
	j.shut = room.Shut != 0 || j.batch.PassedOver
	j.sent = time.Now()
	w.screen(j)
	w.hush(j)
	return s.charge(j.batch, room)
}

// charge is what an attempt takes of the budget. It writes to the room's classes.
func (s *settings) charge(b partition.Batch, room budget.Room) budget.Charge {
	c := budget.Charge{Events: len(b.Picks)}
	if s.called {
		for _, e := range b.Events {
			c.Bits |= 1 << e.Op
		}
	}
	if c.Classes = room.Classes; c.Classes != nil {
		clear(c.Classes)
		for _, e := range b.Events {
			if int(e.Lot) < len(c.Classes) {
				c.Classes[e.Lot]++
			}
		}
	}
	return c
}

// setAside does what a batch needs beside its attempt: it gives up on events
// that no destination could take, and moves those that have to wait elsewhere.
func (w *workspace) setAside(ctx context.Context, b partition.Batch) {
	for _, pick := range b.Faults {
		if unwanted := w.metrics.unwanted[pick.Event.Fault.Reason]; unwanted != nil {
			unwanted.Inc()
			w.finish([]partition.Pick{pick}, partition.Outcome{Kind: partition.Dropped})
			continue
		}
		w.deadLetter(ctx, pick, faulted(pick.Event.Fault))
	}
	w.follow(ctx, b.Moves)
}
