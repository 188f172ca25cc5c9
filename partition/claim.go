package partition

import "time"

// phase is where a shard stands in its assignment.
type phase uint8

const (
	loading     phase = iota // assigned; the committed offset is not known yet
	claiming                 // known; our first commit is not accepted yet
	quarantined              // claimed; an owner before us may still be sending
	active                   // may be taken from
	draining                 // being revoked: nothing is taken any more
	closed                   // not ours any more: late outcomes settle nothing
)

// claim is what one assignment of a shard allows, and when. It does nothing by
// itself and is told the time, so that a simulation can drive the very rules
// that the product runs by.
//
// An owner sends only after its own commit of the shard as owned was accepted,
// and after whoever owned it before has stopped: that one said so (released),
// or its lease has ended by now.
type claim struct {
	phase    phase
	eligible time.Time // nothing is sent before; zero until the committed offset is known
}

// quarantine is how long a lease of this length, begun before we were given the
// shard, may still run: clocks may differ in rate by 0.05 % each, and a little
// more covers the way of a commit.
func quarantine(lease time.Duration) time.Duration {
	return lease + lease/1000 + 50*time.Millisecond
}

// load notes what the group's commit says of whoever owned the shard before.
func (c *claim) load(released bool, now time.Time, lease time.Duration) {
	c.phase = claiming
	c.eligible = now
	if !released {
		c.eligible = now.Add(quarantine(lease))
	}
}

// accepted notes that the group took our commit of the shard as owned.
func (c *claim) accepted(now time.Time) {
	if c.phase == claiming {
		c.phase = quarantined
	}
	c.pass(now)
}

// pass ends the quarantine when its time is over.
func (c *claim) pass(now time.Time) {
	if c.phase == quarantined && !now.Before(c.eligible) {
		c.phase = active
	}
}

// drain stops the taking for good.
func (c *claim) drain() {
	if c.phase != closed {
		c.phase = draining
	}
}

// releases tells whether the next owner may start at once: nothing that we sent
// is under way, and our own quarantine is over. Without the second half a shard
// that passes through two hands would lose the wait for the lease of the first.
func (c *claim) releases(now time.Time, flying int) bool {
	return c.phase == draining && flying == 0 && !c.eligible.IsZero() && !now.Before(c.eligible)
}
