package replay

import (
	"context"
	"time"
)

// inOrder tells with errAside that an event has to wait for what stands in other
// lanes.
func (c *copier) inOrder(ctx context.Context, t traveller) error {
	if len(t.people) == 0 {
		return nil
	}
	settled, err := c.gauge.settled(ctx, time.Time{})
	if err != nil {
		return err
	}
	if c.order.turnOf(t).come(settled) {
		return nil
	}
	c.aside = t
	return errAside
}

// stepAside lets other shards of the workspace go on until it is the turn of the
// event that has to wait.
func (c *copier) stepAside(ctx context.Context) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	c.slot.leave()
	for began := time.Now(); ; {
		settled, err := c.gauge.settled(ctx, time.Now())
		if err != nil {
			return err
		}
		if c.order.turnOf(c.aside).come(settled) {
			c.have.Waiting = "" // said with the next progress
			return c.slot.enter(ctx)
		}
		if time.Since(began) >= flushEvery && c.have.Waiting == "" {
			c.have.Waiting = "it waits for what came before, in other shards, of the people that a merge names"
			if err := c.write(ctx); err != nil {
				return err
			}
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
		if !c.may() {
			return errYield
		}
	}
}
