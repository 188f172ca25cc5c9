package rules

import (
	"strings"
	"time"
)

// At is a moment on the clock of the user. A day of the week and a time of day
// alone are the next one, counted from the event's own time, which may be that
// very moment; a date that is past is at once.
type At struct {
	Time   string // "Friday 13:00", "13:00" or "2026-12-24 18:00"
	Zone   Zone
	Spread Spread // begins at the moment, also at one that is past
}

// moment is an At's Time made ready.
type moment struct {
	clock   time.Duration // since midnight
	date    day           // zero: any
	weekday time.Weekday  // -1: any
}

const anyDay time.Weekday = -1

// next is the moment for an event of that time.
func (m moment) next(from time.Time, in *time.Location) time.Time {
	clock := newCalendar(in, from)
	if !m.date.IsZero() {
		return clock.resolve(m.date, m.clock)
	}
	// From the day before, for a clock that skips midnight gives yesterday's
	// last moments to today. Nine days hold every day of the week after it.
	date := clock.day(from).Add(-wholeDay)
	for range 9 {
		if m.weekday == anyDay || date.Weekday() == m.weekday {
			if at := clock.resolve(date, m.clock); !at.Before(from) {
				return at
			}
		}
		date = date.Add(wholeDay)
	}
	return from
}

// moment reads an At's Time, or notes why it cannot.
func (c *checker) moment(name, text string) *moment {
	const forms = `write "Friday 13:00", "13:00" or "2026-12-24 18:00"`
	when, clockPart := "", text
	if cut := strings.LastIndexByte(text, ' '); cut >= 0 {
		when, clockPart = strings.TrimSpace(text[:cut]), text[cut+1:]
	}
	m := &moment{weekday: anyDay}
	var ok bool
	if m.clock, ok = parseClock(clockPart); !ok {
		c.fault(name, "%q has no time of day: %s", text, forms)
		return nil
	}
	if when == "" {
		return m
	}
	if m.weekday, ok = parseWeekday(when); ok {
		return m
	}
	date, err := time.Parse(time.DateOnly, when)
	if err != nil {
		c.fault(name, "%q is no day of the week and no date: %s", when, forms)
		return nil
	}
	m.date = date
	return m
}

// parseWeekday reads Friday or Fri, in any case.
func parseWeekday(text string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if full := d.String(); strings.EqualFold(text, full) || strings.EqualFold(text, full[:3]) {
			return d, true
		}
	}
	return anyDay, false
}
