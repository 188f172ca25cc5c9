package partition

// whole is one shard over its tiers, as this member owns them: a key has one
// attempt in flight over all of them. It is guarded by the queue's mutex.
type whole struct {
	topics [tiers]string // of the stream; empty: it has no such tier
	owned  [tiers]*shard // the present assignments; nil: none
	// undone are the users, by their keys' hashes, who were deleted or the like
	// while a replay was under way: at which offset of the live tier.
	undone map[uint64]int64
}

// wholeOf returns the shard that a tier is one of. It runs under q.mu.
func (q *queue) wholeOf(id ShardID, topic string, stream Stream) *whole {
	live := id.sibling(Live)
	at := q.wholes[live]
	if at == nil {
		at = &whole{}
		for t := range tiers {
			at.topics[t] = stream.topic(t)
		}
		at.topics[id.Tier] = topic
		q.wholes[live] = at
	}
	return at
}

// takeable tells whether the shard's lanes may be taken from. On the live tier
// that takes knowing who is held, or an event could overtake one that is; on the
// held tier, knowing what stands there twice.
func (s *shard) takeable() bool {
	if s.phase != active {
		return false
	}
	if s.id.Tier == Replay || s.whole.topics[Held] == "" {
		return true
	}
	held := s.whole.owned[Held]
	return held != nil && held.captured.known && held.phase < draining
}

// busy tells whether another record of the key must not be sent now.
func (l *lane) busy() bool { return l.taken > 0 || l.committing }

// contended tells whether another tier has the lane's key in an attempt. The
// lane then waits outside of every queue until that is over.
func (q *queue) contended(l *lane) bool {
	if !l.keyed {
		return false
	}
	s := l.shard
	for t, other := range s.whole.owned {
		if other == s {
			continue
		}
		if other != nil && len(other.lanes) > 0 {
			if o := other.lanes[l.hash]; o != nil && o.busy() {
				return true
			}
		}
		if len(q.lingering) > 0 && q.lingering[lingerKey{s.id.sibling(Tier(t)), l.hash}] > 0 {
			return true
		}
	}
	return false
}

// unblock queues the lanes of a key again that wait for an attempt of another
// tier, or of an assignment that is over; not that of the shard given.
func (q *queue) unblock(at *whole, hash uint64, but *shard) {
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
