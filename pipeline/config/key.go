package config

import (
	"strconv"

	"go.yaml.in/yaml/v4"
)

// key is one key of the file. All that is known of a key stands here, once:
// the reader, the remedy for an unknown key, the schema, the reference, what
// config show prints and what a reload may change all come from the same list,
// so that none of them can know a key that another does not.
type key struct {
	name     string
	meaning  string   // what it says, for a person; full sentences
	example  string   // a value as the file has it; empty for sections
	fallback string   // what stands for the default where no fixed value does
	options  []string // the only values; nil for any
	low, top int      // bounds of a whole number; top 0 for none
	required bool
	live     bool // a reload applies it without a restart
	value    value
}

// kind is what a value looks like in the file.
type kind string

const (
	kindText    kind = "text"
	kindWhole   kind = "whole number"
	kindBoolean kind = "true or false"
	kindTime    kind = "time"
	kindSize    kind = "size"
	kindRate    kind = "rate"
	kindRange   kind = "range"
	kindList    kind = "list"
	kindPairs   kind = "names and values"
	kindSection kind = "keys"
	kindNamed   kind = "named sections"

	kindTimeOff    kind = "time or off"
	kindOperations kind = "operations and rates"
	kindPercent    kind = "percent"
	kindNumber     kind = "number"
	kindShort      kind = "a value or keys"
	kindConditions kind = "conditions"
)

// value is what a key holds, bound to the place in a Config that it fills.
type value struct {
	kind   kind
	secret bool // never shown
	// read fills the place from the file and tells whether it could.
	read func(d *decoder, n *yaml.Node, path string) bool
	// shown is what the place holds, as a file would say it: a string, int or
	// bool, a []any or map[string]any of them, or nil when it is not set. It may
	// be a secret. Sections have none: what they hold is shown.
	shown func() any

	keys     []key          // of a section
	absent   func() bool    // of a section: it is not in effect; nil when it always is
	either   []string       // of a section in a list: exactly one of these keys must be given
	switched bool           // true or false may stand for the section
	words    []string       // of operations: those that there are
	item     *value         // what each of a list is
	short    *value         // the one value that may stand for a section, as kindShort has it
	entries  func() []entry // of named sections, and of sections in a list: those of the Config
	forms    func() []form  // of named sections: what they may look like
}

// entry is one named section of a Config. A reload changes it only while its
// identity stays the same.
type entry struct {
	name, identity string
	keys           []key
}

// form is one shape of a named section: the keys that it has when the key
// chosen by holds its name, or the only shape when chosen by none.
type form struct {
	chosenBy string
	name     string
	keys     []key
	either   []string // exactly one of these keys must be given
}

func text(dst *string) value {
	return value{
		kind: kindText,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			value, ok := d.scalar(n, path)
			if ok {
				*dst = value
			}
			return ok
		},
		shown: func() any { return unlessEmpty(*dst) },
	}
}

func unlessEmpty(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// secretText is a text that no message may show.
func secretText(dst *string) value {
	v := text(dst)
	read := v.read
	v.secret = true
	v.read = func(d *decoder, n *yaml.Node, path string) bool {
		ok := read(d, n, path)
		if ok {
			d.secrets = append(d.secrets, Secret(*dst))
		}
		return ok
	}
	return v
}

// parsed is a single value with a form of its own.
func parsed[T any](k kind, dst *T, parse func(string) (T, error), show func(T) any) value {
	return value{
		kind: k,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			value, ok := parseScalar(d, n, path, parse)
			if ok {
				*dst = value
			}
			return ok
		},
		shown: func() any { return show(*dst) },
	}
}

func whole[T int | int16 | int32](dst *T) value {
	return parsed(kindWhole, dst, parseWhole[T], func(n T) any { return int(n) })
}

func list[T any](k kind, dst *[]T, parse func(string) (T, error), show func(T) any) value {
	item := value{kind: k}
	return value{
		kind: kindList,
		item: &item,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			var all []T
			ok := d.items(n, path, func(path string, n *yaml.Node) {
				if value, ok := parseScalar(d, n, path, parse); ok {
					all = append(all, value)
				}
			})
			if ok {
				*dst = all
			}
			return ok
		},
		shown: func() any {
			if len(*dst) == 0 {
				return nil
			}
			all := make([]any, len(*dst))
			for i, value := range *dst {
				all[i] = show(value)
			}
			return all
		},
	}
}

// pairs are free names with values.
func pairs(dst *map[string]string) value { return named(dst, false) }

// secretPairs are free names with values that no message may show.
func secretPairs(dst *map[string]string) value { return named(dst, true) }

func named(dst *map[string]string, secret bool) value {
	return value{
		kind:   kindPairs,
		secret: secret,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			s := d.section(n, path)
			pairs := make(map[string]string, len(s.fields))
			for _, f := range s.fields {
				s.places[s.join(f.key.Value)] = place(f.value)
				if value, ok := s.scalar(f.value, s.join(f.key.Value)); ok {
					pairs[f.key.Value] = value
					if secret {
						s.secrets = append(s.secrets, Secret(value))
					}
				}
			}
			*dst = pairs
			return s.readable
		},
		shown: func() any {
			if len(*dst) == 0 {
				return nil
			}
			pairs := make(map[string]any, len(*dst))
			for name, value := range *dst {
				pairs[name] = value
			}
			return pairs
		},
	}
}

// secretTexts are texts that no message may show.
func secretTexts(dst *[]string) value {
	v := texts(dst)
	read := v.read
	v.secret = true
	v.read = func(d *decoder, n *yaml.Node, path string) bool {
		ok := read(d, n, path)
		for _, text := range *dst {
			d.secrets = append(d.secrets, Secret(text))
		}
		return ok
	}
	return v
}

// sections is a list of sections, each of which fills one of dst. Keys that are
// required and not there are faults.
func sections[T any](dst *[]T, keys func(*T) []key) value {
	var none T
	item := section(keys(&none)...)
	return value{
		kind: kindList,
		item: &item,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			var all []T
			listed := d.items(n, path, func(path string, n *yaml.Node) {
				var one T
				bound := keys(&one)
				s := d.section(n, path)
				s.read(bound)
				s.done()
				s.require(bound)
				all = append(all, one)
			})
			if listed {
				*dst = all
			}
			return listed
		},
		entries: func() []entry {
			all := make([]entry, len(*dst))
			for i := range *dst {
				all[i] = entry{name: index(i), keys: keys(&(*dst)[i])}
			}
			return all
		},
		shown: func() any {
			if len(*dst) == 0 {
				return nil
			}
			all := make([]any, len(*dst))
			for i := range *dst {
				all[i] = held(keys(&(*dst)[i]))
			}
			return all
		},
	}
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// held is what keys hold, secrets included.
func held(keys []key) map[string]any {
	all := map[string]any{}
	for _, k := range keys {
		switch {
		case k.value.kind == kindSection && !k.value.missing():
			all[k.name] = held(k.value.keys)
		case k.value.shown != nil:
			if shown := k.value.shown(); shown != nil {
				all[k.name] = shown
			}
		}
	}
	return all
}

// missing tells whether v is a section that is not in effect.
func (v value) missing() bool { return v.absent != nil && v.absent() }

// section is a set of keys.
func section(keys ...key) value {
	return value{
		kind: kindSection,
		keys: keys,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			s := d.section(n, path)
			s.read(keys)
			s.done()
			return s.readable
		},
	}
}
