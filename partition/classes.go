package partition

import (
	"cmp"
	"hash/maphash"
	"slices"
	"time"
)

// Class is traffic that a rule tells apart inside a workspace.
type Class struct {
	Name     string
	Priority int8    // of two classes the higher goes first
	Weight   float64 // share beside other classes of its priority; 1 unless it is above 0
	Floor    float64 // part of all that is taken, 0 to 1, that it gets whatever the priorities
	Limited  bool    // it has a rate of its own, so that it may be shut while others are not
}

// classesMost is how many classes a workspace may have: the default one and 63
// rules. They fit the bits of a word.
const classesMost = 64

// flow is what a queue has ready of one of its classes.
type flow struct {
	salt   uint64 // of its lanes' hashes in a stream that is ordered by class
	rings  [kinds]ring[*line]
	credit [kinds]float64 // events that a kind may take before fresh ones
	listed int            // lines in the rings
}

func (c *flow) push(l *line) {
	c.rings[l.kind].push(l)
	c.listed++
}

// turn is the kind whose turn it is; something must be listed.
func (c *flow) turn(now time.Time) kind {
	first := fresh
	for c.rings[first].len() == 0 {
		first++
	}
	for k := failed; first == fresh && k < kinds; k++ {
		if due := c.credit[k] >= 1 && c.rings[k].len() > 0; due && (k != again || !c.late(now)) {
			return k
		}
	}
	return first
}

// late tells whether fresh events wait so long that replays have to.
func (c *flow) late(now time.Time) bool {
	first := c.rings[fresh].first()
	return first.ready.len() > 0 && now.Sub(first.ready.min().value.head.event.Time) > againGrace
}

// spend notes that n events of a kind were taken.
func (c *flow) spend(k kind, n int) {
	floors := [kinds]float64{failed: failedFloor, kept: keptFloor, spilled: spilledFloor, again: againFloor}
	for other := failed; other < kinds; other++ {
		switch {
		case other == k && c.rings[fresh].len() > 0:
			c.credit[k] = max(-mostCredit, c.credit[k]-float64(n))
		case k == fresh && c.rings[other].len() == 0:
			c.credit[other] = min(c.credit[other], 0)
		case k == fresh:
			c.credit[other] = min(c.credit[other]+floors[other]*float64(n), mostCredit)
		}
	}
}

// classify changes a queue's classes. What it has in hand goes with its class by
// name; of a class that is no more, it is of the default one. It runs under q.mu.
func (q *queue) classify(classes []Class) {
	was := q.rota.classes
	now := q.rota.set(classes)
	q.rota.classes = q.flows()
	for before, number := range now {
		if before == 0 || number != 0 {
			q.rota.classes[number].credit = was[before].credit
		}
	}
	q.renumber(now, len(q.rota.classes))
	q.relist()
}

// flows are those of the queue's classes, with nothing ready.
func (q *queue) flows() []flow {
	all := make([]flow, len(q.rota.shares))
	for i := 1; i < len(all); i++ {
		all[i].salt = maphash.String(q.seed, q.rota.shares[i].Name)
	}
	return all
}

const defaultClass = "default"

// renumber begins an era: from now on the classes that were have the numbers
// given, and there are n. Events learn of it one by one, when they are next
// looked at: those in attempts are not ours to change.
func (q *queue) renumber(now []uint8, n int) {
	single := len(now) == 1
	if single { // nothing was counted
		for _, s := range q.shards {
			s.classed = []int{s.records}
		}
	}
	same := len(now) <= n && (!single || n == 1) // while there was one, no number was looked at
	for i, number := range now {
		same = same && int(number) == i
	}
	if same {
		return
	}
	for _, numbers := range q.eras {
		for i, number := range numbers {
			numbers[i] = now[number]
		}
	}
	q.eras = append(q.eras, now)
	for _, s := range q.shards {
		counts := make([]int, n)
		for i, records := range s.classed {
			counts[now[i]] += records
		}
		s.classed = counts
		spills := map[uint8]*spill{}
		for lot, at := range s.spills {
			if now[lot] != 0 {
				spills[now[lot]] = at
			}
		}
		s.spills = spills
	}
}

