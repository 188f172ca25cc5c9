package deadletters

import (
	"context"
	"fmt"
	"time"

	"sluice/pipeline/event"
)

// book is what the marks of one partition come to, up to an offset. It is used
// by one goroutine.
type book struct {
	partition         int32
	next              int64 // the first offset that is not read yet
	redriven, dropped offsets
	open              map[string]claim // by run
	actions           []Action
	faulty            int   // marks that cannot be read
	fault             int64 // the offset of the first of them
}

// claim is one that is open.
type claim struct {
	mark
	offset int64
	at     time.Time
}

// readBook reads the marks of a stretch.
func (b *Box) readBook(ctx context.Context, s stretch) (*book, error) {
	k := &book{partition: s.partition, next: s.start, redriven: offsets{}, dropped: offsets{}, open: map[string]claim{}}
	return k, b.readOn(ctx, k, s.end)
}

// readOn brings a book up to an offset.
func (b *Box) readOn(ctx context.Context, k *book, to int64) error {
	err := b.read(ctx, stretch{k.partition, k.next, to}, func(r event.Record) error {
		if isMark(r) {
			k.add(r)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the marks: %w", err)
	}
	k.next = max(k.next, to)
	return nil
}

func (k *book) add(r event.Record) {
	m, err := parseMark(r)
	if err != nil {
		if k.faulty++; k.faulty == 1 {
			k.fault = r.Offset
		}
		return
	}
	switch m.Kind {
	case markClaim:
		k.open[m.Run] = claim{m, r.Offset, r.Time}
	case markDone:
		k.settle(m)
		delete(k.open, m.Run)
	case markRelease:
		delete(k.open, m.Run)
	case markAction:
		line := Action{At: r.Time, By: m.By, Deed: m.Deed, Why: m.Why, Filter: m.Filter}
		if m.Counts != nil {
			line.Counts = *m.Counts
		}
		if k.actions = append(k.actions, line); len(k.actions) > maxActions {
			k.actions = k.actions[1:]
		}
	}
}

func (k *book) settle(m mark) {
	set := k.redriven
	if m.Deed == Drop {
		set = k.dropped
	}
	for _, s := range m.Letters {
		for offset := s[0]; offset <= s[1]; offset++ {
			set.add(offset)
		}
	}
}

// state is what became of the letter at an offset. One that was put back, by
// whatever way, was put back.
func (k *book) state(offset int64) State {
	switch {
	case k.redriven.has(offset):
		return Redriven
	case k.dropped.has(offset):
		return Dropped
	}
	return Pending
}

// oldest returns the open claim of another run that stands first, if any.
func (k *book) oldest(but string) (first claim, found bool) {
	for run, c := range k.open {
		if run != but && (!found || c.offset < first.offset) {
			first, found = c, true
		}
	}
	return first, found
}
