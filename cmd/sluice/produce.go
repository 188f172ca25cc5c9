package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/producer"
)

// produceFlags are the flags of produce as they are written.
type produceFlags struct {
	inputFlags
	rate string
	seq  bool
}

func produceCommand(sh *shell) *cobra.Command {
	var f produceFlags
	cmd := &cobra.Command{
		Use:   "produce STREAM FILE|-",
		Short: "Append the events of a file to a stream",
		Long: `Append the events of a file, or of standard input, to a stream, in the file's
order. NDJSON holds one event a line: a Track v2 entity, or the short form
{"user":"42","event":"purchase","data":{…}} or {"user":"42","traits":{…}}. CSV has a
header; --map says which columns are the user, the event, its timestamp and its id,
and the others become its data.

A stream with a Customer.io workspace takes Track v2 entities: the short form is
turned into one. A stream of webhooks alone takes the objects as they are. The short
form may also say "deliver_at" (RFC 3339 or unix seconds), "spread" (such as "3m": each
gets its own time in a window from then, or from now, on) and "class": they become the
record's headers, as any other producer sets them.

An event that cannot be read or appended does not stop the others: it is written
with its reason to FILE.failed.ndjson (a new name each time) and the command ends
with exit code 3. Events count as succeeded once all in-sync replicas have them.`,
		Example: `  sluice produce events-us purchases.ndjson
  sluice produce events-us cdnow.csv --map user=customer,timestamp=date --event purchase
  tail -f events.log | sluice produce events-us - --rate 1000/s`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: sh.streamNames,
		RunE:              func(cmd *cobra.Command, args []string) error { return sh.produce(cmd.Context(), args[0], args[1], f) },
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&f.rate, "rate", "unlimited", "events that are appended, evenly, as 1000/s: `RATE`")
	cmd.Flags().BoolVar(&f.seq, "seq", false, "add _seq (1, 2, … per user) and _n (the line) to each event's attributes, for sluice check")
	return cmd
}

func (sh *shell) produce(ctx context.Context, streamName, path string, f produceFlags) error {
	rate, err := config.ParseRate(f.rate)
	if err != nil {
		return usage(fmt.Errorf("--rate %s: %w", f.rate, err))
	}
	cfg, stream, err := sh.stream(streamName)
	if err != nil {
		return err
	}
	in, file, err := f.open(path, sh.in)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error { return mustExist(ctx, a, stream.Topic) }); err != nil {
		return err
	}
	appender, err := partition.NewAppender(cfg.Kafka, sh.logger(zapcore.WarnLevel))
	if err != nil {
		return err
	}
	defer appender.Close()

	failed := &sideFile{base: besideInput(path, streamName), end: failedEnd}
	progress := &progress{out: sh.err, terminal: isTerminal(sh.err)}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	report, err := producer.Run(ctx, stopping{appender, stop}, in, producer.Options{
		Topic: stream.Topic, Rate: float64(rate), Seq: f.seq, Form: formOf(cfg, stream),
		Progress: progress.show, Tick: progress.tick(), FailedTo: failed,
	})
	progress.end()
	if what, _ := partition.Diagnose(context.Cause(ctx)); err == nil && what != "" {
		err = context.Cause(ctx) // the last events of the file met it before anything could stop
	}
	err = errors.Join(err, failed.Close())
	report.FailedPath = failed.path
	return errors.Join(sh.answerProduce(stream, report), produceError(report, err))
}

// mustExist asks for a topic: an appender would wait for one in vain.
func mustExist(ctx context.Context, a *partition.Admin, topic string) error {
	partitions, err := a.Partitions(ctx, topic) // a producer need not be allowed more
	if err != nil {
		return err
	}
	if partitions[topic] == 0 {
		return fmt.Errorf("topic %s does not exist; create it with sluice topics apply", topic)
	}
	return nil
}

// formOf is what the stream's destinations take: one with a Customer.io
// workspace takes entities, which a webhook beside it is sent as well.
func formOf(cfg config.Config, stream config.Stream) producer.Form {
	for _, r := range stream.Routes {
		if w, ok := cfg.Workspace(r.Workspace); ok && w.Kind == config.Customerio {
			return producer.Entity
		}
	}
	return producer.Object
}

// answerProduce says how a file ended.
func (sh *shell) answerProduce(stream config.Stream, r producer.Report) error {
	return sh.answer(r, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "%d succeeded, %d failed on topic %s in %.1f s (%s)\n",
			r.Succeeded, r.Failed, stream.Topic, r.Seconds, perSecond(r.Succeeded, r.Seconds))
		if r.FailedPath != "" {
			_, _ = fmt.Fprintf(w, "the failed ones, with their reasons, are in %s\n", r.FailedPath)
		}
	})
}

// produceError turns a report into the command's outcome.
func produceError(r producer.Report, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		err = fmt.Errorf("stopped after event %d; what is reported as succeeded is in Kafka", r.Read)
	case err == nil && r.Failed > 0:
		err = fmt.Errorf("%d of %d events failed; %s has each with its reason", r.Failed, r.Read, r.FailedPath)
	}
	if err != nil && r.Succeeded > 0 {
		return part(err)
	}
	return err
}

func perSecond(count int, seconds float64) string {
	if seconds <= 0 {
		return "at once"
	}
	return fmt.Sprintf("%.0f/s", float64(count)/seconds)
}

// progress shows how far a file is: one line that is written over on a
// terminal, else a line for every 1,000 events.
type progress struct {
	out      io.Writer
	terminal bool
	shown    bool
}

func (p *progress) tick() time.Duration {
	if p.terminal {
		return 250 * time.Millisecond
	}
	return 0
}

func (p *progress) show(r producer.Report) {
	p.line(fmt.Sprintf("%d events: %d succeeded, %d failed, %s", r.Read, r.Succeeded, r.Failed, perSecond(r.Succeeded, r.Seconds)))
}

func (p *progress) line(text string) {
	begin, end := "", "\n"
	if p.terminal {
		begin, end = "\r\x1b[K", ""
	}
	p.shown = true
	_, _ = fmt.Fprint(p.out, begin+text+end)
}

func (p *progress) end() {
	if p.terminal && p.shown {
		_, _ = fmt.Fprintln(p.out)
	}
}
