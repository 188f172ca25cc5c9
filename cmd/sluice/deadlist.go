package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/deadletters"
)

// mostListed bounds the letters that ls shows one by one.
const mostListed = 1000

func deadListCommand(sh *shell) *cobra.Command {
	var f letterFlags
	var newest int
	cmd := &cobra.Command{
		Use:   "ls STREAM",
		Short: "Count a stream's dead letters and show the newest",
		Long: `Count the dead letters of a stream that nobody has handled yet, by reason, workspace
and status, and show the newest ones, what was done lately, and what was left
unfinished. Payloads are not shown.

` + filterHelp,
		Example: `  sluice dead ls events-us
  sluice dead ls events-us --status 4xx --since 2h
  sluice dead ls events-us --reason rejected -o json | jq .summary.statuses`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.deadList(cmd.Context(), args[0], f, newest)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().IntVar(&newest, "newest", 20, "letters that are shown one by one: at most `N` of the newest, up to 1000")
	return cmd
}

// deadListing is the result of dead ls.
type deadListing struct {
	Stream  string              `json:"stream"`
	Topic   string              `json:"topic"`
	Filter  string              `json:"filter,omitempty"`
	Summary deadletters.Summary `json:"summary"`
	Newest  []deadletters.View  `json:"newest"` // the newest first

	unknown string // of the filter, what nobody knows
	list    string // the command that lists all
}

func (sh *shell) deadList(ctx context.Context, streamName string, f letterFlags, newest int) error {
	if newest < 0 || newest > mostListed {
		return usage(fmt.Errorf("--newest must be from 0 to %d, have %d; sluice dead export writes them all", mostListed, newest))
	}
	filter, err := f.filter(time.Now())
	if err != nil {
		return err
	}
	box, err := sh.deadBox(ctx, streamName)
	if err != nil {
		return err
	}
	defer box.close()
	listing := deadListing{Stream: box.stream.Name, Topic: box.stream.DeadTopic(), Filter: filter.String()}
	if listing.Summary, err = box.Summarise(ctx, filter, newest); err != nil {
		return box.problem(err)
	}
	listing.unknown, listing.list = box.unknown(f.workspaces), box.list
	listing.Newest = briefs(listing.Summary.Newest)
	return sh.answer(listing, listing.text)
}

// briefs has the newest first.
func briefs(letters []deadletters.Letter) []deadletters.View {
	views := make([]deadletters.View, 0, len(letters))
	for i := range letters {
		views = append(views, letters[len(letters)-1-i].Brief())
	}
	return views
}

func (d deadListing) text(w io.Writer) {
	s := d.Summary
	_, _ = fmt.Fprintf(w, "%s on %s", count(s.Pending, "dead letter", "dead letters"), d.Topic)
	if d.Filter != "" {
		_, _ = fmt.Fprintf(w, " with %s", visible(d.Filter))
	}
	if s.Pending > 0 {
		_, _ = fmt.Fprintf(w, ", died from %s to %s", stamp(s.First), stamp(s.Last))
	}
	_, _ = fmt.Fprintf(w, "\nhandled: %d put back, %d dropped", s.Redriven, s.Dropped)
	if s.Repeats > 0 {
		_, _ = fmt.Fprintf(w, "; %s of events that died twice around a crash", count(s.Repeats, "repeat", "repeats"))
	}
	if s.Foreign > 0 {
		_, _ = fmt.Fprintf(w, "; %s that no member of sluice wrote", count(s.Foreign, "record", "records"))
	}
	_, _ = fmt.Fprintln(w)
	if s.Pending == 0 && d.Filter != "" {
		noneChosen(w, d.unknown, d.list)
	}
	counted(w, s)
	lettersTable(w, d.Newest, s.Pending)
	history(w, s)
	if s.Pending > 0 {
		_, _ = fmt.Fprintf(w, "\nlook at one: sluice dead show %s PARTITION/OFFSET\nput back, without doing it yet: sluice dead redrive %s\n", d.Stream, d.Stream)
	}
}

// noneChosen says what to look at when a filter chooses no letter.
func noneChosen(w io.Writer, unknown, list string) {
	if unknown != "" {
		_, _ = fmt.Fprintln(w, "! "+unknown)
	}
	_, _ = fmt.Fprintf(w, "what there is, and what was done lately: %s\n", list)
}

// counted shows the pending letters by what they have in common.
func counted(w io.Writer, s deadletters.Summary) {
	if s.Pending == 0 {
		return
	}
	_, _ = fmt.Fprintln(w)
	table(w, func(row func(string, ...any)) {
		row("BY\tVALUE\tLETTERS")
		for _, by := range []struct {
			name   string
			counts []deadletters.Count
		}{{"reason", s.Reasons}, {"verdict", s.Verdicts}, {"workspace", s.Workspaces}, {"status", s.Statuses}} {
			for _, c := range by.counts {
				row("%s\t%s\t%d", by.name, visible(c.Name), c.Letters)
			}
		}
	})
}

func lettersTable(w io.Writer, letters []deadletters.View, of int) {
	if len(letters) == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "\nthe newest %d of %d:\n", len(letters), of)
	table(w, func(row func(string, ...any)) {
		row("DIED\tPLACE\tUSER\tREASON\tSTATUS\tTRIES\tWORKSPACE\tID")
		for _, l := range letters {
			row("%s\t%d/%d\t%s\t%s\t%d\t%d\t%s\t%s", stamp(l.Died), l.Partition, l.Offset, orDash(visible(clipped(l.User))), visible(l.Reason),
				l.Status, l.Attempts, visible(l.Workspace), l.ID)
		}
	})
}

