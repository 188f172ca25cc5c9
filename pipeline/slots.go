package pipeline

import (
	"context"
	"sync/atomic"
	"time"

	"sluice/sink/budget"
)

// slots bound the attempts in flight, as adapt finds good. The bound may change
// at any time: a higher one counts at once, a lower one as attempts end. One
// goroutine takes; any may give back and ask.
type slots struct {
	adapt *budget.InFlight
	taken atomic.Int64
	freed chan struct{} // capacity 1: one may be free
}

func newSlots(start, most int) *slots {
	return &slots{adapt: budget.NewInFlight(start, most, time.Now), freed: make(chan struct{}, 1)}
}

// take waits for a slot, until ctx ends.
func (s *slots) take(ctx context.Context) bool {
	for s.taken.Load() >= s.bound() {
		select {
		case <-s.freed:
		case <-ctx.Done():
			return false
		}
	}
	s.taken.Add(1)
	if ctx.Err() != nil {
		s.give()
		return false
	}
	return true
}

func (s *slots) give() {
	s.taken.Add(-1)
	s.notify()
}

func (s *slots) set(start, most int) {
	s.adapt.Set(start, most)
	s.notify()
}

func (s *slots) bound() int64 { return int64(s.adapt.Bound()) }

// over tells whether more are taken than the bound has become.
func (s *slots) over() bool { return s.taken.Load() > s.bound() }

// learn adapts the bound to what came of an attempt, which still has its slot.
func (s *slots) learn(sent time.Time, failed bool) {
	taken := s.taken.Load()
	if bound := s.adapt.Done(sent, failed, taken >= s.bound()); taken < int64(bound) {
		s.notify() // one who waits may go on
	}
}

func (s *slots) notify() {
	select {
	case s.freed <- struct{}{}:
	default:
	}
}
