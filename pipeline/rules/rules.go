// Package rules tells the traffic of a workspace apart: which class an event
// is in, and when it may be sent.
//
// A rule names a class and says what is in it. Of the rules that match an
// event the first one decides; a header may name a rule outright. Beside its
// class an event gets at most one due time: that of its header deliver_at, or of
// its rule's clock, spread over a window, its header's or its rule's, and moved
// out of the hours in which it must not be sent.
//
// All of it is a function of the event, the place where it stood first and,
// for the quiet hours alone, the time now. So an event is judged alike after a
// restart, a hand-over or a redelivery, by any member.
package rules

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"sluice/pipeline/event"
)

const (
	// MaxRules is how many rules a workspace may have.
	MaxRules = 63
	// MaxAhead is how far ahead of now an event may be due.
	MaxAhead = event.MaxAhead
	// DefaultClass is the name of the class of what no rule matches.
	DefaultClass = "default"

	maxNameBytes = 64 // what the header class may have
)

// Config is the rules of one workspace, tried in order.
type Config struct {
	Rules []Rule
}

// Rule says which events are a class of their own, and what holds for them.
type Rule struct {
	Name     string  // also that of its class; unique, printable ASCII without spaces, at most 64 bytes
	Match    Match   // zero: the header class alone brings events here
	Rate     float64 // events a second, over all members; 0: no limit of its own
	Priority Priority
	Weight   float64  // its share beside other classes of its priority; 0: 1
	Floor    *float64 // its part of the budget whatever the priorities, 0 to 1; nil: DefaultFloor
	Spread   Spread
	At       *At    // nil: at once
	Quiet    *Quiet // nil: at any hour
}

// Class is what the lanes and the budget have to know of a class.
type Class struct {
	Name     string
	Rate     float64 // events a second, over all members; 0: no limit of its own
	Priority Priority
	Weight   float64 // above 0
	Floor    float64 // 0 to 1
}

// Priority is which class goes before which. It orders as a number does.
type Priority int8

// The priorities. The zero one is Normal.
const (
	Low    Priority = -1
	Normal Priority = 0
	High   Priority = 1
)

// String is what ParsePriority reads.
func (p Priority) String() string {
	switch p {
	case Low:
		return "low"
	case High:
		return "high"
	case Normal:
	}
	return "normal"
}

// ParsePriority reads high, normal or low.
func ParsePriority(text string) (Priority, error) {
	for _, p := range [...]Priority{Low, Normal, High} {
		if text == p.String() {
			return p, nil
		}
	}
	return Normal, fmt.Errorf("must be high, normal or low, have %q", text)
}

// DefaultFloor is the part of the budget that a class of that priority keeps
// when its rule does not say: a little, so that nothing starves, and none for
// those that go first anyway.
func DefaultFloor(p Priority) float64 {
	if p == High {
		return 0
	}
	return 0.01
}

// Validate says all that is wrong, joined, each with its path, such as
// rules[2].match.event.
func (c Config) Validate() error {
	_, err := New(c)
	return err
}

// Set is rules made ready to judge by. It is safe for concurrent use.
type Set struct {
	rules   []*rule
	classes []Class
	lots    map[string]int // by name: a class's number
	defers  bool
	fields  fields
	index   index
	zones   *zones
	missed  atomic.Uint64 // events that missed their time in a window so far
}

// rule is a Rule made ready.
type rule struct {
	name     string
	match    match
	spread   Spread
	at       *moment
	atZone   zone
	atSpread Spread
	quiet    *hours
}

// None has no rules: every event is of the default class, and only its headers
// deliver_at and spread defer it.
func None() *Set {
	s, _ := New(Config{}) // of which nothing can be wrong
	return s
}

// New makes rules ready. Its error is that of Config.Validate.
func New(cfg Config) (*Set, error) {
	s := &Set{
		classes: []Class{{Name: DefaultClass, Weight: 1, Floor: DefaultFloor(Normal)}},
		lots:    map[string]int{DefaultClass: 0},
		zones:   newZones(),
	}
	var c checker
	if len(cfg.Rules) > MaxRules {
		c.fault("rules", "at most %d rules, have %d: join some with a list of values", MaxRules, len(cfg.Rules))
	}
	for i := range cfg.Rules {
		s.add(c.below("rules[%d]", i), cfg.Rules[i])
	}
	if err := errors.Join(c.faults...); err != nil {
		return nil, err
	}
	s.index.build(s.rules)
	return s, nil
}

// add makes one rule ready, or notes what is wrong with it.
func (s *Set) add(c *checker, r Rule) {
	c.name(r.Name, s.lots)
	class := Class{Name: r.Name, Rate: r.Rate, Priority: r.Priority, Weight: r.Weight, Floor: DefaultFloor(r.Priority)}
	if r.Weight == 0 {
		class.Weight = 1
	}
	if r.Floor != nil {
		class.Floor = *r.Floor
	}
	c.must(finite(r.Rate) && r.Rate >= 0, "rate", "must be 0 (no limit of its own) or above, in events a second, have %v", r.Rate)
	c.must(r.Priority >= Low && r.Priority <= High, "priority", "must be high, normal or low, have %d", r.Priority)
	c.must(finite(class.Weight) && class.Weight > 0 && class.Weight <= maxWeight, "weight", "must be above 0 and at most %v, have %v", float64(maxWeight), r.Weight)
	c.must(class.Floor >= 0 && class.Floor <= 1, "floor", "must be from 0 to 100 %% of the budget, have %v %%", 100*class.Floor)
	c.spread("spread", r.Spread)
	made := &rule{name: r.Name, spread: r.Spread, match: s.compileMatch(c.below("match"), r.Match)}
	if r.At != nil {
		at := c.below("at")
		made.at = at.moment("time", r.At.Time)
		made.atZone = s.compileZone(at.below("zone"), r.At.Zone)
		made.atSpread = r.At.Spread
		at.spread("spread", r.At.Spread)
		c.must(r.Spread.Over == 0 || r.At.Spread.Over == 0, "spread", "stands in at as well: keep one of them")
		if r.At.Spread.Over == 0 {
			made.atSpread = r.Spread
		}
	}
	if r.Quiet != nil {
		made.quiet = s.compileQuiet(c.below("quiet"), *r.Quiet)
	}
	s.defers = s.defers || r.Spread.Over > 0 || r.At != nil || r.Quiet != nil
	s.rules = append(s.rules, made)
	s.classes = append(s.classes, class)
	s.lots[r.Name] = len(s.classes) - 1
}

// Classes lists the classes by number, the default one first: what a verdict's
// Class says. The slice is the caller's own.
func (s *Set) Classes() []Class { return append([]Class(nil), s.classes...) }

// Defers tells whether some rule may defer an event. The headers deliver_at and
// spread defer without any.
func (s *Set) Defers() bool { return s.defers }

const maxWeight = 10_000

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
