package event

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
)

// The headers of a dead letter and of a record that was moved, beside those
// that it came with.
const (
	HeaderReason    = "sluice-reason"
	HeaderDetail    = "sluice-detail"
	HeaderVerdict   = "sluice-verdict"
	HeaderStatus    = "sluice-status"
	HeaderAttempts  = "sluice-attempts"
	HeaderFirst     = "sluice-first"
	HeaderLast      = "sluice-last"
	HeaderTime      = "sluice-time"
	HeaderSource    = "sluice-source"
	HeaderWorkspace = "sluice-workspace"
	HeaderEventID   = "sluice-id"
	HeaderMoveClass = "sluice-class" // the name of its class
	HeaderDue       = "sluice-due"   // unix milliseconds
	HeaderWake      = "sluice-wake"  // unix milliseconds
)

var errAbsent = errors.New("absent")

// timeLayout is RFC 3339 with milliseconds, which is what Kafka keeps.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// Bounds on the texts of a dead letter: the dead topic takes records that are
// only so much larger than the source's.
const (
	maxReasonBytes = 256
	maxDetailBytes = 4096
)

// Death is how an event came to be a dead letter.
type Death struct {
	Topic     string // the dead topic
	Verdict   string
	Reason    string // cut to 256 bytes
	Detail    string // cut to 4,096 bytes; left out when empty
	Status    int    // the last answer's HTTP status; 0 when none came
	Attempts  int
	First     time.Time // of the attempts; left out when zero
	Last      time.Time // of the attempts; left out when zero
	Workspace string

	// ID and Time are the event's own: DeadLetter takes them from the event,
	// ParseDeath gives them back.
	ID   ulid.ULID
	Time time.Time
}

// DeadLetter makes the record that sets e aside for a person. Key and value
// are the record's own, null or empty as they were, so that the event can be
// replayed as it came; its headers are kept, except any that pretend to be
// ours. The record shares e's bytes: e must stay untouched until the append is
// acknowledged.
func DeadLetter(e *Event, d Death) Record {
	headers := make([]Header, 0, len(e.headers)+11)
	for _, h := range e.headers {
		if !internal(h.Key) {
			headers = append(headers, h)
		}
	}
	add := func(key, value string) {
		headers = append(headers, Header{Key: key, Value: []byte(value)})
	}
	addTime := func(key string, at time.Time) {
		if !at.IsZero() {
			add(key, at.UTC().Format(timeLayout))
		}
	}
	add(HeaderReason, clip(d.Reason, maxReasonBytes))
	if d.Detail != "" {
		add(HeaderDetail, clip(d.Detail, maxDetailBytes))
	}
	add(HeaderVerdict, d.Verdict)
	add(HeaderStatus, strconv.Itoa(d.Status))
	add(HeaderAttempts, strconv.Itoa(d.Attempts))
	addTime(HeaderFirst, d.First)
	addTime(HeaderLast, d.Last)
	addTime(HeaderTime, e.Time)
	add(HeaderSource, e.First().String())
	add(HeaderWorkspace, d.Workspace)
	add(HeaderEventID, e.EventID().String())
	return Record{Topic: d.Topic, Partition: -1, Key: e.Key, Value: e.Value, Headers: headers}
}

// clip cuts s to at most limit bytes, at the start of a character.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// String is the position as headers and people write it: topic/partition/offset.
func (s Source) String() string {
	return s.Topic + "/" + strconv.FormatInt(int64(s.Partition), 10) + "/" + strconv.FormatInt(s.Offset, 10)
}

// ParseSource reads what String wrote. A topic's name holds no slash.
func ParseSource(s string) (Source, error) {
	topic, place, _ := strings.Cut(s, "/")
	first, second, ok := strings.Cut(place, "/")
	if !ok || topic == "" {
		return Source{}, errors.New("source: want topic/partition/offset")
	}
	partition, err := strconv.ParseInt(first, 10, 32)
	if err != nil {
		return Source{}, fmt.Errorf("source: partition: %w", err)
	}
	offset, err := strconv.ParseInt(second, 10, 64)
	if err != nil {
		return Source{}, fmt.Errorf("source: offset: %w", err)
	}
	return Source{Topic: topic, Partition: int32(partition), Offset: offset}, nil
}

// ParseDeath reads a record of a dead topic back: how it died and where it
// stood. It fails when a header that every dead letter has is absent, or when
// one cannot be read; an unknown header is left alone.
func ParseDeath(r Record) (Death, Source, error) {
	values := make(map[string]string, len(r.Headers))
	for _, h := range r.Headers {
		if internal(h.Key) {
			values[h.Key] = string(h.Value)
		}
	}
	p := deathParser{values: values}
	d := Death{
		Topic:     r.Topic,
		Verdict:   p.text(HeaderVerdict),
		Reason:    p.text(HeaderReason),
		Detail:    values[HeaderDetail],
		Status:    p.number(HeaderStatus),
		Attempts:  p.number(HeaderAttempts),
		First:     p.time(HeaderFirst),
		Last:      p.time(HeaderLast),
		Workspace: p.text(HeaderWorkspace),
		Time:      p.time(HeaderTime),
	}
	source, err := ParseSource(p.text(HeaderSource))
	p.note(HeaderSource, err)
	d.ID, err = ulid.ParseStrict(p.text(HeaderEventID))
	p.note(HeaderEventID, err)
	if p.err != nil {
		return Death{}, Source{}, fmt.Errorf("read dead letter %s/%d/%d: %w", r.Topic, r.Partition, r.Offset, p.err)
	}
	return d, source, nil
}

// deathParser reads headers and keeps the first fault.
type deathParser struct {
	values map[string]string
	err    error
}

func (p *deathParser) note(key string, err error) {
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("header %s: %w", key, err)
	}
}

func (p *deathParser) text(key string) string {
	value, ok := p.values[key]
	if !ok {
		p.note(key, errAbsent)
	}
	return value
}

func (p *deathParser) number(key string) int {
	n, err := strconv.Atoi(p.text(key))
	p.note(key, err)
	return n
}

// time reads an optional time.
func (p *deathParser) time(key string) time.Time {
	value, ok := p.values[key]
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, value)
	p.note(key, err)
	return at
}
