package partition

// whole is one shard over its tiers, as this member owns them: a key has one
// attempt in flight over all of them. It is guarded by the queue's mutex.
type whole struct {
	live   ShardID       // its live tier
	topics [tiers]string // of the stream; empty: it has no such tier
	owned  [tiers]*shard // the present assignments; nil: none
	// sending counts the attempts that deferred events of a key are in, and
	// waiters are those of its lanes that wait until the key is free. Both go by
	// the key's hash and outlast assignments.
	sending map[uint64]int
	waiters map[uint64][]*lane
	// undone are the users, by their keys' hashes, who were deleted or the like
	// while a replay was under way: at which offset of the live tier.
	undone map[uint64]int64
}

// wholeOf returns the shard that a tier is one of. It runs under q.mu.
func (q *queue) wholeOf(id ShardID, topic string, stream Stream) *whole {
	live := id.sibling(Live)
	at := q.wholes[live]
	if at == nil {
		at = &whole{live: live}
		for t := range tiers {
			at.topics[t] = stream.topic(t)
		}
		at.topics[id.Tier] = topic
		q.wholes[live] = at
	}
	return at
}

// takeable tells whether the shard's lanes may be taken from. On the live tier
// that takes knowing who is captured, or an event could overtake one that is; on
// the held tier and the overflow, knowing what stands there twice.
func (s *shard) takeable() bool { return s.phase == active && s.unknown() == Live }

// unknown is the tier that the shard waits for to be surveyed, or to be this
// member's; Live when it waits for none.
func (s *shard) unknown() Tier {
	if s.id.Tier == Replay || s.id.Tier.Delays() {
		return Live
	}
	for _, t := range [...]Tier{Held, Overflow} {
		if s.whole.topics[t] == "" || s.id.Tier == Held && t == Overflow {
			continue
		}
		if by := s.whole.owned[t]; by == nil || !by.captured.known || by.phase >= draining {
			return t
		}
	}
	return Live
}

// busy tells whether another record of the key must not be sent now.
func (l *lane) busy() bool { return l.taken > 0 || l.committing }

// contended tells whether another lane of the key is in an attempt, on another
// tier or a deferred one. The lane then waits outside of every queue until that
// is over.
func (q *queue) contended(l *lane) bool {
	at := l.shard.whole
	switch {
	case l.deferred:
		if l.head.event.Key == nil || !q.sends(at, nil, l.hash) {
			return false
		}
		if at.waiters == nil {
			at.waiters = map[uint64][]*lane{}
		}
		at.waiters[l.hash] = append(at.waiters[l.hash], l)
		return true
	case l.keyed:
		return q.sends(at, l.shard, l.hash)
	}
	return false
}

// sends tells whether a key is in an attempt, that of its lane in one of the
// shard's tiers left aside.
func (q *queue) sends(at *whole, but *shard, hash uint64) bool {
	if len(at.sending) > 0 && at.sending[hash] > 0 {
		return true
	}
	for t, other := range at.owned {
		if but != nil && other == but {
			continue
		}
		if other != nil && len(other.lanes) > 0 {
			if o := other.lanes[hash]; o != nil && o.busy() {
				return true
			}
		}
		if len(q.lingering) > 0 && q.lingering[lingerKey{at.live.sibling(Tier(t)), hash}] > 0 {
			return true
		}
	}
	return false
}

// begin notes that a deferred lane is in an attempt: its key is in no other
// until end.
func (l *lane) begin() {
	if l.sends = l.deferred && l.head.event.Key != nil; !l.sends {
		return
	}
	at := l.shard.whole
	if at.sending == nil {
		at.sending = map[uint64]int{}
	}
	at.sending[l.hash]++
}

// end is the end of what begin began, and lets the other lanes of the key go.
func (q *queue) end(l *lane) {
	if !l.sends {
		return
	}
	at, hash := l.shard.whole, l.hash
	l.sends = false
	if at.sending[hash]--; at.sending[hash] <= 0 {
		delete(at.sending, hash)
	}
	q.unblock(at, hash, nil)
}

// unblock queues the lanes of a key again that wait for an attempt of another
// tier, or of an assignment that is over; not that of the shard given.
func (q *queue) unblock(at *whole, hash uint64, but *shard) {
	if waiting := at.waiters[hash]; len(waiting) > 0 {
		delete(at.waiters, hash)
		for _, l := range waiting {
			if l.blocked = false; l.shard.phase != closed {
				q.enqueue(l)
			}
		}
		q.signal()
	}
	for _, s := range at.owned {
		if s == nil || s == but || len(s.lanes) == 0 {
			continue
		}
		l := s.lanes[hash]
		if l == nil || !l.blocked || q.lingering[lingerKey{s.id, hash}] > 0 {
			continue
		}
		l.blocked = false
		if l.head != nil {
			q.enqueue(l)
			q.signal()
		}
	}
}

// unblockAll is unblock for every key that waits, after an assignment's end.
func (q *queue) unblockAll(at *whole) {
	for hash := range at.waiters {
		q.unblock(at, hash, nil)
	}
	for _, s := range at.owned {
		if s == nil {
			continue
		}
		for hash, l := range s.lanes {
			if l.blocked {
				q.unblock(at, hash, nil)
			}
		}
	}
}
