package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline/config"
	"sluice/pipeline/deadletters"
	"sluice/sink/budget"
)

// deedFlags are those of redrive and drop alike.
type deedFlags struct {
	letterFlags
	yes, all, unsure bool
	by, why          string
	rate             string // of a redrive
	newTime          bool   // of a redrive
	lease            time.Duration
}

func (f *deedFlags) register(flags *pflag.FlagSet) {
	f.letterFlags.register(flags)
	flags.BoolVar(&f.yes, "yes", false, "do it; without, say what would be done")
	flags.BoolVar(&f.all, "all", false, "every letter of the stream, with --yes and without a filter")
	flags.BoolVar(&f.unsure, "unsure", false, "go on although of some letters it cannot be told any more whether they were put back")
	flags.StringVar(&f.by, "by", "", "who asks, for the audit: `NAME`; by default the user and host")
	flags.StringVar(&f.why, "why", "", "why, for the audit: `TEXT`")
	f.lease = deadletters.DefaultLease
}

const auditHelp = `Every --yes leaves a line in the dead topic (sluice dead ls shows it) and one in the
log: who, when, which letters, how many. It takes the right to write to the stream's
topics: sluice topics acls --roles operate.`

func deadRedriveCommand(sh *shell) *cobra.Command {
	var f deedFlags
	cmd := &cobra.Command{
		Use:   "redrive STREAM",
		Short: "Put dead letters back on the live topic; without --yes, say what that would do",
		Long: `Put dead letters back on the live topic, from where they are delivered like any other
event: with their key, id, time and headers, each user's in their order, one after the
other. Without --yes nothing is done: what would be put back is counted, and how long
it takes. Mend the cause first: what is refused again is a dead letter again.

` + filterHelp + `

The default rate is a tenth of the budget.requests of the stream's slowest workspace,
from 1/s to 100/s, so that nine tenths stay for live traffic, with which the letters
share the topic.

It may be stopped, killed and run again: a letter is marked as handled in the dead
topic, and what was under way is looked up on the live topic, so none is put back
twice. After a kill the next run waits 40 s first, lest the first still be at work.

An event whose time is further back than four fifths of the topic's retention is held
back, with those of its user after it: Kafka might delete it before it is delivered.
--new-time gives events the time of now instead; an update of a person may then
overwrite a newer one.

` + auditHelp + `

Exit codes: 0 done, 1 failed, 3 done in part.`,
		Example: `  sluice dead redrive events-us --status 5xx
  sluice dead redrive events-us --status 5xx --yes --why "the template is mended"
  sluice dead redrive events-us --all --yes --rate 50/s`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.deed(cmd.Context(), args[0], deadletters.Redrive, f)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&f.rate, "rate", "", "letters that are put back, evenly, as 50/s or unlimited: `RATE`; the default is in the text above")
	cmd.Flags().BoolVar(&f.newTime, "new-time", false, "give events the time of now instead of their own")
	return cmd
}