// clipped keeps a table's row on a line.
func clipped(text string) string {
	const longest = 40
	runes := []rune(text)
	if len(runes) <= longest {
		return text
	}
	return string(runes[:longest-1]) + "…"
}

// history shows what was done lately, and what may be under way.
func history(w io.Writer, s deadletters.Summary) {
	if len(s.Actions) > 0 {
		_, _ = fmt.Fprintln(w, "\ndone lately:")
		table(w, func(row func(string, ...any)) {
			row("WHEN\tWHO\tDID\tLETTERS\tFILTER\tWHY")
			for _, a := range s.Actions {
				row("%s\t%s\t%s\t%d\t%s\t%s", stamp(a.At), visible(a.By), a.Deed, a.Counts.Handled, orDash(visible(a.Filter)), orDash(visible(a.Why)))
			}
		})
	}
	for _, u := range s.Open {
		_, _ = fmt.Fprintf(w, "\nunfinished: a %s by %s of %s in partition %d, begun at %s\nit is at work, or was killed: the next redrive or drop finds out, and finishes it\n",
			u.Deed, visible(u.By), count(u.Letters, "letter", "letters"), u.Partition, stamp(u.At))
	}
	if s.Faulty > 0 {
		_, _ = fmt.Fprintf(w, "\n%s cannot be read by this version: redrive and drop refuse to work; use the version that wrote them\n", count(s.Faulty, "mark", "marks"))
	}
}

// errNoDeadTopic says that a stream has no dead topic yet.
var errNoDeadTopic = errors.New("does not exist; create it with sluice topics apply")

// needsTopics asks for the topics that a command reads and writes: an appender
// would wait for one in vain.
func needsTopics(ctx context.Context, cfg partition.Config, topics ...string) error {
	return ask(ctx, cfg, askTime, func(ctx context.Context, a *partition.Admin) error {
		partitions, err := a.Partitions(ctx, topics...)
		if err != nil {
			return err
		}
		for _, topic := range topics {
			if partitions[topic] == 0 {
				return fmt.Errorf("topic %s %w", topic, errNoDeadTopic)
			}
		}
		return nil
	})
}
