package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/partition"
	"sluice/pipeline/replay"
)

// startFlags are those of replay start.
type startFlags struct {
	selectionFlags
	yes, wait bool
	by        string
}

func replayStartCommand(sh *shell) *cobra.Command {
	var f startFlags
	cmd := &cobra.Command{
		Use:   "start STREAM --since TIME",
		Short: "Send a window of a stream again, or rehearse it with --to simulator",
		Long: `Send a window of a stream's topic again, within the live budget and behind live traffic.
First it shows the plan, as sluice replay plan does, and asks; with --yes it does not,
and where nobody can be asked it needs that.

The members that run carry it out: they copy what was chosen to the stream's replay
topic, each user's in their order, and deliver it when live traffic leaves room, with at
least 5 % of the budget, and not at all while live traffic is more than 30 s late. It
outlives any kill of any member. Nothing in it changes what the group has committed.

An event keeps its id and time: Customer.io drops what it has, and newer attributes stay.
Of users who are deleted, suppressed or merged meanwhile nothing more is sent.

` + selectionHelp + `

A simulator of --to simulator is in this process, empty, and asked without a budget; one
that runs elsewhere (simulator:URL, see sluice simulate) is asked within it. What cannot
prove to be a simulator is sent nothing. No topic is written and no account asked.

Each replay that is started, paused, resumed or cancelled leaves a line for the audit:
who, when, what.

Exit codes: 0 started, with --wait done; 1 refused, failed or cancelled; 2 wrong usage,
or --yes is missing; 3 some events would be dead letters, of a rehearsal.`,
		Example: `  sluice replay start events-us --since 2h --to simulator
  sluice replay start events-us --since "2026-11-21 14:00" --until "2026-11-21 16:00"
  sluice replay start events-us --since 2h --yes --wait
  sluice replay start events-us --since 2h --workspace acme-us --to acme-copy`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.startReplay(cmd.Context(), args[0], f)
		},
	}
	f.register(sh, cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.yes, "yes", false, "start it without asking")
	flags.BoolVar(&f.wait, "wait", false, "follow it until it is done")
	flags.StringVar(&f.by, "by", "", "who asks, for the audit: `NAME`; by default the user and host")
	return cmd
}

// replayStarted is the result of replay start.
type replayStarted struct {
	Plan    replayPlan    `json:"plan"`
	Job     replay.Job    `json:"job"`
	Members int           `json:"members"`          // that run now
	Status  *statusReport `json:"status,omitempty"` // after --wait

	follow, hold string // the commands for what comes next
}

func (sh *shell) startReplay(ctx context.Context, streamName string, f startFlags) error {
	to, err := parseDestination(f.to)
	switch {
	case err != nil: // said again, and better, with the other flags
	case to.rehearsal && (f.yes || f.wait):
		return usage(errors.New("--to simulator only rehearses: leave out --yes and --wait"))
	case !to.rehearsal && !f.yes && !sh.asks:
		return usage(errors.New("nobody can be asked here, so nothing is started: look at sluice replay plan with the same flags, then add --yes"))
	}
	desk, plan, err := sh.planned(ctx, streamName, f.selectionFlags)
	if err != nil {
		return err
	}
	defer desk.close()
	if plan.Selected == 0 {
		return fmt.Errorf("%w\n%s", plan.nothing(), plan.whatNow())
	}
	if plan.to.rehearsal {
		return sh.rehearseReplay(ctx, desk, plan)
	}
	if sh.output != outputJSON {
		plan.text(sh.out)
	}
	if !f.yes {
		if err := sh.confirm(plan); err != nil {
			return err
		}
	}
	job, unaudited := desk.Start(ctx, plan.Plan, cmp.Or(f.by, whoAmI()))
	if job.ID == "" {
		return refusedPlan(desk.cfg, uncertain(unaudited, sh.withConfig("sluice replay ls")))
	}
	unaudited = unreachedAfter(desk.cfg.Kafka, unaudited, notAudited)
	sh.audit("replay started", job.By, job.ID, zap.String("stream", job.Selection.Stream), zap.String("window", extent(job.Selection)), zap.Int64("events", job.Selected))
	result := replayStarted{
		Plan: plan, Job: job, follow: sh.withConfig("sluice replay status " + job.ID + " --watch"), hold: sh.withConfig("sluice replay pause " + job.ID),
	}
	result.Members = desk.members(ctx)
	if !f.wait {
		return errors.Join(sh.answer(result, result.text), unaudited)
	}
	result.text(sh.err)
	return errors.Join(sh.await(ctx, desk, result), unaudited)
}

