package pipeline

import (
	"context"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/rules"
	"sluice/sink/budget"
)

// place is where an event is judged by its workspace's rules.
type place struct {
	rules.Place
	defers bool // there are delay tiers
}

// placesOf are the places of streams, by every topic that they have.
func placesOf(streams []partition.Stream) map[string]place {
	places := map[string]place{}
	for _, s := range streams {
		at := place{Place: rules.Place{Stream: s.Name}, defers: s.Delays[0] != ""}
		for _, topic := range append([]string{s.Topic, s.Held, s.Replay, s.Overflow}, s.Delays[:]...) {
			places[topic] = at
		}
	}
	return places
}

// budget is the workspace's, with what its rules grant to classes.
func (w Workspace) budget() budget.Config {
	b := w.Budget
	if w.Rules == nil {
		return b
	}
	b.Classes = nil
	for _, c := range w.Rules.Classes() {
		b.Classes = append(b.Classes, budget.Class{Name: c.Name, Rate: budget.Rate(c.Rate)})
	}
	return b
}

// classesOf are the classes of rules, as the lanes serve them.
func classesOf(set *rules.Set) []partition.Class {
	if set == nil {
		return nil
	}
	var all []partition.Class
	for _, c := range set.Classes() {
		all = append(all, partition.Class{
			Name: c.Name, Priority: int8(c.Priority), Weight: c.Weight, Floor: c.Floor, Limited: c.Rate > 0,
		})
	}
	return all
}

// className is what copies of an event say of its class; empty where there are
// no rules.
func (s *settings) className(lot uint8) string {
	if int(lot) < len(s.classes) {
		return s.classes[lot]
	}
	return ""
}

// rule judges an event by the workspace's rules when it is read.
func (w *workspace) rule(s *settings, e *event.Event, at place, now time.Time) {
	if e.Fault != nil {
		return
	}
	v := s.rules.Judge(e, at.Place, now)
	e.Lot, e.Due, e.Closes, e.Fault = uint8(v.Class), v.Due, v.Closes, v.Fault //nolint:gosec // at most rules.MaxRules
	if v.Unknown {
		w.metrics.unknownClass.Inc()
	}
	if e.MovedClass == "" { // else that was told when it came
		if v.ZoneUnknown {
			w.metrics.unknownZone.Inc()
			s.count(e.Lot, classZone)
		}
		if v.Due.After(now) {
			s.count(e.Lot, classDeferred)
		}
	}
	w.expect(s, e, now)
	if _, far := partition.DelayFor(e.Due.Sub(now)); far && !at.defers && !e.Due.IsZero() {
		e.Fault = &event.Fault{
			Reason: event.ReasonNoDeferral,
			Detail: "due at " + e.Due.UTC().Format(time.RFC3339) + ", and its stream has no delay topics; set deferral: true of the stream, then redrive it",
		}
	}
}

// silence is for how long nothing was sent when what was due meanwhile is judged
// anew: what is spread must not leave in a burst after that.
const silence = time.Second

// hush takes those events out of an attempt that is being made up that must not
// be sent now, as they were judged too long ago: their quiet hours have begun, or
// they were due while nobody sent. They are moved by postpone, for this runs
// within the budget's turn.
func (w *workspace) hush(j *job) {
	b, s := &j.batch, w.now.Load()
	now, probe := j.sent.UnixNano(), j.permit.probe
	if last := w.sent.Load(); len(b.Events) > 0 && !probe && now-last > int64(silence) {
		w.silent.Store(last)
		w.until.Store(now)
	}
	kept := 0
	for i, e := range b.Events {
		if w.hushed(s, e, j) {
			j.closed = append(j.closed, b.Picks[i])
			b.Bytes -= e.Size
			continue
		}
		b.Events[kept], b.Picks[kept] = e, b.Picks[i]
		kept++
	}
	clear(b.Events[kept:])
	clear(b.Picks[kept:])
	// An outage is silence: the probes in it must not hide when it began.
	if b.Events, b.Picks = b.Events[:kept], b.Picks[:kept]; kept > 0 && !probe {
		w.sent.Store(now)
	}
}

