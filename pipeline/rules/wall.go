package rules

import (
	"fmt"
	"strings"
	"time"
)

// day is a date, at midnight of UTC, where every one has 24 hours.
type day = time.Time

const wholeDay = 24 * time.Hour

// calendar tells what the clock of a zone shows, around some instant.
type calendar struct {
	in       *time.Location
	from, to time.Time     // while the offset is this one; zero: for ever
	offset   time.Duration // east of UTC
}

func newCalendar(in *time.Location, around time.Time) calendar {
	around = around.In(in)
	from, to := around.ZoneBounds()
	_, seconds := around.Zone()
	return calendar{in: in, from: from, to: to, offset: time.Duration(seconds) * time.Second}
}

// day is the date that the clock shows at an instant.
func (c *calendar) day(at time.Time) day {
	y, m, d := at.In(c.in).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// resolve is the first instant at which the clock shows a date and time of day,
// or more: of a local time that a clock skips it is the first instant after the
// gap, of one that it shows twice the first of the two.
func (c *calendar) resolve(date day, clock time.Duration) time.Time {
	local := date.Add(clock)
	// No zone is a whole day away from UTC, so this is before any such instant.
	begin := local.Add(-wholeDay)
	found := local.Add(-c.offset)
	if !begin.Before(c.from) && (c.to.IsZero() || found.Before(c.to)) {
		return found
	}
	for at := begin.In(c.in); ; {
		_, seconds := at.Zone()
		found = local.Add(-time.Duration(seconds) * time.Second)
		_, end := at.ZoneBounds()
		if end.IsZero() || found.Before(end) {
			if found.Before(at) { // the clock went forward beyond it
				found = at
			}
			return found.UTC()
		}
		at = end
	}
}

// parseClock reads a time of day: 13:00, 9:30 or 24:00, as what passes since
// midnight.
func parseClock(text string) (time.Duration, bool) {
	hours, minutes, ok := strings.Cut(text, ":")
	h, okH := digits(hours, 1, 2)
	m, okM := digits(minutes, 2, 2)
	if !ok || !okH || !okM || h > 24 || m > 59 || (h == 24 && m > 0) {
		return 0, false
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, true
}

// digits reads a number of so many digits and nothing else.
func digits(text string, least, most int) (int, bool) {
	if len(text) < least || len(text) > most {
		return 0, false
	}
	n := 0
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = 10*n + int(text[i]-'0')
	}
	return n, true
}

// clockText writes what parseClock reads.
func clockText(clock time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(clock.Hours()), int(clock.Minutes())%60)
}
