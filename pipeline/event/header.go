package event

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The public headers: those that any producer may set on a live topic. Of a
// header that is given twice the last one counts, as in Kafka's own clients; an
// empty one counts as absent.
const (
	HeaderID          = "id"          // the event's id, best a ULID
	HeaderOp          = "op"          // an operation that an entity cannot say
	HeaderDeliverAt   = "deliver_at"  // not before: RFC 3339 or unix seconds
	HeaderSpread      = "spread"      // over how long it is spread evenly: a Go duration, such as 3m
	HeaderClass       = "class"       // the class of traffic inside the workspace
	HeaderTraceparent = "traceparent" // W3C trace context, version 00
)

// internalPrefix leads the headers that only our own tiers may carry.
const internalPrefix = "sluice-"

const maxClass = 64

// MaxAhead is how far ahead an event may be deferred, and so the longest window
// that it may be spread over.
const MaxAhead = 90 * 24 * time.Hour

// readHeaders reads the public headers. Class and Traceparent keep their
// strings when a recycled event carries the same ones again.
func (e *Event) readHeaders() {
	class, trace := []byte(nil), []byte(nil)
	for _, h := range e.headers {
		if len(h.Value) == 0 {
			continue
		}
		switch h.Key {
		case HeaderID:
			e.headerID = h.Value
		case HeaderOp:
			e.headerOp = h.Value
		case HeaderDeliverAt:
			at, ok := parseDeliverAt(h.Value)
			if !ok {
				e.Fault = badHeader(HeaderDeliverAt, "RFC 3339 or unix seconds")
			}
			e.DeliverAt = at
		case HeaderSpread:
			over, ok := parseSpread(h.Value)
			if !ok {
				e.Fault = badHeader(HeaderSpread, spreadForm)
			}
			e.Spread = over
		case HeaderClass:
			class = h.Value
		case HeaderTraceparent:
			trace = h.Value
		}
	}
	if !printable(class) || len(class) > maxClass {
		e.Fault = badHeader(HeaderClass, fmt.Sprintf("at most %d printable ASCII characters", maxClass))
		class = nil
	}
	if e.Class != string(class) {
		e.Class = string(class)
	}
	if !validTraceparent(trace) {
		trace = nil
	}
	if e.Traceparent != string(trace) {
		e.Traceparent = string(trace)
	}
}

func badHeader(name, want string) *Fault {
	return &Fault{Reason: ReasonBadHeader, Detail: "header " + name + " must be " + want}
}

// ValidDeliverAt tells whether a value may be that of the header deliver_at.
func ValidDeliverAt(value []byte) bool {
	_, ok := parseDeliverAt(value)
	return ok
}

// parseDeliverAt reads a point in time: RFC 3339, or whole unix seconds.
func parseDeliverAt(value []byte) (time.Time, bool) {
	if wholeNumber(value) {
		seconds, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || seconds > maxUnix {
			return time.Time{}, false
		}
		return time.Unix(seconds, 0).UTC(), true
	}
	at, err := time.Parse(time.RFC3339, string(value))
	return at.UTC(), err == nil
}

// spreadForm is what parseSpread reads.
const spreadForm = "a time above 0 and of at most 90 days, such as 3m or 1h30m"

// ValidSpread tells whether a value may be that of the header spread.
func ValidSpread(value []byte) bool {
	_, ok := parseSpread(value)
	return ok
}

// parseSpread reads a window as Go writes a duration.
func parseSpread(value []byte) (time.Duration, bool) {
	over, err := time.ParseDuration(string(value))
	if err != nil || over <= 0 || over > MaxAhead {
		return 0, false
	}
	return over, true
}

// printable reports whether b is visible ASCII without spaces: fit for a log
// line, a label or an HTTP header as it is.
func printable(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// validTraceparent follows W3C Trace Context, version 00. An unfit one is to
// be ignored, not a fault: a broken tracer must not cost events.
func validTraceparent(b []byte) bool {
	const layout = "00-################################-################-##"
	if len(b) != len(layout) {
		return false
	}
	for i, c := range b {
		switch {
		case layout[i] != '#':
			if c != layout[i] {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	trace, parent := b[3:35], b[36:52]
	return len(bytes.Trim(trace, "0")) > 0 && len(bytes.Trim(parent, "0")) > 0
}

// internal reports whether a header belongs to our own tiers.
func internal(key string) bool { return strings.HasPrefix(key, internalPrefix) }
