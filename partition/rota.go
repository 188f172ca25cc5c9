package partition

import (
	"iter"
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
type rota struct {
	Turns
	classes []flow // by number
}

// add lists a line that has ready lanes.
func (r *rota) add(l *line) {
	if !l.listed && l.ready.len() > 0 && l.shard.takeable() {
		l.listed = true
		r.classes[l.class].push(l)
		r.Ready(l.class, true)
	}
}

// take takes the line off the rota whose turn it is; there must be more.
func (r *rota) take(now time.Time) *line {
	i := r.Next()
	c := &r.classes[i]
	l := c.rings[c.turn(now)].pop()
	l.listed = false
	if c.listed--; c.listed == 0 {
		r.ready &^= 1 << i
	}
	return l
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
