package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/pipeline/replay"
)

func replayPlanCommand(sh *shell) *cobra.Command {
	var f selectionFlags
	cmd := &cobra.Command{
		Use:   "plan STREAM --since TIME",
		Short: "Say what sending a window again would do: how much, for how long, what could double",
		Long: `Read a window of a stream's topic and say what sending it again would do: how many
events and requests for each workspace, how long that takes beside live traffic, what
Customer.io drops because it has it, and what would take effect a second time. Nothing is
changed and nobody is asked but Kafka.

Events of users who were deleted, suppressed or merged since are left out, for they must
not come back; so is what is not settled yet, for it is delivered anyway.

` + selectionHelp + `

Exit codes: 0 a plan that can be carried out, 1 refused, failed, or nothing to replay.`,
		Example: `  sluice replay plan events-us --since 2h
  sluice replay plan events-us --since "2026-11-21 14:00" --until "2026-11-21 16:00"
  sluice replay plan events-us --since start --user ada@example.com --event purchase
  sluice replay plan events-us --offsets 1200-1399 --shard 3 -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.planReplay(cmd.Context(), args[0], f)
		},
	}
	f.register(sh, cmd)
	return cmd
}

// replayPlan is the result of replay plan.
type replayPlan struct {
	replay.Plan
	Shares   []plannedShare `json:"workspaces"`
	Start    string         `json:"start"`    // the command that carries it out
	Rehearse string         `json:"rehearse"` // the command that rehearses it

	to                   replayTarget
	whole, all, progress string // the commands for when there is nothing to replay
}

// plannedShare is one workspace's part, in a plan's JSON.
type plannedShare struct {
	Workspace   string   `json:"workspace"`
	Events      int64    `json:"events"`
	Requests    int64    `json:"requests"`
	Rate        float64  `json:"rate"`         // events a second that the budget allows; 0: unlimited
	LiveRate    float64  `json:"live_rate"`    // events a second that come in
	BudgetShare float64  `json:"budget_share"` // that is left for this
	Seconds     *float64 `json:"seconds"`      // that it takes; null: nothing bounds it
}

func newReplayPlan(plan replay.Plan) replayPlan {
	p := replayPlan{Plan: plan, Shares: []plannedShare{}}
	for _, s := range plan.Workspaces {
		one := plannedShare{Workspace: s.Workspace, Events: s.Events, Requests: s.Requests, Rate: s.Rate, LiveRate: s.LiveRate, BudgetShare: s.BudgetShare}
		if s.Finish > 0 {
			seconds := s.Finish.Seconds()
			one.Seconds = &seconds
		}
		p.Shares = append(p.Shares, one)
	}
	return p
}

func (sh *shell) planReplay(ctx context.Context, streamName string, f selectionFlags) error {
	desk, plan, err := sh.planned(ctx, streamName, f)
	if err != nil {
		return err
	}
	desk.close()
	if err := sh.answer(plan, func(w io.Writer) { plan.text(w); plan.next(w) }); err != nil {
		return err
	}
	if plan.Selected == 0 {
		return verdict(exitFailed, "%s", plan.nothing())
	}
	return nil
}

// planned opens the replays and makes the plan that the flags ask for. Without
// an error the replays are the caller's to close.
func (sh *shell) planned(ctx context.Context, streamName string, f selectionFlags) (desk replays, made replayPlan, err error) {
	cfg, stream, err := sh.stream(streamName)
	if err != nil {
		return desk, made, err
	}
	selection, to, err := f.selection(sh, cfg, stream)
	if err != nil {
		return desk, made, err
	}
	if err = needsTopics(ctx, cfg.Kafka, stream.Topic, stream.ReplayTopic()); err != nil {
		return desk, made, err
	}
	if desk, err = sh.replays(ctx, cfg); err != nil {
		return desk, made, err
	}
	line := sh.paced()
	plan, err := desk.Plan(ctx, selection, func(done, all int64) {
		line.say(func() string { return fmt.Sprintf("read %d of %d records", done, max(done, all)) })
	})
	line.end()
	if err != nil {
		desk.close()
		return desk, made, refusedPlan(cfg, err)
	}
	made = newReplayPlan(plan)
	made.to = to
	made.Start = sh.withConfig("sluice replay start " + selectionArgs(selection))
	selection.Target = simulatorWord
	made.Rehearse = sh.withConfig("sluice replay start " + selectionArgs(selection))
	made.whole = sh.withConfig("sluice replay plan " + selectionArgs(wholeWindow(selection)))
	made.all = sh.withConfig("sluice replay plan " + shellWord(stream.Name) + " --since start")
	made.progress = sh.withConfig("sluice group describe --stream " + shellWord(stream.Name))
	return desk, made, nil
}

func (p replayPlan) text(w io.Writer) {
	_, _ = fmt.Fprintf(w, "replay of %s %s\n", p.Selection.Stream, window(p.Selection))
	if p.Selected == 0 {
		_, _ = fmt.Fprintln(w, p.nothing())
		skipped(w, p.Skipped)
		_, _ = fmt.Fprintln(w, p.whatNow())
		return
	}
	_, _ = fmt.Fprintf(w, "%d of the window's %s would be sent again\n\n", p.Selected, count(int(p.Scanned), "event", "events"))
	table(w, func(row func(string, ...any)) {
		row("WORKSPACE\tEVENTS\tREQUESTS\tBUDGET\tLIVE NOW\tLEFT FOR THIS\tTAKES")
		for _, s := range p.Shares {
			row("%s\t%d\t%d\t%s\t%s\t%s\t%s", s.Workspace, s.Events, s.Requests, budgeted(s.Rate), eventsPer(s.LiveRate), s.left(), inWords(s.Seconds))
		}
	})
	_, _ = fmt.Fprintln(w)
	p.leftOut(w)
	p.twice(w)
	for _, caution := range p.Cautions {
		_, _ = fmt.Fprintln(w, hung("! ", visible(caution)))
	}
}

// left is what live traffic leaves of the budget.
func (s plannedShare) left() string {
	if s.Rate == 0 {
		return "all"
	}
	return fmt.Sprintf("%.0f%%", 100*s.BudgetShare)
}

func budgeted(rate float64) string {
	if rate == 0 {
		return "unlimited"
	}
	return eventsPer(rate)
}

// leftOut says what of the window must not be sent again, and why; cautions say
// what of it somebody may have to look at.
func (p replayPlan) leftOut(w io.Writer) {
	s := p.Skipped
	s.Overtaken, s.Faulty = 0, 0
	skipped(w, s)
}

// skipped says what must not be sent again, and why.
func skipped(w io.Writer, s replay.Skipped) {
	for _, line := range []struct {
		events int64
		why    string
	}{
		{s.Deleted, "of users who were deleted since; they stay deleted"},
		{s.Suppressed, "of users who were suppressed since, or at that time; they stay suppressed"},
		{s.Merged, "of users who were merged into another since; they stay merged"},
		{s.Overtaken, "deletes, suppressions and merges that would undo what came after them"},
		{s.Faulty, "that no destination could take"},
		{s.TooLarge, "that are too large for the replay topic; raise its max.message.bytes to take them"},
	} {
		if line.events > 0 {
			_, _ = fmt.Fprintf(w, "left out: %d %s\n", line.events, line.why)
		}
	}
}

// twice says what happens to what was delivered before.
func (p replayPlan) twice(w io.Writer) {
	if p.Absorbed > 0 {
		_, _ = fmt.Fprintf(w, "safe: %d carry an id, by which Customer.io drops those that it has already\n", p.Absorbed)
	}
	if same := p.Selected - p.Absorbed - p.MayDouble; same > 0 && p.Target == "" {
		_, _ = fmt.Fprintf(w, "safe: %d say the same once more; an identify keeps its time, so newer attributes stay\n", same)
	}
	if p.MayDouble > 0 {
		_, _ = fmt.Fprintf(w, "may double: %s\n", operationsOf(p.Doubles))
	}
}

// operationsOf lists counts, the largest first.
func operationsOf(counts map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	return few(names, 8)
}

// next says what to type.
func (p replayPlan) next(w io.Writer) {
	if p.Selected == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "\nnothing was changed: this is the plan\n  rehearse it  %s\n  do it        %s\n", visible(p.Rehearse), visible(p.Start))
}

// pacedProgress is a progress that speaks now and then: often on a terminal,
// rarely in a log, and not at all of what is soon over.
type pacedProgress struct {
	progress
	every time.Duration
	next  time.Time
}

func (sh *shell) paced() *pacedProgress {
	p := &pacedProgress{progress: progress{out: sh.err, terminal: isTerminal(sh.err)}, every: 10 * time.Second}
	if p.terminal {
		p.every = 250 * time.Millisecond
	}
	p.next = time.Now().Add(p.every)
	return p
}

func (p *pacedProgress) say(text func() string) {
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(p.every)
		p.line(text())
	}
}
