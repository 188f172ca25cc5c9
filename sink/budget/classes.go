package budget

import (
	"math"
	"slices"
	"time"
)

// patience is the most slack, in events, that a class is given for attempts
// that come seldom, as long as one event in each of them is enough. Below one, an
// attempt still holds one event of a slow class and a second no more than its rate
// and one: 1 + patience + headroom x R is below R + 2.
const patience = 0.9

// classes are the meters of the classes of events. The ledger's lock guards
// them. What is said to be of the turn changes at a look only, by who has both,
// so that who has the turn alone may read it.
type classes struct {
	all     []Class // never written to; behind those shown, limits that went and still hold debts
	meters  []meter // of all of them; none when nothing has a limit
	shown   int     // how many have a number
	limited bool    // one of those has a limit

	asked []Class // of the turn: those of the last look, by number; none when nothing had a limit
	shut  []int   // of the turn: which of asked were shut
	room  []int   // of the turn: lent to fill, which may write to it
}

// adopt makes all the classes, of which so many have a number. Debts are kept by
// name. It returns the numbers of those that had no limit before.
func (c *classes) adopt(all []Class, shown int) (fresh []int) {
	all = slices.Clone(all)
	var meters []meter
	if limits(all) {
		meters = make([]meter, len(all))
	}
	for i := range meters {
		if j := numbered(c.all, all[i].Name); j >= 0 && c.all[j].Rate > 0 {
			meters[i] = c.meters[j]
		} else if all[i].Rate > 0 {
			fresh = append(fresh, i)
		}
	}
	c.all, c.meters, c.shown, c.limited = all, meters, shown, limits(all[:shown])
	return fresh
}

// begin has limits that are new begin at some point of their first interval:
// members that reload together must not send together.
func (c *classes) begin(fresh []int, dice func() float64) {
	for _, i := range fresh {
		c.meters[i].debt = c.meters[i].slack + dice()
	}
}

// tune gives every meter that part of its class's rate. The slack makes up for
// timers that are late and, where a class is a part of few attempts, for the
// time until the next of them: attempts is the workspace's rate, 0 when there is
// none. A class that may have more events a second than there are attempts could
// not have them without so much slack that each holds several.
func (c *classes) tune(part float64, attempts Rate) {
	for i := range c.meters {
		rate, between := part*float64(c.all[i].Rate), 0.0
		if attempts > 0 {
			if between = float64(c.all[i].Rate / attempts); between <= 1 {
				between = min(patience, between)
			}
		}
		c.meters[i].tune(c.all[i].Rate <= 0, rate, max(tolerance*rate, between))
	}
}

func (c *classes) drain(seconds float64) {
	for i := range c.meters {
		c.meters[i].drain(seconds)
	}
}

// slacks returns those of all meters.
func (c *classes) slacks() []float64 {
	all := make([]float64, len(c.meters))
	for i := range c.meters {
		all[i] = c.meters[i].slack
	}
	return all
}

// inherit charges for what came over from another owner, see meter.
func (c *classes) inherit(was []float64, dice func() float64, fresh bool) {
	for i := range c.meters {
		if !c.meters[i].free {
			c.meters[i].inherit(1+dice(), 1, was[i], fresh)
		}
	}
}

// looks tells whether a look may find anything, or something of the last one has
// to be forgotten.
func (c *classes) looks() bool { return len(c.meters) > 0 || c.asked != nil }

// look returns how many events of each class may be sent, nil when none has a
// limit. It is called by who has the turn.
func (c *classes) look() []int {
	c.asked, c.shut = nil, c.shut[:0]
	if !c.limited {
		return nil
	}
	c.asked = c.all[:c.shown]
	c.room = slices.Grow(c.room[:0], c.shown)[:c.shown]
	for i := range c.room {
		c.room[i] = 0
		if c.meters[i].open() {
			c.room[i] = c.meters[i].room()
		} else {
			c.shut = append(c.shut, i)
		}
	}
	return c.room
}

// anyShut tells whether one was shut at the last look. It is called by who has
// the turn.
func (c *classes) anyShut() bool { return len(c.shut) > 0 }

// charge writes down how many events of each class are about to be sent, by the
// numbers of the last look.
func (c *classes) charge(events []int) {
	for i, n := range events[:min(len(events), len(c.asked))] {
		if n <= 0 {
			continue
		}
		if m := c.meter(i); m != nil {
			m.charge(float64(n))
		}
	}
}

// opening is the time until the first of those that were shut at the last look
// is open.
func (c *classes) opening() time.Duration {
	first := never
	for _, i := range c.shut {
		m := c.meter(i)
		if m == nil {
			return 0
		}
		first = min(first, m.wait())
	}
	return first
}

// meter returns that of the class which had the number at the last look; nil
// when it has no limit any more. The numbers may have changed since.
func (c *classes) meter(number int) *meter {
	name := c.asked[number].Name
	if number >= len(c.all) || c.all[number].Name != name {
		number = numbered(c.all, name)
	}
	if number < 0 || len(c.meters) == 0 {
		return nil
	}
	return &c.meters[number]
}

// status reports about those that have a number.
func (c *classes) status(owned bool) []ClassStatus {
	if c.shown == 0 {
		return nil
	}
	all := make([]ClassStatus, c.shown)
	for i := range all {
		s := ClassStatus{Name: c.all[i].Name, Wait: never}
		switch {
		case !owned:
		case c.all[i].Rate <= 0:
			s.Rate, s.Open, s.Wait = Rate(math.Inf(1)), true, 0
		default:
			m := &c.meters[i]
			s.Rate, s.Open, s.Wait = Rate(m.rate), m.open(), m.wait()
		}
		all[i] = s
	}
	return all
}
