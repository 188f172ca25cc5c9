package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"sluice/sink/budget"
)

// text reads a scalar's meant text into dst: ${NAME} and file: are in place.
func (s *section) text(key string, dst *string) bool {
	n, ok := s.take(key)
	if !ok {
		return false
	}
	value, ok := s.scalar(n, s.join(key))
	if ok {
		*dst = value
	}
	return ok
}

// secret reads a value that no message may show.
func (s *section) secret(key string, dst *string) {
	if s.text(key, dst) {
		s.secrets = append(s.secrets, Secret(*dst))
	}
}

// secretPairs reads a mapping of free names to values that no message may show.
func (s *section) secretPairs(key string, dst *map[string]string) {
	n, ok := s.take(key)
	if !ok {
		return
	}
	in := s.section(n, s.join(key))
	pairs := make(map[string]string, len(in.fields))
	for _, f := range in.fields {
		s.places[in.join(f.key.Value)] = place(f.value)
		if value, ok := s.scalar(f.value, in.join(f.key.Value)); ok {
			pairs[f.key.Value] = value
			s.secrets = append(s.secrets, Secret(value))
		}
	}
	*dst = pairs
}

func (s *section) texts(key string, dst *[]string) {
	var all []string
	if s.list(key, func(path string, n *yaml.Node) {
		if value, ok := s.scalar(n, path); ok {
			all = append(all, value)
		}
	}) {
		*dst = all
	}
}

func (s *section) integers(key string, dst *[]int) {
	var all []int
	if s.list(key, func(path string, n *yaml.Node) {
		if number, ok := parse(s.decoder, n, path, parseInteger); ok {
			all = append(all, number)
		}
	}) {
		*dst = all
	}
}

func (s *section) duration(key string, dst *time.Duration) { into(s, key, dst, ParseDuration) }
func (s *section) size(key string, dst *int)               { into(s, key, dst, ParseSize) }
func (s *section) rate(key string, dst *budget.Rate)       { into(s, key, dst, ParseRate) }
func (s *section) integer(key string, dst *int)            { into(s, key, dst, parseInteger) }
func (s *section) boolean(key string, dst *bool)           { into(s, key, dst, parseBoolean) }

// into reads the value of key into dst, and tells whether it is there and fit.
func into[T any](s *section, key string, dst *T, read func(string) (T, error)) bool {
	n, ok := s.take(key)
	if !ok {
		return false
	}
	value, ok := parse(s.decoder, n, s.join(key), read)
	if ok {
		*dst = value
	}
	return ok
}

func parse[T any](d *decoder, n *yaml.Node, path string, read func(string) (T, error)) (T, bool) {
	var none T
	text, ok := d.scalar(n, path)
	if !ok {
		return none, false
	}
	value, err := read(text)
	if err != nil {
		what, remedy, _ := strings.Cut(err.Error(), "; ")
		d.fault(place(n), path, what+", have "+strconv.Quote(resolve(n).Value), remedy)
		return none, false
	}
	return value, true
}

// scalar returns the meant text of n. The faults show the text as the file has
// it, never what the environment or a file put in its place.
func (d *decoder) scalar(n *yaml.Node, path string) (string, bool) {
	at, n := place(n), resolve(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fault(at, path, "must be a single value, but is "+kindOf(n), "")
		return "", false
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(at, path, "has a YAML tag, which means nothing here", "remove the word that begins with !")
		return "", false
	}
	value, err := d.value(n.Value)
	if err != nil {
		what, remedy, _ := strings.Cut(err.Error(), "; ")
		d.fault(at, path, what, remedy)
		return "", false
	}
	return value, true
}

func parseInteger(text string) (int, error) {
	number, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, errors.New("must be a whole number; write it in digits")
	}
	return number, nil
}

func parseBoolean(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, fmt.Errorf("must be true or false; write one of the two")
	}
}
