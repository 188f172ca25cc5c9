package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/replay"
)

func replayStatusCommand(sh *shell) *cobra.Command {
	var every time.Duration
	var verbose bool
	limit := shownShards
	cmd := &cobra.Command{
		Use:   "status ID",
		Short: "Tell how far a replay is, and what it waits for",
		Long: `Tell how far a replay is: what was copied to the stream's replay topic, what of that is
delivered, how fast, how long it still takes, and what it waits for. An id may be
shortened to what tells it from the others: 4 characters or more of its beginning or end.

DELIVERED counts what is settled: delivered, or set aside as a dead letter. The time left
is at the pace of the last minutes; live traffic goes first and may change it. With -v
each shard is shown. JSON holds all shards; with --watch it is one object a line.

Exit codes: 0 known and not failed, 1 it has failed or was cancelled, or nothing was
learnt.`,
		Example: `  sluice replay status 01JD5ZC3W8F9N3V0Y5B6Q7R8ST
  sluice replay status R8ST --watch
  sluice replay status R8ST -v -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.replayIDs(func(replay.State) bool { return true }),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("watch") && every < watchLeast {
				return usage(fmt.Errorf("--watch must be %v or more, have %v", watchLeast, every))
			}
			if err := judgeLimit(limit); err != nil {
				return err
			}
			if !verbose {
				limit = noShards
			}
			return sh.replayStatus(cmd.Context(), args[0], every, limit)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&every, "watch", 0, "show it again and again until it has ended, every `TIME` (--watch=5s)")
	flags.Lookup("watch").NoOptDefVal = "2s"
	flags.BoolVarP(&verbose, "verbose", "v", false, "show each shard")
	flags.IntVar(&limit, "limit", limit, "with -v, show so many shards as text, 0 for all: `N`")
	return cmd
}

// noShards is a limit by which none is shown.
const noShards = -1

func (sh *shell) replayStatus(ctx context.Context, id string, every time.Duration, limit int) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	desk, err := sh.replays(ctx, cfg)
	if err != nil {
		return err
	}
	defer desk.close()
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	s, err := desk.job(asking, id)
	if err != nil {
		return unreached(cfg.Kafka, err, late(ctx, asking, askTime))
	}
	for {
		r := newStatusReport(sh, s)
		if err := sh.answer(r, func(w io.Writer) { sh.showStatus(w, r, every > 0, limit) }); err != nil {
			return err
		}
		if every <= 0 || s.State.Final() {
			return ended(s)
		}
		if s, err = sh.nextStatus(ctx, desk, s, every); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// nextStatus waits, and tells how far the replay is then. Brokers that do not
// answer for a while end nothing: a watch is most needed when they come and go.
func (sh *shell) nextStatus(ctx context.Context, desk replays, last replay.Status, every time.Duration) (replay.Status, error) {
	for {
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-time.After(every):
		}
		asking, cancel := context.WithTimeout(ctx, askTime)
		s, err := desk.Status(asking, last.ID)
		waited := late(ctx, asking, askTime)
		cancel()
		switch {
		case err == nil, errors.Is(err, replay.ErrUnknown):
			return s, err
		case ctx.Err() == nil:
			_, _ = fmt.Fprintf(sh.err, "sluice: %s; trying again\n", brief(unreached(desk.cfg.Kafka, err, waited)))
		}
	}
}

// statusReport is the result of replay status.
type statusReport struct {
	replay.Status
	Seconds *float64 `json:"eta"` // until it is done at the present pace; null: not known

	command func(deed string) string // what to type to do something to it
	again   string                   // what to type to plan the same window
}

func newStatusReport(sh *shell, s replay.Status) statusReport {
	again := sh.withConfig("sluice replay plan " + selectionArgs(s.Selection))
	r := statusReport{Status: s, again: again, command: func(deed string) string { return sh.withConfig("sluice replay " + deed + " " + s.ID) }}
	if s.ETA > 0 {
		seconds := s.ETA.Seconds()
		r.Seconds = &seconds
	}
	return r
}

func (sh *shell) showStatus(w io.Writer, r statusReport, watched bool, limit int) {
	const home = "\x1b[H\x1b[2J"
	if watched && isTerminal(sh.out) {
		_, _ = io.WriteString(w, home)
	}
	if watched {
		_, _ = fmt.Fprintln(w, stamp(time.Now()))
	}
	r.text(w, limit)
	if watched {
		_, _ = fmt.Fprintln(w)
	}
}

// line is the replay in one line, for whoever waits.
func (r statusReport) line() string {
	text := fmt.Sprintf("replay %s %s: %d of %d delivered", r.ID, r.State, r.Settled, r.Settled+r.Left)
	if r.Rate > 0 {
		text += ", " + eventsPer(r.Rate)
	}
	if r.Seconds != nil {
		text += ", " + inWords(r.Seconds) + " to go"
	}
	if r.Waiting != "" {
		text += "; waits: " + visible(r.Waiting)
	}
	return text
}

func (r statusReport) text(w io.Writer, limit int) {
	is := "is"
	if r.State == replay.Failed {
		is = "has"
	}
	_, _ = fmt.Fprintf(w, "replay %s of %s %s %s\n", r.ID, r.Selection.Stream, is, r.State)
	table(w, func(row func(string, ...any)) {
		row("  window\t%s", window(r.Selection))
		row("  started\t%s by %s", stamp(r.Created), visible(r.By))
		if !r.Ended.IsZero() {
			row("  ended\t%s", stamp(r.Ended))
		}
		row("  events\t%s", r.events())
		if r.State == replay.Running {
			row("  pace\t%s", r.pace())
			row("  copied by\t%s", orDash(visible(r.Holder)))
		}
	})
	skipped(w, r.Skipped)
	r.shards(w, limit)
	if r.Waiting != "" && r.State == replay.Running {
		_, _ = fmt.Fprintf(w, "! it waits: %s\n", visible(r.Waiting))
	}
	if r.Reason != "" {
		_, _ = fmt.Fprintf(w, "! %s\n", visible(r.Reason))
	}
	r.next(w)
}

// events says how many are where. Of a replay that was cancelled only what was
// certainly delivered by then is called so.
func (r statusReport) events() string {
	switch r.State {
	case replay.Cancelled:
		return fmt.Sprintf("%d chosen, %d copied, at least %d delivered; what was not when it was cancelled is dropped", r.Selected, r.Copied, r.Settled)
	case replay.Failed:
		return fmt.Sprintf("%d chosen, %d copied, %d delivered; the copies still go out", r.Selected, r.Copied, r.Settled)
	case replay.Running, replay.Paused, replay.Done:
	}
	return fmt.Sprintf("%d chosen, %d copied, %d delivered, %d left", r.Selected, r.Copied, r.Settled, r.Left)
}

// delivered is a cell of a table.
func (r statusReport) delivered() string {
	if r.State == replay.Cancelled {
		return fmt.Sprintf(">=%d", r.Settled)
	}
	return fmt.Sprint(r.Settled)
}

func (r statusReport) pace() string {
	switch {
	case r.Rate == 0:
		return "none yet"
	case r.Seconds == nil:
		return eventsPer(r.Rate)
	}
	return eventsPer(r.Rate) + ", " + inWords(r.Seconds) + " to go"
}

// shards shows the shards that are not done first; a limit below 0 shows none.
func (r statusReport) shards(w io.Writer, limit int) {
	if limit < 0 || len(r.Shards) == 0 {
		return
	}
	sorted := slices.SortedStableFunc(slices.Values(r.Shards), func(a, b replay.ShardStatus) int {
		return cmp.Or(cmp.Compare(b.Copied-b.Settled+b.To-b.Next, a.Copied-a.Settled+a.To-a.Next), cmp.Compare(a.Partition, b.Partition))
	})
	shown := bounded(sorted, limit)
	_, _ = fmt.Fprintln(w)
	table(w, func(row func(string, ...any)) {
		row("SHARD\tWORKSPACE\tOFFSETS\tAT\tCHOSEN\tCOPIED\tDELIVERED\tLEFT OUT\tWAITS")
		for _, s := range shown {
			row("%s\t%s\t%d-%d\t%d\t%d\t%d\t%d\t%d\t%s", partition.ShardID{Stream: r.Selection.Stream, Partition: s.Partition}, s.Workspace,
				s.From, s.To, s.Next, s.Selected, s.Copied, s.Settled, s.Skipped.Total(), orDash(visible(s.Waiting)))
		}
	})
	more(w, len(sorted)-len(shown), "more shard", "more shards")
}

// next says what can be typed.
func (r statusReport) next(w io.Writer) {
	if r.command == nil {
		return
	}
	switch r.State {
	case replay.Running:
		_, _ = fmt.Fprintf(w, "  hold it    %s\n  end it     %s\n", r.command("pause"), r.command("cancel"))
	case replay.Paused:
		_, _ = fmt.Fprintf(w, "  go on      %s\n  end it     %s\n", r.command("resume"), r.command("cancel"))
	case replay.Cancelled, replay.Failed:
		_, _ = fmt.Fprintf(w, "what it delivered stays delivered; it cannot be resumed, but the same window may be planned again:\n  %s\n", visible(r.again))
	case replay.Done:
	}
}
