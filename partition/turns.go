package partition

import (
	"math"
	"math/bits"
	"slices"
)

// Turns says which class's turn it is. The lanes go by it, and so does whoever
// wants to know beforehand what they will do. It is not safe for concurrent use.
//
// The turn is that of a class whose floor is owed, else of the highest priority,
// else of the one that has had least for its weight. This last is start-time fair
// queueing: a class that has had nothing to send, or was shut, begins where the
// others are and makes up for nothing.
type Turns struct {
	shares []share // of the classes, by number, never empty

	// Sets of classes, a bit each (1 << number).
	ready  uint64 // something of it waits
	open   uint64 // it may have something in this take, or could at the end of the last
	told   uint64 // it had something and was shut then: the taker knows, and asks again
	active uint64 // ready and open at the last turn
	barred uint64 // it was active and had more, until its class was shut
	floors uint64 // it has a floor

	counted bool      // this take has allowances
	plain   bool      // there is one class, and all of it may be taken
	granted int       // whose floor was owed at the last turn; -1: nobody's
	total   float64   // events taken since there are classes
	clocks  []float64 // virtual time of each priority, the lowest first
}

// share is what a class has had, and has by right.
type share struct {
	Class
	step    float64 // virtual time of one event
	level   int     // of its priority among those that there are, the lowest 0
	served  float64 // virtual time: events taken by weight
	owed    float64 // events that its floor owed it, when so many had been taken in all
	owedTo  float64
	left    int  // events that it may still have in this take
	bounded bool // it has such a bound
}

// owedAt is how many events the floor owes when total have been taken in all.
func (s *share) owedAt(total float64) float64 { return s.owed + s.Floor*(total-s.owedTo) }

// NewTurns are those of classes, by number: the first is the default one. Of more
// than 64 the rest is passed over; weights and floors that cannot be are put
// right.
func NewTurns(classes []Class) *Turns {
	t := &Turns{granted: -1}
	t.set(classes)
	return t
}

// set changes the classes. One of a name that there was goes on where it stood;
// the first one is always the default one, whatever it is called. It returns, by
// the number that they had, those that the classes have now: that of one that is
// no more is the default one's. Nothing is ready after it.
func (t *Turns) set(classes []Class) []uint8 {
	was, next := t.shares, sound(classes)
	levels, clocks, old := levelsOf(next), t.clocks, levelsOf(was)
	t.clocks = make([]float64, len(levels))
	for level, priority := range levels {
		if i, kept := slices.BinarySearch(old, priority); kept && i < len(clocks) {
			t.clocks[level] = clocks[i]
		}
	}
	now := make([]uint8, len(was))
	t.floors = 0
	for i := range next {
		c := &next[i]
		c.level, _ = slices.BinarySearch(levels, c.Priority)
		if c.Floor > 0 {
			t.floors |= 1 << i
		}
		c.owedTo = t.total
		before := 0
		if i > 0 {
			before = slices.IndexFunc(was, func(w share) bool { return w.Name == c.Name })
		}
		if before < 0 || before >= len(was) || before == 0 && i > 0 { // it is new
			continue
		}
		now[before] = uint8(i)
		c.owed, c.owedTo = was[before].owed, was[before].owedTo
		if c.Priority == was[before].Priority { // the clocks of two priorities have nothing in common
			c.served = was[before].served
		} else {
			c.served = t.clocks[c.level]
		}
	}
	t.shares, t.ready, t.active, t.barred, t.told, t.open = next, 0, 0, 0, 0, ^uint64(0)
	return now
}

// sound are the classes with what cannot be put right: at most classesMost, with
// weights above 0 and floors that are not above 1 in all.
func sound(classes []Class) []share {
	if len(classes) == 0 {
		classes = []Class{{Name: defaultClass}}
	}
	all := make([]share, 0, len(classes))
	sum := 0.0
	for _, c := range classes[:min(len(classes), classesMost)] {
		if math.IsNaN(c.Weight) || math.IsInf(c.Weight, 0) || c.Weight <= 0 {
			c.Weight = 1
		}
		if math.IsNaN(c.Floor) {
			c.Floor = 0
		}
		c.Floor = min(max(0, c.Floor), 1)
		sum += c.Floor
		all = append(all, share{Class: c, step: 1 / c.Weight})
	}
	for i := range all {
		all[i].Floor /= max(1, sum)
	}
	return all
}

// levelsOf are the priorities that there are, the lowest first.
func levelsOf(shares []share) []int8 {
	levels := make([]int8, len(shares))
	for i := range shares {
		levels[i] = shares[i].Priority
	}
	slices.Sort(levels)
	return slices.Compact(levels)
}

// Ready says whether something of a class waits.
func (t *Turns) Ready(number uint8, ready bool) {
	if t.ready &^= 1 << number; ready {
		t.ready |= 1 << number
	}
}

