package partition

import (
	"math"
	"time"
)

// The pacer's promise, as the study has it: at most headroom x R a second, and
// 15 ms of that at once.
const (
	paceShare = 0.985
	paceSlack = 0.015
	clockRate = 0.0005 // how wrong a clock's rate may be
)

// sendHistory is what a workspace was sent, for I5.
type sendHistory struct {
	marks   []mark
	second  span
	tenth   span
	changed time.Duration // when the share of any process last changed
}

// mark is one send.
type mark struct {
	at      time.Duration
	process int
}

// span is a stretch of time that ends at the last send: a half-open window.
type span struct {
	first int   // of the marks in it
	count []int // sends in it, by process
	alone int   // processes with sends in it
}

// width is how long a stretch is by the world's clock so that it is not longer
// by the clock of any member: a budget is a matter of the sender's seconds.
func width(d time.Duration) time.Duration { return time.Duration(float64(d) / (1 + clockRate)) }

// sends adds a send and checks the stretches that end with it.
func (sp *space) sends(x *witness, p *process) {
	sp.marks = append(sp.marks, mark{x.world.now, p.number})
	calm := x.world.now-sp.changed > 2*time.Second
	for _, w := range []struct {
		span   *span
		length time.Duration
	}{{&sp.second, time.Second}, {&sp.tenth, 100 * time.Millisecond}} {
		have := w.span.extend(sp.marks, width(w.length))
		if most := bound(sp.rate, w.length.Seconds(), w.span.alone, calm); have > most {
			x.violated("I5", "workspace %s: %d sends of %d pacers in %v, at most %d (calm: %v)", sp.name, have, w.span.alone, w.length, most, calm)
		}
	}
}

// bound is how many sends of so many pacers a stretch may hold: each has one
// attempt of its own beside its part of the rate; and its slack, which they
// share when nothing moves.
func bound(rate, seconds float64, pacers int, calm bool) int {
	slacks := float64(pacers)
	if calm {
		slacks = 1
	}
	return int(math.Floor(float64(pacers) + paceShare*rate*(seconds+slacks*paceSlack) + 1e-9))
}

// extend moves the stretch to the last mark and returns how many it holds.
func (s *span) extend(marks []mark, length time.Duration) int {
	last := marks[len(marks)-1]
	for len(s.count) <= last.process {
		s.count = append(s.count, 0)
	}
	if s.count[last.process]++; s.count[last.process] == 1 {
		s.alone++
	}
	for ; marks[s.first].at <= last.at-length; s.first++ {
		gone := marks[s.first].process
		if s.count[gone]--; s.count[gone] == 0 {
			s.alone--
		}
	}
	return len(marks) - s.first
}

// sentBetween counts a workspace's sends from..to.
func (sp *space) sentBetween(from, to time.Duration) int {
	n := 0
	for i := len(sp.marks) - 1; i >= 0 && sp.marks[i].at >= from; i-- {
		if sp.marks[i].at < to {
			n++
		}
	}
	return n
}
