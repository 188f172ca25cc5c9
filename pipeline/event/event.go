// Package event is what sluice moves: one event, the Kafka record that it
// lives in, its identity, and the JSON that a destination is sent.
//
// Nothing here knows Kafka's client or HTTP. An Event owns its bytes: Load
// copies a record into the event's own buffer, so the record may be reused at
// once, and a recycled Event does not allocate again. Preparing an event
// checks its JSON once, strictly, and remembers where the root values stand;
// from then on it is only spliced, never encoded again.
package event

import (
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
)

// keepBytes bounds the buffer that a recycled Event keeps, so that a few huge
// records do not pin their size in a pool for ever.
const keepBytes = 64 << 10

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is the plain form of a Kafka record, as read or as to be appended.
type Record struct {
	Topic     string
	Partition int32 // -1 on append: the key decides
	Offset    int64
	Key       []byte // nil: no user
	Value     []byte // nil: a tombstone
	Headers   []Header
	Time      time.Time // zero on append: the time of the append
}

// Source says where a record stands.
type Source struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Event is one decoded record. It is owned by one goroutine at a time: intake
// fills it, then the lane that holds it, then the attempt that delivers it.
type Event struct {
	// What the lanes look at stands together at the top, for their speed.
	Source    Source
	Key       []byte    // the user, nil when the record had none
	Size      int       // bytes on the wire; a prepare sets the length of AppendEntity, a sink may know better
	Value     []byte    // the JSON as produced; nil for a tombstone
	Tries     int       // attempts that counted before it came to a tier of ours; 0 on a live topic
	Solo      bool      // cannot share a request with others
	Barrier   bool      // its settlement is committed before the key's next pick
	Lot       uint8     // the number of its class in its workspace; 0 is the default class
	Op        Op        // what the destination is asked; OpNone until prepared
	Turned    bool      // its Due is a moment of its own among the events of its class
	Fault     *Fault    // why no destination could ever take it; nil when it may be sent
	NotBefore time.Time // when at the head of its lane, it is not taken before; whoever prepares may set it
	Due       time.Time // it is deferred until then; zero: it is not. On a tier of ours it is there from the start
	Time      time.Time // the record's time, or the original one on our own tiers

	// What a record of our own tiers tells beside; zero on a live topic.
	Origin     Source    // where it stood first
	Replay     string    // the replay that put it there
	FirstTry   time.Time // of its attempts that counted
	MovedClass string    // the name of the class that it was in
	Wake       time.Time // on a delay tier: it sleeps until then

	ID          ulid.ULID     // the same on every redelivery; set by a prepare that found no fault
	Class       string        // header class
	Traceparent string        // header traceparent
	DeliverAt   time.Time     // header deliver_at; zero: at once
	Spread      time.Duration // header spread; 0: none
	Closes      time.Time     // from then on it must not be sent without being judged again; zero: never

	cluster  string // Kafka's cluster id, a part of the derived ID
	headers  []Header
	headerID []byte // header id, nil when absent
	headerOp []byte // header op, nil when absent
	body     body
	buf      []byte // backs Key, Value and the header values
}

// Load makes e the event of r, read from the cluster of that id. It copies
// key, value and headers, so r may be reused at once, and forgets what e was
// before; it does not allocate once e's buffer has grown to its records.
//
// A nil key (no user) and an empty one (a Fault) stay distinct, and so do a
// nil value (a tombstone, a Fault) and an empty one. Of the headers only the
// public ones are heeded: anybody may write to a live topic, so headers of our
// own tiers mean nothing there.
func (e *Event) Load(r Record, cluster string) {
	need := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		need += len(r.Headers[i].Value)
	}
	buf := e.buf[:0]
	if cap(buf) < need || (cap(buf) > keepBytes && need <= keepBytes) {
		buf = slices.Grow([]byte(nil), need)
	}
	clear(e.headers)
	*e = Event{
		Source:      Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset},
		Time:        r.Time,
		Class:       e.Class,
		Traceparent: e.Traceparent,
		cluster:     cluster,
		headers:     e.headers[:0],
		buf:         buf,
	}
	e.Key = e.own(r.Key)
	e.Value = e.own(r.Value)
	for _, h := range r.Headers {
		e.headers = append(e.headers, Header{Key: h.Key, Value: e.own(h.Value)})
	}
	e.readHeaders()
	switch {
	case e.Key != nil && len(e.Key) == 0:
		e.Fault = &Fault{Reason: ReasonEmptyKey, Detail: "the key has no bytes; a record without a user has a null key"}
	case e.Value == nil:
		e.Fault = &Fault{Reason: ReasonTombstone, Detail: "the value is null"}
	}
}

// own copies b into the event's buffer, which has room for it. Nil stays nil
// and empty stays empty, even while there is no buffer yet.
func (e *Event) own(b []byte) []byte {
	if b == nil {
		return nil
	}
	if len(b) == 0 {
		return []byte{}
	}
	from := len(e.buf)
	e.buf = append(e.buf, b...)
	return e.buf[from:len(e.buf):len(e.buf)]
}

// Header is the value of a record header: the last one of that name, nil when
// there is none or when it is one of our own tiers'. The bytes are the event's
// own: they are valid until it is loaded again and must not be changed.
func (e *Event) Header(name string) []byte {
	for _, h := range slices.Backward(e.headers) {
		if h.Key == name && !internal(name) {
			return h.Value
		}
	}
	return nil
}

// PrepareObject fits e for a destination that takes any JSON object. The
// object is checked as strictly as an entity and sent byte for byte; a body's
// id names some thing of the producer's, not the event, and is left alone.
// It sets ID, Op and Size, or Fault.
func (e *Event) PrepareObject() {
	if e.Fault != nil {
		return
	}
	e.Fault = checkObject(e.Value)
	e.PrepareBytes()
}
