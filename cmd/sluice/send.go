package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline"
	"sluice/pipeline/config"
	"sluice/pipeline/producer"
	"sluice/pipeline/sender"
	"sluice/sink/budget"
)

// sendFlags are the flags of send as they are written.
type sendFlags struct {
	inputFlags
	workspace   string
	rate        string
	seq         bool
	fromLine    int64
	settled     string
	giveUpAfter string
}

func sendCommand(sh *shell) *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send FILE|- --workspace NAME",
		Short: "Send the events of a file to a workspace, without Kafka",
		Long: `Send the events of a file, or of standard input, straight to a workspace of the
configuration: the same destination, budget, retries and order per user as with
Kafka, in this one process. The file is read as sluice produce reads it. Of the
configuration only the workspace counts; no broker is asked. The budget is this
process's own: what else writes to the workspace comes on top.

An event that is rejected or cannot be read does not stop the others: it is written
with its reason to FILE.failed.ndjson (a new name each time) and the command ends
with exit code 3. One that keeps failing while others get through is tried again
with growing pauses until --give-up-after, and then is a failed one too. When
nothing at all gets through for that long, what is in hand is written there as well
and the command ends; it ends at once when the workspace refuses our credentials.

On SIGINT or SIGTERM, attempts in flight may end, and the command says from which
line to go on: --from-line N, and --settled FILE when lines above it have arrived
already. Add them to the same command, and nothing is sent twice. Should it be
killed, the last line of progress tells from where to send again.

An event of a file that carries no id gets one made of the file's content and its
line, the same each time, so that Customer.io drops an event that it has; events of
standard input get new ones. Other calls, an identify among them, are not dropped.`,
		Example: `  sluice send purchases.ndjson --workspace acme-us
  sluice send cdnow.csv --workspace acme-us --map user=customer_id,timestamp=date \
    --event purchase
  sluice send purchases.ndjson --workspace acme-us --from-line 4711`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return sh.send(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	f.register(flags)
	flags.StringVar(&f.workspace, "workspace", "", "`NAME` of the workspace in the configuration")
	flags.StringVar(&f.rate, "rate", "unlimited", "events that are sent, below the workspace's own budget, as 1000/s: `RATE`")
	flags.BoolVar(&f.seq, "seq", false, "add _seq (1, 2, … per user) and _n (the line) to each event's attributes, for sluice check")
	flags.Int64Var(&f.fromLine, "from-line", 1, "`N`umber of the first line to send, as an earlier run said")
	flags.StringVar(&f.settled, "settled", "", "`FILE` of further lines that need nothing, as an earlier run wrote it")
	flags.StringVar(&f.giveUpAfter, "give-up-after", "1h", "how long nothing may succeed: `DURATION`")
	_ = cmd.RegisterFlagCompletionFunc("workspace", sh.workspaceNames)
	return cmd
}

func (sh *shell) send(ctx context.Context, path string, f sendFlags) error {
	log := sampled(sh.logger(zapcore.WarnLevel))
	cfg, form, err := f.direct(sh, log)
	if err != nil {
		return err
	}
	o := sender.Options{Form: form, Seq: f.seq, From: f.fromLine}
	if o.Settled, err = f.settledLines(); err != nil {
		return err
	}
	if o.Content, err = contentOf(path); err != nil {
		return err
	}
	in, file, err := f.open(path, sh.in)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()

	failed := &sideFile{base: besideInput(path, f.workspace), end: failedEnd}
	progress := &progress{out: sh.err, terminal: isTerminal(sh.err)}
	o.FailedTo, o.Tick = failed, progress.tick()
	o.Progress = func(r sender.Report) {
		progress.line(fmt.Sprintf("%d events: %d succeeded, %d failed, %s; nothing is left below line %d",
			r.Read, r.Succeeded, r.Failed, perSecond(r.Succeeded, r.Seconds), r.FromLine))
	}
	report, err := sender.Run(ctx, cfg, in, o)
	progress.end()
	err = errors.Join(err, failed.Close())
	report.FailedPath = failed.path
	if len(report.Settled) > 0 {
		settled := &sideFile{base: failed.base, end: settledEnd}
		err = errors.Join(err, report.Settled.Write(settled), settled.Close())
		report.SettledPath = settled.path
	}
	return errors.Join(sh.answerSend(f.workspace, report), sendError(report, err))
}

