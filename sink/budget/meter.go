package budget

import (
	"math"
	"time"
)

// never is a wait that only a change ends.
const never = time.Duration(math.MaxInt64)

// rounding is the debt that sums of floating-point numbers may be off by.
const rounding = 1e-9

// meter is the generic cell rate algorithm, kept as a debt that drains at the
// present rate instead of as the theoretical arrival time: debt = (TAT - now) x
// rate. At a constant rate both grant at the same instants. When the rate
// changes the debt is still what was sent and not yet paid for, so that any
// window holds at most slack + the last charge + the integral of the rate over
// it, whatever the rate did. It is not safe for concurrent use.
type meter struct {
	free  bool    // unlimited: owes nothing, ever
	rate  float64 // drained a second; 0 holds the debt still
	slack float64 // the highest debt with which more may be sent
	debt  float64 // at least 0
}

func (m *meter) drain(seconds float64) {
	if m.debt -= m.rate * seconds; m.debt < 0 {
		m.debt = 0
	}
}

func (m *meter) charge(n float64) {
	if !m.free {
		m.debt += n
	}
}

func (m *meter) open() bool { return m.free || m.debt <= m.slack+rounding && m.rate > 0 }

// wait is the time until the meter is open, if its rate stays; 0 when it is.
func (m *meter) wait() time.Duration {
	switch {
	case m.open():
		return 0
	case m.rate <= 0:
		return never
	}
	wait := math.Ceil((m.debt - m.slack) / m.rate * float64(time.Second))
	if wait >= float64(never) {
		return never
	}
	return max(1, time.Duration(wait))
}

// room is how many more may be charged before the meter is shut; at least 1,
// for an open one.
func (m *meter) room() int {
	if m.free {
		return math.MaxInt
	}
	return max(1, int(m.slack+1-m.debt+rounding))
}

// tune gives the meter another rate. A debt is kept, unless there is nothing
// any more that it could be owed to.
func (m *meter) tune(free bool, rate, slack float64) {
	m.free, m.rate, m.slack = free, rate, slack
	if free {
		m.rate, m.slack, m.debt = 0, 0, 0
	}
}

// inherit charges for what came over from another owner, who may have used all
// of his slack and one attempt just before: folds times the slack that is new,
// and lead when all of it is (was is the slack before). It never leaves more
// debt than a fresh start would, so that a share that comes and goes costs no
// more than one.
func (m *meter) inherit(lead, folds, was float64, fresh bool) {
	if m.free {
		return
	}
	start := lead + folds*m.slack
	if !fresh {
		start = min(start, m.debt+folds*(m.slack-was))
	}
	m.debt = max(m.debt, start)
}
