package rehearsal

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Measures of a panel drawn with letters.
const (
	rows       = 8
	labelWidth = 7
	// LeastWide is the narrowest chart that Text draws.
	LeastWide = 40
)

// Text draws the chart with block letters, at most so many wide, which is
// LeastWide at least. It uses no colour and no cursor, so it looks the same in a
// file and on a terminal. The error is the writer's.
func (c *Chart) Text(w io.Writer, wide int) error {
	wide = max(wide, LeastWide)
	s, all := c.fit(wide - labelWidth - 3)
	var out strings.Builder
	for i := range all {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintln(&out, c.Panels[i].Title)
		all[i].text(&out, s)
	}
	s.axis(&out)
	if s.width > time.Second {
		fmt.Fprintf(&out, "\nevents a second; a column is %s: █ their mean, ░ the busiest second in it\n", span(s.width))
	} else {
		fmt.Fprintln(&out, "\nevents a second; a column is a second")
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	return nil
}

// text draws one panel.
func (b *bars) text(out *strings.Builder, s scale) {
	for row := rows - 1; row >= 0; row-- {
		label, edge := "", "│"
		switch row {
		case rows - 1:
			label, edge = perSecond(s.top), "┤"
		case rows/2 - 1:
			label, edge = perSecond(s.top/2), "┤"
		}
		var line strings.Builder
		fmt.Fprintf(&line, "%*s %s", labelWidth, label, edge)
		for _, column := range b.Columns.Columns {
			line.WriteRune(b.cell(column, row, s.top))
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
	if b.most > s.top {
		fmt.Fprintf(out, "%*s │ ▲ is beyond the scale: up to %s/s\n", labelWidth, "", perSecond(b.most))
	}
}

// cell is what a column shows in a row.
func (b *bars) cell(c Column, row int, top float64) rune {
	const blocks = " ▁▂▃▄▅▆▇█"
	eighths := []rune(blocks)
	mean, busiest := b.mean(c), b.busiest(c)
	if row == rows-1 && max(mean, busiest) > top {
		return '▲'
	}
	part := func(v float64) int { return min(8, max(0, int(8*(v/top*rows-float64(row))+0.5))) }
	switch filled := part(mean); {
	case filled > 0:
		return eighths[filled]
	case part(busiest) >= 4:
		return '░'
	case row == 0 && c.Events > 0: // or it would look as if there were none
		return eighths[1]
	}
	return ' '
}

// axis draws the axis of time.
func (s scale) axis(out *strings.Builder) {
	marks := []rune(strings.Repeat("─", s.columns))
	labels := []rune(strings.Repeat(" ", labelWidth+2+s.columns))
	free := 0 // where the next label may begin
	for _, t := range s.ticks {
		at := int(t.at / s.width)
		if at >= s.columns {
			break
		}
		marks[at] = '┬'
		text := []rune(t.text)
		if from := min(max(0, labelWidth+2+at-len(text)/2), len(labels)-len(text)); from >= free {
			copy(labels[from:], text)
			free = from + len(text) + 2
		}
	}
	fmt.Fprintf(out, "%*s └%s\n", labelWidth, "0", string(marks))
	fmt.Fprint(out, strings.TrimRight(string(labels), " "))
}

// span writes a width of a column.
func span(d time.Duration) string {
	switch {
	case d >= wholeDay && d%wholeDay == 0:
		return counted(int(d/wholeDay), "day")
	case d >= time.Hour && d%time.Hour == 0:
		return counted(int(d/time.Hour), "hour")
	case d >= time.Minute && d%time.Minute == 0:
		return counted(int(d/time.Minute), "minute")
	}
	return counted(int(d/time.Second), "second")
}

func counted(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
