package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/checker"
	"sluice/pipeline/config"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
	"sluice/pipeline/tiers"
)

// checkFlags are the flags of check as they are written.
type checkFlags struct {
	inputFlags
	input, simulator, stream string
}

func checkCommand(sh *shell) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Judge what a simulator received against the file that was produced",
		Long: `Compare the history of a simulator with the file that sluice produce --seq
appended, and report what was lost, repeated or out of order and how evenly the
requests came. Read the file with the same --format, --map and --event as produce.

Without -c everything that was not delivered counts as lost. With -c, Kafka is asked
as well: events in the dead-letter topics count as dead-lettered, and as in hand what
no commit has passed yet, each event once: on the live topic, held, over the rate of its
class, deferred, or about to be sent again; over all streams of the configuration or over
--stream. How many of those in hand wait for their time is told beside: they are neither
lost nor late. What a rule or sluice deferred cancel has dropped leaves no trace in
Kafka, so it counts as lost.

The exit code is 1 when an event was lost, took effect twice or came out of order.`,
		Example: `  sluice check --input purchases.ndjson --sim http://127.0.0.1:8090
  sluice check --input cdnow.csv --map user=customer_id,timestamp=date --event purchase \
    --sim http://127.0.0.1:8090 -c sluice.yaml -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sh.check(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	f.register(flags)
	flags.StringVar(&f.input, "input", "", "`FILE` that was produced")
	flags.StringVar(&f.simulator, "sim", "", "`URL` of the simulator")
	flags.StringVar(&f.stream, "stream", "", "with -c: count the dead letters and what is in hand of this `STREAM` alone")
	flags.Bool("seq", false, "may stand here as in produce, and changes nothing: events are matched by _n, or by id when they carry none")
	return cmd
}

func (sh *shell) check(ctx context.Context, f checkFlags) error {
	if f.input == "" || f.simulator == "" {
		return usage(errors.New("--input FILE and --sim URL are needed; see sluice check --help"))
	}
	if f.stream != "" && !sh.configSet {
		return usage(errors.New("--stream needs the configuration that has it; add -c FILE"))
	}
	arrivals, err := checker.Fetch(ctx, f.simulator)
	if err != nil {
		return usage(err)
	}
	in, file, err := f.open(f.input, sh.in)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var extra checker.Extra
	if sh.configSet {
		if extra, err = sh.inKafka(ctx, f.stream); err != nil {
			return err
		}
	}
	report, err := checker.Check(checker.Expect(in, producer.Entity), arrivals, extra)
	if err != nil {
		return err
	}
	if err := sh.answer(report, func(w io.Writer) { _, _ = io.WriteString(w, report.Table()) }); err != nil {
		return err
	}
	if !report.OK() {
		return verdict(exitFailed, "%d lost, %d double effects, %d order breaks", report.Lost, report.DoubleEffects, report.OrderBreaks)
	}
	return nil
}

// inKafka counts the events that the simulator cannot know of: dead letters,
// and what no commit has passed.
func (sh *shell) inKafka(ctx context.Context, only string) (checker.Extra, error) {
	cfg, err := sh.config()
	if err == nil && only != "" {
		var stream config.Stream
		cfg, stream, err = sh.stream(only)
		cfg.Streams = []config.Stream{stream}
	}
	var extra checker.Extra
	if err != nil {
		return extra, err
	}
	err = ask(ctx, cfg.Kafka, readTime, func(ctx context.Context, a *partition.Admin) error {
		for _, stream := range cfg.Streams {
			// In hand first: what settles meanwhile is then counted twice rather
			// than not at all, and nothing appears as lost that is not.
			inHand, deferred, err := unsettled(ctx, a, cfg.Kafka, stream)
			if err != nil {
				return err
			}
			extra.Deferred += deferred
			dead, err := deadLetters(ctx, a, cfg.Kafka, stream.DeadTopic())
			if err != nil {
				return err
			}
			extra.InHand, extra.DeadLettered = extra.InHand+inHand, extra.DeadLettered+dead
		}
		return nil
	})
	return extra, err
}

// inHand counts a topic's events that are not settled.
func inHand(ctx context.Context, a *partition.Admin, group, topic string) (int, error) {
	if err := mustExist(ctx, a, topic); err != nil {
		return 0, err
	}
	lags, err := a.Lag(ctx, group, topic)
	if err != nil {
		return 0, err
	}
	return int(sumOf(lags)), nil
}

// unsettled counts a stream's events that are not settled on one of its tiers,
// each once: around a crash an event may be on two of them, or on one twice, and
// a replay may have copied one that is held. A tier without a topic has none. It
// tells how many of them wait for their time on a delay tier, too.
func unsettled(ctx context.Context, a *partition.Admin, cfg partition.Config, stream config.Stream) (inHand, deferred int, err error) {
	if err := mustExist(ctx, a, stream.Topic); err != nil {
		return 0, 0, err
	}
	lags, err := a.Lag(ctx, cfg.Group, stream.TierTopics()...)
	if err != nil {
		return 0, 0, err
	}
	// What its rules of another time left there is not lost either. Who never had
	// such topics was never granted to ask.
	left, err := a.Lag(ctx, cfg.Group, slices.Sorted(maps.Keys(tiers.Absent(stream)))...)
	if err == nil {
		lags = append(lags, left...)
	}
	now := time.Now()
	live := map[int32]partition.ShardLag{}
	for _, l := range lagsOf(lags, stream.Topic) {
		live[l.Partition] = l
	}
	copies := map[event.Source]bool{} // with whether it is deferred
	for _, l := range lags {
		if l.Topic == stream.Topic || l.Lag() == 0 {
			continue
		}
		err := readUnsettled(ctx, cfg, l, func(e *event.Event) {
			first := e.First()
			if first.Topic == stream.Topic {
				first.Topic = stream.Topic // one string for all of them
			}
			if first.Topic != stream.Topic || !live[first.Partition].Unsettled(first.Offset) {
				copies[first] = e.Due.After(now)
			}
		})
		if err != nil {
			return 0, 0, fmt.Errorf("count what is in hand: %w", err)
		}
	}
	for _, waits := range copies {
		if waits {
			deferred++
		}
	}
	return int(sumOf(lagsOf(lags, stream.Topic))) + len(copies), deferred, nil
}

// readUnsettled reads what is not settled of one partition of a tier that only
// sluice writes to, in order. The event is fn's until it returns.
func readUnsettled(ctx context.Context, cfg partition.Config, l partition.ShardLag, fn func(*event.Event)) error {
	var e event.Event
	r := partition.Range{Topic: l.Topic, Partition: l.Partition, From: max(l.Next(), l.Start), To: l.End}
	return partition.ReadRange(ctx, cfg, r, func(record event.Record) error {
		if l.Unsettled(record.Offset) {
			e.LoadMoved(record, "") // the cluster matters to ids alone, which are not asked for
			fn(&e)
		}
		return nil
	})
}

// deadLetters counts the distinct events in a dead topic: a crash may have put
// one there twice.
func deadLetters(ctx context.Context, a *partition.Admin, cfg partition.Config, topic string) (int, error) {
	if err := mustExist(ctx, a, topic); err != nil {
		return 0, err
	}
	bounds, err := a.Bounds(ctx, topic)
	if err != nil {
		return 0, err
	}
	sources := map[event.Source]bool{}
	for p, end := range bounds.End {
		r := partition.Range{Topic: topic, Partition: p, From: bounds.Start[p], To: end}
		err := partition.ReadRange(ctx, cfg, r, func(record event.Record) error {
			_, source, err := event.ParseDeath(record)
			if err != nil { // written by something else: still one dead letter
				source = event.Source{Topic: record.Topic, Partition: record.Partition, Offset: record.Offset}
			}
			sources[source] = true
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("count dead letters: %w", err)
		}
	}
	return len(sources), nil
}
