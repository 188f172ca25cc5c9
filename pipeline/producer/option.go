package producer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/pipeline/event"
)

// Option says more about one call. A method refuses an option that it does not
// list.
type Option func(*call) error

// lastSecond is the last that ten digits can say, in the year 2286: beyond it
// the API takes a number for milliseconds.
const lastSecond = 9_999_999_999

var (
	errNoTime  = errors.New("takes no time (At)")
	errNoID    = errors.New("takes no event id (EventID)")
	errAtRange = errors.New("time: must be between 1970 and 2286")
)

// At says when it happened, in whole seconds. Without it the time of the call
// counts, however long the event then waits. An update of a person with an
// older time than what is known does not overwrite it.
func At(t time.Time) Option {
	return func(c *call) error {
		unix := t.Unix()
		switch {
		case !c.timed:
			return errNoTime
		case unix < 0 || unix > lastSecond:
			return errAtRange
		}
		c.at, c.hasTime = unix, true
		return nil
	}
}

// EventID gives an event an id of its own, so that a repeat is dropped by
// Customer.io: best a ULID; any other text becomes one, hashed with the user
// and the event's name. Without it an event has an id from its place in Kafka,
// which no redelivery changes, but a second call has another.
func EventID(id string) Option {
	return func(c *call) error {
		switch {
		case !c.named:
			return errNoID
		case id == "":
			return fmt.Errorf("event id: %w", errEmpty)
		case len(id) > maxIDBytes:
			return fmt.Errorf("event id: %w", over(len(id), maxIDBytes))
		}
		c.id = id
		return nil
	}
}

// Header puts a header on the record: class, deliver_at, spread and
// traceparent mean something to sluice, any other only to the application. The
// header op, id, and those that begin with sluice- are not to be given.
func Header(key, value string) Option {
	return func(c *call) error {
		if key == "" || key == event.HeaderOp || key == event.HeaderID || strings.HasPrefix(key, "sluice-") {
			return errors.New("header: must not be empty, op, id, or begin with sluice-")
		}
		c.headers = append(c.headers, event.Header{Key: key, Value: []byte(value)})
		return nil
	}
}
