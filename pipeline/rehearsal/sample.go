package rehearsal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// Sample tells what a workspace's rules make of events of one stream, one by
// one. It is used by one goroutine.
type Sample struct {
	rules  []rules.Rule
	place  rules.Place
	set    *rules.Set
	probes map[string]*probe // by path: events that have something there
	kin    []*probe          // by rule: events that it is for but for its paths; nil: all

	tried Tried
}

// probe counts the events that a match takes.
type probe struct {
	set   *rules.Set
	found int
}

func newProbe(m rules.Match) (*probe, error) {
	set, err := rules.New(rules.Config{Rules: []rules.Rule{{Name: "probe", Match: m}}})
	if err != nil {
		return nil, fmt.Errorf("make a match ready: %w", err)
	}
	return &probe{set: set}, nil
}

func (p *probe) try(e *event.Event, place rules.Place, now time.Time) {
	if p != nil && p.set.Judge(e, place, now).Class > 0 {
		p.found++
	}
}

// Tried is what became of a sample.
type Tried struct {
	Events       int            `json:"events"`
	Classes      []TriedClass   `json:"classes"` // that no rule matches first, then those of the rules
	Dead         map[string]int `json:"dead"`    // that could never be delivered, by reason
	UnknownClass int            `json:"unknown_class"`
}

// TriedClass is what of a sample is in one class.
type TriedClass struct {
	Rule        string   `json:"rule"`
	Events      int      `json:"events"`
	Deferred    int      `json:"deferred"`     // sent later than they came, had they come now
	UnknownZone int      `json:"unknown_zone"` // that needed a time zone of their own and named none that is known
	Example     *Example `json:"example,omitempty"`
}

// Example is one event of a class, with what it says masked.
type Example struct {
	Line  int    `json:"line"`
	Event string `json:"event"` // JSON
}

// NewSample makes rules ready; its error is that of rules.New.
func NewSample(list []rules.Rule, place rules.Place) (*Sample, error) {
	s := &Sample{rules: list, place: place, probes: map[string]*probe{}}
	s.tried.Dead = map[string]int{}
	var err error
	if s.set, err = rules.New(rules.Config{Rules: list}); err != nil {
		return nil, fmt.Errorf("make the rules ready: %w", err)
	}
	for _, c := range s.set.Classes() {
		s.tried.Classes = append(s.tried.Classes, TriedClass{Rule: c.Name})
	}
	for _, r := range list {
		for _, path := range paths(r.Match) {
			if s.probes[path], err = newProbe(rules.Match{Exists: []string{path}}); err != nil {
				return nil, err
			}
		}
		var kin *probe
		if m := pathless(r.Match); !empty(m) {
			if kin, err = newProbe(m); err != nil {
				return nil, err
			}
		}
		s.kin = append(s.kin, kin)
	}
	return s, nil
}

// Try judges one event, prepared for the destination, as if it came now; it
// stands on that line of its file.
func (s *Sample) Try(line int, e *event.Event, now time.Time) {
	s.tried.Events++
	if e.Fault != nil {
		s.tried.Dead[e.Fault.Reason]++
		return
	}
	class := e.Class
	e.Class = "" // it would lead by the paths
	for _, p := range s.probes {
		p.try(e, s.place, now)
	}
	for _, p := range s.kin {
		p.try(e, s.place, now)
	}
	e.Class = class
	v := s.set.Judge(e, s.place, now)
	if v.Unknown {
		s.tried.UnknownClass++
	}
	if v.Fault != nil {
		s.tried.Dead[v.Fault.Reason]++
	}
	c := &s.tried.Classes[v.Class]
	c.Events++
	if v.Due.After(now) {
		c.Deferred++
	}
	if v.ZoneUnknown {
		c.UnknownZone++
	}
	if c.Example == nil {
		var keep []string
		if v.Class > 0 {
			keep = paths(s.rules[v.Class-1].Match)
		}
		c.Example = &Example{Line: line, Event: masked(e.Value, keep)}
	}
}

// Tried is what became of the events so far.
func (s *Sample) Tried() Tried { return s.tried }

// Findings says what the sample shows to look wrong, in the order of the rules.
func (s *Sample) Findings() []Finding {
	var all []Finding
	if s.tried.Events == 0 {
		return nil
	}
	if n := s.tried.UnknownClass; n > 0 {
		all = append(all, Finding{Wrong: true, What: fmt.Sprintf("%s a header class that no rule has: their matches decide instead", says(n, "event of the sample has", "events of the sample have"))})
	}
	for i, r := range s.rules {
		note := func(wrong bool, format string, args ...any) {
			all = append(all, Finding{Rule: r.Name, Wrong: wrong, What: fmt.Sprintf(format, args...)})
		}
		absent := false
		for _, path := range paths(r.Match) {
			if (s.kin[i] == nil || s.kin[i].found > 0) && s.probes[path].found == 0 {
				note(true, "no event of the sample has anything at %s: is the path right?", path)
				absent = true
			}
		}
		switch c := s.tried.Classes[i+1]; {
		case c.Events == 0 && !absent:
			note(false, "it takes no event of the sample")
		case c.UnknownZone > 0 && c.UnknownZone == c.Events:
			note(true, "no event of it in the sample names a time zone that is known, at %s: is the path right?", strings.Join(zones(r), " or "))
		case c.UnknownZone > 0:
			note(false, "%s no time zone that is known: the default is taken", says(c.UnknownZone, "event of the sample names", "events of the sample name"))
		}
		backlog(r, s.tried.Classes[i+1].Events, note)
	}
	return all
}

// zones are where a rule looks for the time zone of a user.
func zones(r rules.Rule) []string {
	var all []string
	if r.At != nil && r.At.Zone.Field != "" {
		all = append(all, r.At.Zone.Field)
	}
	if r.Quiet != nil && r.Quiet.Zone.Field != "" && !slices.Contains(all, r.Quiet.Zone.Field) {
		all = append(all, r.Quiet.Zone.Field)
	}
	return all
}

// backlog says when what the sample has of a rule takes longer than it may.
func backlog(r rules.Rule, events int, note func(wrong bool, format string, args ...any)) {
	if r.Rate == 0 || events == 0 {
		return
	}
	takes := time.Duration(float64(events) / r.Rate * float64(time.Second))
	over := r.Spread.Over
	if r.At != nil {
		over = max(over, r.At.Spread.Over)
	}
	if over > 0 && takes > over {
		note(true, "its %s of the sample take %s at its rate of %s, longer than the %s that they are spread over: raise the rate, or spread them further",
			says(events, "event", "events"), Period(takes.Round(time.Second)), eventsPer(r.Rate), Period(over))
	}
	if r.Quiet == nil {
		return
	}
	if _, open := Hours(*r.Quiet); takes > open {
		note(true, "its %s of the sample, were they to wait for %s, take %s at its rate of %s, longer than the %s until its quiet hours begin again",
			says(events, "event", "events"), r.Quiet.To, Period(takes.Round(time.Second)), eventsPer(r.Rate), Period(open))
	}
}

func says(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return Thousands(n) + " " + several
}