// hushed tells whether an event must not be sent in an attempt, and sets when
// it is due instead.
func (w *workspace) hushed(s *settings, e *event.Event, j *job) bool {
	if e.Due.IsZero() && e.Closes.IsZero() {
		return false
	}
	due := e.Due.UnixNano()
	missed := !j.permit.probe && !e.Due.IsZero() && due > w.silent.Load() && due < w.until.Load()
	if missed || !e.Closes.IsZero() && !j.sent.Before(e.Closes) {
		v := s.rules.Judge(e, w.places[e.Source.Topic].Place, j.sent)
		if e.Closes = v.Closes; v.Due.After(j.sent) {
			e.Due = v.Due
			w.expect(s, e, j.sent)
			return true
		}
	}
	if e.Due.IsZero() || e.Turned || !s.rules.Even(e) {
		return false
	}
	at := w.evener.turn(e.Lot, e.Due, j.sent)
	if e.Turned = at.After(j.sent); e.Turned {
		e.Due = at
	}
	return e.Turned
}

// postpone defers what hush took out of an attempt.
func (w *workspace) postpone(ctx context.Context, j *job) {
	for _, pick := range j.closed {
		due := pick.Event.Due
		if _, far := partition.DelayFor(due.Sub(j.sent)); !far {
			w.delay(ctx, pick, due, false)
			continue
		}
		w.attempts.Go(func() { w.delay(ctx, pick, due, false) })
	}
	if len(j.closed) > 0 && len(j.batch.Picks) == 0 { // there is no attempt that would do it
		w.lanes.Recycle(w.Name, j.batch)
	}
}

// delay defers an event that is in an attempt: it moves to a delay tier, or
// waits where it is when that is not for long. A failure of it may count.
func (w *workspace) delay(ctx context.Context, pick partition.Pick, due time.Time, failed bool) {
	now := time.Now()
	back := partition.Outcome{Kind: partition.Retry, At: due, Counted: failed, Mark: pick.Mark}
	tier, far := partition.DelayFor(due.Sub(now))
	for far && tier > partition.Delay10s && pick.DelayTopic(tier) == "" {
		tier--
	}
	topic := pick.DelayTopic(tier)
	if !far || topic == "" {
		w.finish([]partition.Pick{pick}, back)
		return
	}
	if failed {
		pick.Attempts++
		if pick.First.IsZero() {
			pick.First = now
		}
	}
	m := w.moveTo(pick, topic)
	m.Due, m.Wake = due, now.Add(tier.Step())
	at, err := w.append(ctx, event.Moved(pick.Event, m))
	if err != nil {
		w.finish([]partition.Pick{pick}, partition.RetryAt(time.Now().Add(moveAgain), false))
		return
	}
	w.metrics.moved[tier].Inc()
	w.finish([]partition.Pick{pick}, partition.Outcome{Kind: partition.Moved, Offset: at.Offset, Delayed: !pick.Deferred()})
}

// shut tells whether an attempt has something in it whose operation or class
// has no room now.
func (s *settings) shut(b partition.Batch, room budget.Room) bool {
	for _, e := range b.Events {
		if s.called && room.Shut>>e.Op&1 != 0 {
			return true
		}
		if int(e.Lot) < len(room.Classes) && room.Classes[e.Lot] == 0 {
			return true
		}
	}
	return false
}

// reasonRecalled is the fault of a deferred event that was cancelled: it is
// dropped instead of set aside.
const reasonRecalled = "recalled"

// recall tells whether a deferred event was cancelled, and marks it.
func (p *Pipeline) recall(workspace string, e *event.Event) bool {
	if p.cfg.Recalled == nil {
		return false
	}
	class := e.MovedClass
	if class == "" {
		class = p.workspaces[workspace].now.Load().className(e.Lot)
	}
	if !p.cfg.Recalled(p.places[e.Source.Topic].Stream, class, e) {
		return false
	}
	e.Fault = &event.Fault{Reason: reasonRecalled}
	return true
}
