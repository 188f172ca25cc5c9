package rules

import (
	"math/bits"
	"time"

	"sluice/pipeline/event"
)

// Place is where an event is judged.
type Place struct {
	Stream     string // by name
	Partitions int32  // of the stream's live topic; nothing depends on it, so to grow a topic moves no event
}

// Verdict is what the rules say of an event.
type Verdict struct {
	Rule        string       // the name of the rule that decided; empty: none did
	Class       int          // the number of its class
	Due         time.Time    // it is deferred until then; zero: it is not. Past only where the event came with it
	Closes      time.Time    // from then on it must be judged again before it is sent; zero: never
	Unknown     bool         // its header class names no rule
	ZoneUnknown bool         // its own time zone was needed and is absent or none that is known
	Fault       *event.Fault // why it can never be delivered
}

// mostAhead is how far a producer's clock may be ahead of ours before its
// records' time counts for nothing.
const mostAhead = 24 * time.Hour

// Concerns tells whether Judge may say anything of an event: without rules that is
// only what the event says itself.
func (s *Set) Concerns(e *event.Event) bool {
	return len(s.rules) > 0 || e.Class != "" || e.MovedClass != "" || e.Spread != 0 || !e.DeliverAt.IsZero() || !e.Due.IsZero()
}

// Judge says what class a prepared event is in and when it may be sent. An
// event that is deferred already, or that comes from a tier of ours with the
// name of its class, keeps both, the default class where the name is no rule's
// any more; only the quiet hours are judged anew. Judge may be called by many
// goroutines at once, for different events: like EventID it may settle the
// event's ID, and else changes nothing of it. It is meant for events without a
// Fault, but takes any.
func (s *Set) Judge(e *event.Event, at Place, now time.Time) Verdict {
	look := lookup{place: at}
	var v Verdict
	v.Class, v.Unknown = s.class(e, &look)
	var r *rule
	if v.Class > 0 {
		r = s.rules[v.Class-1]
		v.Rule = r.name
	}
	switch {
	case e.MovedClass == "" && e.Due.IsZero():
		s.due(e, r, &look, now, &v)
	case e.Due.IsZero() || now.Sub(e.Due) < lateAfter:
		v.Due = e.Due
	default:
		begin, spread := s.window(e, r, &look, now, &v)
		v.Due = s.anew(spread, e, begin, e.Due, now)
	}
	if r == nil || r.quiet == nil || v.Fault != nil {
		return v
	}
	in, unknown := r.quiet.zone.at(s.zones, &look, e)
	v.ZoneUnknown = v.ZoneUnknown || unknown
	sent := now
	if v.Due.After(now) {
		sent = v.Due
	}
	from, closes := r.quiet.leave(sent, in)
	if from.After(sent) {
		v.Due = from
	}
	v.Closes = closes
	return v
}

// class is the number of an event's class, and whether its header names none.
func (s *Set) class(e *event.Event, look *lookup) (lot int, unknown bool) {
	if e.MovedClass != "" {
		return s.lots[e.MovedClass], false
	}
	if e.Class != "" {
		named, ok := s.lots[e.Class]
		if ok {
			return named, false
		}
		unknown = true
	}
	for left := s.index.candidates(e, look); left != 0; left &= left - 1 {
		i := bits.TrailingZeros64(left)
		if s.rules[i].match.takes(e, look) {
			return i + 1, unknown
		}
	}
	return 0, unknown
}

// window is from when on, and over how long, an event is spread: its own header
// is heard before its rule.
func (s *Set) window(e *event.Event, r *rule, look *lookup, now time.Time, v *Verdict) (begin time.Time, over Spread) {
	own := e.Time
	if own.After(now.Add(mostAhead)) {
		own = now
	}
	if epoch := time.Unix(0, 0); own.Before(epoch) {
		own = epoch
	}
	if r != nil {
		over = r.spread
	}
	switch {
	case !e.DeliverAt.IsZero():
		begin = e.DeliverAt
	case r != nil && r.at != nil:
		in, unknown := r.atZone.at(s.zones, look, e)
		v.ZoneUnknown = unknown
		begin, over = r.at.next(own, in), r.atSpread
	default:
		begin = own
	}
	if e.Spread > 0 {
		over = Spread{Over: e.Spread}
	}
	return begin, over
}

// due sets when an event is due that was not deferred before, or why it cannot
// be.
func (s *Set) due(e *event.Event, r *rule, look *lookup, now time.Time, v *Verdict) {
	if e.DeliverAt.IsZero() && e.Spread == 0 && (r == nil || (r.at == nil && r.spread.Over == 0)) {
		return
	}
	begin, spread := s.window(e, r, look, now, v)
	due := s.anew(spread, e, begin, begin.Add(spread.share(e)), now)
	switch {
	case due.After(now.Add(MaxAhead)):
		v.Fault = &event.Fault{
			Reason: event.ReasonTooFar,
			Detail: "due at " + due.UTC().Format(time.RFC3339) + ", which is more than 90 days ahead",
		}
	case due.After(now):
		v.Due = due
	}
}
