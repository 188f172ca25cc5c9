package partition

import (
	"slices"
	"time"
)

// What a shard waits for, whatever its destination does.
const (
	// WaitsForCommit: what the group committed is not known yet, or the group has
	// not accepted this member's own first commit of the shard.
	WaitsForCommit = "commit"
	// WaitsForOwner: whoever owned the shard before may still be sending.
	WaitsForOwner = "last owner"
	// WaitsForLease: the group accepts no commit of this member, which may send
	// nothing until it does.
	WaitsForLease = "lease"
	// WaitsForHeld: it is not known who has events on the shard's held tier, which
	// later ones on the live tier must not overtake.
	WaitsForHeld = "held tier"
	// WaitsForOverflow: the same of the shard's overflow.
	WaitsForOverflow = "overflow tier"
)

// Wait says why nothing is taken from a shard that is assigned to this member.
type Wait struct {
	Shard ShardID
	For   string    // one of the words above
	Until time.Time // it is over by then; zero: not known
}

// Waits returns the shards of this member that nothing is taken from, in order,
// without those that are stopped and those that are just handed over.
func (c *Consumer) Waits() []Wait {
	var waits []Wait
	leased := c.lanes.Leased()
	for _, s := range c.lanes.owned() {
		s.queue.mu.Lock()
		if w := s.waits(leased); w.For != "" {
			waits = append(waits, w)
		}
		s.queue.mu.Unlock()
	}
	slices.SortFunc(waits, func(a, b Wait) int { return compareShards(a.Shard, b.Shard) })
	return waits
}

// waits tells what the shard waits for; for nothing: For is empty. It runs under
// the queue's mutex.
func (s *shard) waits(leased bool) Wait {
	w := Wait{Shard: s.id}
	switch s.phase {
	case loading, claiming:
		if s.stop == nil {
			w.For = WaitsForCommit
		}
	case quarantined:
		w.For, w.Until = WaitsForOwner, s.eligible
	case active:
		switch {
		case !leased:
			w.For = WaitsForLease
		case s.unknown() == Overflow:
			w.For = WaitsForOverflow
		case !s.takeable():
			w.For = WaitsForHeld
		}
	case draining, closed:
	}
	return w
}
