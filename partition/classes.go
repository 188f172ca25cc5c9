package partition

import (
	"cmp"
	"hash/maphash"
	"math"
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

// flow is one of a queue's classes, as the rota serves it.
type flow struct {
	Class
	step  float64 // virtual time of one event
	level int     // of its priority among those that there are, the lowest 0
	salt  uint64  // of its lanes' hashes in a stream that is ordered by class

	rings  [kinds]ring[*line]
	credit [kinds]float64 // events that a kind may take before fresh ones
	listed int            // lines in the rings

	served  float64 // virtual time: events taken by weight
	owed    float64 // events that its floor owed it, when so many had been taken in all
	owedTo  float64
	left    int  // events that it may still have in this take
	bounded bool // it has such a bound
}

// owedAt is how many events the floor owes when total have been taken in all.
func (c *flow) owedAt(total float64) float64 { return c.owed + c.Floor*(total-c.owedTo) }

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
	next := q.sound(classes)
	was := q.rota.classes
	levels, clocks := levelsOf(next), q.rota.clocks
	old := levelsOf(was)
	q.rota.clocks = make([]float64, len(levels))
	for level, priority := range levels {
		if i, kept := slices.BinarySearch(old, priority); kept && i < len(clocks) {
			q.rota.clocks[level] = clocks[i]
		}
	}
	now := make([]uint8, len(was)) // the numbers of the classes that were
	q.rota.floors = 0
	for i := range next {
		c := &next[i]
		c.level, _ = slices.BinarySearch(levels, c.Priority)
		if c.Floor > 0 {
			q.rota.floors |= 1 << i
		}
		c.owedTo = q.rota.total
		before := slices.IndexFunc(was, func(w flow) bool { return w.Name == c.Name })
		if i == 0 {
			before = 0 // whatever it is called
		} else if before <= 0 {
			continue
		}
		now[before] = uint8(i)
		c.credit, c.owed, c.owedTo = was[before].credit, was[before].owed, was[before].owedTo
		if c.Priority == was[before].Priority { // the clocks of two priorities have nothing in common
			c.served = was[before].served
		} else {
			c.served = q.rota.clocks[c.level]
		}
	}
	q.renumber(now, len(next))
	q.rota.classes, q.rota.active, q.rota.barred, q.rota.told, q.rota.open = next, 0, 0, 0, ^uint64(0)
	q.relist()
}

// sound are the classes with what cannot be put right: at most classesMost, with
// weights above 0 and floors that are not above 1 in all.
func (q *queue) sound(classes []Class) []flow {
	if len(classes) == 0 {
		classes = []Class{{Name: defaultClass}}
	}
	all := make([]flow, 0, len(classes))
	sum := 0.0
	for i, c := range classes[:min(len(classes), classesMost)] {
		if math.IsNaN(c.Weight) || math.IsInf(c.Weight, 0) || c.Weight <= 0 {
			c.Weight = 1
		}
		if math.IsNaN(c.Floor) {
			c.Floor = 0
		}
		c.Floor = min(max(0, c.Floor), 1)
		sum += c.Floor
		one := flow{Class: c, step: 1 / c.Weight}
		if i > 0 {
			one.salt = maphash.String(q.seed, c.Name)
		}
		all = append(all, one)
	}
	for i := range all {
		all[i].Floor /= max(1, sum)
	}
	return all
}

const defaultClass = "default"

// levelsOf are the priorities that there are, the lowest first.
func levelsOf(classes []flow) []int8 {
	levels := make([]int8, len(classes))
	for i := range classes {
		levels[i] = classes[i].Priority
	}
	slices.Sort(levels)
	return slices.Compact(levels)
}

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
	q.rota.ready = 0
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

// limited tells whether a class has a rate of its own. It runs under q.mu.
func (q *queue) limited(lot uint8) bool {
	return int(lot) < len(q.rota.classes) && q.rota.classes[lot].Limited
}

// shutNow tells whether a class had no allowance left at the end of the last
// take. It runs under q.mu.
func (q *queue) shutNow(lot uint8) bool {
	return int(lot) < len(q.rota.classes) && !q.rota.admits(lot)
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
			one := classCount{workspace: name, class: q.rota.classes[i].Name}
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
	classes := s.queue.rota.classes
	i := max(0, slices.IndexFunc(classes, func(c flow) bool { return c.Name == name }))
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
