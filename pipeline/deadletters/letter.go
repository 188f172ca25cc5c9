package deadletters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// State is what became of a dead letter.
type State string

// The states.
const (
	Pending  State = "pending"  // nobody has handled it
	Redriven State = "redriven" // it was put back on the live topic
	Dropped  State = "dropped"  // somebody said that it is not needed
	// Repeat is the letter of an event that died a second time because the
	// first letter was written but not yet committed when a member crashed. It
	// shares the fate of the first.
	Repeat State = "repeat"
)

// Letter is one dead letter.
type Letter struct {
	Partition int32
	Offset    int64
	Source    event.Source // where the event stood when it died
	Death     event.Death
	Record    event.Record // as it stands in the dead topic
	Bytes     int          // of its value
	State     State
	first     int64 // of a Repeat: the offset of the first letter
}

// DiedAt is when the event was set aside.
func (l Letter) DiedAt() time.Time {
	if !l.Death.Last.IsZero() {
		return l.Death.Last
	}
	return l.Record.Time
}

// User is the record key, "" when there is none.
func (l Letter) User() string { return string(l.Record.Key) }

// Place is where the letter stands in the dead topic: PARTITION/OFFSET.
func (l Letter) Place() string {
	return strconv.FormatInt(int64(l.Partition), 10) + "/" + strconv.FormatInt(l.Offset, 10)
}

// twins knows the letters of late by where their events stood, to tell repeats.
// A repeat follows its first closely: both lie around one crash.
type twins struct{ young, old map[event.Source]int64 }

// maxTwins bounds one generation of twins.
const maxTwins = 50_000

// first returns the offset of an earlier letter of the same event, and
// otherwise remembers this one.
func (t *twins) first(at event.Source, offset int64) (int64, bool) {
	if first, ok := t.young[at]; ok {
		return first, true
	}
	if first, ok := t.old[at]; ok {
		return first, true
	}
	if len(t.young) >= maxTwins {
		t.old, t.young = t.young, map[event.Source]int64{}
	}
	if t.young == nil {
		t.young = map[event.Source]int64{}
	}
	t.young[at] = offset
	return offset, false
}

// walk calls fn for each letter of a stretch in order, each with its state by
// the book at that moment, and foreign for a record that is neither letter nor
// mark.
func (b *Box) walk(ctx context.Context, s stretch, k *book, fn func(Letter) error, foreign func(event.Record)) error {
	var t twins
	return b.read(ctx, s, func(r event.Record) error {
		if isMark(r) {
			return nil
		}
		death, source, err := event.ParseDeath(r)
		if err != nil {
			foreign(r)
			return nil //nolint:nilerr // somebody else's record: it is counted
		}
		l := Letter{
			Partition: s.partition, Offset: r.Offset, Source: source, Death: death, Record: r,
			Bytes: len(r.Value), State: k.state(r.Offset),
		}
		if first, repeat := t.first(source, r.Offset); repeat && l.State == Pending {
			l.State, l.first = Repeat, first
		}
		return fn(l)
	})
}

// Fate is who handled a letter, when and why.
type Fate struct {
	State State     `json:"state"`
	At    time.Time `json:"at,omitzero"`
	By    string    `json:"by,omitempty"`
	Why   string    `json:"why,omitempty"`
}

