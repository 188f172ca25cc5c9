package partition

import "maps"

// Bounds on what one shard's held tier keeps, and its overflow. Beyond them an
// event that cannot be delivered waits where it is, and its shard with it.
const (
	maxHeldRecords     = 100_000
	maxHeldBytes       = 64 << 20
	maxOverflowRecords = 250_000
	maxOverflowBytes   = 256 << 20
)

// captured is who has something on a shard's held tier, or on its overflow, so
// that what comes of them on the live tier has to follow it there. It is a
// function of the log: the keys between the watermark and the end, less what is
// settled. Deferred events capture nobody. It is guarded by the queue's mutex.
type captured struct {
	known      bool              // what was there at the assignment has been read
	surveyedTo int64             // the offset up to which
	users      map[uint64]*trail // by key's hash
	loose      map[int64]copyAt  // of records without a key, by origin
	records    int               // there and not settled
	bytes      int               // of them
}

// hold notes that a record of a key is on this tier, at an offset.
func (s *shard) hold(hash uint64, keyed bool, offset int64, size int) {
	c := &s.captured
	c.records++
	c.bytes += size
	if !keyed || offset < s.win.read && s.lanes[hash] == nil { // delivered in the meantime
		return
	}
	t := c.trail(hash)
	t.last = max(t.last, offset)
}

// moved notes that the copy of a record is on this tier, at an offset. Its
// lane is busy until then, so the copy cannot have been sent: an offset that says
// so is none. Kafka takes a batch that it has already for a success, and need not
// say where that stands.
func (s *shard) moved(l *lane, origin, offset int64, size int) {
	if l.keyed && offset < s.win.read && !s.lanes[l.hash].has(offset) {
		offset = max(s.win.read, s.end)
	}
	s.hold(l.hash, l.keyed, offset, size)
	if t := s.captured.users[l.hash]; l.keyed && t != nil {
		t.forget(origin)
	}
}

// has tells whether a lane holds the record at an offset.
func (l *lane) has(offset int64) bool {
	if l == nil {
		return false
	}
	for it := l.head; it != nil; it = it.next {
		if it.event.Source.Offset == offset {
			return true
		}
	}
	return false
}

// ripe tells whether what is held of a key only waits for its turn.
func (s *shard) ripe(hash uint64) bool {
	l := s.lanes[hash]
	return l != nil && l.head != nil && !l.busy() && !l.blocked && l.resumeAt == 0
}

// holds tells whether a key has something on this tier.
func (s *shard) holds(hash uint64) bool {
	t := s.captured.users[hash]
	return t != nil && t.last >= 0
}

// release lets a key go that has nothing in hand any more, unless more of it is
// still to be read.
func (s *shard) release(hash uint64) {
	if t := s.captured.users[hash]; t != nil && t.last < s.win.read {
		delete(s.captured.users, hash)
	}
}

// full tells whether this held tier or overflow takes nothing more.
func (s *shard) full() bool {
	c := &s.captured
	if s.id.Tier == Overflow {
		return c.records >= maxOverflowRecords || c.bytes >= maxOverflowBytes
	}
	return c.records >= maxHeldRecords || c.bytes >= maxHeldBytes
}

// capturedBy is the tier that has records of the lane's key, the held one first;
// nil when none has.
func (l *lane) capturedBy() *shard {
	if l.shard.id.Tier != Live || !l.keyed {
		return nil
	}
	for _, t := range [...]Tier{Held, Overflow} {
		if by := l.shard.whole.owned[t]; by != nil && len(by.captured.users) > 0 && by.holds(l.hash) {
			return by
		}
	}
	return nil
}

// captor is the tier that has the copy of a pick and its user with it; nil when
// there is none: the pick was not moved, was there before or went elsewhere.
func (p Pick) captor(o Outcome) *shard {
	at := p.lane.shard
	switch {
	case o.Kind != Moved, p.copied:
		return nil
	case p.target.captures():
		return at.whole.owned[p.target]
	case p.target == Live && at.id.Tier == Live && !p.lane.deferred && !o.Delayed:
		return at.whole.owned[Held]
	}
	return nil
}

// holdable tells whether a record of this shard may be moved to the held tier.
func (s *shard) holdable() bool { return s.id.Tier == Live && s.whole.takes(Held) }

// takes tells whether records may be moved to a tier that captures.
func (w *whole) takes(t Tier) bool {
	by := w.owned[t]
	return by != nil && by.captured.known && !by.full()
}

// obstructs tells whether a lane's head alone keeps the watermark from passing
// nearly everything that the window can hold. A deferred one is on its way.
func (l *lane) obstructs() bool {
	w := &l.shard.win
	return !l.deferred && l.head.event.Source.Offset == w.base && w.obstructed() && l.shard.holdable()
}

// surveyed ends the time in which nobody knows who is held.
func (s *shard) surveyed() {
	q := s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	s.captured.known = true
	maps.DeleteFunc(s.captured.users, func(_ uint64, t *trail) bool { return t.last < 0 }) // all of it is settled
	for _, other := range s.whole.owned {
		if other != nil {
			other.open()
		}
	}
}
