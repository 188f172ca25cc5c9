package event

import (
	"strconv"
	"time"
)

// HeaderReplay names the replay that put a record on a replay tier.
const HeaderReplay = "sluice-replay"

// Move says where a copy of an event goes, and what is known of it already.
type Move struct {
	Topic     string // of the tier
	Partition int32
	Attempts  int       // that counted so far
	First     time.Time // of them; left out when zero
	Replay    string    // the replay that wants it; left out when empty
	Class     string    // the name of its class; left out when empty
	Due       time.Time // until when it is deferred, in milliseconds rounded up; left out when zero
	Wake      time.Time // until when it sleeps on a delay tier, as Due; left out when zero
}

// Moved makes the record that e becomes on another tier. Its key, value and
// public headers are the record's own; where it stood first and when go along,
// so that it keeps its identity and its time over any number of moves. The
// record shares e's bytes: e must stay untouched until the append is
// acknowledged.
func Moved(e *Event, m Move) Record {
	headers := make([]Header, 0, len(e.headers)+9)
	for _, h := range e.headers {
		if !internal(h.Key) {
			headers = append(headers, h)
		}
	}
	add := func(key, value string) { headers = append(headers, Header{Key: key, Value: []byte(value)}) }
	add(HeaderSource, e.First().String())
	add(HeaderTime, e.Time.UTC().Format(timeLayout))
	if !e.ID.IsZero() {
		add(HeaderEventID, e.ID.String())
	}
	if m.Attempts > 0 {
		add(HeaderAttempts, strconv.Itoa(m.Attempts))
	}
	if !m.First.IsZero() {
		add(HeaderFirst, m.First.UTC().Format(timeLayout))
	}
	if m.Replay != "" {
		add(HeaderReplay, m.Replay)
	}
	if m.Class != "" {
		add(HeaderMoveClass, m.Class)
	}
	if !m.Due.IsZero() {
		add(HeaderDue, formatMillis(m.Due))
	}
	if !m.Wake.IsZero() {
		add(HeaderWake, formatMillis(m.Wake))
	}
	return Record{Topic: m.Topic, Partition: m.Partition, Key: e.Key, Value: e.Value, Headers: headers}
}

// LoadMoved makes e the event of a record that Moved made, read from the tier
// that it went to: as Load does, but its time is the original one, and Origin,
// Replay, Tries, FirstTry, MovedClass, Due and Wake are set. What cannot be
// read counts as absent. It must not be used for a topic that others may write
// to.
func (e *Event) LoadMoved(r Record, cluster string) {
	e.Load(r, cluster)
	for _, h := range e.headers {
		if !internal(h.Key) {
			continue
		}
		value := string(h.Value)
		switch h.Key {
		case HeaderSource:
			if at, err := ParseSource(value); err == nil {
				e.Origin = at
			}
		case HeaderTime:
			if at, err := time.Parse(time.RFC3339, value); err == nil {
				e.Time = at
			}
		case HeaderAttempts:
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				e.Tries = n
			}
		case HeaderFirst:
			if at, err := time.Parse(time.RFC3339, value); err == nil {
				e.FirstTry = at
			}
		case HeaderReplay:
			e.Replay = value
		case HeaderMoveClass:
			if len(h.Value) <= maxClass && printable(h.Value) {
				e.MovedClass = value
			}
		case HeaderDue:
			e.Due = parseMillis(value)
		case HeaderWake:
			e.Wake = parseMillis(value)
		}
	}
}

// formatMillis writes a time in unix milliseconds, rounded up: what waits for
// it must not come before it.
func formatMillis(at time.Time) string {
	ms := at.UnixMilli()
	if at.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return strconv.FormatInt(ms, 10)
}

// parseMillis reads what formatMillis wrote; the zero time is for what lies
// before 1970, beyond maxUnix or is no number.
func parseMillis(value string) time.Time {
	ms, err := strconv.ParseInt(value, 10, 64)
	if err != nil || ms <= 0 || ms > maxUnix*1000 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// First is where the event stood first: on a tier of ours where it came from,
// else where it stands.
func (e *Event) First() Source {
	if e.Origin.Topic != "" {
		return e.Origin
	}
	return e.Source
}
