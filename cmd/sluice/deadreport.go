package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"sluice/pipeline/deadletters"
)

// deedReport is the result of redrive and drop.
type deedReport struct {
	Stream string             `json:"stream"`
	Deed   deadletters.Deed   `json:"deed"`
	Filter string             `json:"filter,omitempty"`
	DryRun bool               `json:"dry_run"`
	Rate   string             `json:"rate,omitempty"`
	Counts deadletters.Counts `json:"counts"` // of a dry run: what would be

	// Of a dry run.
	Seconds float64              `json:"seconds,omitempty"` // that it would take
	Summary *deadletters.Summary `json:"summary,omitempty"`
	Newest  []deadletters.View   `json:"newest,omitempty"`

	unknown string // of the filter, what nobody knows
	list    string // the command that lists all
	failed  bool   // it ended before all was seen
}

// deedError is the command's outcome.
func deedError(r deedReport, err error) error {
	c := r.Counts
	busy, isBusy := errors.AsType[*deadletters.BusyError](err)
	lost, isLost := errors.AsType[*deadletters.UnsureError](err)
	switch {
	case isBusy:
		err = fmt.Errorf("%s\nthose letters stay as they are; what it does: %s", visible(busy.Error()), r.list)
	case isLost:
		err = fmt.Errorf("whether %s of partition %d (%s) came back by %s at %s cannot be told: the live topic has deleted events since\n"+
			"they stay as they are; --unsure puts them back all the same, perhaps a second time; sluice dead drop %s --unsure leaves them be",
			count(lost.Unfinished.Letters, "letter", "letters"), lost.Partition, spans(lost.Letters), visible(lost.By), stamp(lost.At), shellWord(r.Stream))
	case errors.Is(err, deadletters.ErrStopped):
		err = fmt.Errorf("stopped; %s %s, run the same again for the others", count(c.Handled, "letter is", "letters are"), r.did())
	case err == nil && c.Left() > 0:
		err = fmt.Errorf("%s could not be %s and stay as they were; the lines above say why", count(c.Left(), "letter", "letters"), r.did())
	}
	if err != nil && c.Handled > 0 {
		return part(err)
	}
	return err
}

// spans names the first few offsets.
func spans(all []deadletters.Span) string {
	texts := make([]string, len(all))
	for i, s := range all {
		texts[i] = fmt.Sprint(s[0])
		if s[1] > s[0] {
			texts[i] += fmt.Sprintf("-%d", s[1])
		}
	}
	return "offsets " + few(texts, 2)
}

func (r deedReport) did() string {
	if r.Deed == deadletters.Drop {
		return "dropped"
	}
	return "put back"
}

func (r deedReport) text(w io.Writer) {
	c := r.Counts
	would := ""
	if r.DryRun {
		would = "would be "
	}
	_, _ = fmt.Fprintf(w, "%s %s%s", count(c.Handled, "letter", "letters"), would, r.did())
	if r.DryRun && r.Seconds > 0 {
		took := "under a second"
		if r.Seconds >= 1 {
			took = fmt.Sprintf("about %v", time.Duration(r.Seconds*float64(time.Second)).Round(time.Second))
		}
		_, _ = fmt.Fprintf(w, " at %s, in %s", r.Rate, took)
	}
	if r.nobody() {
		_, _ = fmt.Fprintf(w, ": %s\n", r.none())
		noneChosen(w, r.unknown, r.list)
		history(w, r.unfinished())
		return
	}
	_, _ = fmt.Fprintln(w)
	for _, line := range []struct {
		letters int
		what    string
	}{
		{c.Recovered, "were put back by an earlier run that ended without saying so: marked as such"},
		{c.Repeats, "are repeats of events that died twice around a crash: handled with the first"},
		{c.Empty, "stay: they have no value that could be delivered; drop them"},
		{c.Old, "stay: so old that Kafka might delete them from the live topic at once; --new-time gives them the time of now"},
		{c.Failed, "stay: the live topic takes no record of their size; raise its max.message.bytes"},
		{c.Behind, "stay: they would overtake a letter of the same user that stays"},
	} {
		if line.letters > 0 {
			_, _ = fmt.Fprintf(w, "%d %s\n", line.letters, line.what)
		}
	}
	if r.DryRun {
		r.plan(w)
	}
}

// nobody tells whether no letter was chosen.
func (r deedReport) nobody() bool {
	c := r.Counts
	return !r.failed && c.Handled+c.Recovered+c.Repeats+c.Left() == 0
}

// none says that no letter was chosen.
func (r deedReport) none() string {
	text := fmt.Sprintf("%s has none that waits", r.Stream)
	if r.Filter != "" {
		text += " with " + visible(r.Filter)
	}
	if r.DryRun {
		text += "; " + unchanged
	}
	return text
}

// unfinished is what earlier runs began, as far as a dry run has seen it.
func (r deedReport) unfinished() deadletters.Summary {
	if r.Summary == nil {
		return deadletters.Summary{}
	}
	return deadletters.Summary{Open: r.Summary.Open, Faulty: r.Summary.Faulty}
}

func (r deedReport) plan(w io.Writer) {
	counted(w, *r.Summary)
	lettersTable(w, r.Newest, r.Summary.Pending)
	history(w, r.unfinished())
	if r.Counts.Handled == 0 {
		_, _ = fmt.Fprintf(w, "\n%s: each of them stays as it is, as the lines above say\n", unchanged)
		return
	}
	hint := "--yes"
	if r.Filter == "" {
		hint = "--all --yes"
	}
	if r.Deed == deadletters.Drop {
		hint += " --why TEXT"
	}
	_, _ = fmt.Fprintf(w, "\nnothing is done yet: run the same with %s\n", hint)
}
