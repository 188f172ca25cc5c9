package rules

import "time"

// Quiet is the hours in which a rule's events must not be sent, on the clock of
// the user. They may pass midnight.
type Quiet struct {
	From string // a time of day: "22:00"
	To   string // a time of day, on the next day when it is not after From
	Zone Zone
}

// hours is a Quiet made ready.
type hours struct {
	from, to time.Duration // since midnight of the same day
	zone     zone
}

// mostDays is how many days are looked at for an end and the next start. Two
// would do but for a clock that leaves out a whole day.
const mostDays = 8

// leave returns when an event that could be sent at an instant may be: then, or
// when the quiet hours are over, and when the next ones begin.
func (h *hours) leave(at time.Time, in *time.Location) (from, closes time.Time) {
	// What began the day before may last until today; nothing lasts longer.
	clock := newCalendar(in, at)
	date := clock.day(at).Add(-wholeDay)
	for range mostDays {
		start, end := clock.resolve(date, h.from), clock.resolve(date, h.to)
		switch {
		case !start.Before(end): // a clock that goes forward skips them
		case start.After(at):
			return at, start
		case at.Before(end):
			at = end
		}
		date = date.Add(wholeDay)
	}
	return at, time.Time{}
}

func (s *Set) compileQuiet(c *checker, q Quiet) *hours {
	h := &hours{zone: s.compileZone(c.below("zone"), q.Zone)}
	var okFrom, okTo bool
	h.from, okFrom = parseClock(q.From)
	h.to, okTo = parseClock(q.To)
	c.must(okFrom, "from", `%q is no time of day: write one such as "22:00"`, q.From)
	c.must(okTo, "to", `%q is no time of day: write one such as "08:00"`, q.To)
	if okFrom && okTo {
		c.must(h.from%wholeDay != h.to%wholeDay, "to", "is the same as from (%s), which leaves no hour to send in: change one of them", clockText(h.from))
		if h.from == wholeDay {
			h.from = 0
		}
		if h.to <= h.from {
			h.to += wholeDay
		}
	}
	return h
}
