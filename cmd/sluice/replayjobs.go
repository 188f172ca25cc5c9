package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"sluice/pipeline/replay"
)

func replayListCommand(sh *shell) *cobra.Command {
	limit := shownGroups
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List replays, the newest first",
		Long: `List the replays of all streams that are under way or were, the newest first: how many
events each chose, how many are delivered, how fast, and how long it still takes.`,
		Example: `  sluice replay ls
  sluice replay ls -o json | jq '.replays[] | select(.state == "running") | .id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sh.listReplays(cmd.Context(), limit) },
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "show so many replays as text, 0 for all: `N`")
	return cmd
}

// replayList is the result of replay ls.
type replayList struct {
	Replays []statusReport `json:"replays"` // the newest first
}

func (sh *shell) listReplays(ctx context.Context, limit int) error {
	if err := judgeLimit(limit); err != nil {
		return err
	}
	var all []replay.Status
	err := sh.askReplays(ctx, func(ctx context.Context, desk replays) error {
		var err error
		all, err = desk.Jobs(ctx)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b replay.Status) int { return cmp.Compare(b.ID, a.ID) })
	result := replayList{Replays: []statusReport{}}
	for _, s := range all {
		result.Replays = append(result.Replays, newStatusReport(sh, s))
	}
	return sh.answer(result, func(w io.Writer) { result.text(w, limit) })
}

func (r replayList) text(w io.Writer, limit int) {
	if len(r.Replays) == 0 {
		_, _ = fmt.Fprintln(w, "no replay was ever started; sluice replay plan STREAM --since 2h says what one would do")
		return
	}
	shown := bounded(r.Replays, limit)
	table(w, func(row func(string, ...any)) {
		row("ID\tSTATE\tSTREAM\tCHOSEN\tDELIVERED\tLEFT\tPACE\tTO GO\tSTARTED\tBY")
		for _, s := range shown {
			pace := "-"
			if s.State == replay.Running {
				pace = eventsPer(s.Rate)
			}
			row("%s\t%s\t%s\t%d\t%s\t%d\t%s\t%s\t%s\t%s", s.ID, s.State, s.Selection.Stream, s.Selected, s.delivered(), s.Left, pace, inWords(s.Seconds),
				stamp(s.Created), visible(clipped(s.By)))
		}
	})
	more(w, len(r.Replays)-len(shown), "more replay", "more replays")
}

// replayDeed is what may be done to a replay that was started.
type replayDeed struct {
	use, short, long string
	fit              func(replay.State) bool // whether it can be done in a state
	idle             func(replay.State) bool // whether it changes nothing in an end state, and is no fault
	do               func(context.Context, *replay.Desk, string, string) (replay.Job, error)
	done             string // for the audit
	text             func(io.Writer, statusReport)
}

func replayPauseCommand(sh *shell) *cobra.Command {
	return replayDeed{
		use: "pause", short: "Hold a replay; what it has copied already still goes out",
		long: `Hold a replay until sluice replay resume: nothing more is copied. What was copied to the
stream's replay topic already still goes out: seconds of the budget at most. It is safe
at any time; pausing what is paused changes nothing.`,
		fit: func(s replay.State) bool { return s == replay.Running },
		do: func(ctx context.Context, d *replay.Desk, id, by string) (replay.Job, error) {
			return d.Pause(ctx, id, by)
		},
		idle: func(replay.State) bool { return false },
		done: "replay paused",
		text: func(w io.Writer, r statusReport) {
			_, _ = fmt.Fprintf(w, "replay %s is paused: %d of %d delivered%s\n", r.ID, r.Settled, r.Settled+r.Left, r.inFlight("still goes out", "still go out"))
			r.next(w)
		},
	}.command(sh)
}

func replayResumeCommand(sh *shell) *cobra.Command {
	return replayDeed{
		use: "resume", short: "Go on with a replay that was paused",
		long: `Go on with a replay that was paused, where it stopped. Nothing is sent twice for it, and
users who were deleted, suppressed or merged meanwhile are left out.`,
		fit: func(s replay.State) bool { return s == replay.Paused },
		do: func(ctx context.Context, d *replay.Desk, id, by string) (replay.Job, error) {
			return d.Resume(ctx, id, by)
		},
		idle: func(replay.State) bool { return false },
		done: "replay resumed",
		text: func(w io.Writer, r statusReport) {
			_, _ = fmt.Fprintf(w, "replay %s goes on: %d of %d delivered\n  follow it  %s --watch\n", r.ID, r.Settled, r.Settled+r.Left, r.command("status"))
		},
	}.command(sh)
}

func replayCancelCommand(sh *shell) *cobra.Command {
	return replayDeed{
		use: "cancel", short: "End a replay for good; what it delivered stays delivered",
		long: `End a replay for good. Nothing more is copied, and what was copied and not delivered yet
is dropped by the members. What was delivered stays delivered. It cannot be resumed, but
the same window may be replayed again: Customer.io drops what it has, by its id.`,
		fit: func(s replay.State) bool { return !s.Final() },
		do: func(ctx context.Context, d *replay.Desk, id, by string) (replay.Job, error) {
			return d.Cancel(ctx, id, by)
		},
		idle: func(s replay.State) bool { return s == replay.Cancelled },
		done: "replay cancelled",
		text: func(w io.Writer, r statusReport) {
			_, _ = fmt.Fprintf(w, "replay %s is cancelled: %d of %d delivered%s\n", r.ID, r.Settled, r.Selected, r.inFlight("is dropped", "are dropped"))
			r.next(w)
		},
	}.command(sh)
}

func (d replayDeed) command(sh *shell) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: d.use + " ID", Short: d.short, Long: d.long + "\n\nAn id may be shortened to 4 characters or more of its beginning or end.",
		Example:           fmt.Sprintf("  sluice replay %s 01JD5ZC3W8F9N3V0Y5B6Q7R8ST\n  sluice replay %[1]s R8ST --by ada", d.use),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.replayIDs(d.fit),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.doToReplay(cmd.Context(), d, args[0], cmp.Or(by, whoAmI()))
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "who asks, for the audit: `NAME`; by default the user and host")
	return cmd
}

func (sh *shell) doToReplay(ctx context.Context, d replayDeed, id, by string) error {
	var s replay.Status // how far it came is as of a moment before the deed
	var unaudited error
	err := sh.askReplays(ctx, func(ctx context.Context, desk replays) error {
		var err error
		if s, err = desk.job(ctx, id); err != nil {
			return err
		}
		if s.State.Final() && !d.idle(s.State) {
			return newStatusReport(sh, s).past(strings.TrimPrefix(d.done, "replay "))
		}
		job, err := d.do(ctx, desk.Desk, s.ID, by)
		if _, refused := errors.AsType[*replay.RefusedError](err); refused || job.ID == "" {
			return uncertain(err, sh.withConfig("sluice replay status "+s.ID))
		}
		if job.State != s.State {
			sh.audit(d.done, by, job.ID, zap.String("stream", job.Selection.Stream))
		}
		s.Job, unaudited = job, unreachedAfter(desk.cfg.Kafka, err, notAudited)
		return nil
	})
	if err != nil {
		return err
	}
	report := newStatusReport(sh, s)
	return errors.Join(sh.answer(report, func(w io.Writer) { d.text(w, report) }), unaudited)
}

// past says that a replay has ended, so that it cannot be paused, say.
func (r statusReport) past(deed string) error {
	what := fmt.Sprintf("replay %s is %s, so it cannot be %s", r.ID, r.State, deed)
	next := "see what it did: " + r.command("status")
	switch r.State {
	case replay.Failed:
		what = fmt.Sprintf("replay %s has failed, so it cannot be %s: %s", r.ID, deed, visible(r.Reason))
		next = "plan the same window again: " + visible(r.again)
	case replay.Cancelled:
		next = "plan the same window again: " + visible(r.again)
	case replay.Done, replay.Running, replay.Paused:
	}
	return fmt.Errorf("%s\n%s; what it delivered stays delivered\n%s", what, unchanged, next)
}

// inFlight says what becomes of what is copied and not delivered.
func (r statusReport) inFlight(one, several string) string {
	n := int(r.Copied - r.Settled)
	if n <= 0 {
		return ""
	}
	return "; " + count(n, "that is copied and not delivered "+one, "that are copied and not delivered "+several)
}
