package simulator

import (
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
)

// The sizes that the Track API documents, in bytes where not said otherwise.
const (
	maxIDBytes         = 150
	maxAttributes      = 300 // attributes of one identify
	maxAttributeName   = 150
	maxAttributeValue  = 1000
	maxObjectBytes     = 100_000 // an object's or a relationship's attributes together
	maxEventName       = 100
	maxEventData       = 100_000
	maxEntityBytes     = 32 << 10
	maxBatchBytes      = 500_000
	maxSegmentIDs      = 1000 // ids of one call
	maxBodyBytes       = 1 << 20
	maxTimestampSecond = 1 << 50
)

// checkAttributes judges the attributes of an identify.
func checkAttributes(raw []byte, field string) *flaw {
	if isNull(raw) {
		return nil
	}
	if !isObject(raw) {
		return invalid(field, field+" must be an object")
	}
	count := 0
	for name, value := range members(raw) {
		if isReserved(string(name)) {
			continue
		}
		count++
		if len(name) > maxAttributeName {
			return invalid(field, "Attribute name too long")
		}
		size := len(value)
		if isString(value) {
			size = len(unquote(value))
		}
		if size > maxAttributeValue {
			return invalid(field, "Attribute value too long")
		}
	}
	if count > maxAttributes {
		return invalid(field, "more than "+strconv.Itoa(maxAttributes)+" attributes")
	}
	return nil
}

// isReserved tells the names that steer an identify from those it sets.
func isReserved(name string) bool {
	switch name {
	case "_timestamp", "_update", "cio_relationships":
		return true
	}
	return name == "cio_subscription_preferences" || strings.HasPrefix(name, "cio_subscription_preferences.")
}

// setTimestamp reads unix seconds, which may have a fraction. Null is absent.
func (c *call) setTimestamp(raw []byte, field string) *flaw {
	if isNull(raw) {
		return nil
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if !isNumber(raw) || err != nil || seconds < 0 || seconds > maxTimestampSecond {
		return invalid(field, field+" must be a unix time in seconds")
	}
	c.at, c.timed = int64(seconds), true
	return nil
}

// setID reads an event's id. Anything but a ULID is taken and swallowed, as
// users of the real API have found.
func (c *call) setID(raw []byte) *flaw {
	if isNull(raw) {
		return nil
	}
	if !isString(raw) {
		return invalid("id", "id must be a string")
	}
	c.id = string(unquote(raw))
	c.hasID = c.id != ""
	parsed, err := ulid.ParseStrict(c.id)
	c.ulid, c.isULID = parsed, err == nil
	return nil
}

// setEventName reads an event's name.
func (c *call) setEventName(raw []byte) *flaw {
	c.name = string(text(raw))
	switch {
	case c.name == "":
		return required("name")
	case len(c.name) > maxEventName:
		return invalid("name", "name is longer than "+strconv.Itoa(maxEventName)+" bytes")
	}
	return nil
}

// note keeps the marks that a checker put into an event.
func (c *call) note(attributes []byte) {
	for name, value := range members(attributes) {
		switch string(name) {
		case "_seq":
			c.seq, _ = whole(value)
		case "_n":
			c.n, _ = whole(value)
		}
	}
}

// firstOf returns the first flaw there is.
func firstOf(flaws ...*flaw) *flaw {
	for _, f := range flaws {
		if f != nil {
			return f
		}
	}
	return nil
}
