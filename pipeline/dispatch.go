package pipeline

import (
	"context"
	"time"

	"sluice/partition"
	"sluice/sink"
)

// permit is leave to make one attempt.
type permit struct {
	pass  sink.Pass // of the breaker
	probe bool      // one event only: of a breaker or of a refusal
}

// job is an attempt that is made up and permitted.
type job struct {
	batch  partition.Batch
	permit permit
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
		w.attempt(delivery, j.batch, j.permit)
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
	for w.ready(intake) { // 1. a lane has something
		p, ok := w.admit(intake) // 2. the destination is well, or wants a probe
		if !ok {
			break
		}
		j := job{permit: p}
		err := w.pacer.Wait(intake, func(room int) int { // 3. the budget grants an attempt
			j.batch = w.take(p, room) // 4. what is ready now
			return len(j.batch.Picks)
		})
		if w.setAside(delivery, j.batch.Faults); len(j.batch.Picks) > 0 {
			return j, true
		}
		if w.decline(p); err != nil {
			break
		}
	}
	return job{}, false
}

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
	w.pacer.Try(func(room int) int {
		j.batch = w.take(p, room)
		return len(j.batch.Picks)
	})
	if w.setAside(delivery, j.batch.Faults); len(j.batch.Picks) > 0 {
		return j, true
	}
	w.decline(p)
	return job{}, false
}

func (w *workspace) ready(ctx context.Context) bool {
	select {
	case <-w.lanes.Ready(w.Name):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
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
	ok, probe, again := w.hold.admit()
	if !ok {
		return permit{}, again, false
	}
	breaker := w.now.Load().breaker
	pass, ok := breaker.Allow()
	if !ok {
		if probe {
			w.hold.giveBack()
		}
		return permit{}, breaker.NextProbe(), false
	}
	return permit{pass: pass, probe: probe || pass.Probe()}, time.Time{}, true
}

// decline gives back a permit that was not used.
func (w *workspace) decline(p permit) {
	p.pass.Done(sink.Neutral)
	if p.probe {
		w.hold.giveBack()
	}
}

// take makes up an attempt.
func (w *workspace) take(p permit, room int) partition.Batch {
	limits := w.now.Load().limits
	limit := partition.Limit{Items: min(limits.Items, room), Bytes: limits.Bytes, Probe: p.probe}
	if p.probe {
		limit.Items = 1
	}
	return w.lanes.Take(w.Name, limit)
}

// setAside gives up on events that no destination could take.
func (w *workspace) setAside(ctx context.Context, faults []partition.Pick) {
	for _, pick := range faults {
		w.deadLetter(ctx, pick, faulted(pick.Event.Fault))
	}
}
