package producer

import (
	"context"
	"fmt"
	"sync/atomic"
)

// waiter is a call that waits for its outcome. Either the outcome reaches it or
// it leaves first, never both.
type waiter struct {
	outcome chan error // of one
	over    atomic.Bool
}

// claim is won once: by the outcome, or by the call that leaves.
func (w *waiter) claim() bool { return w.over.CompareAndSwap(false, true) }

// wait returns the outcome, or that ctx ended before it.
func (w *waiter) wait(ctx context.Context) error {
	select {
	case err := <-w.outcome:
		return err
	case <-ctx.Done():
	}
	if !w.claim() {
		return <-w.outcome
	}
	return fmt.Errorf("%w: %w", ErrUnsettled, context.Cause(ctx))
}