// direct turns flags and configuration into what delivers, and tells the form
// that the workspace is sent.
func (f sendFlags) direct(sh *shell, log *zap.Logger) (pipeline.DirectConfig, producer.Form, error) {
	var none pipeline.DirectConfig
	rate, err := config.ParseRate(f.rate)
	if err != nil {
		return none, 0, usage(fmt.Errorf("--rate %s: %w", f.rate, err))
	}
	giveUpAfter, err := config.ParseDuration(f.giveUpAfter)
	if err != nil {
		return none, 0, usage(fmt.Errorf("--give-up-after %s: %w", f.giveUpAfter, err))
	}
	if f.fromLine < 1 {
		return none, 0, usage(fmt.Errorf("--from-line must be 1 or more, have %d", f.fromLine))
	}
	cfg, w, err := sh.workspace(f.workspace)
	if err != nil {
		return none, 0, err
	}
	s, err := newSink(w, log)
	if err != nil {
		return none, 0, fmt.Errorf("workspace %s: %w", w.Name, err)
	}
	direct := pipeline.DefaultDirectConfig()
	direct.Workspace = pipelineWorkspace(w, s)
	direct.Workspace.Budget.Events = lower(rate, w.Budget.Events)
	direct.Drain, direct.GiveUpAfter, direct.Log = cfg.Drain, giveUpAfter, log
	form := producer.Object
	if w.Kind == config.Customerio {
		form = producer.Entity
	}
	return direct, form, nil
}

// lower is the lower of two rates, of which 0 is unlimited.
func lower(a, b budget.Rate) budget.Rate {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// sampled logs what repeats a few times a minute: thousands of events may fail
// alike, and each is in the file of failed ones.
func sampled(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 3, 0)
	}))
}

func (f sendFlags) settledLines() (sender.Lines, error) {
	if f.settled == "" {
		return nil, nil
	}
	file, err := os.Open(f.settled)
	if err != nil {
		return nil, usage(fmt.Errorf("open the settled lines: %w", err))
	}
	defer func() { _ = file.Close() }()
	lines, err := sender.ReadLines(file)
	if err != nil {
		return nil, usage(fmt.Errorf("%s: %w", f.settled, err))
	}
	return lines, nil
}

// answerSend says how a file ended.
func (sh *shell) answerSend(workspace string, r sender.Report) error {
	return sh.answer(r, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "%d succeeded, %d failed at workspace %s in %.1f s (%s)\n",
			r.Succeeded, r.Failed, workspace, r.Seconds, perSecond(r.Succeeded, r.Seconds))
		if r.FailedPath != "" {
			_, _ = fmt.Fprintf(w, "the failed ones, with their reasons, are in %s\n", r.FailedPath)
		}
	})
}

// sendError turns a report into the command's outcome.
func sendError(r sender.Report, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		err = fmt.Errorf("stopped with %d events in hand that are not settled", r.Unsent)
	case err == nil && r.Failed > 0:
		err = fmt.Errorf("%d of %d events failed; %s has each with its reason", r.Failed, r.Read, r.FailedPath)
	}
	if err == nil {
		return nil
	}
	if r.FromLine > 0 {
		remedy := fmt.Sprintf("--from-line %d", r.FromLine)
		if r.SettledPath != "" {
			remedy += " --settled " + r.SettledPath
		}
		err = fmt.Errorf("%w\nto go on, run the same command with %s", err, remedy)
	}
	if r.Succeeded > 0 {
		return part(err)
	}
	return err
}
