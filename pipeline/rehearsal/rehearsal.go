// Package rehearsal shows what a workspace's rules would do before they do it
// to anybody: which events they take, when these would be sent, and what in the
// rules themselves looks wrong.
//
// A rehearsal runs in virtual time, without Kafka and without a destination. It
// judges by pipeline/rules and is paced by sink/budget, both the very code of a
// member under a clock of its own; whose turn it is among classes is
// package partition's, and what lies between them is a model of its lanes, which a
// test holds against a real member.
// The model knows no failures and no waiting for answers, reads every shard as
// fast as its hand has room, and leaves a spread as its partitions make it,
// where a member evens out what meets by chance: of a spread its busiest second
// has a few events more than the real one.
package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
	"sluice/sink/budget"
)

// Config is one workspace with the stream that its events come from.
type Config struct {
	Rules  *rules.Set    // nil: none, so that only an event's own headers defer it
	Budget budget.Config // over all members; its Classes are those of Rules, whatever is there
	Items  int           // events of one attempt at most
	Bytes  int           // of one attempt at most; 0: any number

	Place        rules.Place // where the events are judged
	Shards       []int32     // partitions that lead to the workspace; nil: all of them. Events of others stay unsent
	OrderByClass bool        // order holds only among a user's events of one class
	Defers       bool        // the stream has delay topics
	Hand         int         // records in hand of one shard at most
	Members      int         // that the shards are dealt to, as evenly as can be
}

// Validate returns every fault, joined.
func (c Config) Validate() error {
	var faults []error
	for _, f := range []struct {
		name string
		n    int
	}{{"items", c.Items}, {"hand", c.Hand}, {"members", c.Members}, {"place.partitions", int(c.Place.Partitions)}} {
		if f.n < 1 {
			faults = append(faults, fmt.Errorf("%s: must be above 0, have %d", f.name, f.n))
		}
	}
	return errors.Join(faults...)
}

// longest bounds the virtual time of a rehearsal.
const longest = 100 * 365 * 24 * time.Hour

// Send is one event on its way to the destination.
type Send struct {
	At    time.Duration // since Outcome.Begin
	Event int           // its number in what was given to Run
}

// Outcome is what became of the events.
type Outcome struct {
	Begin    time.Time       // when the first event came
	Sends    []Send          // in their order
	Requests []time.Duration // when attempts were made, since Begin
	Classes  []string        // names, by number
	Class    []uint8         // the number of each event's class
	Deferred int             // events that were sent later than they came, by a rule or a header
	Dead     map[string]int  // events that would be dead letters, by reason
	Unsent   int             // events whose turn would not come in a hundred years

	UnknownClass int // events whose header class names no rule
	UnknownZone  int // events that needed a time zone of their own and named none that is known
}

// Run sends the events, each of which comes at its Time to the place that its
// Source says, and has been prepared for the destination. It changes nothing of
// them that a member's judging would not. The error is that of a wrong Config,
// or of ctx when it ends first. Events must not be used elsewhere meanwhile.
func Run(ctx context.Context, cfg Config, events []*event.Event) (Outcome, error) {
	if err := cfg.Validate(); err != nil {
		return Outcome{}, err
	}
	p := newPlay(cfg, events)
	for turn := 0; p.advance(); turn++ {
		if turn%1024 == 0 && ctx.Err() != nil {
			return Outcome{}, fmt.Errorf("rehearse: %w", context.Cause(ctx))
		}
	}
	p.out.Unsent = len(events) - len(p.out.Sends)
	for _, n := range p.out.Dead {
		p.out.Unsent -= n
	}
	return p.out, nil
}

// play is a rehearsal under way.
type play struct {
	cfg     Config
	rules   *rules.Set
	now     time.Time
	coming  []*item // that have not come yet, the first to come first
	later   heap[*item]
	members []*member
	shards  map[int32]*shard
	out     Outcome
}

// warmUp is how long members have had their share when the first event comes:
// none is just taking over.
const warmUp = 24 * time.Hour

