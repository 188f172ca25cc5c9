package pipeline

import (
	"context"
	"sync/atomic"
)

// slots bound the attempts in flight. The bound may change at any time: a
// higher one counts at once, a lower one as attempts end. One goroutine takes;
// any may give back and ask.
type slots struct {
	bound atomic.Int64
	taken atomic.Int64
	freed chan struct{} // capacity 1: one may be free
}

func newSlots(bound int) *slots {
	s := &slots{freed: make(chan struct{}, 1)}
	s.bound.Store(int64(bound))
	return s
}

// take waits for a slot, until ctx ends.
func (s *slots) take(ctx context.Context) bool {
	for s.taken.Load() >= s.bound.Load() {
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

func (s *slots) set(bound int) {
	s.bound.Store(int64(bound))
	s.notify()
}

// over tells whether more are taken than the bound has become.
func (s *slots) over() bool { return s.taken.Load() > s.bound.Load() }

func (s *slots) notify() {
	select {
	case s.freed <- struct{}{}:
	default:
	}
}
