package replay

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/state"
)

// ack is Kafka's answer about one copy.
type ack struct {
	user uint64
	at   partition.Position
	err  error
}

// append sends a copy, a user's next one only when the one before is
// acknowledged: a record that is too large for a usual batch is sent apart, where
// others might overtake it.
func (c *copier) append(ctx context.Context, e *event.Event, t traveller) error {
	user := uint64(0)
	if e.Key != nil {
		user = maphash.Bytes(c.seed, e.Key)
		for c.users[user] && c.failed == nil {
			if err := c.hear(ctx); err != nil {
				return err
			}
		}
	}
	if c.failed != nil {
		return c.failed
	}
	// A process that was frozen wakes up here. What it has checked before it was
	// frozen again still goes out: a second copy, with the id of the first.
	if !c.claim.held() {
		return errLost
	}
	if e.Key != nil {
		c.users[user] = true
	}
	c.flying++
	c.fresh++
	c.room--
	acks, order := c.acks, c.order
	order.fly(t)
	c.cluster.Append(ctx, c.view.copyOf(e, c.job), func(at partition.Position, err error) {
		order.land(t, at, err)
		acks <- ack{user, at, err}
	})
	return nil
}

// hear takes in one answer.
func (c *copier) hear(ctx context.Context) error {
	var a ack
	select {
	case a = <-c.acks:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.flying--
	delete(c.users, a.user)
	switch {
	case a.err == nil:
		c.have.Copied++
		c.land(a.at)
	case errors.Is(a.err, partition.ErrTooLarge):
		c.have.Skipped.add(skipTooLarge)
	case c.failed == nil:
		c.failed = a.err
	}
	return nil
}

// drain waits for what is under way.
func (c *copier) drain(ctx context.Context) error {
	for c.flying > 0 {
		if err := c.hear(ctx); err != nil {
			return err
		}
	}
	return c.failed
}

// flush waits for what is under way and writes the progress. The live topic is
// looked at before the next copy.
func (c *copier) flush(ctx context.Context) error {
	if err := c.drain(ctx); err != nil {
		return err
	}
	c.room = 0
	if !c.dirty {
		return nil
	}
	return c.write(ctx)
}

// rate averages over some ten seconds.
func (c *copier) rate() {
	took := time.Since(c.wrote).Seconds()
	if c.have.Done || took <= 0 {
		return
	}
	const memory = 10
	weight := min(1, took/memory)
	if c.have.Rate == 0 {
		weight = 1
	}
	c.have.Rate += weight * (float64(c.fresh)/took - c.have.Rate)
}

// write puts the progress down; nothing may be under way. Somebody else's in
// between means that the claim is lost.
func (c *copier) write(ctx context.Context) error {
	if !c.claim.held() {
		return errLost
	}
	for p, last := range c.have.Last {
		c.have.Ends[p] = max(c.have.Ends[p], last)
	}
	c.rate()
	c.have.At = time.Now().UTC()
	version, err := c.store.Swap(ctx, c.key, c.version, c.have)
	switch {
	case errors.Is(err, state.ErrChanged):
		return errors.Join(errLost, err)
	case err != nil:
		return fmt.Errorf("note how far shard %d is: %w", c.shard.Partition, err)
	}
	c.version, c.fresh, c.dirty, c.wrote = version, 0, false, time.Now()
	return nil
}
