package partition

import (
	"time"

	"sluice/pipeline/event"
)

// take fills a batch from what is ready now: kinds as the rota says, of each the
// shards in turn, of each the lane whose head has the lowest offset (first come
// first served over users, so that the watermark keeps up), of each lane a run
// in order. It runs under q.mu.
func (q *queue) take(limit Limit, now time.Time) Batch {
	if !q.lease.valid(now) {
		return Batch{}
	}
	q.promote(now)
	q.reopen(limit.Shut)
	b := q.spare.take()
	var misfits []*lane
	for q.rota.any() && b.size() < limit.Items && !b.solo() {
		from := q.rota.next(now)
		if from.shard == nil || !from.shard.takeable() { // gone meanwhile
			continue
		}
		l, before := from.ready.pop(), b.size()
		switch {
		case q.contended(l):
			l.blocked = true
		case q.drop(l): // nothing of it is to be sent
		case q.follows(&b, l, limit, now):
		case l.shut(limit.Shut):
			q.aside = append(q.aside, l)
		case limit.Probe && l.failed(l.head) || !q.takeRun(&b, l, limit):
			misfits = append(misfits, l)
		}
		q.rota.spend(from.kind, b.size()-before)
		q.rota.add(from)
	}
	for _, l := range misfits {
		if limit.Probe && b.Empty() { // nothing better to probe with
			q.takeRun(&b, l, limit)
			continue
		}
		q.enqueue(l)
	}
	if q.rota.any() {
		q.signal()
	}
	if b.Empty() {
		q.spare.put(b)
		return Batch{}
	}
	return b
}

// heldAgain is how long a lane waits whose events belong on a held tier that is
// full.
const heldAgain = time.Second

// A user of whom something comes all the time would never be let go. So after so
// many moves his live events wait, as long as what is held of him only waits for
// its turn, and as little of the shard is in hand that they stop nobody.
const (
	movesMost = 4
	waitMost  = 256
)

// follows takes a lane's events to the held tier: those of a user who has some
// there, and one that alone keeps the watermark back. Those that are there
// already go as well, to be settled.
func (q *queue) follows(b *Batch, l *lane, limit Limit, now time.Time) bool {
	longest := limit.Items - b.size()
	held := l.heldBy()
	switch {
	case l.copied(l.head.event):
		for it := l.head; it != nil && l.taken < longest && l.copied(it.event); it = it.next {
			p := l.pick(it)
			p.copied = true
			b.Moves = append(b.Moves, p)
		}
		return true
	case held != nil && l.moves >= movesMost && l.shard.records < waitMost && held.due(l.hash):
		l.blocked = true // until that attempt is over
		return true
	case held != nil && held.captured.full():
		l.resumeAt = now.Add(heldAgain).UnixNano()
		q.enqueue(l)
		return true
	case held != nil:
	case l.obstructs():
		longest = 1
	default:
		l.moves = 0
		return false
	}
	l.moves++
	for it := l.head; it != nil && l.taken < longest; it = it.next {
		b.Moves = append(b.Moves, l.pick(it))
	}
	return true
}

// reopen queues the lanes again that were set aside for their head's operation,
// when what is shut has changed.
func (q *queue) reopen(shut uint64) {
	if q.shutBefore == shut {
		return
	}
	q.shutBefore = shut
	for _, l := range q.aside {
		if l.shard.phase == closed {
			q.lanes.put(l)
		} else {
			q.enqueue(l)
		}
	}
	clear(q.aside)
	q.aside = q.aside[:0]
}

// shut tells whether the operation of a lane's head is not taken now.
func (l *lane) shut(ops uint64) bool {
	e := l.head.event
	return ops != 0 && e.Fault == nil && ops>>e.Op&1 != 0
}

// spares are the slices of batches that are over, to be used again.
type spares struct{ batches []Batch }

func (s *spares) take() Batch {
	n := len(s.batches)
	if n == 0 {
		return Batch{}
	}
	b := s.batches[n-1]
	s.batches = s.batches[:n-1]
	return b
}

func (s *spares) put(b Batch) {
	clear(b.Events)
	clear(b.Picks)
	s.batches = append(s.batches, Batch{Events: b.Events[:0], Picks: b.Picks[:0]})
}

// alone tells whether a record travels alone: its destination cannot batch it,
// or it has failed by itself before and would fail its neighbours again.
func (l *lane) alone(it *item) bool {
	return it.event.Solo || it.event.Tries > 0 || l.failed(it)
}

// failed tells whether a failure was counted against a record.
func (l *lane) failed(it *item) bool {
	retries := l.shard.win.retries
	return len(retries) > 0 && retries[it.event.Source.Offset].attempts > 0
}

// solo tells whether the batch holds an event that travels alone.
func (b *Batch) solo() bool {
	return len(b.Picks) == 1 && (b.Events[0].Solo || b.Events[0].Tries > 0 || b.Picks[0].Attempts > 0)
}

// takeRun moves a lane's head and what may follow it into the batch, and
// reports false, leaving the lane idle, when its head does not fit.
func (*queue) takeRun(b *Batch, l *lane, limit Limit) bool {
	if l.head.event.Fault != nil {
		b.Faults = append(b.Faults, l.pick(l.head))
		return true
	}
	longest := limit.Items - len(b.Picks)
	if limit.PerLane > 0 {
		longest = min(longest, limit.PerLane)
	}
	if l.narrow > 0 {
		longest = min(longest, l.narrow)
		l.narrow = 0
	}
	for it := l.head; it != nil && l.taken < longest && b.fits(it.event, l.alone(it), limit); it = it.next {
		b.Picks = append(b.Picks, l.pick(it))
		b.Events = append(b.Events, it.event)
		b.Bytes += it.event.Size
		if l.alone(it) || it.event.Barrier {
			break
		}
	}
	return l.taken > 0
}

// fits tells whether e can join the batch as it stands.
func (b *Batch) fits(e *event.Event, alone bool, limit Limit) bool {
	switch {
	case e.Fault != nil, limit.Shut>>e.Op&1 != 0:
		return false
	case len(b.Picks) == 0:
		return true
	default:
		return !alone && (limit.Bytes == 0 || b.Bytes+e.Size <= limit.Bytes)
	}
}

// pick marks a record of the lane as in an attempt.
func (l *lane) pick(it *item) Pick {
	s := l.shard
	l.taken++
	l.unsettled++
	s.flying++
	offset := it.event.Source.Offset
	s.win.high = max(s.win.high, offset)
	p := Pick{Event: it.event, Mark: it.mark, lane: l, item: it, holdable: s.holdable()}
	if len(s.win.retries) > 0 {
		r := s.win.retries[offset]
		p.Attempts, p.First = r.attempts, r.first
	}
	return p
}
