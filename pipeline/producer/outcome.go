package producer

import "errors"

var (
	// ErrInvalid is returned for a call that the destination would never take.
	// It was not taken, and the same call again is refused again. The text
	// around it says what is wrong, by names and places, never by values.
	ErrInvalid = errors.New("producer: invalid call")
	// ErrFull is returned under the policy Drop when there is no room for the
	// event, and under any for one that is larger than the whole buffer.
	ErrFull = errors.New("producer: the buffer is full")
	// ErrClosed is returned for a call after Close: it was not taken.
	ErrClosed = errors.New("producer: closed")
	// ErrUnsettled is returned beside the context's own error when a call that
	// waits was taken and its context ended first: the event is on its way and
	// may well arrive. Saying it again is harmless with the same EventID.
	ErrUnsettled = errors.New("producer: taken, and its outcome not known yet")
)

// Outcome is what became of an event that was taken.
type Outcome struct {
	Topic     string // the stream's live topic
	Key       []byte // the user; not to be changed
	Value     []byte // the record's JSON; not to be changed
	Partition int32  // where it stands, without an Err
	Offset    int64
	Err       error // nil: it is on all in-sync replicas
}

// Counts is what became of an application's calls so far. At any time Taken is
// Acknowledged + Failed + InHand.
type Counts struct {
	Taken        uint64 // events that the buffer took
	Acknowledged uint64 // of these, on all in-sync replicas
	Failed       uint64 // of these, not written
	InHand       uint64 // of these, without an outcome yet
	Dropped      uint64 // not taken, since the buffer was full
	Refused      uint64 // not taken: invalid, or of no known region
}
