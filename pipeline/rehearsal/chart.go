package rehearsal

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Chart draws what was sent when, in panels one above the other, all on one
// scale: events a second by time. Columns are the mean of the time that they
// stand for; where that is more than a second, the busiest second of it is drawn
// behind.
type Chart struct {
	Title   string
	Panels  []Panel
	Classes []string // that columns are stacked of, by number
	Class   []uint8  // of each event
}

// Panel is one rehearsal in a Chart.
type Panel struct {
	Title   string
	Outcome *Outcome
}

// scale is what the panels of a chart have in common.
type scale struct {
	span    time.Duration
	width   time.Duration // of a column
	columns int
	top     float64 // events a second at the upper edge
	ticks   []tick
}

// edge is where the axis of time ends.
func (s scale) edge() time.Duration { return time.Duration(s.columns) * s.width }

// tick is a mark on the axis of time.
type tick struct {
	at   time.Duration
	text string
}

// bars are a panel's columns with what to make of them.
type bars struct {
	Columns

	most float64 // the highest of them
}

// fit chooses the scale for at most so many columns, and counts them.
func (c *Chart) fit(columns int) (scale, []bars) {
	var s scale
	begin := time.Time{}
	for _, p := range c.Panels {
		if n := len(p.Outcome.Sends); n > 0 {
			s.span = max(s.span, p.Outcome.Sends[n-1].At)
		}
		begin = p.Outcome.Begin
	}
	s.width = WidthFor(s.span, columns)
	s.columns = int(s.span/s.width) + 1
	var all []bars
	least, most := math.Inf(1), 0.0
	for _, p := range c.Panels {
		b := bars{Columns: p.Outcome.Columns(s.width, s.span, c.Class, len(c.Classes))}
		for _, column := range b.Columns.Columns {
			b.most = max(b.most, b.mean(column), b.busiest(column))
		}
		if b.most > 0 {
			least, most = min(least, b.most), max(most, b.most)
		}
		all = append(all, b)
	}
	// A burst that dwarfs the others is cut, or they would be a line at the foot.
	const dwarfs, cutAt = 4, 1.6
	if s.top = most; most > dwarfs*least {
		s.top = least * cutAt
	}
	s.top = round(max(s.top, 1))
	s.ticks = ticks(begin, s.edge())
	return s, all
}

// mean is a column's events a second.
func (b *bars) mean(c Column) float64 { return float64(c.Events) / b.Width.Seconds() }

// busiest is the most in any second of a column; in a column of one second its
// mean says it.
func (b *bars) busiest(c Column) float64 {
	if b.Width <= time.Second {
		return 0
	}
	return float64(c.Busiest)
}

// round is the least number not below f that people count in.
func round(f float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(f)))
	for _, n := range [...]float64{1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8} {
		if n*unit >= f*(1-1e-9) {
			return n * unit
		}
	}
	return 10 * unit
}

// byClock is from which span on times of the day are written instead of how much
// has passed.
const byClock = 6 * time.Hour

// ticks marks a span of time.
func ticks(begin time.Time, span time.Duration) []tick {
	const most = 7
	step := WidthFor(span, most)
	first := time.Duration(0)
	if span >= byClock {
		first = begin.UTC().Truncate(step).Add(step).Sub(begin) % step
	}
	var all []tick
	for at := first; at <= span; at += step {
		all = append(all, tick{at, moment(begin.Add(at).UTC(), at, step, span)})
	}
	return all
}

// moment names a tick.
func moment(on time.Time, at, step, span time.Duration) string {
	switch {
	case span >= byClock && on.Hour() == 0 && on.Minute() == 0:
		return on.Format("Mon 2 Jan")
	case span >= byClock:
		return on.Format("15:04")
	case step >= time.Hour:
		return fmt.Sprintf("%d h", at/time.Hour)
	case step >= time.Minute:
		return fmt.Sprintf("%d min", at/time.Minute)
	default:
		return fmt.Sprintf("%d s", at/time.Second)
	}
}

// perSecond writes a rate at an axis.
func perSecond(f float64) string {
	if f >= 10 || f == math.Trunc(f) {
		return Thousands(int(math.Round(f)))
	}
	return strconv.FormatFloat(f, 'g', 2, 64)
}

// Thousands writes a number with commas, as 12,345.
func Thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
