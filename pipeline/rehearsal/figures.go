package rehearsal

import "time"

// Figures sum up the sends of some events.
type Figures struct {
	Events int
	First  time.Duration // since Outcome.Begin
	Last   time.Duration // when they are finished
	Peak   int           // the most in any second, wherever it begins
	PeakAt time.Duration // when the first such second begins
}

// Figures sums up the sends whose event is chosen; nil chooses all.
func (o *Outcome) Figures(chosen func(event int) bool) Figures {
	var f Figures
	var window []time.Duration // of the last second
	begin := 0
	for _, s := range o.Sends {
		if chosen != nil && !chosen(s.Event) {
			continue
		}
		if f.Events++; f.Events == 1 {
			f.First = s.At
		}
		f.Last = s.At
		window = append(window, s.At)
		for s.At-window[begin] >= time.Second {
			begin++
		}
		if n := len(window) - begin; n > f.Peak {
			f.Peak, f.PeakAt = n, window[begin]
		}
	}
	return f
}

// PeakRequests is the most attempts in any second.
func (o *Outcome) PeakRequests() int {
	most, begin := 0, 0
	for i, at := range o.Requests {
		for at-o.Requests[begin] >= time.Second {
			begin++
		}
		most = max(most, i-begin+1)
	}
	return most
}

// Column is the sends of a stretch of time.
type Column struct {
	Classes []int // by class
	Events  int
	Busiest int // the most in a second that begins within it
}

// Columns are the sends by time: each column is Width wide, the first begins
// with the first event.
type Columns struct {
	Width   time.Duration
	Columns []Column
}

// Columns counts the sends in columns of that width, at least a second, as many
// as the span takes. What class an event is of, of so many, is up to the caller:
// those of another rehearsal tell what became of the same events in both.
func (o *Outcome) Columns(width, span time.Duration, class []uint8, classes int) Columns {
	width = max(width, time.Second)
	c := Columns{Width: width, Columns: make([]Column, int(span/width)+1)}
	for i := range c.Columns {
		c.Columns[i].Classes = make([]int, classes)
	}
	end := 0
	for i, s := range o.Sends {
		for end < len(o.Sends) && o.Sends[end].At < s.At+time.Second {
			end++
		}
		at := min(int(s.At/width), len(c.Columns)-1)
		column := &c.Columns[at]
		column.Events++
		column.Classes[class[s.Event]]++
		column.Busiest = max(column.Busiest, end-i)
	}
	return c
}

// WidthFor is the least width that people count in, and at least a second, of
// which the span takes at most so many columns.
func WidthFor(span time.Duration, most int) time.Duration {
	for _, width := range [...]time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour, wholeDay, 2 * wholeDay, 7 * wholeDay,
	} {
		if int(span/width) < most {
			return width
		}
	}
	days := int64(span/wholeDay)/int64(most) + 1
	return time.Duration(days) * wholeDay
}

const wholeDay = 24 * time.Hour
