package rehearsal

import (
	"math/bits"
	"slices"

	"sluice/pipeline/rules"
)

// rota says whose turn it is, as package partition's does: that of a class whose
// floor is owed, else of the highest priority, else of the one that has had
// least for its weight; of a class the shards in turn, of a shard the lane whose
// head came first. A class that was idle or shut begins where the others are.
type rota struct {
	classes []flow // by number

	ready, open, active, floors uint64 // sets of classes, a bit each

	granted int     // whose floor was owed at the last turn; -1: nobody's
	total   float64 // events taken
	clocks  []float64
}

// flow is one class as it is served.
type flow struct {
	rules.Class
	level   int     // of its priority among those that there are
	served  float64 // virtual time: events taken by weight
	owed    float64 // events that its floor owed it when owedTo had been taken in all
	owedTo  float64
	left    int // events that it may still have in this take
	bounded bool
	lines   []*line // that have ready lanes, the next first
}

// line is the ready lanes of one class in one shard.
type line struct {
	class  uint8
	ready  heap[*lane] // by the place of the head
	listed bool
}

func newRota(classes []rules.Class) rota {
	r := rota{granted: -1}
	var levels []rules.Priority
	sum := 0.0
	for _, c := range classes {
		levels = append(levels, c.Priority)
		sum += c.Floor
	}
	slices.Sort(levels)
	levels = slices.Compact(levels)
	r.clocks = make([]float64, len(levels))
	for i, c := range classes {
		c.Floor /= max(1, sum)
		f := flow{Class: c}
		f.level, _ = slices.BinarySearch(levels, c.Priority)
		if c.Floor > 0 {
			r.floors |= 1 << i
		}
		r.classes = append(r.classes, f)
	}
	return r
}

// add lists a line that has ready lanes.
func (r *rota) add(l *line) {
	if !l.listed && l.ready.len() > 0 {
		l.listed = true
		c := &r.classes[l.class]
		c.lines = append(c.lines, l)
		r.ready |= 1 << l.class
	}
}

// begin takes in what a take may have of each class; nil: any number.
func (r *rota) begin(allowances []int) {
	r.open = ^uint64(0)
	for i := range r.classes {
		c := &r.classes[i]
		if c.bounded = i < len(allowances); !c.bounded {
			continue
		}
		if c.left = allowances[i]; c.left <= 0 {
			r.open &^= 1 << i
		}
	}
}

// more tells whether something may be taken in this take.
func (r *rota) more() bool { return r.ready&r.open != 0 }

// admits tells whether an event of a class may be taken.
func (r *rota) admits(number uint8) bool { return r.open>>number&1 != 0 }

// next takes the line off the rota whose turn it is; there must be more.
func (r *rota) next() *line {
	i := r.turn()
	c := &r.classes[i]
	l := c.lines[0]
	c.lines = c.lines[1:]
	l.listed = false
	if len(c.lines) == 0 {
		r.ready &^= 1 << i
	}
	return l
}

func (r *rota) turn() int {
	r.activate()
	r.granted = -1
	most := 1.0
	for set := r.active & r.floors; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		if owed := r.owed(i); owed > most || owed == most && r.granted < 0 {
			r.granted, most = i, owed
		}
	}
	if r.granted >= 0 {
		return r.granted
	}
	best := bits.TrailingZeros64(r.active)
	for set := r.active & (r.active - 1); set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		if c, b := &r.classes[i], &r.classes[best]; c.level > b.level || c.level == b.level && c.served < b.served {
			best = i
		}
	}
	b := &r.classes[best]
	r.clocks[b.level] = max(r.clocks[b.level], b.served)
	return best
}

// owed is how many events a class's floor owes it.
func (r *rota) owed(number int) float64 {
	c := &r.classes[number]
	return c.owed + c.Floor*(r.total-c.owedTo)
}

// activate takes in which classes have come and gone since the last turn.
func (r *rota) activate() {
	active := r.ready & r.open
	for set := active ^ r.active; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		c := &r.classes[i]
		c.owed, c.owedTo = min(0, r.owed(i)), r.total
		if active>>i&1 != 0 {
			c.served = max(c.served, r.clocks[c.level])
		}
	}
	r.active = active
}

// charge notes that an event of a class was taken.
func (r *rota) charge(number uint8) {
	c := &r.classes[number]
	if c.bounded {
		if c.left--; c.left <= 0 {
			r.open &^= 1 << number
		}
	}
	c.served += 1 / c.Weight
	if c.Floor > 0 {
		c.owed, c.owedTo = r.owed(int(number)), r.total
		switch {
		case int(number) == r.granted:
			c.owed--
		case c.owed > 0:
			c.owed = max(0, c.owed-1)
		}
	}
	r.total++
}