// notAudited is what remains of a deed whose line for the audit was not kept.
const notAudited = "it is done, but it may be missing in the audit trail"

// uncertain adds to a deed's error where to look, unless it was refused: Kafka may
// have taken the deed and only its answer was lost.
func uncertain(err error, look string) error {
	if _, refused := errors.AsType[*replay.RefusedError](err); err == nil || refused {
		return err
	}
	return unsure(err, look)
}

// confirm asks whether a plan is to be carried out.
func (sh *shell) confirm(plan replayPlan) error {
	if sh.output == outputJSON {
		plan.text(sh.err)
	}
	_, _ = fmt.Fprintf(sh.err, "\nsend %s again now? yes or no: ", count(int(plan.Selected), "event", "events"))
	line, err := bufio.NewReader(sh.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "yes", "y":
		return nil
	}
	return fmt.Errorf("not started, nothing was changed; rehearse it first: %s", plan.Rehearse)
}

func (sh *shell) rehearseReplay(ctx context.Context, desk replays, plan replayPlan) error {
	result, err := sh.rehearse(ctx, desk, plan)
	err = unreachedAfter(desk.cfg.Kafka, err, "no account was asked and no topic written")
	if err != nil && len(result.Workspaces) == 0 {
		return err
	}
	if err == nil {
		result.next = plan.Start
	}
	if answered := sh.answer(result, func(w io.Writer) { plan.text(w); _, _ = fmt.Fprintln(w); result.text(w) }); answered != nil {
		return errors.Join(err, answered)
	}
	if err != nil {
		return err
	}
	return result.verdict()
}

// audit writes the line that says who did what, whatever --log-level says.
func (sh *shell) audit(what, by, id string, more ...zap.Field) {
	fields := append([]zap.Field{zap.String("by", by), zap.String("replay", id)}, more...)
	sh.loggerAt(zapcore.InfoLevel).Named("audit").Info(what, fields...)
}

// members counts the members that could carry a replay out; -1 is not known.
func (r replays) members(ctx context.Context) int {
	members := -1
	_ = ask(ctx, r.cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error { // the replay is started: this is only a hint
		state, err := a.Group(ctx, r.cfg.Kafka.Group)
		if err == nil {
			members = len(state.Members)
		}
		return err
	})
	return members
}

func (r replayStarted) text(w io.Writer) {
	_, _ = fmt.Fprintf(w, "\nreplay %s started: %s\n", r.Job.ID, count(int(r.Job.Selected), "event goes out behind live traffic", "events go out behind live traffic"))
	if r.Members == 0 {
		_, _ = fmt.Fprintln(w, "! no member runs: it begins when sluice run does")
	}
	_, _ = fmt.Fprintf(w, "  follow it  %s\n  hold it    %s\n", r.follow, r.hold)
}

// await follows a replay until it is done.
func (sh *shell) await(ctx context.Context, desk replays, result replayStarted) error {
	line := sh.paced()
	s := replay.Status{Job: result.Job, Left: result.Job.Selected}
	for !s.State.Final() {
		line.say(newStatusReport(sh, s).line)
		var err error
		if s, err = sh.nextStatus(ctx, desk, s, time.Second); err != nil {
			line.end()
			if ctx.Err() != nil {
				err = errors.New("stopped waiting")
			}
			return fmt.Errorf("%w; the replay goes on: %s", err, result.follow)
		}
	}
	line.end()
	report := newStatusReport(sh, s)
	result.Status = &report
	if err := sh.answer(result, func(w io.Writer) { _, _ = fmt.Fprintln(w); report.text(w, noShards) }); err != nil {
		return err
	}
	return ended(s)
}

// ended is what the end of a replay comes to as an exit code.
func ended(s replay.Status) error {
	switch s.State {
	case replay.Done, replay.Running, replay.Paused:
		return nil
	case replay.Cancelled:
		return verdict(exitFailed, "replay %s was cancelled", s.ID)
	case replay.Failed:
		return verdict(exitFailed, "replay %s failed: %s", s.ID, s.Reason)
	}
	return nil
}
