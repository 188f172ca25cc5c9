package rehearsal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/pipeline/rules"
	"sluice/sink/budget"
)

// Finding is something about rules that somebody should look at.
type Finding struct {
	Rule  string `json:"rule,omitempty"` // empty: it is about all of them
	Wrong bool   `json:"wrong"`          // false: it works as it is written, and may surprise
	What  string `json:"what"`
}

// Ruled is a workspace as far as its rules go. They must be right, as
// rules.New has them.
type Ruled struct {
	Rules   []rules.Rule
	Budget  budget.Config
	Items   int      // events of one attempt at most
	Streams []string // that lead to the workspace, by name
}

// Findings says what looks wrong in the rules by themselves, in their order.
func (w Ruled) Findings() []Finding {
	var all []Finding
	floors := rules.DefaultFloor(rules.Normal)
	for i, r := range w.Rules {
		floors += floorOf(r)
		all = append(all, w.hidden(i)...)
		all = append(all, w.rate(r)...)
		if r.Quiet != nil {
			all = append(all, quiet(r)...)
		}
	}
	if floors > 1+1e-9 {
		all = append(all, Finding{Wrong: true, What: fmt.Sprintf(
			"the floors add up to %s of the budget, the 1%% of what no rule matches included: none is kept whole, each counts in proportion; lower some", Percent(floors))})
	}
	return all
}

// Most is how many events a second the budget lets pass; 0: any number.
func (w Ruled) Most() float64 {
	most, full := float64(w.Budget.Events), float64(w.Budget.Requests)*float64(w.Items)
	if full > 0 && (most == 0 || full < most) {
		return full
	}
	return most
}

// hidden finds a rule that no event comes to by its match.
func (w Ruled) hidden(i int) []Finding {
	var earlier []rules.Match
	for _, r := range w.Rules[:i] {
		earlier = append(earlier, r.Match)
	}
	by := hiddenBy(earlier, w.Rules[i].Match, w.Streams)
	if len(by) == 0 {
		return nil
	}
	names := make([]string, len(by))
	for j, at := range by {
		names[j] = w.Rules[at].Name
	}
	takes := "takes"
	if len(names) > 1 {
		takes = "take"
	}
	return []Finding{{Rule: w.Rules[i].Name, Wrong: true, What: fmt.Sprintf(
		"its match never decides: %s before it %s every event that it matches, and only the header class leads here; put it first, or take it out",
		strings.Join(names, " and "), takes)}}
}

// rate compares a class's rate and floor with the budget.
func (w Ruled) rate(r rules.Rule) []Finding {
	most := w.Most()
	if r.Rate == 0 || most == 0 {
		return nil
	}
	var all []Finding
	if r.Rate > most {
		all = append(all, Finding{Rule: r.Name, Wrong: true, What: fmt.Sprintf(
			"its rate of %s is above the %s that the budget lets pass: it limits nothing; lower it, or take it out", eventsPer(r.Rate), eventsPer(most))})
	}
	if kept := floorOf(r) * most; r.Floor != nil && kept > r.Rate {
		all = append(all, Finding{Rule: r.Name, What: fmt.Sprintf(
			"its floor keeps %s of the budget for it, and its own rate lets pass %s: the rest of the floor goes to others", eventsPer(kept), eventsPer(r.Rate))})
	}
	return all
}

func floorOf(r rules.Rule) float64 {
	if r.Floor != nil {
		return *r.Floor
	}
	return rules.DefaultFloor(r.Priority)
}

// Hours are how long the hours of a day last in which a rule's events must not
// be sent, and may.
func Hours(q rules.Quiet) (quiet, open time.Duration) {
	quiet = clock(q.To) - clock(q.From)
	if quiet <= 0 {
		quiet += wholeDay
	}
	return quiet, wholeDay - quiet
}

// clock reads a time of day that is right.
func clock(text string) time.Duration {
	hours, minutes, _ := strings.Cut(text, ":")
	h, _ := strconv.Atoi(hours)
	m, _ := strconv.Atoi(minutes)
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
}

// quiet finds what a rule's quiet hours leave too little time for.
func quiet(r rules.Rule) []Finding {
	var all []Finding
	note := func(wrong bool, format string, args ...any) {
		all = append(all, Finding{Rule: r.Name, Wrong: wrong, What: fmt.Sprintf(format, args...)})
	}
	shut, open := Hours(*r.Quiet)
	over := r.Spread.Over
	if r.At != nil {
		over = max(over, r.At.Spread.Over)
	}
	if r.At != nil && r.At.Zone == r.Quiet.Zone && inHours(clock(lastWord(r.At.Time)), clock(r.Quiet.From), shut) {
		note(true, "%s is within its quiet hours: every event of it waits until %s; move one of them", lastWord(r.At.Time), r.Quiet.To)
	}
	if over > open {
		note(true, "its spread of %s is longer than the %s between quiet hours: what falls into them is sent together at %s; shorten it", Period(over), Period(open), r.Quiet.To)
	}
	switch {
	case r.Rate == 0:
		note(false, "what comes between %s and %s is sent from %s on, as fast as the budget lets it: give it a rate if that is too fast", r.Quiet.From, r.Quiet.To, r.Quiet.To)
	case open < shut:
		note(true, "it has %s a day to send in, less than the %s of its quiet hours: what comes in these at its rate of %s is not sent before the next begin; shorten them, or raise the rate",
			Period(open), Period(shut), eventsPer(r.Rate))
	}
	return all
}

// inHours tells whether a time of day is less than a length after another one.
func inHours(at, from, length time.Duration) bool { return (at-from+2*wholeDay)%wholeDay < length }

func lastWord(text string) string { return text[strings.LastIndexByte(text, ' ')+1:] }

// Percent writes a part as 5%.
func Percent(f float64) string { return strconv.FormatFloat(100*f, 'g', 4, 64) + "%" }

// Every writes a rate as the time between two events, as 40ms.
func Every(rate float64) string {
	d := time.Duration(float64(time.Second) / rate)
	if d > time.Millisecond {
		return Period(d.Round(10 * time.Microsecond))
	}
	return d.Round(time.Nanosecond).String()
}

// Period writes a duration without zeros at its end: 3m, 1h30m.
func Period(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func eventsPer(rate float64) string { return strconv.FormatFloat(rate, 'g', 4, 64) + "/s" }
