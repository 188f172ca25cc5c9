package partition

import (
	"iter"
	"math/bits"
	"time"
)

// kind tells ready lanes of one class apart that take turns. While there is
// enough of the first to use up all that the class gets, the others get their
// floors.
type kind uint8

const (
	fresh   kind = iota // live or deferred, and not known to fail
	failed              // live, and its head has failed by itself before
	kept                // held
	spilled             // of a class that was over its limit
	again               // replayed
	kinds
)

// What the others get of a class while fresh events could have it all, and how
// long these may have waited for replays to get any.
const (
	failedFloor  = 0.20
	keptFloor    = 0.10
	spilledFloor = 0.50
	againFloor   = 0.05
	againGrace   = 30 * time.Second
	mostCredit   = 100 // events that a kind may make up for at once
)

// line is the ready lanes of one class and kind in one shard.
type line struct {
	shard  *shard
	class  uint8
	kind   kind
	ready  heap[int64, *lane] // by the offset of the head
	listed bool               // in the rota
}

// lines are a shard's, by class: of each that of its tier's kind, and that of
// what has failed. A class that had nothing yet has none.
type lines []*[2]line

// at returns the line of a class, made when it is the first time.
func (s *shard) at(class uint8, hasFailed bool) *line {
	for len(s.lines) <= int(class) {
		s.lines = append(s.lines, nil)
	}
	pair := s.lines[class]
	if pair == nil {
		pair = &[2]line{{shard: s, class: class, kind: s.kind()}, {shard: s, class: class, kind: failed}}
		s.lines[class] = pair
	}
	if hasFailed {
		return &pair[1]
	}
	return &pair[0]
}

// all yields every line.
func (all lines) all() iter.Seq[*line] {
	return func(yield func(*line) bool) {
		for _, pair := range all {
			if pair != nil && (!yield(&pair[0]) || !yield(&pair[1])) {
				return
			}
		}
	}
}

// kind is that of a shard's lanes, but for those that failed.
func (s *shard) kind() kind {
	switch s.id.Tier {
	case Held:
		return kept
	case Replay:
		return again
	case Overflow:
		return spilled
	case Live, Delay10s, Delay10m, Delay6h, tiers:
	}
	return fresh
}

// line is where a lane waits for its turn. What no destination could take asks
// nothing of its class.
func (l *lane) line() *line {
	s := l.shard
	class := s.queue.lot(l.head)
	if class != 0 && l.head.event.Fault != nil {
		class = 0
	}
	return s.at(class, s.id.Tier == Live && l.failed(l.head))
}

