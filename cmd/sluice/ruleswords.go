package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	rehearse "sluice/pipeline/rehearsal"
	"sluice/pipeline/rules"
)

// matchWords says what a rule matches.
func matchWords(m rules.Match) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(m.Where)) {
		words = append(words, key+" is "+strings.Join(m.Where[key], " or "))
	}
	for _, key := range m.Exists {
		words = append(words, key+" is there")
	}
	for _, key := range m.Missing {
		words = append(words, key+" is not there")
	}
	if len(words) == 0 {
		return "by the header class alone"
	}
	return strings.Join(words, ", and ")
}

// sendWords says when a rule's events are sent.
func sendWords(r rules.Rule) string {
	text := "at once"
	switch over := r.Spread; {
	case r.At != nil:
		text = "at the next " + r.At.Time + zoneWords(r.At.Zone)
		if strings.Contains(r.At.Time, "-") {
			text = "on " + r.At.Time + zoneWords(r.At.Zone)
		}
		if r.At.Spread.Over > 0 {
			over = r.At.Spread
		}
		if over.Over > 0 {
			text += ", from then on spread over " + rehearse.Period(over.Over) + byWords(over.By)
		}
	case over.Over > 0:
		text = "each at a time of its own in the " + rehearse.Period(over.Over) + " after it came" + byWords(over.By)
	}
	if r.Quiet != nil {
		_, open := rehearse.Hours(*r.Quiet)
		text += fmt.Sprintf("; never from %s to %s%s, which leaves %s a day", r.Quiet.From, r.Quiet.To, zoneWords(r.Quiet.Zone), rehearse.Period(open))
	}
	return text
}

func byWords(by rules.By) string {
	if by == rules.Random {
		return ", at random"
	}
	return ", evenly"
}

func zoneWords(z rules.Zone) string {
	fallback := z.Default
	if fallback == "" {
		fallback = "UTC"
	}
	if z.Field == "" {
		return " " + fallback
	}
	return fmt.Sprintf(" on the clock of %s (else %s)", z.Field, fallback)
}

// orderWords says what order a rule waives.
func orderWords(r rules.Rule, byClass []string) string {
	switch {
	case r.Spread.Over > 0 || r.At != nil:
		return "waived: its events leave the order of their users' other events, and come by their own times"
	case r.Quiet != nil:
		return "waived for what comes in the quiet hours: it leaves the order of its user's other events"
	case len(byClass) > 0:
		return "kept among a user's events of this class alone, as stream " + strings.Join(byClass, " and ") + " asks"
	}
	return "kept among all events of a user"
}

func (r rulesReport) text(w io.Writer) {
	for i, one := range r.Workspaces {
		if i > 0 {
			_, _ = fmt.Fprintln(w)
		}
		one.text(w)
	}
	found := 0
	for _, one := range r.Workspaces {
		for _, f := range one.Findings {
			if f.Wrong {
				found++
			}
		}
	}
	_, _ = fmt.Fprintln(w)
	if r.Unread > 0 {
		_, _ = fmt.Fprintln(w, hung("! ", fmt.Sprintf("of the sample %s left out, the first: %s", count(r.Unread, "line that is no event is", "lines that are no events are"), visible(r.Unfit))))
	}
	if found > 0 {
		_, _ = fmt.Fprintf(w, "%s wrong\n", count(found, "thing looks", "things look"))
	} else {
		_, _ = fmt.Fprintln(w, "nothing looks wrong")
	}
	if r.Sample == "" {
		_, _ = fmt.Fprintln(w, "try them on events of yours: --sample FILE; see when these would be sent: sluice rules simulate FILE")
	}
}

func (w ruledWorkspace) text(out io.Writer) {
	_, _ = fmt.Fprintf(out, "workspace %s: %s requests, %s events; from %s\n", w.Workspace, w.Requests, w.Events, orDash(strings.Join(w.Streams, ", ")))
	if len(w.Rules) == 0 {
		_, _ = fmt.Fprintln(out, hung("  ", "it has no rules: every event is of class default, and sent at once unless its own headers say when"))
	}
	if w.Sample != nil {
		_, _ = fmt.Fprintf(out, "  sample: %s, %s matched by no rule%s\n", manyEvents(w.Sample.Events), rehearse.Thousands(w.Sample.Classes[0].Events), deadWords(w.Sample.Dead))
	}
	for i, r := range w.Rules {
		_, _ = fmt.Fprintf(out, "\n%3d. %s\n", i+1, r.Name)
		r.text(out)
		if w.Sample != nil {
			sampleWords(out, w.Sample.Classes[i+1], w.Sample.Events)
		}
		ruleFindings(out, w.Findings, r.Name)
	}
	if slices.ContainsFunc(w.Findings, func(f rehearse.Finding) bool { return f.Rule == "" }) {
		_, _ = fmt.Fprintln(out)
	}
	ruleFindings(out, w.Findings, "")
}

// ruleLine is one fact of a rule, set in lines of at most 100 letters.
func ruleLine(w io.Writer, name, text string) {
	_, _ = fmt.Fprintln(w, hung(fmt.Sprintf("     %-9s ", name), visible(text)))
}

func (r ruleReport) text(w io.Writer) {
	ruleLine(w, "matches", r.Matches)
	rate := "none of its own: what the budget lets pass"
	if r.Every != "" {
		rate = r.Rate + r.aMinute + ", one event every " + r.Every
	}
	ruleLine(w, "rate", rate)
	ruleLine(w, "share", fmt.Sprintf("priority %s, weight %g, floor %s", r.Priority, r.Weight, r.Floor))
	ruleLine(w, "sends", r.Sends)
	ruleLine(w, "order", r.Order)
}

// sampleWords says what of a sample is in a class.
func sampleWords(w io.Writer, c rehearse.TriedClass, all int) {
	text := fmt.Sprintf("%s of %s", rehearse.Thousands(c.Events), manyEvents(all))
	if c.Deferred > 0 {
		text += fmt.Sprintf(", %s of them deferred had they come now", rehearse.Thousands(c.Deferred))
	}
	ruleLine(w, "sample", text)
	if c.Example != nil {
		const longest = 76
		shown := []rune(visible(c.Example.Event))
		if len(shown) > longest {
			shown = append(shown[:longest-1], '…')
		}
		_, _ = fmt.Fprintf(w, "%15sline %d: %s\n", "", c.Example.Line, string(shown))
	}
}

func manyEvents(n int) string {
	if n == 1 {
		return "1 event"
	}
	return rehearse.Thousands(n) + " events"
}

// ruleFindings are those about one rule, or about none.
func ruleFindings(w io.Writer, all []rehearse.Finding, rule string) {
	for _, f := range all {
		if f.Rule != rule {
			continue
		}
		mark := "   i "
		if f.Wrong {
			mark = "   ! "
		}
		_, _ = fmt.Fprintln(w, hung(mark, visible(f.What)))
	}
}

// deadWords says what could never be delivered.
func deadWords(dead map[string]int) string {
	if len(dead) == 0 {
		return ""
	}
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(dead)) {
		words = append(words, fmt.Sprintf("%s %s", rehearse.Thousands(dead[reason]), reason))
	}
	return "; dead letters: " + strings.Join(words, ", ")
}
