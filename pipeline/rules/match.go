package rules

import (
	"maps"
	"slices"
	"strings"

	"sluice/pipeline/event"
)

// Match says which events a rule takes: those for which every condition holds.
// The zero Match takes none.
//
// What is looked at is named by a key: stream, event (its name), op (what the
// destination is asked, such as identify), user (the record's key), header.NAME
// (of the record, or, in any case, of the HTTP request that it came as), or else
// a path into the event's JSON: names and indexes joined by dots, such as
// items.0.sku. Of an event for Customer.io a path is looked up at the root, then
// under attributes; data.X and traits.X mean attributes.X too.
type Match struct {
	// Where holds when, for each key, the text there is any of these. A * in one
	// stands for any run of characters. A number is the text that the JSON has,
	// and so are true and false; null, objects and arrays are no text.
	Where   map[string][]string
	Exists  []string // keys where something stands; null is nothing
	Missing []string // keys where nothing does
}

// match is a Match made ready.
type match struct {
	conditions []condition // the cheapest first
}

type demand uint8

const (
	toEqual demand = iota
	toExist
	toMiss
)

type condition struct {
	field  *field
	demand demand
	values values
}

// takes tells whether every condition holds.
func (m *match) takes(e *event.Event, look *lookup) bool {
	for i := range m.conditions {
		if !m.conditions[i].holds(e, look) {
			return false
		}
	}
	return true
}

func (c *condition) holds(e *event.Event, look *lookup) bool {
	v := look.at(c.field, e)
	switch c.demand {
	case toExist:
		return v.kind != nothing
	case toMiss:
		return v.kind == nothing
	case toEqual:
	}
	return v.kind == plain && c.values.have(v.text)
}

func (s *Set) compileMatch(c *checker, m Match) match {
	var made match
	for _, key := range slices.Sorted(maps.Keys(m.Where)) {
		texts := m.Where[key]
		f := s.fields.compile(c, key, key)
		c.must(len(texts) > 0, key, "names no value: write one, or put the key under exists")
		if f != nil && f.from == fromOp {
			texts = operations(c, key, texts)
		}
		made.conditions = append(made.conditions, condition{f, toEqual, compileValues(texts)})
	}
	for i, key := range m.Exists {
		at := c.below("exists[%d]", i)
		made.conditions = append(made.conditions, condition{field: s.fields.compile(at, "", key), demand: toExist})
	}
	for i, key := range m.Missing {
		at := c.below("missing[%d]", i)
		_, equal := m.Where[key]
		at.must(!equal && !slices.Contains(m.Exists, key), "", "%q must not be missing and there at once: drop one of them", key)
		made.conditions = append(made.conditions, condition{field: s.fields.compile(at, "", key), demand: toMiss})
	}
	slices.SortStableFunc(made.conditions, func(a, b condition) int { return a.cost() - b.cost() })
	return made
}

// cost orders conditions; one of a faulty key never comes to be asked.
func (c *condition) cost() int {
	if c.field == nil {
		return 0
	}
	return int(c.field.from)
}

// operations checks the texts of op. Track is what Customer.io's libraries call
// an event.
func operations(c *checker, key string, texts []string) []string {
	made := slices.Clone(texts)
	ops := event.Ops()
	for i, text := range made {
		if text == "track" {
			made[i] = event.OpEvent.String()
			continue
		}
		one := compileValues(made[i : i+1])
		if !slices.ContainsFunc(ops, func(o event.Op) bool { return one.have(o.String()) }) {
			names := make([]string, len(ops))
			for j, o := range ops {
				names[j] = o.String()
			}
			c.fault(key, "%q is no operation: write one of %s", text, strings.Join(names, ", "))
		}
	}
	return made
}

// values are the texts of a condition, any of which will do.
type values struct {
	one      string              // the only exact one
	exact    map[string]struct{} // all of them, when there are more
	single   bool
	patterns []pattern
}

func compileValues(texts []string) values {
	var v values
	var exact []string
	for _, text := range texts {
		if strings.Contains(text, "*") {
			v.patterns = append(v.patterns, compilePattern(text))
		} else {
			exact = append(exact, text)
		}
	}
	if v.single = len(exact) == 1; v.single {
		v.one = exact[0]
		return v
	}
	v.exact = make(map[string]struct{}, len(exact))
	for _, text := range exact {
		v.exact[text] = struct{}{}
	}
	return v
}

func (v *values) have(text string) bool {
	if v.single && v.one == text {
		return true
	}
	if len(v.exact) > 0 {
		if _, ok := v.exact[text]; ok {
			return true
		}
	}
	for i := range v.patterns {
		if v.patterns[i].takes(text) {
			return true
		}
	}
	return false
}

// pattern is a text with stars: how it begins and ends, and what comes between,
// in order.
type pattern struct {
	prefix, suffix string
	between        []string
}

func compilePattern(text string) pattern {
	parts := strings.Split(text, "*")
	last := len(parts) - 1
	p := pattern{prefix: parts[0], suffix: parts[last]}
	for _, part := range parts[1:last] {
		if part != "" {
			p.between = append(p.between, part)
		}
	}
	return p
}

func (p *pattern) takes(text string) bool {
	if len(text) < len(p.prefix)+len(p.suffix) || !strings.HasPrefix(text, p.prefix) || !strings.HasSuffix(text, p.suffix) {
		return false
	}
	rest := text[len(p.prefix) : len(text)-len(p.suffix)]
	for _, part := range p.between {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return true
}