// Limited tells whether a class has a rate of its own.
func (t *Turns) Limited(number uint8) bool {
	return int(number) < len(t.shares) && t.shares[number].Limited
}

// Idle tells whether nothing waits.
func (t *Turns) Idle() bool { return t.ready == 0 }

// Waits tells whether something of a class waits.
func (t *Turns) Waits(number uint8) bool { return t.ready>>number&1 != 0 }

// any tells whether something may be taken, as far as the last take can say, or
// waits for its class without the taker's knowing.
func (t *Turns) any() bool { return t.ready&^t.told != 0 }

// More tells whether something may be taken in this take.
func (t *Turns) More() bool { return t.ready&t.open != 0 }

// Begin takes in what a take may have of each class: of one beyond the slice, and
// of all when it is nil, any number.
func (t *Turns) Begin(allowances []int) {
	t.open = ^uint64(0)
	t.counted = allowances != nil
	t.plain = !t.counted && len(t.shares) == 1
	if !t.counted {
		return
	}
	for i := range t.shares {
		c := &t.shares[i]
		c.bounded = i < len(allowances)
		if !c.bounded {
			continue
		}
		if c.left = allowances[i]; c.left <= 0 {
			t.open &^= 1 << i
		}
	}
}

// end is the end of a take: it reports whether something was passed over
// because its class is shut.
func (t *Turns) end() bool {
	t.told = t.ready &^ t.open
	return t.told != 0
}

// Next is the class whose turn it is; there must be more.
func (t *Turns) Next() int {
	if len(t.shares) == 1 {
		return 0
	}
	t.activate()
	t.granted = -1
	most := 1.0
	for set := t.active & t.floors; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		if owed := t.shares[i].owedAt(t.total); owed > most || owed == most && t.granted < 0 {
			t.granted, most = i, owed
		}
	}
	if t.granted >= 0 {
		return t.granted
	}
	best := bits.TrailingZeros64(t.active)
	for set := t.active & (t.active - 1); set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		if c, b := &t.shares[i], &t.shares[best]; c.level > b.level || c.level == b.level && c.served < b.served {
			best = i
		}
	}
	b := &t.shares[best]
	if t.clocks[b.level] = max(t.clocks[b.level], b.served); t.clocks[b.level] > rebaseAt {
		t.rebase(b.level)
	}
	return best
}

// rebaseAt is how far a clock goes: a number that grew for ever would in the end
// be too large to tell one event of a heavy class from none.
const rebaseAt = 1 << 30

// rebase puts a priority's clock back to 0, and its classes with it. Those that
// have nothing to send begin at the clock, wherever they stood.
func (t *Turns) rebase(level int) {
	clock := t.clocks[level]
	t.clocks[level] = 0
	for i := range t.shares {
		if c := &t.shares[i]; c.level == level {
			c.served = max(0, c.served-clock)
		}
	}
}

// activate takes in which classes have come and gone since the last turn. Who
// comes begins where its priority is. A floor is what a class gets while it
// waits: none is saved up for later, but what it had too much of is worked off.
// Who had more and was shut by its own rate waited all the same, and is owed an
// event at most: else the rate would eat up a floor that is as high.
func (t *Turns) activate() {
	active := t.ready & t.open
	t.barred &= t.ready
	for set := active ^ t.active; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		c, saved := &t.shares[i], 0.0
		if t.barred>>i&1 != 0 {
			saved = 1
		}
		if active>>i&1 != 0 {
			c.served = max(c.served, t.clocks[c.level])
			t.barred &^= 1 << i
		} else if t.ready>>i&1 != 0 {
			t.barred |= 1 << i
			saved = 1
		}
		c.owed, c.owedTo = min(saved, c.owedAt(t.total)), t.total
	}
	t.active = active
}

// Admits tells whether an event of a class may be taken.
func (t *Turns) Admits(number uint8) bool { return t.open>>number&1 != 0 }

// Charge notes that an event of a class was taken, whoever's turn it was.
func (t *Turns) Charge(number uint8) {
	c := &t.shares[number]
	if t.counted && c.bounded {
		if c.left--; c.left <= 0 {
			t.open &^= 1 << number
		}
	}
	t.serve(int(number))
}

// serve moves a class on by one event.
func (t *Turns) serve(number int) {
	c := &t.shares[number]
	c.served += c.step
	if c.Floor > 0 {
		c.owed, c.owedTo = c.owedAt(t.total), t.total
		switch {
		case number == t.granted: // a whole run for a floor of less is worked off
			c.owed--
		case c.owed > 0: // what it has by right counts for its floor, and costs it none of that later
			c.owed = max(0, c.owed-1)
		}
	}
	t.total++
}
