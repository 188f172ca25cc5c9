package producer

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// overhead is about what an event costs beside its key and value.
const overhead = 256

// room is what the buffer has left, first come, first served.
type room struct {
	events, bytes *semaphore.Weighted
	all           int64 // bytes
	wait          bool  // rather than fail
}

func newRoom(c Config) *room {
	return &room{
		events: semaphore.NewWeighted(int64(c.BufferEvents)),
		bytes:  semaphore.NewWeighted(int64(c.BufferBytes)),
		all:    int64(c.BufferBytes), wait: c.WhenFull == Block,
	}
}

// enter takes room for one event of that size.
func (r *room) enter(ctx context.Context, size int64) error {
	switch {
	case size > r.all:
		return fmt.Errorf("%w: it holds %d bytes, the event has %d", ErrFull, r.all, size)
	case !r.wait:
		if !r.events.TryAcquire(1) {
			return ErrFull
		}
		if !r.bytes.TryAcquire(size) {
			r.events.Release(1)
			return ErrFull
		}
		return nil
	}
	if err := r.events.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for room in the buffer: %w", context.Cause(ctx))
	}
	if err := r.bytes.Acquire(ctx, size); err != nil {
		r.events.Release(1)
		return fmt.Errorf("wait for room in the buffer: %w", context.Cause(ctx))
	}
	return nil
}

func (r *room) leave(size int64) {
	r.bytes.Release(size)
	r.events.Release(1)
}
