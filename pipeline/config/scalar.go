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

func parseScalar[T any](d *decoder, n *yaml.Node, path string, read func(string) (T, error)) (T, bool) {
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
		d.fault(at, path, "must be a single value, but is "+kindOf(n), "write one value behind the colon, without brackets or braces")
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
	if isReference(n.Value) {
		d.references[path] = n.Value
	}
	return value, true
}

func parseWhole[T int | int16 | int32](text string) (T, error) {
	number, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, errors.New("must be a whole number; write it in digits")
	case err != nil || int64(T(number)) != number:
		return 0, errors.New("is no number of that size; write fewer digits")
	}
	return T(number), nil
}

func parseText(text string) (string, error) { return text, nil }

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

func texts(dst *[]string) value {
	return list(kindText, dst, parseText, func(text string) any { return text })
}

func duration(dst *time.Duration) value {
	return parsed(kindTime, dst, ParseDuration, func(d time.Duration) any { return FormatDuration(d) })
}

// durationOrOff is a time, 0 of which is off.
func durationOrOff(dst *time.Duration) value {
	parse := func(text string) (time.Duration, error) {
		if strings.TrimSpace(text) == off {
			return 0, nil
		}
		d, err := ParseDuration(text)
		if err != nil {
			err = fmt.Errorf("%w, or off", err)
		}
		return d, err
	}
	return parsed(kindTimeOff, dst, parse, func(d time.Duration) any {
		if d == 0 {
			return off
		}
		return FormatDuration(d)
	})
}

func size(dst *int) value {
	return parsed(kindSize, dst, ParseSize, func(n int) any { return FormatSize(n) })
}

func rate(dst *budget.Rate) value {
	return parsed(kindRate, dst, ParseRate, func(r budget.Rate) any { return FormatRate(r) })
}

func boolean(dst *bool) value {
	return parsed(kindBoolean, dst, parseBoolean, func(yes bool) any { return yes })
}

// limitedRate is a rate that must have a limit.
func limitedRate(dst *float64) value {
	parse := func(text string) (float64, error) {
		r, err := ParseRate(text)
		if err == nil && r == 0 {
			err = errors.New("must have a limit; write it as 1000/s")
		}
		return float64(r), err
	}
	return parsed(kindRate, dst, parse, func(r float64) any { return FormatRate(budget.Rate(r)) })
}
