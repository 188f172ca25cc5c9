package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	rehearse "sluice/pipeline/rehearsal"
)

// widestChart is how wide a chart is drawn at most, and where there is no
// terminal to fit it to.
const widestChart = 100

func chartWidth(out io.Writer) int {
	if file, ok := out.(*os.File); ok && isTerminal(out) {
		if wide, _, err := term.GetSize(int(file.Fd())); err == nil && wide > 0 {
			return min(wide, widestChart)
		}
	}
	return widestChart
}

// draw writes the pictures: the first workspace's to the path, those of others
// beside it.
func (r *rulesSimulation) draw(path string) error {
	for i, w := range r.Workspaces {
		to := path
		if i > 0 {
			to = strings.TrimSuffix(path, ".svg") + "." + w.Workspace + ".svg"
		}
		w.chart.Title = fmt.Sprintf("%s of stream %s, sent to %s", manyEvents(w.Events), r.Stream, w.Workspace)
		var picture bytes.Buffer
		if err := w.chart.SVG(&picture); err != nil {
			return err
		}
		if err := os.WriteFile(to, picture.Bytes(), 0o644); err != nil { //nolint:gosec // a picture to show around
			return fmt.Errorf("write the picture: %w", err)
		}
		r.Pictures = append(r.Pictures, to)
	}
	return nil
}

func (r rulesSimulation) text(w io.Writer, wide int) {
	how := "at once"
	if r.Rate != "" {
		how = "at " + r.Rate
	}
	_, _ = fmt.Fprintf(w, "%s come to stream %s %s, from %s on\n", manyEvents(r.Events), r.Stream, how, stamp(r.Begin))
	for _, one := range r.Workspaces {
		_, _ = fmt.Fprintf(w, "\nworkspace %s: %s\n", one.Workspace, manyEvents(one.Events))
		one.text(w, wide)
	}
	for _, path := range r.Pictures {
		_, _ = fmt.Fprintf(w, "\nthe picture is in %s\n", path)
	}
}

func (s simulatedWorkspace) text(w io.Writer, wide int) {
	if s.Before.Events+s.After.Events == 0 {
		_, _ = fmt.Fprintln(w, "none of them would be sent"+deadWords(s.Dead))
		return
	}
	_, _ = fmt.Fprintln(w)
	_ = s.chart.Text(w, wide) // standard output, as every line around it
	_, _ = fmt.Fprintln(w)
	table(w, func(row func(string, ...any)) {
		row("CLASS\tEVENTS\tRATE\tDONE WITHOUT\tAT MOST\tDONE WITH\tAT MOST")
		for _, c := range s.Classes {
			row("%s\t%s\t%s\t%s\t%s\t%s\t%s", visible(c.Class), rehearse.Thousands(max(c.Before.Events, c.After.Events)), c.Rate,
				c.Before.done(), c.Before.peak(), c.After.done(), c.After.peak())
		}
	})
	for _, note := range s.notes() {
		_, _ = fmt.Fprintln(w, hung("i ", note))
	}
}

// notes are what one should know beside the chart.
func (s simulatedWorkspace) notes() []string {
	var notes []string
	note := func(n int, text string) {
		if n > 0 {
			notes = append(notes, rehearse.Thousands(n)+" "+text)
		}
	}
	note(s.Deferred, "are deferred: sent later than they come, by a rule or by their own header")
	note(s.UnknownClass, "have a header class that no rule has: their matches decide instead")
	note(s.UnknownZone, "need a time zone of their own and name none that is known: the rule's default is taken")
	for _, reason := range slices.Sorted(maps.Keys(s.Dead)) {
		note(s.Dead[reason], "would be dead letters: "+reason)
	}
	note(s.Unsent, "would not be sent in a hundred years")
	if s.rules == 0 {
		notes = append(notes, "the workspace has no rules, so both are the same")
	}
	return notes
}

// words say when all is done, and how fast it goes at most.
func (c course) words() string {
	if c.Events == 0 {
		return "nothing is sent"
	}
	when := ""
	if c.Seconds >= (6 * time.Hour).Seconds() {
		when = " (" + c.Finish.Format("Mon 2 Jan 15:04") + " UTC)"
	}
	return fmt.Sprintf("done after %s%s, at most %s in any second", c.done(), when, rehearse.Thousands(c.Peak))
}

// done is how long it takes until the last is sent.
func (c course) done() string {
	if c.Events == 0 {
		return "-"
	}
	const exact = 10 // below so many seconds a tenth is told
	if c.Seconds < exact {
		return fmt.Sprintf("%.1fs", c.Seconds)
	}
	return inWords(new(math.Round(c.Seconds)))
}

func (c course) peak() string {
	if c.Events == 0 {
		return "-"
	}
	return rehearse.Thousands(c.Peak) + "/s"
}
