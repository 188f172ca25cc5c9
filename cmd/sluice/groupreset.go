package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/partition"
	"sluice/pipeline/config"
)

func groupResetCommand(sh *shell) *cobra.Command {
	var q resetQuery
	cmd := &cobra.Command{
		Use:   "reset --stream NAME --to PLACE",
		Short: "Set where the group goes on: a plan, or with --yes the deed",
		Long: `Set the next event to deliver of a stream's shards, for the configuration's group.
Without --yes it only shows the plan: from where to where each shard moves, how many
settled events would be sent again and how many unsettled ones skipped.

Only the live tier moves. What is held, because it keeps failing or comes behind what
does, what is over the rate of its class, what waits for its time and what a replay still
has to send stay as they are and are delivered all the same: the plan counts them. Who
they are: sluice group describe --held and --overflow, sluice deferred ls.

Skipped events are lost to the destination, until a reset back. Events that are sent
again take effect twice, unless the destination knows their ids: Customer.io drops
events, pages and screens that it has seen, but carries out everything else again,
deletes and merges too. What is settled beyond the place is forgotten as well, so it is
sent again.

--to start is the oldest event in the topic, --to end the one that comes next. A time (as
2026-11-22T14:00:00Z), or one so long ago (as 2h), is the first event of that time or
later. An offset is a place in one partition, so it needs --partition.

It is refused while the group has members, which alone may commit: stop them first. A
shard that has stopped needs no reset: see sluice shard resume. Each reset that is
carried out logs who did what on standard error, whatever --log-level says.

Exit codes: 0 done, or a plan that can be carried out, 1 refused or failed, 3 done in
part.`,
		Example: `  sluice group reset --stream events-us --to 2h -c sluice.yaml
  sluice group reset --stream events-us --to 2026-11-22T14:00:00Z --yes --reason outage
  sluice group reset --stream events-us --partition 3 --to 120394
  sluice group reset --stream events-us --partition 0-5,9 --to start -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sh.resetGroup(cmd.Context(), q) },
	}
	flags := cmd.Flags()
	flags.StringVar(&q.stream, "stream", "", "the stream whose shards move: `NAME`")
	flags.StringSliceVar(&q.partitions, "partition", nil, "only these partitions, by default all: `P,P-P,...`")
	flags.StringVar(&q.to, "to", "", "where to go on: `start|end|OFFSET|TIME`")
	flags.BoolVar(&q.yes, "yes", false, "do it; without this nothing is changed")
	flags.StringVar(&q.reason, "reason", "", "why, for the audit line: `TEXT`")
	return cmd
}

// resetQuery is what group reset is asked, as the flags say it.
type resetQuery struct {
	stream, to, reason string
	partitions         []string
	yes                bool
}

func (sh *shell) resetGroup(ctx context.Context, q resetQuery) error {
	to, err := parsePlace(q.to, time.Now())
	if err != nil {
		return usage(err)
	}
	if q.stream == "" {
		return usage(errors.New("--stream NAME is needed: a reset moves the shards of one stream"))
	}
	cfg, stream, err := sh.stream(q.stream)
	if err != nil {
		return err
	}
	var report resetReport
	err = ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		t := resetTarget{cfg.Kafka.Group, stream, to, q.partitions}
		state, err := a.Group(ctx, t.group)
		if err != nil {
			return err
		}
		lags, err := a.Lag(ctx, t.group, stream.TierTopics()...)
		if err != nil {
			return err
		}
		if err := a.FindDeferred(ctx, lags, stepsOf([]config.Stream{stream})); err != nil {
			return err
		}
		moves, err := planReset(ctx, a, t, lagsOf(lags, stream.Topic))
		if err != nil {
			return err
		}
		report = newResetReport(cfg, stream, state, moves)
		report.leave(stream, lags)
		report.To, report.DryRun = q.to, !q.yes
		if q.yes && report.Refused == "" {
			return sh.carryOut(ctx, a, q, &report, moves)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := sh.answer(report, report.text); err != nil {
		return err
	}
	return report.verdict()
}

// resetTarget is which shards of which group go where.
type resetTarget struct {
	group      string
	stream     config.Stream
	to         place
	partitions []string
}

// planReset is what the moves would be, of shards that stand so.
func planReset(ctx context.Context, a *partition.Admin, t resetTarget, lags []partition.ShardLag) ([]partition.Move, error) {
	if len(lags) == 0 {
		return nil, fmt.Errorf("topic %s does not exist; create it with sluice topics apply", t.stream.Topic)
	}
	numbers, err := parsePartitions(t.partitions, int32(len(lags))) //nolint:gosec // one a partition
	switch {
	case err != nil:
		return nil, usage(err)
	case t.to.offset >= 0 && len(numbers) != 1:
		return nil, usage(errors.New("--to OFFSET is a place in one partition; add --partition P, or give a time"))
	}
	var at map[int32]int64
	if !t.to.at.IsZero() {
		if at, err = a.OffsetsAt(ctx, t.stream.Topic, t.to.at); err != nil {
			return nil, err
		}
	}
	var moves []partition.Move
	for _, p := range numbers {
		m, err := lags[p].Move(t.to.in(lags[p], at))
		if errors.Is(err, partition.ErrOutside) {
			err = usage(fmt.Errorf("%w; choose one of them, start or end", err))
		}
		if err != nil {
			return nil, err
		}
		moves = append(moves, m)
	}
	return moves, nil
}

// carryOut sets the offsets and writes the audit line, whatever comes of it. The
// line has partition:from>to of each shard, when the cluster took them.
func (sh *shell) carryOut(ctx context.Context, a *partition.Admin, q resetQuery, report *resetReport, moves []partition.Move) error {
	changes := slices.DeleteFunc(slices.Clone(moves), func(m partition.Move) bool { return !m.Changes() })
	if len(changes) == 0 {
		return nil
	}
	refused, err := a.SetOffsets(ctx, report.Group, changes)
	outcome := "done"
	switch {
	case errors.Is(err, partition.ErrGroupActive):
		outcome = "refused"
		err = fmt.Errorf("%w; nothing was changed: stop all members and try again", err)
	case err != nil:
		outcome = "unknown"
		err = unsure(err, "sluice group describe")
	case len(refused) > 0:
		outcome = "done in part"
	}
	report.refuse(refused)
	var moved []string
	for _, m := range changes {
		if refused[m.Partition] == nil {
			moved = append(moved, fmt.Sprintf("%d:%d>%d", m.Partition, m.Watermark, m.To))
		}
	}
	sh.loggerAt(zapcore.InfoLevel).Named("audit").Info("group reset",
		zap.String("who", whoami()), zap.String("reason", q.reason), zap.String("outcome", outcome),
		zap.String("group", report.Group), zap.String("stream", report.Stream), zap.String("to", q.to),
		zap.Int64("again", report.Again), zap.Int64("skipped", report.Skipped), zap.Int64("unknown", report.Unknown),
		zap.Strings("moved", moved), zap.Int("refused", len(refused)))
	return err
}

// whoami names the person at the keyboard as well as the system can.
func whoami() string {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return name + "@" + cmp.Or(host, "unknown")
}
