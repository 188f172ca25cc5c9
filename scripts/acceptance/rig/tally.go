package rig

import (
	"context"
	"time"
)

// Tally judges arrivals on its own, a second opinion beside `sluice check`: it
// is fed in steps, so that a check can say what one fault cost.
type Tally struct {
	Accepted      int64 // acceptances
	Unique        int64 // distinct events accepted
	Duplicates    int64 // acceptances beyond an event's first
	OrderBreaks   int64 // first acceptances after a later event of the same user
	DoubleEffects int64 // effects beyond an event's first

	read    int64
	seen    map[key]bool
	effects map[key]bool
	last    map[user]int64
}

type key struct {
	workspace string
	n         int64
}

type user struct{ workspace, user string }

// NewTally is empty.
func NewTally() *Tally {
	return &Tally{seen: map[key]bool{}, effects: map[key]bool{}, last: map[user]int64{}}
}

// Update reads what arrived since the last update.
func (t *Tally) Update(ctx context.Context, s *Simulator) error {
	arrivals, err := s.History(ctx, t.read)
	if err != nil {
		return err
	}
	t.read += int64(len(arrivals))
	t.Add(arrivals)
	return nil
}

// Skip leaves out what arrived so far.
func (t *Tally) Skip(ctx context.Context, s *Simulator) error {
	arrivals, err := s.History(ctx, t.read)
	t.read += int64(len(arrivals))
	return err
}

// Add counts arrivals, which continue those before.
func (t *Tally) Add(arrivals []Arrival) {
	for _, a := range arrivals {
		if !a.Accepted() {
			continue
		}
		t.Accepted++
		k := key{a.Workspace, a.N}
		if a.Effect {
			if t.effects[k] {
				t.DoubleEffects++
			}
			t.effects[k] = true
		}
		if t.seen[k] {
			t.Duplicates++
			continue
		}
		t.seen[k] = true
		t.Unique++
		u := user{a.Workspace, a.User}
		if a.Seq < t.last[u] {
			t.OrderBreaks++
		}
		t.last[u] = max(t.last[u], a.Seq)
	}
}

// MaxRequests is the largest number of requests that arrived in any half-open
// window of that many nanoseconds, answered or not.
func MaxRequests(arrivals []Arrival, window int64) int {
	return Requests(arrivals).Busiest(time.Duration(window))
}

// Requests are when the requests arrived, answered or not: the events of one
// count once.
func Requests(arrivals []Arrival) Times {
	times := make([]int64, 0, len(arrivals))
	last := int64(-1)
	for _, a := range arrivals {
		if a.Attempt != last { // the events of a request stand together
			times = append(times, a.Time)
			last = a.Attempt
		}
	}
	return NewTimes(times)
}
