package partition

import (
	"cmp"
	"slices"
	"time"
)

const (
	// overflowPart of what a shard may have in hand, and at least overflowLeast
	// records, may be of one class that has no room: more of it moves to the
	// overflow, or the class would fill the hand and stop all others.
	overflowPart  = 8
	overflowLeast = 64
	// leaveMost bounds how many records one take moves for that, or because they
	// are due much later.
	leaveMost = 256
)

// roomyOf is how much of one class does not crowd a shard.
func roomyOf(shardRecords int) int {
	if shardRecords == 0 {
		shardRecords = DefaultConfig().ShardRecords
	}
	return max(overflowLeast, shardRecords/overflowPart)
}

// spill is what is known of a class that had more in a shard's hand than may be.
type spill struct {
	seen  int   // records in hand when that was last looked at
	on    bool  // further ones go to the overflow, as long as it has records
	since int64 // that is, those from this offset on: first come, first served
}

// mayOverflow tells whether the shard may move events of a class to the overflow.
// Those that are held or replayed stay: they keep nobody else's from being read.
func (s *shard) mayOverflow() bool {
	return (s.id.Tier == Live || s.id.Tier.Delays()) && s.whole.topics[Overflow] != ""
}

// crowd notes that a record of a class came, which may be one too many.
func (s *shard) crowd(lot uint8) {
	if lot != 0 {
		s.crowdWith(lot)
	}
}

// crowdWith is crowd for a class that may be limited.
func (s *shard) crowdWith(lot uint8) {
	if s.ofClass(lot) < s.queue.roomy || !s.mayOverflow() {
		return
	}
	if !s.crowded {
		s.crowded = true
		s.queue.crowds = append(s.queue.crowds, s)
	}
	if s.thinnable(lot) { // nothing else need make the taker come
		s.queue.signal()
	}
}

// thinnable tells whether there is so much of a class in hand that has no room
// that it should be looked at: again when there is a good deal more.
func (s *shard) thinnable(lot uint8) bool {
	q := s.queue
	if !q.rota.Limited(lot) || !q.shutNow(lot) || !s.whole.takes(Overflow) {
		return false
	}
	at, n := s.spills[lot], s.ofClass(lot)
	if at == nil {
		return true
	}
	at.seen = min(at.seen, n)
	return at.seen < q.roomy || n-at.seen >= q.roomy/4
}

// relieve moves what is too much of classes that have no room at the end of a
// take out of the way of the others. It runs under q.mu.
func (q *queue) relieve() {
	q.crowds = slices.DeleteFunc(q.crowds, func(s *shard) bool {
		s.crowded = false
		if s.phase == closed {
			return true
		}
		for lot := 1; lot < len(s.classed); lot++ {
			if s.classed[lot] >= q.roomy {
				s.crowded = true
				q.thin(s, uint8(lot))
			}
		}
		return !s.crowded
	})
}

// thin leaves a shard as much of a class as may be in hand, the first of it.
func (q *queue) thin(s *shard, lot uint8) {
	if !s.thinnable(lot) {
		return
	}
	at := s.spills[lot]
	if at == nil {
		at = &spill{}
		if s.spills == nil {
			s.spills = map[uint8]*spill{}
		}
		s.spills[lot] = at
	}
	at.seen = s.ofClass(lot)
	line := s.at(lot, false)
	waiting := line.ready.entries
	slices.SortFunc(waiting, func(a, b entry[int64, *lane]) int { return cmp.Compare(a.key, b.key) }) // is a heap still
	kept, events := 0, 0
	for ; kept < len(waiting); kept++ {
		if events += waiting[kept].value.length(q.roomy); events > q.roomy {
			break
		}
	}
	if kept == len(waiting) {
		return
	}
	if first := waiting[kept].key; !at.on || first < at.since {
		at.on, at.since = true, first
	}
	for _, e := range waiting[kept:] {
		q.leaves(e.value)
	}
	clear(waiting[kept:])
	line.ready.entries = waiting[:kept]
}

// length is how many records a lane has, counted up to one more than most.
func (l *lane) length(most int) int {
	n := 0
	for it := l.head; it != nil && n <= most; it = it.next {
		n++
	}
	return n
}

// spills tells whether an idle lane goes to the overflow at once: its class has
// no room, and what came before it waits there.
func (q *queue) spills(l *lane) bool {
	s, lot := l.shard, q.lot(l.head)
	at := s.spills[lot]
	if at == nil || !at.on || l.head.event.Source.Offset < at.since {
		return false
	}
	by := s.whole.owned[Overflow]
	if by == nil || by.captured.records == 0 && s.bound == 0 && s.leaving.len() == 0 {
		at.on = false
		return false
	}
	return q.rota.Limited(lot) && q.shutNow(lot) && s.whole.takes(Overflow) && l.head.event.Fault == nil && !l.failed(l.head)
}

// leaves puts an idle lane among those that leave its shard without an attempt:
// to its target, or else to the overflow.
func (q *queue) leaves(l *lane) {
	if l.target == Live {
		l.target = Overflow
	}
	l.shard.leaving.push(l)
	q.list(l.shard)
}

// list has a take look for a shard's lanes that leave.
func (q *queue) list(s *shard) {
	if s.listed || s.leaving.len() == 0 || !s.takeable() {
		return
	}
	s.listed = true
	q.leavers.push(s)
	q.signal()
}

// leave adds to a batch what moves without an attempt, which costs no budget.
func (q *queue) leave(b *Batch, now time.Time) {
	left := leaveMost
	for n := q.leavers.len(); n > 0 && left > 0; n-- {
		s := q.leavers.pop()
		s.listed = false
		if !s.takeable() { // it is listed again once it is
			continue
		}
		for s.leaving.len() > 0 && left > 0 {
			before := len(b.Moves)
			q.depart(b, s.leaving.pop(), left, now)
			left -= max(1, len(b.Moves)-before)
		}
		q.list(s)
	}
}

// depart moves one lane, at most so much of it at once.
func (q *queue) depart(b *Batch, l *lane, most int, now time.Time) {
	to := l.target
	l.target = Live
	switch {
	case to.Delays():
		b.move(l, to, most)
	case q.lags(l): // that attempt ends before
	case q.follows(b, l, most, now):
	case l.shard.whole.takes(Overflow):
		b.move(l, Overflow, most)
	default: // it filled up meanwhile
		q.line(l)
		q.signal()
	}
}

// lags keeps a lane back whose key is in an attempt elsewhere. A deferred one has
// no order to keep.
func (q *queue) lags(l *lane) bool {
	l.blocked = !l.deferred && q.contended(l)
	return l.blocked
}
