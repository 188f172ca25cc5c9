package partition

import "time"

// kind tells ready lanes apart that take turns. While there is enough of the
// first to use up all that may be sent, the others get their floors.
type kind uint8

const (
	fresh  kind = iota // live, and not known to fail
	failed             // live, and its head has failed by itself before
	kept               // held
	again              // replayed
	kinds
)

// What the others get of a workspace while fresh events could have it all, and
// how long these may have waited for replays to get any.
const (
	failedFloor = 0.20
	keptFloor   = 0.10
	againFloor  = 0.05
	againGrace  = 30 * time.Second
	mostCredit  = 100 // events that a kind may make up for at once
)

// line is the ready lanes of one kind in one shard.
type line struct {
	shard  *shard
	kind   kind
	ready  heap[int64, *lane] // by the offset of the head
	listed bool               // in the rota
}

// linesOf are a shard's lines: only the live tier has two kinds.
func linesOf(s *shard) [2]line {
	switch s.id.Tier {
	case Held:
		return [2]line{{shard: s, kind: kept}}
	case Replay:
		return [2]line{{shard: s, kind: again}}
	case Live, tiers:
	}
	return [2]line{{shard: s, kind: fresh}, {shard: s, kind: failed}}
}

// line is where a lane waits for its turn.
func (l *lane) line() *line {
	s := l.shard
	if s.id.Tier == Live && l.failed(l.head) {
		return &s.lines[1]
	}
	return &s.lines[0]
}

// rota holds the lines that have ready lanes, those of a kind in turn. It is
// guarded by the queue's mutex.
type rota struct {
	rings  [kinds]ring[*line]
	credit [kinds]float64 // events that a kind may take before fresh ones
}

// add lists a line that has ready lanes.
func (r *rota) add(l *line) {
	if !l.listed && l.ready.len() > 0 && l.shard.takeable() {
		l.listed = true
		r.rings[l.kind].push(l)
	}
}

// any tells whether something may be taken.
func (r *rota) any() bool {
	for k := range r.rings {
		if r.rings[k].len() > 0 {
			return true
		}
	}
	return false
}

// next takes the line off the rota whose turn it is; there must be one.
func (r *rota) next(now time.Time) *line {
	l := r.rings[r.turn(now)].pop()
	l.listed = false
	return l
}

func (r *rota) turn(now time.Time) kind {
	first := fresh
	for r.rings[first].len() == 0 {
		first++
	}
	for k := failed; first == fresh && k < kinds; k++ {
		if due := r.credit[k] >= 1 && r.rings[k].len() > 0; due && (k != again || !r.late(now)) {
			return k
		}
	}
	return first
}

// late tells whether fresh events wait so long that replays have to.
func (r *rota) late(now time.Time) bool {
	first := r.rings[fresh].first()
	return first.ready.len() > 0 && now.Sub(first.ready.min().value.head.event.Time) > againGrace
}

// spend notes that n events of a kind were taken.
func (r *rota) spend(k kind, n int) {
	if n == 0 {
		return
	}
	floors := [kinds]float64{failed: failedFloor, kept: keptFloor, again: againFloor}
	for other := failed; other < kinds; other++ {
		switch {
		case other == k && r.rings[fresh].len() > 0:
			r.credit[k] = max(-mostCredit, r.credit[k]-float64(n))
		case k == fresh && r.rings[other].len() == 0:
			r.credit[other] = min(r.credit[other], 0)
		case k == fresh:
			r.credit[other] = min(r.credit[other]+floors[other]*float64(n), mostCredit)
		}
	}
}
