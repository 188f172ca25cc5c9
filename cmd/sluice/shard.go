package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/tiers"
)

const atStart = "start"

func shardCommand(sh *shell) *cobra.Command {
	var at, tier string
	resume := &cobra.Command{
		Use:   "resume STREAM PARTITION|all",
		Short: "Let a shard that stopped go on, from an offset of your choice",
		Long: `Let a shard go on that stopped because Kafka's retention deleted events before they
were settled. --at start begins at the oldest event that Kafka still has; --at OFFSET
at that one. What lies before it is not delivered; what was delivered after it
already is delivered again.

Each tier of a shard stops, and goes on, by itself: live, where events arrive; held,
where they wait that keep failing; replay, what is sent again; overflow, where they wait
whose class is over its rate; delay-10s, delay-10m and delay-6h, where they wait for
their time. sluice group describe names the command for what is stopped.

The member that owns the shard is told through its actions address. When no member
runs, the group's committed offset is set instead, and the next member begins there.

all resumes, at the start, whatever of the stream is stopped, on every tier: each member
is asked which of its own are. When no member runs it sets each committed offset at which
one would stop. It may be repeated when some could not be resumed.`,
		Example: `  sluice shard resume events-us 7 --at start
  sluice shard resume events-us 7 --at 120394
  sluice shard resume events-us 7 --at start --tier held
  sluice shard resume events-us all --at start`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] != everyShard {
				return sh.resume(cmd.Context(), args[0], args[1], resumePlace{at, tier})
			}
			if cmd.Flags().Changed("tier") {
				return usage(errors.New("--tier goes with one partition: all resumes what is stopped on every tier"))
			}
			return sh.resumeAll(cmd.Context(), args[0], at)
		},
	}
	resume.Flags().StringVar(&at, "at", "", "where to begin: `start|OFFSET`")
	resume.Flags().StringVar(&tier, "tier", partition.Live.String(), "which of the shard's tiers: `live|held|replay|overflow|delay-10s|...`")
	_ = resume.RegisterFlagCompletionFunc("tier", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return tierNames(), cobra.ShellCompDirectiveNoFileComp
	})
	return group("shard", "Look after shards", resume)
}

// resumePlace is where one shard goes on, as the flags say it.
type resumePlace struct{ at, tier string }

// resumed is the result of shard resume.
type resumed struct {
	Stream    string `json:"stream"`
	Partition int32  `json:"partition"`
	Tier      string `json:"tier"`
	At        string `json:"at"`
	Offset    *int64 `json:"offset,omitempty"`  // what was committed, as far as it is known
	Missing   *int64 `json:"missing,omitempty"` // offsets given up, as far as the owner said
	Owner     string `json:"owner,omitempty"`   // the member that was told
	Error     string `json:"error,omitempty"`   // why it was not resumed, one of several

	tier partition.Tier
}

// resumedAt is the result for one shard, before anything came of it.
func resumedAt(id partition.ShardID, at string) resumed {
	return resumed{Stream: id.Stream, Partition: id.Partition, Tier: id.Tier.String(), At: at, tier: id.Tier}
}

func (r resumed) id() partition.ShardID {
	return partition.ShardID{Stream: r.Stream, Partition: r.Partition, Tier: r.tier}
}

// line says it to a person.
func (r resumed) line(group string) string {
	shard := r.id()
	switch {
	case r.Error != "":
		return fmt.Sprintf("%s failed: %s", shard, r.Error)
	case r.Owner == "":
		return fmt.Sprintf("no member runs; group %s will begin %s at offset %d", group, shard, *r.Offset)
	case r.Offset != nil:
		return fmt.Sprintf("%s goes on at offset %d, %d given up; told its owner at %s", shard, *r.Offset, *r.Missing, r.Owner)
	}
	return fmt.Sprintf("%s goes on at %s; told its owner at %s", shard, r.At, r.Owner)
}

func (sh *shell) resume(ctx context.Context, streamName, number string, place resumePlace) error {
	offset, err := strconv.ParseInt(place.at, 10, 64)
	if place.at != atStart && (err != nil || offset < 0) {
		return usage(fmt.Errorf("--at must be start or an offset, have %q", place.at))
	}
	tier, err := partition.ParseTier(place.tier)
	if err != nil {
		return usage(fmt.Errorf("--tier: %w", err))
	}
	cfg, stream, err := sh.stream(streamName)
	if err != nil {
		return err
	}
	shard, err := strconv.ParseInt(number, 10, 32)
	if err != nil || shard < 0 || shard >= int64(stream.Partitions) {
		return usage(fmt.Errorf("stream %s has the partitions 0 to %d, have %q", stream.Name, stream.Partitions-1, number))
	}
	if topicOf(stream, tier) == "" {
		return usage(noTier(stream, tier))
	}
	result := resumedAt(partition.ShardID{Stream: stream.Name, Partition: int32(shard), Tier: tier}, place.at)
	err = ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		result.Owner, err = a.Owner(ctx, cfg.Kafka.Group, topicOf(stream, tier), result.Partition)
		if errors.Is(err, partition.ErrNoOwner) {
			offset, err = setOffset(ctx, a, cfg, stream, result)
			result.Offset = &offset
			return err
		}
		if err != nil {
			return err
		}
		return tellOwner(ctx, result)
	})
	if err != nil {
		return err
	}
	return sh.answer(result, func(w io.Writer) { _, _ = fmt.Fprintln(w, result.line(cfg.Kafka.Group)) })
}

// noTier says why a stream has no tier of that kind, and what would give it one.
func noTier(stream config.Stream, tier partition.Tier) error {
	return fmt.Errorf("stream %s has no tier %s; if events from before wait there, %s",
		stream.Name, tier, tiers.Absent(stream)[stream.Topic+"."+tier.String()])
}

// setOffset commits the offset for a group without members, within what the
// topic holds.
func setOffset(ctx context.Context, a *partition.Admin, cfg config.Config, stream config.Stream, r resumed) (int64, error) {
	topic := topicOf(stream, r.tier)
	if err := mustExist(ctx, a, topic); err != nil {
		return 0, err
	}
	bounds, err := a.Bounds(ctx, topic)
	if err != nil {
		return 0, err
	}
	start, end := bounds.Start[r.Partition], bounds.End[r.Partition]
	offset := start
	if r.At != atStart {
		offset, _ = strconv.ParseInt(r.At, 10, 64) // judged already
	}
	if offset < start || offset > end {
		return 0, usage(fmt.Errorf("%s/%d holds the offsets %d to %d; choose one of them, or start", topic, r.Partition, start, end))
	}
	err = a.SetOffset(ctx, cfg.Kafka.Group, partition.ShardID{Stream: topic, Partition: r.Partition}, offset)
	if errors.Is(err, partition.ErrGroupActive) {
		return 0, fmt.Errorf("%w, but none that owns this shard tells its address; try again in a moment, set listen.actions, or stop all members", err)
	}
	return offset, lost(err, "sluice group describe --stream "+shellWord(stream.Name))
}
