package producer

import (
	"context"
	"fmt"
	"slices"

	"sluice/partition"
)

// settle takes one outcome. Whoever waits hears of it before the batch counts
// as settled, so that Flush and Close return after the last callback.
func (b *buffer) settle(of *batch, e *entry, at partition.Position, err error) {
	heard := e.waiter != nil && e.waiter.claim()
	b.mu.Lock()
	switch {
	case err == nil:
		b.acknowledged++
	case heard:
		b.failed++
	default:
		b.failed++
		b.unheard++
		if b.first == nil {
			b.first = err
		}
	}
	b.mu.Unlock()
	b.room.leave(e.size)
	if heard {
		e.waiter.outcome <- err
	}
	if e.done != nil {
		e.done(Outcome{
			Topic: e.record.Topic, Key: e.record.Key, Value: e.record.Value,
			Partition: at.Partition, Offset: at.Offset, Err: err,
		})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if of.left--; of.left == 0 {
		b.settled(of)
		b.move()
	}
}

// settled ends a batch. The caller holds mu.
func (b *buffer) settled(of *batch) {
	b.out = slices.DeleteFunc(b.out, func(one *batch) bool { return one == of })
	if of.settled != nil {
		close(of.settled)
	}
	clear(of.entries)
	*of = batch{entries: of.entries[:0]}
	if len(b.free) <= b.config.Concurrency {
		b.free = append(b.free, of)
	}
}

// flush waits until all that the buffer holds is settled.
func (b *buffer) flush(ctx context.Context) error {
	b.mu.Lock()
	b.urgent = len(b.queue)
	b.move()
	waits := make([]chan struct{}, 0, len(b.out)+len(b.queue))
	for _, some := range [][]*batch{b.out, b.queue} {
		for _, one := range some {
			if one.settled == nil {
				one.settled = make(chan struct{})
			}
			waits = append(waits, one.settled)
		}
	}
	b.mu.Unlock()
	for _, settled := range waits {
		select {
		case <-settled:
		case <-ctx.Done():
			return fmt.Errorf("wait for acknowledgements: %w", context.Cause(ctx))
		}
	}
	return nil
}

func (b *buffer) close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	if err := b.flush(ctx); err != nil {
		return fmt.Errorf("close with %d events in hand: %w", b.counted().InHand, err)
	}
	b.movers.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unheard > 0 {
		return fmt.Errorf("append: %d events were not acknowledged, the first: %w", b.unheard, b.first)
	}
	return nil
}

func (b *buffer) counted() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Counts{
		Taken: b.taken, Acknowledged: b.acknowledged, Failed: b.failed,
		InHand:  b.taken - b.acknowledged - b.failed,
		Dropped: b.dropped.Load(), Refused: b.refused.Load(),
	}
}