// rota holds the lines that have ready lanes: classes take turns, in each the
// kinds, and of a kind the shards one after the other. It is guarded by the
// queue's mutex.
//
// Among classes the turn is that of one whose floor is owed, else of the highest
// priority, else of the one that has had least for its weight. This last is
// start-time fair queueing: a class that has had nothing to send, or was shut,
// begins where the others are and makes up for nothing.
type rota struct {
	classes []flow // by number, never empty

	// Sets of classes, a bit each (1 << number).
	ready  uint64 // something of it is listed
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

// add lists a line that has ready lanes.
func (r *rota) add(l *line) {
	if !l.listed && l.ready.len() > 0 && l.shard.takeable() {
		l.listed = true
		r.classes[l.class].push(l)
		r.ready |= 1 << l.class
	}
}

// any tells whether something may be taken, as far as the last take can say, or
// waits for its class without the taker's knowing.
func (r *rota) any() bool { return r.ready&^r.told != 0 }

// more tells whether something may be taken in this take.
func (r *rota) more() bool { return r.ready&r.open != 0 }

// begin takes in what a take may have of each class.
func (r *rota) begin(allowances []int) {
	r.open = ^uint64(0)
	r.counted = allowances != nil
	r.plain = !r.counted && len(r.classes) == 1
	if !r.counted {
		return
	}
	for i := range r.classes {
		c := &r.classes[i]
		c.bounded = i < len(allowances)
		if !c.bounded {
			continue
		}
		if c.left = allowances[i]; c.left <= 0 {
			r.open &^= 1 << i
		}
	}
}

// end is the end of a take: it reports whether something was passed over
// because its class is shut.
func (r *rota) end() bool {
	r.told = r.ready &^ r.open
	return r.told != 0
}

// next takes the line off the rota whose turn it is; there must be more.
func (r *rota) next(now time.Time) *line {
	i := 0
	if len(r.classes) > 1 {
		i = r.turn()
	}
	c := &r.classes[i]
	l := c.rings[c.turn(now)].pop()
	l.listed = false
	if c.listed--; c.listed == 0 {
		r.ready &^= 1 << i
	}
	return l
}

// turn is the class whose turn it is.
func (r *rota) turn() int {
	r.activate()
	r.granted = -1
	most := 1.0
	for set := r.active & r.floors; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		if owed := r.classes[i].owedAt(r.total); owed > most || owed == most && r.granted < 0 {
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
	if r.clocks[b.level] = max(r.clocks[b.level], b.served); r.clocks[b.level] > rebaseAt {
		r.rebase(b.level)
	}
	return best
}

// rebaseAt is how far a clock goes: a number that grew for ever would in the end
// be too large to tell one event of a heavy class from none.
const rebaseAt = 1 << 30

// rebase puts a priority's clock back to 0, and its classes with it. Those that
// have nothing to send begin at the clock, wherever they stood.
func (r *rota) rebase(level int) {
	clock := r.clocks[level]
	r.clocks[level] = 0
	for i := range r.classes {
		if c := &r.classes[i]; c.level == level {
			c.served = max(0, c.served-clock)
		}
	}
}

// activate takes in which classes have come and gone since the last turn. Who
// comes begins where its priority is. A floor is what a class gets while it
// waits: none is saved up for later, but what it had too much of is worked off.
// Who had more and was shut by its own rate waited all the same, and is owed an
// event at most: else the rate would eat up a floor that is as high.
func (r *rota) activate() {
	active := r.ready & r.open
	r.barred &= r.ready
	for set := active ^ r.active; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		c, saved := &r.classes[i], 0.0
		if r.barred>>i&1 != 0 {
			saved = 1
		}
		if active>>i&1 != 0 {
			c.served = max(c.served, r.clocks[c.level])
			r.barred &^= 1 << i
		} else if r.ready>>i&1 != 0 {
			r.barred |= 1 << i
			saved = 1
		}
		c.owed, c.owedTo = min(saved, c.owedAt(r.total)), r.total
	}
	r.active = active
}

// admits tells whether an event of a class may be taken.
func (r *rota) admits(number uint8) bool { return r.open>>number&1 != 0 }

// charge notes that an event of a class was taken, whoever's turn it was.
func (r *rota) charge(number uint8) {
	c := &r.classes[number]
	if r.counted && c.bounded {
		if c.left--; c.left <= 0 {
			r.open &^= 1 << number
		}
	}
	r.serve(int(number))
}

// serve moves a class on by one event.
func (r *rota) serve(number int) {
	c := &r.classes[number]
	c.served += c.step
	if c.Floor > 0 {
		c.owed, c.owedTo = c.owedAt(r.total), r.total
		switch {
		case number == r.granted: // a whole run for a floor of less is worked off
			c.owed--
		case c.owed > 0: // what it has by right counts for its floor, and costs it none of that later
			c.owed = max(0, c.owed-1)
		}
	}
	r.total++
}

// spend notes that n events of a line were taken, moved of them not to be sent.
func (r *rota) spend(from *line, n, moved int) {
	if n == 0 {
		return
	}
	if !r.plain {
		for range moved {
			r.serve(int(from.class))
		}
	}
	r.classes[from.class].spend(from.kind, n)
}
