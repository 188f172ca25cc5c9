package rules

import "sluice/pipeline/event"

// index finds the rules that may take an event by its name, so that one whose
// name no rule has costs little. A set of rules is a bit for each.
type index struct {
	named  map[string]uint64 // by the name of an event: the rules that ask for it
	others uint64            // those that ask for no name, or by pattern
}

// build notes where rules are to be found. A rule without conditions is
// nowhere: only the header class leads to it.
func (x *index) build(rules []*rule) {
	x.named = map[string]uint64{}
	for i, r := range rules {
		if len(r.match.conditions) == 0 {
			continue
		}
		names, ok := r.match.names()
		if !ok {
			x.others |= 1 << i
		}
		for _, name := range names {
			x.named[name] |= 1 << i
		}
	}
}

// candidates are the rules that may take an event.
func (x *index) candidates(e *event.Event, look *lookup) uint64 {
	if len(x.named) == 0 {
		return x.others
	}
	name := look.name(e)
	if name.kind != plain {
		return x.others
	}
	return x.others | x.named[name.text]
}

// names lists the names of events that a match takes, and whether there are no
// others.
func (m *match) names() ([]string, bool) {
	for i := range m.conditions {
		c := &m.conditions[i]
		if c.field.from != fromEvent || c.demand != toEqual || len(c.values.patterns) > 0 {
			continue
		}
		if c.values.single {
			return []string{c.values.one}, true
		}
		names := make([]string, 0, len(c.values.exact))
		for name := range c.values.exact {
			names = append(names, name)
		}
		return names, true
	}
	return nil, false
}