// At returns the letter at a place and what became of it; ErrNone when no
// letter stands there.
func (b *Box) At(ctx context.Context, number int32, offset int64) (Letter, Fate, error) {
	bounds, err := b.kafka.Bounds(ctx, b.dead)
	if err != nil {
		return Letter{}, Fate{}, fmt.Errorf("find the dead letter: %w", err)
	}
	s := stretch{number, offset, bounds.End[number]}
	if offset < bounds.Start[number] || offset >= s.end {
		return Letter{}, Fate{}, fmt.Errorf("%s/%d holds the offsets %d to %d: %w", b.dead, number, bounds.Start[number], s.end-1, ErrNone)
	}
	var l Letter
	found, fate := false, Fate{State: Pending}
	err = b.read(ctx, s, func(r event.Record) error {
		switch {
		case r.Offset == offset && !isMark(r):
			death, source, err := event.ParseDeath(r)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrNone, err)
			}
			found = true
			l = Letter{Partition: number, Offset: offset, Source: source, Death: death, Record: r, Bytes: len(r.Value)}
		case isMark(r):
			fate.hear(r, offset)
		}
		return nil
	})
	if err == nil && !found {
		err = ErrNone
	}
	if err != nil {
		return Letter{}, Fate{}, fmt.Errorf("read %s/%d at %d: %w", b.dead, number, offset, err)
	}
	l.State = fate.State
	return l, fate, nil
}

// hear takes in a mark that may speak of the letter at an offset.
func (f *Fate) hear(r event.Record, offset int64) {
	m, err := parseMark(r)
	if err != nil || m.Kind != markDone || !covers(m.Letters, offset) || f.State == Redriven {
		return
	}
	*f = Fate{State: Dropped, At: r.Time, By: m.By, Why: m.Why}
	if m.Deed == Redrive {
		f.State = Redriven
	}
}

// redriven is the record that puts a letter's event back: its key, value, time
// and public headers as they came, its id as a header. It stands where the
// user's events stand; one without a user where its id falls.
func (l Letter) redriven(live string, partitions int32, run string) event.Record {
	r := event.Record{Topic: live, Key: l.Record.Key, Value: l.Record.Value, Time: l.Death.Time}
	if r.Time.IsZero() {
		r.Time = l.Record.Time
	}
	named := false
	for _, h := range l.Record.Headers {
		if !public(h.Key) {
			continue
		}
		named = named || h.Key == event.HeaderID && len(h.Value) > 0
		r.Headers = append(r.Headers, h)
	}
	if !named {
		r.Headers = append(r.Headers, event.Header{Key: event.HeaderID, Value: []byte(l.Death.ID.String())})
	}
	r.Headers = append(r.Headers, event.Header{Key: HeaderRedrive, Value: []byte(run + "/" + l.Place())})
	at := r.Key
	if at == nil {
		at = []byte(l.Death.ID.String())
	}
	r.Partition = partition.ShardOf(at, partitions)
	return r
}

// Find returns the newest letters of the event with an id, oldest first, at
// most ten; ErrNone when there is none.
func (b *Box) Find(ctx context.Context, id string) ([]Letter, error) {
	const most = 10
	newest := newest{limit: most}
	err := b.each(ctx, Filter{IDs: []string{id}}, func(l Letter) error {
		newest.add(l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(newest.letters) == 0 {
		return nil, fmt.Errorf("%w: no letter in %s is of event %s", ErrNone, b.dead, id)
	}
	return newest.letters, nil
}

// each calls fn for every letter that the filter takes, partition after
// partition, whatever its state.
func (b *Box) each(ctx context.Context, f Filter, fn func(Letter) error) error {
	all, err := b.stretches(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		k, err := b.readBook(ctx, s)
		if err != nil {
			return err
		}
		err = b.walk(ctx, s, k, func(l Letter) error {
			if !f.Takes(l) {
				return nil
			}
			return fn(l)
		}, func(event.Record) {})
		if err != nil {
			return err
		}
	}
	return nil
}

var errNoPartitions = errors.New("has no partitions")

// partitionsOf is how many partitions bounds tell of.
func partitionsOf(topic string, bounds partition.Bounds) (int32, error) {
	numbers := slices.Sorted(maps.Keys(bounds.End))
	if len(numbers) == 0 {
		return 0, fmt.Errorf("topic %s: %w", topic, errNoPartitions)
	}
	return numbers[len(numbers)-1] + 1, nil
}

// internalPrefix leads the headers that only our own tiers carry.
const internalPrefix = "sluice-"

func public(header string) bool { return !strings.HasPrefix(header, internalPrefix) }
