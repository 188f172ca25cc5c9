package deadletters

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"sluice/pipeline/event"
)

const (
	// maxActions bounds the lines of the audit that a summary shows.
	maxActions = 10
	// maxNames bounds how many values of one field are counted apart.
	maxNames = 200
	// others is what the values beyond maxNames are counted as.
	others = "(others)"
)

// Count is how many letters share a value.
type Count struct {
	Name    string `json:"name"`
	Letters int    `json:"letters"`
}

// Summary is what a filter's letters come to. The counts by value, the times
// and the bytes are of the pending ones alone.
type Summary struct {
	Pending  int `json:"pending"`
	Redriven int `json:"redriven"`
	Dropped  int `json:"dropped"`
	Repeats  int `json:"repeats"`
	Foreign  int `json:"foreign"` // records that are neither letters nor marks; no filter looks into them
	Faulty   int `json:"faulty"`  // marks that this version cannot read

	Reasons    []Count `json:"reasons"`
	Verdicts   []Count `json:"verdicts"`
	Workspaces []Count `json:"workspaces"`
	Statuses   []Count `json:"statuses"`

	First time.Time `json:"first,omitzero"` // the earliest death
	Last  time.Time `json:"last,omitzero"`
	Bytes int64     `json:"bytes"`

	Newest  []Letter     `json:"-"` // oldest first, without their values
	Open    []Unfinished `json:"unfinished"`
	Actions []Action     `json:"actions"` // oldest first
}

// summing makes a summary.
type summing struct {
	Summary
	reasons, verdicts, workspaces, statuses tally
	newest                                  newest
}

// Summarise counts the letters that a filter takes and keeps the newest
// pending ones, so many at most. It reads the dead topic twice over and keeps
// none of it, but for a bit for each letter that was handled.
func (b *Box) Summarise(ctx context.Context, f Filter, keep int) (Summary, error) {
	return b.summarise(ctx, f, keep, func(Letter) error { return nil })
}

// summarise is Summarise that shows each letter it counts.
func (b *Box) summarise(ctx context.Context, f Filter, keep int, show func(Letter) error) (Summary, error) {
	s := summing{Summary: Summary{Open: []Unfinished{}, Actions: []Action{}}, reasons: tally{}, verdicts: tally{}, workspaces: tally{}, statuses: tally{}, newest: newest{limit: keep}}
	all, err := b.stretches(ctx)
	if err != nil {
		return Summary{}, err
	}
	for _, at := range all {
		k, err := b.readBook(ctx, at)
		if err != nil {
			return Summary{}, err
		}
		s.marks(k)
		err = b.walk(ctx, at, k, func(l Letter) error {
			if !f.Takes(l) {
				return nil
			}
			s.add(l)
			return show(l)
		}, func(event.Record) { s.Foreign++ })
		if err != nil {
			return Summary{}, err
		}
	}
	s.Reasons, s.Verdicts, s.Workspaces, s.Statuses = s.reasons.sorted(), s.verdicts.sorted(), s.workspaces.sorted(), s.statuses.sorted()
	s.Newest = s.newest.letters
	return s.Summary, nil
}

func (s *summing) marks(k *book) {
	s.Faulty += k.faulty
	for _, c := range k.open {
		s.Open = append(s.Open, c.unfinished(k.partition))
	}
	slices.SortFunc(s.Open, func(a, b Unfinished) int { return a.At.Compare(b.At) })
	s.Actions = append(s.Actions, k.actions...)
	slices.SortStableFunc(s.Actions, func(a, b Action) int { return a.At.Compare(b.At) })
	s.Actions = s.Actions[max(0, len(s.Actions)-maxActions):]
}

func (c claim) unfinished(number int32) Unfinished {
	return Unfinished{Partition: number, At: c.at, By: c.By, Deed: c.Deed, Letters: count(c.Letters)}
}

func (s *summing) add(l Letter) {
	switch l.State {
	case Redriven:
		s.Redriven++
	case Dropped:
		s.Dropped++
	case Repeat:
		s.Repeats++
	case Pending:
		s.Pending++
		s.reasons.add(l.Death.Reason)
		s.verdicts.add(l.Death.Verdict)
		s.workspaces.add(l.Death.Workspace)
		s.statuses.add(statusName(l.Death.Status))
		s.Bytes += int64(l.Bytes)
		died := l.DiedAt()
		if s.First.IsZero() || died.Before(s.First) {
			s.First = died
		}
		if died.After(s.Last) {
			s.Last = died
		}
		s.newest.add(l)
	}
}

func statusName(status int) string {
	if status == 0 {
		return "none"
	}
	return strconv.Itoa(status)
}

// tally counts by name, in bounded memory.
type tally map[string]int

func (t tally) add(name string) {
	if _, known := t[name]; !known && len(t) >= maxNames {
		name = others
	}
	t[name]++
}

// sorted has the commonest first.
func (t tally) sorted() []Count {
	all := make([]Count, 0, len(t))
	for name, letters := range t {
		all = append(all, Count{name, letters})
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// newest keeps the letters that died last, oldest first.
type newest struct {
	limit   int
	letters []Letter
}

func (n *newest) add(l Letter) {
	if n.limit <= 0 {
		return
	}
	if len(n.letters) == n.limit && !l.DiedAt().After(n.letters[0].DiedAt()) {
		return
	}
	l.Record.Value = nil // it may be large, and nobody looks at it here
	at, _ := slices.BinarySearchFunc(n.letters, l, func(have, l Letter) int {
		return cmp.Or(have.DiedAt().Compare(l.DiedAt()), -1) // after those of the same time
	})
	n.letters = slices.Insert(n.letters, at, l)
	if len(n.letters) > n.limit {
		n.letters = slices.Delete(n.letters, 0, 1)
	}
}
