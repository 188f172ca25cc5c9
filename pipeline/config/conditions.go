package config

import (
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"sluice/pipeline/rules"
)

// The conditions that name places rather than hold at one.
const conditionExists, conditionMissing = "exists", "missing"

// matchStream is the condition on the stream.
const matchStream = "stream"

// maxConditionBytes bounds the name of a place in an event.
const maxConditionBytes = 200

// conditions are names of places in an event, each with a value or a list of
// values, and the two lists of places that must be there or must not.
func conditions(dst *rules.Match) value {
	return value{
		kind: kindConditions,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			m, ok := d.conditions(n, path)
			if ok {
				*dst = m
			}
			return ok
		},
		shown: func() any { return shownConditions(*dst) },
	}
}

func (d *decoder) conditions(n *yaml.Node, path string) (rules.Match, bool) {
	var m rules.Match
	s := d.section(n, path)
	if s.readable && len(s.fields) == 0 {
		d.fault(s.at, path, "holds no condition", "remove it for a rule that the header class alone leads to, or write {event: NAME}")
		return m, false
	}
	fit := s.readable
	for _, f := range s.fields {
		name := f.key.Value
		if name == "" || len(name) > maxConditionBytes || strings.ContainsFunc(name, unicode.IsControl) {
			d.fault(place(f.key), path, "a condition is not the name of a place in an event", "write stream, event, op, user, header.NAME or a path such as data.campaign_id")
			fit = false
			continue
		}
		at, given := s.take(name)
		var texts []string
		ok := given && d.oneOrMore(at, s.join(name), &texts)
		fit = fit && ok
		switch {
		case !ok:
		case name == conditionExists:
			m.Exists = texts
		case name == conditionMissing:
			m.Missing = texts
		default:
			if m.Where == nil {
				m.Where = map[string][]string{}
			}
			m.Where[name] = texts
		}
	}
	return m, fit
}

// oneOrMore reads a single text or a list of them.
func (d *decoder) oneOrMore(n *yaml.Node, path string, dst *[]string) bool {
	if resolve(n).Kind == yaml.SequenceNode {
		before := len(d.faults.List)
		return texts(dst).read(d, n, path) && len(d.faults.List) == before
	}
	one, ok := d.scalar(n, path)
	*dst = []string{one}
	return ok
}

// shownConditions are those of m as a file has them; nil when there are none.
func shownConditions(m rules.Match) any {
	all := map[string]any{}
	for name, values := range m.Where {
		if all[name] = listed(values); len(values) == 1 {
			all[name] = values[0]
		}
	}
	for name, places := range map[string][]string{conditionExists: m.Exists, conditionMissing: m.Missing} {
		if len(places) > 0 {
			all[name] = listed(places)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func listed(texts []string) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}

// conditionsSchema is a mapping of places to values.
func conditionsSchema() schema {
	scalar := schema{"type": []string{"string", "number", "boolean"}}
	some := either(scalar, schema{"type": "array", "items": scalar, "minItems": 1})
	name := schema{"type": "string"}
	places := either(name, schema{"type": "array", "items": name, "minItems": 1})
	return schema{
		"type": "object", "minProperties": 1, "additionalProperties": some,
		"properties": schema{conditionExists: places, conditionMissing: places},
	}
}
