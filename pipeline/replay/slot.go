package replay

import "context"

// slot is a shard's place among the few of its workspace that are read at once.
// It belongs to one goroutine.
type slot struct {
	free chan struct{} // takes as many as may enter
	held bool
}

// enter waits for a place.
func (s *slot) enter(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		s.held = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave makes room for another, if it was held.
func (s *slot) leave() {
	if s.held {
		<-s.free
		s.held = false
	}
}
