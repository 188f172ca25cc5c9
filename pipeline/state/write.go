package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
)

// maxKey is how many bytes a key may have.
const maxKey = 400

// Put writes a document, whatever it was before, and returns its version once
// all in-sync replicas have it; Get returns it, or what replaced it, from then
// on. body is anything that encoding/json writes, null excepted; ErrTooLarge when
// that has more than MaxBody bytes. After an error of Kafka or of ctx the
// document may have been written nevertheless.
func (s *Store) Put(ctx context.Context, key string, body any) (version int64, err error) {
	text, err := encode(key, body)
	if err != nil {
		return 0, err
	}
	return s.write(ctx, event.Record{Key: []byte(key), Value: text})
}

// Delete removes a document. Its key keeps a record of a few bytes.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	_, err := s.write(ctx, event.Record{Key: []byte(key), Value: gone()})
	if err == nil {
		s.clean(ctx, key)
	}
	return err
}

// Swap is Put on the condition that the document's version is seen, 0 for a
// document that is not there: of several at once exactly one succeeds, and the
// others return ErrChanged. After any other error it may have been written
// nevertheless.
func (s *Store) Swap(ctx context.Context, key string, seen int64, body any) (version int64, err error) {
	text, err := encode(key, body)
	if err != nil {
		return 0, err
	}
	record := ownKey(key)
	replaced, err := s.announce(key, record, seen)
	if err != nil {
		return 0, err
	}
	version, err = s.write(ctx, event.Record{
		Key: []byte(record), Value: text,
		Headers: []event.Header{{Key: headerSeen, Value: strconv.AppendInt(nil, replaced, 10)}},
	})
	s.mu.Lock()
	won := s.outcomes[record]
	delete(s.outcomes, record)
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	s.clean(ctx, key)
	if !won {
		return 0, fmt.Errorf("%s: %w", key, ErrChanged)
	}
	return version, nil
}

// announce notes a Swap whose outcome is wanted and returns the version that it
// replaces, a deletion included.
func (s *Store) announce(key, record string, seen int64) (replaced int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, have := s.book[key], int64(0)
	if e != nil && !e.deleted {
		have = e.document.Version
	}
	if have != seen {
		return 0, fmt.Errorf("%s: %w", key, ErrChanged)
	}
	s.outcomes[record] = false
	return s.book.version(key), nil
}

// Entry is one line of the audit trail: who did what, when, to what.
type Entry struct {
	At     time.Time         `json:"at"` // zero: now
	By     string            `json:"by"`
	Action string            `json:"action"`
	What   string            `json:"what"`
	Detail map[string]string `json:"detail,omitempty"`
}

// AuditPrefix begins the keys of the audit trail, which List returns in the
// order of time.
const AuditPrefix = "audit/"

// Audit writes a line of the audit trail; it returns once the line is kept.
func (s *Store) Audit(ctx context.Context, e Entry) error {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	e.At = e.At.UTC()
	id, err := ulid.New(ulid.Timestamp(e.At), ulid.DefaultEntropy())
	if err != nil {
		return fmt.Errorf("name an audit entry: %w", err)
	}
	_, err = s.Put(ctx, AuditPrefix+id.String(), e)
	return err
}

func encode(key string, body any) (json.RawMessage, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	text, err := json.Marshal(body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("encode %s: %w", key, err)
	case len(text) > MaxBody:
		return nil, fmt.Errorf("%s: %w: it has %d bytes, and %d are the most", key, ErrTooLarge, len(text), MaxBody)
	case string(text) == string(gone()):
		return nil, fmt.Errorf("%s: null is no document; Delete removes one", key)
	}
	return text, nil
}

func checkKey(key string) error {
	if key == "" || len(key) > maxKey || strings.Contains(key, apart) {
		return fmt.Errorf("key %q: must have 1 to %d bytes, none of them zero", key, maxKey)
	}
	return nil
}

// write appends a record and reads on until it is in the book.
func (s *Store) write(ctx context.Context, r event.Record) (version int64, err error) {
	at, err := s.append(ctx, r)
	if err != nil {
		return 0, err
	}
	return at.Offset + 1, s.readTo(ctx, at.Offset+1)
}

// append returns where a record stands once it is acknowledged.
func (s *Store) append(ctx context.Context, r event.Record) (partition.Position, error) {
	type answer struct {
		at  partition.Position
		err error
	}
	answers := make(chan answer, 1)
	r.Topic, r.Partition = s.topic, 0
	s.appender.Append(ctx, r, func(at partition.Position, err error) { answers <- answer{at, err} })
	select {
	case a := <-answers:
		return a.at, a.err
	case <-ctx.Done():
		return partition.Position{}, fmt.Errorf("append to %s: it may have been written: %w", s.topic, ctx.Err())
	}
}

// clean removes what is left of a key's Swaps. That it fails harms nothing: the
// next writer, or a Store that runs, does it.
func (s *Store) clean(ctx context.Context, key string) {
	s.mu.Lock()
	var left []string
	if e := s.book[key]; e != nil {
		left = e.leftovers(time.Now().Add(time.Hour)) // all, whatever another's clock says
	}
	s.mu.Unlock()
	s.remove(ctx, left)
}

// remove writes tombstones. The Kafka keys are those of one record each, so
// nothing else can be hit.
func (s *Store) remove(ctx context.Context, records []string) {
	answers := make(chan error, len(records))
	for _, record := range records {
		s.appender.Append(ctx, event.Record{Topic: s.topic, Key: []byte(record)}, func(_ partition.Position, err error) { answers <- err })
	}
	var faults []error
	for range records {
		select {
		case err := <-answers:
			faults = append(faults, err)
		case <-ctx.Done():
			faults = append(faults, ctx.Err())
		}
	}
	if err := errors.Join(faults...); err != nil {
		s.log.Debug("what was replaced is not removed yet", zap.Error(err))
	}
}
