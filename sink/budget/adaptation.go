package budget

import (
	"math"
	"time"
)

const (
	leastFactor = 0.05
	holdAfter   = 10 * time.Second // a cut stands so long before anything is tried
	longestStep = 10 * time.Second // silence is no proof that more would be taken
)

// adaptation finds the part of the rate that the destination takes, from its
// answers: a cut in proportion to what was throttled, back to just below the
// rate that was accepted; then, after a while, careful growth that gathers
// pace while nothing is throttled. It is not safe for concurrent use.
type adaptation struct {
	factor    float64   // of the rate, leastFactor to 1
	ceiling   float64   // the factor that the last cut found accepted
	clean     int       // windows without a throttled answer since growth began
	hold      time.Time // no growth before
	cut       time.Time // requests sent before say nothing about the present factor
	begun     time.Time // the present window; zero before the first answer
	answers   int       // of the present window
	throttled int       // of them
	row       int       // throttled answers since one that was not
	before    int       // answers of the window before
}

// answered counts one answer to a request. It reports whether so many in a row
// were throttled that it is the workspace's affair, and whether the factor
// changed: while others are taken in between, the factor alone sees to it. The
// rate is the member's, 0 when unlimited.
func (a *adaptation) answered(now, sent time.Time, throttled bool, rate float64) (many, changed bool) {
	if sent.Before(a.cut) {
		return false, false
	}
	if a.begun.IsZero() {
		a.begun = now
	}
	a.answers++
	window, room := span(rate), float64(max(a.answers, a.before))
	if rate > 0 {
		room = rate * window.Seconds()
	}
	if throttled {
		a.throttled++
		a.row++
		many = float64(a.row) >= max(2, 0.03*room)
	} else {
		a.row = 0
	}
	if now.Sub(a.begun) < window {
		return many, false
	}
	factor := a.factor
	a.conclude(now)
	return many, a.factor != factor
}

// span is how long a window of answers is: about fifty of them.
func span(rate float64) time.Duration {
	if rate <= 0 {
		return time.Second
	}
	return time.Duration(min(10, max(1, 50/rate)) * float64(time.Second))
}

// conclude ends a window and begins the next.
func (a *adaptation) conclude(now time.Time) {
	passed := min(now.Sub(a.begun), longestStep).Seconds()
	part := float64(a.throttled) / float64(a.answers)
	switch {
	case part > 0:
		a.ceiling = a.factor * (1 - part)
		a.factor = max(leastFactor, 0.995*a.factor*max(0.5, 1-part))
		a.hold, a.cut, a.clean = now.Add(holdAfter), now, 0
	case a.factor < 0.98*a.ceiling:
		a.factor = min(0.98*a.ceiling, a.factor+0.03*passed)
	case a.factor < 1 && !now.Before(a.hold):
		a.clean++
		a.factor = min(1, a.factor+passed*min(0.02, 0.003*math.Pow(1.3, float64(a.clean))))
	}
	a.begun, a.before, a.answers, a.throttled = now, a.answers, 0, 0
}