// relist puts every ready lane where it belongs by its class's number.
func (q *queue) relist() {
	owned := make([]*shard, 0, len(q.shards))
	for _, s := range q.shards {
		owned = append(owned, s)
	}
	slices.SortFunc(owned, func(a, b *shard) int { return compareShards(a.id, b.id) })
	for _, s := range owned {
		before := s.lines
		s.lines = nil
		for line := range before.all() {
			for _, e := range line.ready.entries {
				q.enqueue(e.value)
			}
		}
	}
}

// single tells whether there is but the default class: then nothing is counted
// by class, and no number looked at.
func (q *queue) single() bool { return len(q.rota.classes) == 1 }

// lot is the number of a record's class. The record must not be in an attempt.
func (q *queue) lot(it *item) uint8 {
	if q.single() {
		return 0
	}
	e := it.event
	if int(it.era) != len(q.eras) {
		if numbers := q.eras[it.era]; int(e.Lot) < len(numbers) {
			e.Lot = numbers[e.Lot]
		} else {
			e.Lot = 0
		}
		it.era = q.era()
	}
	if int(e.Lot) >= len(q.rota.classes) { // prepared by rules that the lanes have not heard of
		e.Lot = 0
	}
	return e.Lot
}

// era is that of the present numbers.
func (q *queue) era() uint32 { return uint32(len(q.eras)) } //nolint:gosec // reloads that changed them

// shutNow tells whether a class had no allowance left at the end of the last
// take. It runs under q.mu.
func (q *queue) shutNow(lot uint8) bool {
	return int(lot) < len(q.rota.classes) && !q.rota.Admits(lot)
}

// count adds n to the records in hand of a record's class.
func (s *shard) count(it *item, n int) {
	if !s.queue.single() {
		s.countOf(int(s.queue.lot(it)), n)
	}
}

// countOf adds n to the records in hand of a class.
func (s *shard) countOf(lot, n int) {
	for len(s.classed) <= lot {
		s.classed = append(s.classed, 0)
	}
	s.classed[lot] += n
}

// ofClass is how many records of a class are in hand. It runs under q.mu.
func (s *shard) ofClass(lot uint8) int {
	switch {
	case s.queue.single() && lot == 0:
		return s.records
	case s.queue.single(), int(lot) >= len(s.classed):
		return 0
	default:
		return s.classed[lot]
	}
}

// classCount is how many records of a class a workspace has in hand.
type classCount struct {
	workspace, class string
	records          int
}

// inClasses counts what is in hand by class.
func (l *Lanes) inClasses() []classCount {
	var all []classCount
	for name, q := range l.queues {
		q.mu.Lock()
		for i := range q.rota.classes {
			one := classCount{workspace: name, class: q.rota.shares[i].Name}
			for _, s := range q.shards {
				one.records += s.ofClass(uint8(i))
			}
			all = append(all, one)
		}
		q.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b classCount) int {
		return cmp.Or(cmp.Compare(a.workspace, b.workspace), cmp.Compare(a.class, b.class))
	})
	return all
}

// laneHash names the lane of a key and, in a stream that is ordered by class, of
// a class's name; events of a class that no rule has are of the default one,
// whose lanes are named by the key alone. It runs under q.mu.
func (s *shard) laneHash(key []byte, name string) uint64 {
	i := max(0, slices.IndexFunc(s.queue.rota.shares, func(c share) bool { return c.Name == name }))
	return s.laneOf(key, uint8(i)) //nolint:gosec // at most classesMost
}

// laneOf is laneHash by a class's number.
func (s *shard) laneOf(key []byte, lot uint8) uint64 {
	q := s.queue
	hash := q.hash(key)
	if len(q.byClass) > 0 && int(lot) < len(q.rota.classes) && q.byClass[s.id.Stream] {
		hash ^= q.rota.classes[lot].salt
	}
	return hash
}