func deadDropCommand(sh *shell) *cobra.Command {
	var f deedFlags
	cmd := &cobra.Command{
		Use:   "drop STREAM",
		Short: "Acknowledge dead letters that nobody needs; without --yes, say which",
		Long: `Acknowledge dead letters: they count as handled, and no redrive offers them again. Their
records stay in the dead topic until its retention ends. Without --yes nothing is
done: what would be dropped is counted. --yes wants a reason, --why.

` + filterHelp + `

` + auditHelp + `

Exit codes: 0 done, 1 failed, 3 done in part.`,
		Example: `  sluice dead drop events-us --reason tombstone
  sluice dead drop events-us --id 01JD5ZC3W8F9N3V0Y5B6Q7R8ST --yes --why "sent by hand"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.deed(cmd.Context(), args[0], deadletters.Drop, f)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (sh *shell) deed(ctx context.Context, streamName string, deed deadletters.Deed, f deedFlags) error {
	filter, err := f.filter(time.Now())
	if err != nil {
		return err
	}
	switch {
	case f.all && !filter.Empty():
		return usage(errors.New("--all and a filter exclude each other: leave out --all to choose, or the filter to take every letter"))
	case f.yes && !f.all && filter.Empty():
		return usage(fmt.Errorf("--yes without a filter would %s every letter of the stream; add --all if that is what you want", deed))
	case f.yes && deed == deadletters.Drop && f.why == "":
		return usage(errors.New("drop --yes wants --why TEXT: who finds the letters gone will ask"))
	}
	box, err := sh.deadBox(ctx, streamName)
	if err != nil {
		return err
	}
	defer box.close()
	order, err := box.order(deed, filter, f)
	if err != nil {
		return err
	}
	report := deedReport{
		Stream: box.stream.Name, Deed: deed, Filter: filter.String(), DryRun: !f.yes,
		unknown: box.unknown(f.workspaces), list: box.list,
	}
	if deed == deadletters.Redrive {
		report.Rate = config.FormatRate(budget.Rate(order.Rate))
	}
	if report.DryRun {
		return sh.deedPlan(ctx, box, order, report)
	}
	return sh.deedDone(ctx, box, order, report)
}

// order is what the flags ask for.
func (o opened) order(deed deadletters.Deed, filter deadletters.Filter, f deedFlags) (deadletters.Order, error) {
	order := deadletters.Order{
		Deed: deed, Filter: filter, By: f.by, Why: f.why, Unsure: f.unsure,
		NewTime: f.newTime, Keep: o.stream.Retention, Lease: f.lease, Rate: o.gentle(),
	}
	if order.By == "" {
		order.By = whoAmI()
	}
	if f.rate != "" {
		rate, err := config.ParseRate(f.rate)
		if err != nil {
			return order, usage(fmt.Errorf("--rate %s: %w", f.rate, err))
		}
		order.Rate = float64(rate)
	}
	return order, nil
}

// gentle is the rate that leaves live traffic its budget: a tenth of what the
// stream's slowest workspace may be asked.
func (o opened) gentle() float64 {
	const least, most = 1, 100
	slowest := float64(most) * 10
	for _, route := range o.stream.Routes {
		if w, ok := o.cfg.Workspace(route.Workspace); ok && w.Budget.Requests > 0 {
			slowest = min(slowest, float64(w.Budget.Requests))
		}
	}
	return max(least, slowest/10)
}

func (sh *shell) deedPlan(ctx context.Context, box opened, order deadletters.Order, report deedReport) error {
	const shown = 10
	plan, err := box.Plan(ctx, order, shown)
	if err != nil {
		return box.problem(err)
	}
	report.Counts, report.Summary, report.Seconds = plan.Counts, &plan.Summary, plan.Takes.Seconds()
	report.Newest = briefs(plan.Summary.Newest)
	return sh.answer(report, report.text)
}

func (sh *shell) deedDone(ctx context.Context, box opened, order deadletters.Order, report deedReport) error {
	line := &progress{out: sh.err, terminal: isTerminal(sh.err)}
	order.Progress = func(c deadletters.Counts) { line.line(fmt.Sprintf("%d %s", c.Handled, report.did())) }
	order.Waiting = func(u deadletters.Unfinished, most time.Duration) {
		line.line(fmt.Sprintf("a %s by %s, begun at %s, did not say that it ended; waiting up to %v to see whether it is at work",
			u.Deed, visible(u.By), stamp(u.At), most.Round(time.Millisecond)))
	}
	counts, err := box.Handle(ctx, order)
	line.end()
	report.Counts = counts
	log := sh.logger(zapcore.InfoLevel).Named("dead")
	fields := []zap.Field{
		zap.String("stream", report.Stream), zap.String("deed", string(report.Deed)), zap.String("by", order.By), zap.String("why", order.Why),
		zap.String("filter", report.Filter), zap.Int("handled", counts.Handled), zap.Int("recovered", counts.Recovered), zap.Int("left", counts.Left()),
	}
	log.Info("dead letters handled", append(fields, zap.Bool("complete", err == nil))...)
	report.failed = err != nil
	if !errors.Is(err, deadletters.ErrStopped) {
		err = unreachedAfter(box.cfg.Kafka, err, "what is "+report.did()+" stays so; run the same again for the rest: none is "+report.did()+" twice")
	}
	return errors.Join(sh.answer(report, report.text), deedError(report, err))
}
