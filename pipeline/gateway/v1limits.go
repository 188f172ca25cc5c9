package gateway

import (
	"math"
	"strconv"
	"strings"
)

// v1CheckAttributes judges attributes by the sizes that the API publishes: of
// each name, of each value (a string's text, anything else as it is written)
// and of their number. Those that steer an identify do not count.
func v1CheckAttributes(object []byte, field string) *fault {
	count := 0
	w := walkV1(object)
	for m, ok := w.member(); ok; m, ok = w.member() {
		name := v1Text(m.name)
		if v1Steers(string(name)) {
			continue
		}
		count++
		if len(name) > v1MaxNameBytes {
			return v1Invalid(field, "has a name of more than "+strconv.Itoa(v1MaxNameBytes)+" bytes")
		}
		size := len(m.value)
		if m.value[0] == '"' && size > v1MaxValueBytes {
			size = len(v1Text(m.value))
		}
		if size > v1MaxValueBytes {
			return v1Invalid(field, "has a value of more than "+strconv.Itoa(v1MaxValueBytes)+" bytes")
		}
	}
	if count > v1MaxAttributes {
		return v1Invalid(field, "has more than "+strconv.Itoa(v1MaxAttributes)+" members")
	}
	return nil
}

// v1Steers tells the members that say how to identify from those to set.
func v1Steers(name string) bool {
	switch name {
	case "_timestamp", "_update", "cio_relationships", "cio_subscription_preferences":
		return true
	default:
		return strings.HasPrefix(name, "cio_subscription_preferences.")
	}
}

// v1Timestamp reads a time in unix seconds: a number, which is kept as it is
// written, or a string of one, for some libraries quote what they count. It
// returns nothing when there is none, and none for a number that cannot be
// seconds, as milliseconds cannot: the door's time is then the better one.
func v1Timestamp(raw []byte, field string) ([]byte, *fault) {
	const lastSecond = 9_999_999_999 // what ten digits can say
	raw = v1Given(raw)
	if raw == nil {
		return nil, nil
	}
	digits, quoted := raw, raw[0] == '"'
	if quoted {
		digits = v1Text(raw)
	}
	if len(digits) == 0 || len(digits) > 32 || strings.Trim(string(digits), "0123456789.+-eE") != "" {
		return nil, v1Invalid(field, "must be a time in unix seconds")
	}
	seconds, err := strconv.ParseFloat(string(digits), 64)
	switch {
	case err != nil || seconds < 0:
		return nil, v1Invalid(field, "must be a time in unix seconds")
	case seconds > lastSecond:
		return nil, nil
	case quoted:
		return strconv.AppendInt(nil, int64(math.Floor(seconds)), 10), nil
	default:
		return raw, nil
	}
}

// v1String reads a string that must have something in it.
func v1String(raw []byte, field string) (string, *fault) {
	if raw = v1Given(raw); raw == nil {
		return "", v1Required(field)
	}
	if raw[0] != '"' {
		return "", v1Invalid(field, "must be a string")
	}
	text := string(v1Text(raw))
	if text == "" {
		return "", v1Required(field)
	}
	return text, nil
}
