package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"sluice/pipeline/event"
	"sluice/sink"
)

// bookUsers is how many users a workspace has; they take turns, so an event's
// number tells whose it is.
const bookUsers = 211

// book is what one workspace's destination saw, whichever member sent it. Its
// events are numbered from 0.
type book struct {
	name string
	rate float64 // attempts a second that the workspace's budget allows

	mu     sync.Mutex
	sends  []arrival // one an event
	seen   []int     // by number: the place in sends of its first arrival, from 1
	latest [bookUsers]int
	faults []fault
}

// arrival is when an event came, and from whom.
type arrival struct {
	at time.Time
	by string // the member
}

// fault is an event that came again, or after a later one of its user.
type fault struct {
	n             int
	twice         bool
	before, after arrival
}

// bookSink is a member's way to a workspace's destination, which takes a
// little time for each answer and never fails.
type bookSink struct {
	*book
	member string
}

// answerAfter is how long a destination takes.
const answerAfter = 20 * time.Millisecond

func (bookSink) Prepare(e *event.Event) {
	e.PrepareObject()
	e.Size = len(e.Value)
}

func (bookSink) Limits() sink.Limits { return sink.Limits{Items: 1, Bytes: 1 << 20} }

func (bookSink) Close() {}

func (s bookSink) Deliver(ctx context.Context, batch []*event.Event) sink.Result {
	for _, e := range batch {
		s.note(e.Value, arrival{time.Now(), s.member})
	}
	answer := time.NewTimer(answerAfter)
	defer answer.Stop()
	select {
	case <-answer.C:
		return sink.Result{Verdict: sink.Delivered, Status: 200}
	case <-ctx.Done():
		return sink.Result{Verdict: sink.Interrupted}
	}
}

// numbered is an event's value; note reads it.
func numbered(n int) []byte { return fmt.Appendf(nil, `{"n":%d}`, n) }

func (b *book) note(value []byte, now arrival) {
	digits := bytes.TrimSuffix(bytes.TrimPrefix(value, []byte(`{"n":`)), []byte("}"))
	n, err := strconv.Atoi(string(digits))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sends = append(b.sends, now)
	if err != nil { // what nobody produced: no better than a second time
		b.faults = append(b.faults, fault{n: -1, twice: true, after: now})
		return
	}
	if first := b.seen[n]; first > 0 {
		b.faults = append(b.faults, fault{n, true, b.sends[first-1], now})
		return
	}
	b.seen[n] = len(b.sends)
	if user := n % bookUsers; n < b.latest[user] {
		b.faults = append(b.faults, fault{n, false, b.sends[b.seen[b.latest[user]]-1], now})
	} else {
		b.latest[user] = n
	}
}

// wrong counts the events that came again and those that came too late.
func (b *book) wrong() (twice, late int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		if f.twice {
			twice++
		} else {
			late++
		}
	}
	return twice, late
}

// told says of at most so many faults what came from whom and when, counted
// from begun.
func (b *book) told(begun time.Time, most int) (lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults[:min(most, len(b.faults))] {
		what := "late, after one"
		if f.twice {
			what = "twice, first"
		}
		lines = append(lines, fmt.Sprintf("%s: event %d came from %s at %v %s from %s at %v", b.name, f.n,
			f.after.by, f.after.at.Sub(begun), what, f.before.by, f.before.at.Sub(begun)))
	}
	return lines
}

// left is how many events have not come yet.
func (b *book) left() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := 0
	for _, first := range b.seen {
		if first == 0 {
			left++
		}
	}
	return left
}

// use is the part of the budget that was used from one time to another.
func (b *book) use(from, to time.Time) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := 0
	for _, s := range b.sends {
		if !s.at.Before(from) && s.at.Before(to) {
			held++
		}
	}
	return float64(held) / (b.rate * to.Sub(from).Seconds())
}

// silence is the longest time without a send between two times.
func (b *book) silence(from, to time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	longest, last := time.Duration(0), from
	for _, s := range b.sends {
		if s.at.After(from) && s.at.Before(to) {
			longest, last = max(longest, s.at.Sub(last)), s.at
		}
	}
	return max(longest, to.Sub(last))
}

// fullest is the most that a half-open second held, as a part of the budget. A
// window that holds most can be moved to begin with a send.
func (b *book) fullest() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	most, end := 0, 0
	for begin := range b.sends {
		for end < len(b.sends) && b.sends[end].at.Before(b.sends[begin].at.Add(time.Second)) {
			end++
		}
		most = max(most, end-begin)
	}
	return float64(most) / b.rate
}