func newPlay(cfg Config, events []*event.Event) *play {
	p := &play{cfg: cfg, rules: cfg.Rules, shards: map[int32]*shard{}}
	if p.rules == nil {
		p.rules = rules.None()
	}
	p.out = Outcome{Class: make([]uint8, len(events)), Dead: map[string]int{}, Sends: make([]Send, 0, len(events))}
	for _, c := range p.rules.Classes() {
		p.out.Classes = append(p.out.Classes, c.Name)
	}
	all := make([]item, len(events))
	for i, e := range events {
		all[i] = item{event: e, number: i}
		p.coming = append(p.coming, &all[i])
	}
	slices.SortStableFunc(p.coming, func(a, b *item) int { return a.event.Time.Compare(b.event.Time) })
	if len(p.coming) > 0 {
		p.out.Begin = p.coming[0].event.Time.Round(0)
	}
	p.now = p.out.Begin.Add(-warmUp)
	owned := slices.Clone(cfg.Shards)
	for i := int32(0); cfg.Shards == nil && i < cfg.Place.Partitions; i++ {
		owned = append(owned, i)
	}
	for i := range cfg.Members {
		p.members = append(p.members, newMember(p, i, owned))
	}
	p.now = p.out.Begin
	return p
}

// advance goes to the next moment at which something happens, and reports false
// when nothing will any more.
func (p *play) advance() bool {
	next := time.Time{}
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if len(p.coming) > 0 {
		sooner(p.coming[0].event.Time)
	}
	if p.later.len() > 0 {
		sooner(time.Unix(0, p.later.min()))
	}
	for _, m := range p.members {
		sooner(m.wake)
	}
	if next.IsZero() || next.Sub(p.out.Begin) > longest {
		return false
	}
	if next.After(p.now) {
		p.now = next
	}
	p.arrive()
	for _, m := range p.members {
		if m.fresh || !m.wake.IsZero() && !m.wake.After(p.now) {
			m.work()
		}
	}
	return true
}

// arrive takes in what has come, or is due, by now.
func (p *play) arrive() {
	n := 0
	for ; n < len(p.coming) && !p.coming[n].event.Time.After(p.now); n++ {
		it := p.coming[n]
		s := p.shards[it.event.Source.Partition]
		if s == nil { // of another workspace
			continue
		}
		s.unread = append(s.unread, it)
	}
	if p.coming = p.coming[n:]; n > 0 {
		for _, m := range p.members {
			m.read()
		}
	}
	for p.later.len() > 0 && p.later.min() <= p.now.UnixNano() {
		it := p.later.pop()
		it.shard.add(it)
	}
}

// judge says when an event may be sent and what class it is in, and reports
// false for one that never may.
func (p *play) judge(it *item) bool {
	e := it.event
	if e.Fault != nil {
		p.out.Dead[e.Fault.Reason]++
		return false
	}
	had := e.Due
	e.Due = it.due
	v := p.rules.Judge(e, p.cfg.Place, p.now)
	e.Due = had
	it.lot, it.due, it.closes = uint8(v.Class), v.Due, v.Closes //nolint:gosec // at most rules.MaxRules
	p.out.Class[it.number] = it.lot
	if it.judged {
		return true
	}
	it.judged = true
	if v.Unknown {
		p.out.UnknownClass++
	}
	if v.ZoneUnknown {
		p.out.UnknownZone++
	}
	switch {
	case v.Fault != nil:
		p.out.Dead[v.Fault.Reason]++
		return false
	case it.due.After(p.now) && !p.cfg.Defers && far(it.due.Sub(p.now)):
		p.out.Dead[event.ReasonNoDeferral]++
		return false
	case it.due.After(p.now):
		p.out.Deferred++
	}
	return true
}

// postpone has an event wait until it is due.
func (p *play) postpone(it *item) {
	it.deferred = true
	p.later.push(it.due.UnixNano(), it)
}

// sent writes down an attempt.
func (p *play) sent(items []*item) {
	at := p.now.Sub(p.out.Begin)
	p.out.Requests = append(p.out.Requests, at)
	for _, it := range items {
		p.out.Sends = append(p.out.Sends, Send{At: at, Event: it.number})
	}
}
