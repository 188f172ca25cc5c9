package partition

import (
	"time"

	"sluice/pipeline/event"
)

// take fills a batch from what is ready now: classes, and of each the kinds, as
// the rota says, of those the shards in turn, of each the lane whose head has the
// lowest offset (first come first served over users, so that the watermark keeps
// up), of each lane a run in order. It runs under q.mu.
func (q *queue) take(limit *Limit, now time.Time) Batch {
	if !q.lease.valid(now) {
		return Batch{PassedOver: q.rota.told != 0}
	}
	q.promote(now)
	q.reopen(limit.Shut)
	q.rota.Begin(limit.Classes)
	b := q.spare.take()
	var misfits []*lane
	for q.rota.More() && b.size() < limit.Items && !b.solo() {
		from := q.rota.take(now)
		if from.shard == nil || from.ready.len() == 0 || !from.shard.takeable() { // gone meanwhile
			continue
		}
		l, before, sent := from.ready.pop(), b.size(), len(b.Picks)
		switch {
		case !q.sole(l) && q.contended(l):
			l.blocked = true
		case q.drop(l): // nothing of it is to be sent
		case q.tiered > 0 && q.follows(&b, l, limit.Items-b.size(), now):
		case l.shut(limit.Shut):
			q.aside = append(q.aside, l)
		case limit.Probe && l.failed(l.head) || !q.takeRun(&b, l, limit):
			misfits = append(misfits, l)
		}
		q.rota.spend(from, b.size()-before, b.size()-before-(len(b.Picks)-sent))
		q.rota.add(from)
	}
	for _, l := range misfits {
		if limit.Probe && b.Empty() && q.takeRun(&b, l, limit) { // nothing better to probe with
			continue
		}
		q.enqueue(l)
	}
	passed := q.rota.end()
	if len(q.crowds) > 0 {
		q.relieve()
	}
	if q.leavers.len() > 0 {
		q.leave(&b, now)
	}
	if q.rota.any() {
		q.signal()
	}
	if b.Empty() {
		q.spare.put(b)
		return Batch{PassedOver: passed}
	}
	b.PassedOver = passed
	return b
}

// sole tells, without a look at its key, that a lane of the live tier is the only
// one that may be in an attempt: nothing is on another tier, nothing left of an
// earlier assignment, nothing deferred.
func (q *queue) sole(l *lane) bool {
	at := l.shard.whole
	return !l.deferred && len(q.lingering) == 0 && len(at.sending) == 0 && (q.tiered == 0 || !at.elsewhere())
}

// elsewhere tells whether another tier than the live one has lanes.
func (w *whole) elsewhere() bool {
	for _, s := range w.owned[Held:] {
		if s != nil && len(s.lanes) > 0 {
			return true
		}
	}
	return false
}

// capturing tells whether a tier has hold of anybody, or a copy of anything.
func (w *whole) capturing() bool {
	for _, t := range [...]Tier{Held, Overflow} {
		if s := w.owned[t]; s != nil && len(s.captured.users)+len(s.captured.loose) > 0 {
			return true
		}
	}
	return false
}

// heldAgain is how long a lane waits whose events belong on a tier that is full.
const heldAgain = time.Second

// A user of whom something comes all the time would never be let go. So after so
// many moves his live events wait, as long as what is held of him only waits for
// its turn, and as little of the shard is in hand that they stop nobody.
const (
	movesMost = 4
	waitMost  = 256
)

// follows takes a lane's events, at most so many, to the held tier or the
// overflow: those of a user who has some there, and one that alone keeps the
// watermark back. Those that are there already go as well, to be settled.
func (q *queue) follows(b *Batch, l *lane, longest int, now time.Time) bool {
	if !l.shard.whole.capturing() {
		return q.clears(b, l)
	}
	if on, is := l.copied(l.head.event); is {
		for it := l.head; it != nil && is && l.taken < longest; it = it.next {
			p := l.pick(it)
			p.copied, p.target = true, on
			b.Moves = append(b.Moves, p)
			if it.next != nil {
				on, is = l.copied(it.next.event)
			}
		}
		return true
	}
	by := l.capturedBy()
	switch {
	case by == nil:
		return q.clears(b, l)
	case l.moves >= movesMost && l.shard.records < waitMost && by.ripe(l.hash):
		l.blocked = true // until that attempt is over
		return true
	case by.full():
		l.resumeAt = now.Add(heldAgain).UnixNano()
		q.enqueue(l)
		return true
	}
	l.moves++
	b.move(l, by.id.Tier, longest)
	return true
}

// clears takes the head of a lane that nobody has hold of out of the watermark's
// way, and reports false when it is not in it.
func (*queue) clears(b *Batch, l *lane) bool {
	if !l.obstructs() {
		l.moves = 0
		return false
	}
	l.moves++
	b.move(l, Held, 1)
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
func (q *queue) takeRun(b *Batch, l *lane, limit *Limit) bool {
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
	for it := l.head; it != nil && l.taken < longest && b.fits(it.event, l.alone(it), limit) && (q.rota.plain || q.rota.Admits(q.lot(it))); it = it.next {
		if b.Picks = append(b.Picks, l.pick(it)); l.deferred {
			l.begin()
		}
		b.Events = append(b.Events, it.event)
		b.Bytes += it.event.Size
		if !q.rota.plain {
			q.rota.Charge(q.lot(it))
		}
		if l.alone(it) || it.event.Barrier {
			break
		}
	}
	return l.taken > 0
}

// fits tells whether e can join the batch as it stands.
func (b *Batch) fits(e *event.Event, alone bool, limit *Limit) bool {
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
	if lot := s.queue.lot(it); lot != it.event.Lot {
		it.event.Lot = lot // as the taker counts it
	}
	p := Pick{Event: it.event, Mark: it.mark, lane: l, item: it, holdable: s.holdable()}
	if len(s.win.retries) > 0 {
		r := s.win.retries[offset]
		p.Attempts, p.First = r.attempts, r.first
	}
	return p
}
