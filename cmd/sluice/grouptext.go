package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"sluice/partition"
)

// text shows the group to a person: what is wrong comes last, where the eye is.
func (r groupReport) text(w io.Writer, limit int) {
	_, _ = fmt.Fprintf(w, "group %s is %s: %s, %d events behind%s\n", r.Group, r.State, count(len(r.Members), "member", "members"), r.Lag, r.aside())
	numbers := r.members(w, limit)
	r.workspaces(w)
	r.shards(w, limit, numbers)
	for i, note := range r.Notes {
		if i == 0 {
			_, _ = fmt.Fprintln(w)
		}
		_, _ = fmt.Fprintf(w, "! %s\n", note)
	}
}

// aside tells what is unsettled beside the live tier; empty: nothing is.
func (r groupReport) aside() string {
	behind := r.tierCounts
	behind.Deferred = 0
	text := strings.Join(append([]string{""}, behind.words()...), ", ")
	if r.Deferred > 0 {
		text += fmt.Sprintf("; %s, the next %s", count(int(r.Deferred), "more waits for its time, which is no backlog", "more wait for their time, which is no backlog"), r.due())
	}
	return text
}

// tierColumns says which columns a table has beside those that each has: only
// those of tiers that there are.
type tierColumns struct{ overflow, delays bool }

func (r groupReport) columns() tierColumns {
	var c tierColumns
	for _, s := range r.Shards {
		for _, t := range s.Beside {
			c.overflow = c.overflow || t.tier == partition.Overflow
			c.delays = c.delays || t.tier.Delays()
		}
	}
	return c
}

func (c tierColumns) head() string {
	text := "HELD\tREPLAY"
	if c.overflow {
		text += "\tOVERFLOW"
	}
	if c.delays {
		text += "\tDEFERRED\tLATE"
	}
	return text
}

func (c tierColumns) cells(of tierCounts) string {
	text := fmt.Sprintf("%d\t%d", of.Held, of.Replay)
	if c.overflow {
		text += fmt.Sprintf("\t%d", of.Overflow)
	}
	if c.delays {
		text += fmt.Sprintf("\t%d\t%d", of.Deferred, of.Late)
	}
	return text
}

// ifDelays is text that is shown where there are delay tiers.
func (c tierColumns) ifDelays(text string) string {
	if !c.delays {
		return ""
	}
	return text
}

// members lists them and returns the numbers that shards name them by.
func (r groupReport) members(w io.Writer, limit int) map[string]string {
	numbers := map[string]string{}
	for i, m := range r.Members {
		numbers[m.Member] = "#" + strconv.Itoa(i+1)
	}
	if len(r.Members) == 0 {
		return numbers
	}
	shown := bounded(r.Members, limit)
	_, _ = fmt.Fprintln(w)
	table(w, func(row func(string, ...any)) {
		row("\tMEMBER\tINSTANCE\tREGION\tHOST\tACTIONS\tSHARDS")
		for _, m := range shown {
			row("%s\t%s\t%s\t%s\t%s\t%s\t%d", numbers[m.Member], m.Member, orDash(m.Instance), orDash(m.Region), orDash(m.Host), orDash(m.Actions), m.Shards)
		}
	})
	more(w, len(r.Members)-len(shown), "more member", "more members")
	return numbers
}

func (r groupReport) workspaces(w io.Writer) {
	if len(r.Workspaces) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w)
	c := r.columns()
	table(w, func(row func(string, ...any)) {
		row("WORKSPACE\tREGION\tLAG\t" + c.head() + "\tTAKES\tAT\tOLDEST\tRETRIES\tSTOPPED\tSHARDS\tOWNERS" + c.ifDelays("\tNEXT DUE") + r.ifWatched("\tSETTLES"))
		for _, one := range r.Workspaces {
			settles := ""
			if one.Settling != nil {
				settles = eventsPer(*one.Settling)
			}
			row("%s\t%s\t%d\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d%s", one.Workspace, orDash(one.Region), one.Lag, c.cells(one.tierCounts), inWords(one.Seconds),
				one.at(), inWords(one.Oldest), one.Retries, one.Stopped, one.Shards, one.Owners, c.ifDelays("\t"+one.due())+r.ifWatched("\t"+settles))
		}
	})
}

// ifWatched is text that only a watch shows: one look measures nothing.
func (r groupReport) ifWatched(text string) string {
	if len(r.Workspaces) == 0 || r.Workspaces[0].Settling == nil {
		return ""
	}
	return text
}

// at says which rate TAKES follows from.
func (w workspaceLag) at() string {
	switch w.RateFrom {
	case rateOfBudget:
		return eventsPer(w.Rate)
	case rateOfSettled, rateOfDemand:
		return eventsPer(w.Rate) + " measured"
	}
	return "unlimited"
}

// eventsPer writes a rate with what digits a person needs of it.
func eventsPer(rate float64) string {
	const whole = 10
	if rate >= whole || rate == 0 {
		return strconv.FormatFloat(rate, 'f', 0, 64) + "/s"
	}
	return strconv.FormatFloat(rate, 'g', 2, 64) + "/s"
}

func (r groupReport) shards(w io.Writer, limit int, numbers map[string]string) {
	if len(r.Shards) == 0 {
		return
	}
	shown := bounded(r.Shards, limit)
	_, _ = fmt.Fprintln(w)
	c := r.columns()
	table(w, func(row func(string, ...any)) {
		row("\tSHARD\tWORKSPACE\tLAG\t" + c.head() + "\tTAKES\tOLDEST\tCOMMIT\tRETRIES\tWAITS FOR\tOWNER")
		for i := range shown {
			s := &shown[i]
			mark := ""
			if s.troubled() > 0 {
				mark = "!"
			}
			row("%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s", mark, s.id(), orDash(s.Workspace), s.Lag, c.cells(s.tierCounts), inWords(s.Seconds),
				inWords(s.Oldest), s.Commit, s.Retries, orDash(s.WaitsFor), s.owner(numbers))
		}
	})
	more(w, len(r.Shards)-len(shown), "more shard", "more shards")
}

func (s *shardLag) id() string { return s.on(partition.Live).String() }

// owner names the member as the list of members does, and tells where it is.
func (s *shardLag) owner(numbers map[string]string) string {
	if s.Owner == nil {
		return "-"
	}
	words := []string{numbers[s.Owner.Member], s.Owner.Instance, s.Owner.Region, s.Owner.Host}
	return strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), " ")
}

// more tells how many rows of a table were left out.
func more(w io.Writer, n int, one, several string) {
	if n > 0 {
		_, _ = fmt.Fprintf(w, "… and %s; --limit 0 shows all\n", count(n, one, several))
	}
}
