package deadletters

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DefaultLease is how long a claim holds off others after it was made. A
// command that was killed can be run again at once; it waits that long. By then
// whatever the killed one had sent is either readable or refused: Kafka waits
// 30 s for a follower that lags (replica.lag.time.max.ms) and no longer.
const DefaultLease = 40 * time.Second

// maxBlocked bounds the users whose letters are held back in one run.
const maxBlocked = 100_000

// Order says what to do with which letters, and for whom.
type Order struct {
	Deed   Deed
	Filter Filter
	By     string // who asks
	Why    string
	// Rate is how many letters a second a redrive puts back, evenly; 0 is
	// unlimited.
	Rate float64
	// Keep is how long the live topic keeps an event. An event whose time lies
	// so far back that Kafka might delete it before it is delivered is held
	// back, unless NewTime gives it the time of now. 0 is for ever.
	Keep    time.Duration
	NewTime bool
	// Unsure puts back also letters of which nobody can tell any more whether a
	// redrive that was killed had put them back; see UnsureError.
	Unsure bool
	Lease  time.Duration // 0 is DefaultLease
	// Progress hears how far it is after each claim, Waiting of an unfinished
	// one whose lease has to pass first. Nil hears nothing.
	Progress func(Counts)
	Waiting  func(Unfinished, time.Duration)
}

// Counts are what became of the letters that an order took.
type Counts struct {
	Handled   int `json:"handled"`   // put back, or dropped
	Recovered int `json:"recovered"` // found to be put back already by a run that ended without saying so
	Repeats   int `json:"repeats"`   // second letters of events that were handled by their first
	Old       int `json:"old"`       // held back: their time is further back than the live topic keeps events
	Empty     int `json:"empty"`     // held back: they have no value that could be delivered
	Failed    int `json:"failed"`    // the live topic would not take them
	Behind    int `json:"behind"`    // held back behind a letter of their user that is held back
}

// Left is how many letters of the filter stay pending.
func (c Counts) Left() int { return c.Old + c.Empty + c.Failed + c.Behind }

// safeShare is the part of the live topic's retention that an event's age may
// have reached: the rest is time to deliver it.
const safeShare = 0.8

// sieve decides letter by letter what an order does.
type sieve struct {
	order   Order
	now     time.Time
	blocked map[string]struct{} // users of whom a letter was held back
	counts  Counts
}

func newSieve(o Order) *sieve {
	return &sieve{order: o, now: time.Now(), blocked: map[string]struct{}{}}
}

var errBlocked = fmt.Errorf("letters of more than %d users are held back; choose fewer at a time by --since, --until or --workspace", maxBlocked)

// takes reports whether a pending letter of the filter goes ahead. What does
// not is counted, and the user's later letters stay behind it: they would
// overtake.
func (s *sieve) takes(l Letter) (bool, error) {
	if s.order.Deed == Drop {
		return true, nil
	}
	switch {
	case l.Record.Value == nil:
		s.counts.Empty++ // nothing to overtake: it can never go
		return false, nil
	case s.behind(l):
		s.counts.Behind++
		return false, nil
	case s.old(l):
		s.counts.Old++
		return false, s.block(l)
	}
	return true, nil
}

func (s *sieve) old(l Letter) bool {
	born := l.Death.Time
	if s.order.NewTime || s.order.Keep <= 0 || born.IsZero() {
		return false
	}
	return s.now.Sub(born) > time.Duration(safeShare*float64(s.order.Keep))
}

func (s *sieve) behind(l Letter) bool {
	_, blocked := s.blocked[l.User()]
	return blocked && l.Record.Key != nil
}

func (s *sieve) block(l Letter) error {
	if l.Record.Key == nil {
		return nil
	}
	if s.blocked[l.User()] = struct{}{}; len(s.blocked) > maxBlocked {
		return errBlocked
	}
	return nil
}

// Plan is what an order would do.
type Plan struct {
	Summary Summary `json:"summary"`
	Counts  Counts  `json:"counts"` // Handled: would be handled
	// Takes is how long a redrive takes at its rate; 0 when it is unlimited.
	Takes time.Duration `json:"-"`
}

// Plan says what Handle would do, and does nothing.
func (b *Box) Plan(ctx context.Context, o Order, keep int) (Plan, error) {
	s := newSieve(o)
	summary, err := b.summarise(ctx, o.Filter, keep, func(l Letter) error {
		if l.State == Repeat {
			s.counts.Repeats++
		}
		if l.State != Pending {
			return nil
		}
		ok, err := s.takes(l)
		if ok {
			s.counts.Handled++
		}
		return err
	})
	p := Plan{Summary: summary}
	p.Counts = s.counts
	if o.Deed == Redrive && o.Rate > 0 {
		p.Takes = time.Duration(float64(p.Counts.Handled) / o.Rate * float64(time.Second))
	}
	return p, err
}

// BusyError says that somebody else is at work on the same letters.
type BusyError struct{ Unfinished }

// Error says who, since when.
func (e *BusyError) Error() string {
	return fmt.Sprintf("a %s by %s, begun at %s, is at work on the same letters (partition %d); let it end, then run this again",
		e.Deed, e.By, e.At.UTC().Format(time.RFC3339), e.Partition)
}

// UnsureError says that a redrive ended without saying so, and that the live
// topic no longer holds all that was written since: of some letters nobody can
// tell whether they were put back.
type UnsureError struct {
	Unfinished
	Letters []Span
}

// Error says which letters, and the ways out.
func (e *UnsureError) Error() string {
	return fmt.Sprintf("whether %d letters of partition %d (offsets %s) were put back by %s at %s cannot be told any more: the live topic has deleted events since. "+
		"To put them back all the same, perhaps a second time, add --unsure; to leave them, use drop --unsure", count(e.Letters), e.Partition, spell(e.Letters), e.By, e.At.UTC().Format(time.RFC3339))
}

// spell writes the first few spans.
func spell(spans []Span) string {
	const most = 5
	text := ""
	for i, s := range spans {
		switch {
		case i == most:
			return text + ", …"
		case i > 0:
			text += ", "
		}
		if text += fmt.Sprint(s[0]); s[1] > s[0] {
			text += fmt.Sprintf("–%d", s[1])
		}
	}
	return text
}

// ErrStopped says that ctx ended before all letters were handled. What was
// begun is finished and marked.
var ErrStopped = errors.New("stopped before the end")
