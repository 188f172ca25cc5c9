package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// object is a mapping in the order in which it is shown.
type object []member

type member struct {
	name  string
	value any // object, []any, map[string]any, string, int or bool
}

// YAML writes the configuration as it is in effect: every key that holds
// something, defaults included. A secret is shown as the reference that the
// file has for it (${NAME} or file:PATH), else as a placeholder; so what is
// written can be read again where secrets are references.
func (c Config) YAML() ([]byte, error) {
	text, err := yaml.Dump(nodeOf(c.effective(doubled)), yaml.WithIndent(2))
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return text, nil
}

// Effective is what YAML writes, for an encoder of another format.
func (c Config) Effective() map[string]any {
	return plain(c.effective(func(text string) string { return text })).(map[string]any)
}

// doubled writes text so that the reader takes no $ in it for a variable.
func doubled(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// effective shows c; text is how a string that may be shown is written.
func (c Config) effective(write func(string) string) object {
	s := shower{references: c.references, write: write, secrets: c.secretValues()}
	return s.section(c.keys(), "")
}

// secretValues are what the secret keys hold. They are blotted out of every
// other value too, such as a base_url that repeats one.
func (c Config) secretValues() []Secret {
	var all []Secret
	walk(c.keys(), "", func(_ string, k key) {
		if k.value.secret {
			for _, text := range textsIn(k.value.shown()) {
				all = append(all, Secret(text))
			}
		}
	})
	return all
}

func textsIn(shown any) []string {
	switch shown := shown.(type) {
	case string:
		return []string{shown}
	case map[string]any:
		var all []string
		for _, value := range shown {
			all = append(all, textsIn(value)...)
		}
		return all
	case []any:
		var all []string
		for _, value := range shown {
			all = append(all, textsIn(value)...)
		}
		return all
	}
	return nil
}

// walk calls see with every key that holds a value, and its path.
func walk(keys []key, path string, see func(path string, k key)) {
	for _, k := range keys {
		at := joined(path, k.name)
		switch {
		case k.value.missing():
		case k.value.kind == kindSection:
			walk(k.value.keys, at, see)
		case k.value.entries != nil:
			for _, e := range k.value.entries() {
				walk(e.keys, joined(at, e.name), see)
			}
		default:
			see(at, k)
		}
	}
}

// joined is the path of a key, or of an item ([0]), below another.
func joined(path, name string) string {
	if strings.HasPrefix(name, "[") {
		return path + name
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// shower turns keys into what may be seen of them.
type shower struct {
	references map[string]string
	secrets    []Secret
	write      func(string) string
}

func (s shower) section(keys []key, path string) object {
	var o object
	for _, k := range keys {
		at := joined(path, k.name)
		switch {
		case k.value.missing():
		case k.value.kind == kindSection:
			if in := s.section(k.value.keys, at); len(in) > 0 {
				o = append(o, member{k.name, in})
			}
		case k.value.entries != nil:
			if all := s.entries(k.value, at); all != nil {
				o = append(o, member{k.name, all})
			}
		default:
			if shown := k.value.shown(); shown != nil {
				o = append(o, member{k.name, s.value(shown, at, k.value.secret)})
			}
		}
	}
	return o
}

// entries shows named sections, or a list of them; nil when there are none.
func (s shower) entries(v value, path string) any {
	var names object
	var list []any
	for _, e := range v.entries() {
		one := s.section(e.keys, joined(path, e.name))
		names, list = append(names, member{e.name, one}), append(list, one)
	}
	switch {
	case len(list) == 0:
		return nil
	case v.kind == kindList:
		return list
	}
	return names
}

func (s shower) value(shown any, path string, secret bool) any {
	switch shown := shown.(type) {
	case string:
		switch reference, ok := s.references[path]; {
		case secret && ok:
			return reference
		case secret:
			return redacted
		}
		return s.write(redact(shown, s.secrets))
	case certificates:
		if reference, ok := s.references[path]; ok {
			return reference
		}
		return redacted
	case []any:
		all := make([]any, len(shown))
		for i, item := range shown {
			all[i] = s.value(item, fmt.Sprintf("%s[%d]", path, i), secret)
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(shown))
		for name, value := range shown {
			all[name] = s.value(value, joined(path, name), secret)
		}
		return all
	}
	return shown
}

func nodeOf(value any) *yaml.Node {
	switch value := value.(type) {
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, m := range value {
			n.Content = append(n.Content, scalarNode(m.name), nodeOf(m.value))
		}
		return n
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			n.Content = append(n.Content, scalarNode(name), nodeOf(value[name]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
		for _, item := range value {
			if _, ok := item.(object); ok {
				n.Style = 0
			}
			n.Content = append(n.Content, nodeOf(item))
		}
		return n
	case string:
		return scalarNode(value)
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(value)}
}

// scalarNode quotes what YAML would take for something else than text, and
// what a reader might.
func scalarNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if strings.ContainsAny(text, "${}[],:#&*!|>'\"%@`") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func plain(value any) any {
	switch value := value.(type) {
	case object:
		all := make(map[string]any, len(value))
		for _, m := range value {
			all[m.name] = plain(m.value)
		}
		return all
	case []any:
		all := make([]any, len(value))
		for i, item := range value {
			all[i] = plain(item)
		}
		return all
	default:
		return value
	}
}
