package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// mapping is one mapping of the file while it is read. Reading keys makes them
// known; done reports every key of the file that is not.
type mapping struct {
	*decoder
	path     string
	at       position
	readable bool // it is a mapping at all
	fields   []field
	known    []string
	misfits  []string // keys that are given and could not be read
}

type field struct {
	key, value *yaml.Node
	taken      bool
}

// maxMerges bounds << in one file: an anchor may hold a << that names itself.
const maxMerges = 500

// section opens the mapping n. When n is none that is the fault, and the
// section is empty.
func (d *decoder) section(n *yaml.Node, path string) *mapping {
	n = resolve(n)
	s := &mapping{decoder: d, path: path, at: place(n)}
	d.places[path] = s.at
	if n.Kind != yaml.MappingNode {
		d.fault(s.at, path, "must hold keys, but is "+kindOf(n), "write it as {key: value} or as indented lines of key: value")
		return s
	}
	s.readable = true
	s.gather(n)
	return s
}

// gather takes in the keys of n, then those that its << brings and n does not
// set itself.
func (s *mapping) gather(n *yaml.Node) {
	own := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			s.fault(place(key), s.path, "a key must be a plain word, but is "+kindOf(key), "write it as key: value, the key without brackets or braces")
			continue
		}
		if line, twice := own[key.Value]; twice {
			s.fault(place(key), s.join(key.Value), fmt.Sprintf("is given twice, first in line %d", line), "remove one of the two")
			continue
		}
		own[key.Value] = key.Line
		if key.Tag != "!!merge" && !s.given(key.Value) {
			s.fields = append(s.fields, field{key: key, value: value})
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			s.merge(n.Content[i+1])
		}
	}
}

func (s *mapping) merge(n *yaml.Node) {
	at, n := place(n), resolve(n)
	switch s.merges++; {
	case s.merges > maxMerges+1: // told already
	case s.merges > maxMerges:
		s.fault(at, s.path, "<< leads through too many anchors", "write the keys out")
	case n.Kind == yaml.MappingNode:
		s.gather(n)
	case n.Kind == yaml.SequenceNode:
		for _, each := range n.Content {
			s.merge(each)
		}
	default:
		s.fault(at, s.path, "<< must name an anchor of keys, but is "+kindOf(n), "write it as <<: *name")
	}
}

// given tells whether the file holds the key, fit or not.
func (s *mapping) given(key string) bool {
	return slices.ContainsFunc(s.fields, func(f field) bool { return f.key.Value == key })
}

// take returns the value of key, or false when the file does not give it. A
// key without a value is a fault: a default in its place would hide that
// something was forgotten.
func (s *mapping) take(key string) (*yaml.Node, bool) {
	s.known = append(s.known, key)
	for i, f := range s.fields {
		if f.key.Value != key {
			continue
		}
		s.fields[i].taken = true
		s.places[s.join(key)] = place(f.value)
		if n := resolve(f.value); n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
			s.fault(place(f.key), s.join(key), "has no value", "give it one, or remove the key to have its default")
			return nil, false
		}
		return f.value, true
	}
	return nil, false
}

// read reads those of keys that the file gives.
func (s *mapping) read(keys []key) {
	for _, k := range keys {
		if k.example != "" {
			s.examples[s.join(k.name)] = k.name + ": " + k.example
		}
		if n, ok := s.take(k.name); s.given(k.name) && (!ok || !k.value.read(s.decoder, n, s.join(k.name))) {
			s.misfits = append(s.misfits, k.name)
		}
	}
}

// require reports those of keys that must be given and are not.
func (s *mapping) require(keys []key) {
	for _, k := range keys {
		if s.readable && k.required && !s.given(k.name) {
			s.fault(s.at, s.path, "has no "+k.name, "add "+k.name+": "+k.example)
		}
	}
}

// fit tells whether the file gives the key and it could be read.
func (s *mapping) fit(key string) bool { return s.given(key) && !slices.Contains(s.misfits, key) }

// done reports the keys that are not known.
func (s *mapping) done() {
	for _, f := range s.fields {
		if f.taken {
			continue
		}
		at := place(f.key)
		if !printableKey.MatchString(f.key.Value) { // it may be a secret with a missing colon
			s.fault(at, s.path, "a key is not a plain word", "a colon and a space stand between a key and its value")
			continue
		}
		remedy := "the keys here are " + strings.Join(slices.Sorted(slices.Values(s.known)), ", ")
		if word, ok := nearest(f.key.Value, s.known); ok {
			remedy = "write " + word
		}
		s.fault(at, s.join(f.key.Value), "is not a known key", remedy)
	}
}

var printableKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,39}$`)

// entries reads the mapping n as names that the user chose, in the file's
// order. There must be at least one; remedy shows how one is written.
func (d *decoder) entries(n *yaml.Node, path, remedy string, read func(name string, n *yaml.Node)) bool {
	in := d.section(n, path)
	if in.readable && len(in.fields) == 0 {
		d.fault(in.at, path, "is empty", "add one as "+remedy)
	}
	for _, f := range in.fields {
		name := f.key.Value
		path := in.join(name)
		d.places[path] = place(f.key)
		switch {
		case !nameForm.MatchString(name):
			d.fault(place(f.key), in.path, "a name here must be letters, digits, _, - and ., at most 60, beginning with a letter or digit", "rename it")
		case f.value.Tag == "!!null":
			d.fault(place(f.key), path, "has no value", "write what it holds as {key: value}")
		default:
			read(name, f.value)
		}
	}
	return in.readable
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$`)

// items reads the items of the sequence n, and tells whether it is one.
func (d *decoder) items(n *yaml.Node, path string, read func(path string, n *yaml.Node)) bool {
	list := resolve(n)
	if list.Kind != yaml.SequenceNode {
		d.fault(place(n), path, "must be a list, but is "+kindOf(list), "write it as [one, two]")
		return false
	}
	for i, item := range list.Content {
		path := fmt.Sprintf("%s[%d]", path, i)
		d.places[path] = place(item)
		read(path, item)
	}
	return true
}

func (s *mapping) join(key string) string {
	if s.path == "" {
		return key
	}
	return s.path + "." + key
}

// resolve follows an alias to what its anchor names.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func place(n *yaml.Node) position { return position{n.Line, n.Column} }

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a set of keys"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "empty"
		}
		return "a single value"
	case yaml.AliasNode:
		return "an alias"
	case yaml.DocumentNode, yaml.StreamNode:
		return "a document"
	default:
		return "something else"
	}
}
