package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/config"
)

const atStart = "start"

func shardCommand(sh *shell) *cobra.Command {
	var at string
	resume := &cobra.Command{
		Use:   "resume STREAM PARTITION",
		Short: "Let a shard that stopped go on, from an offset of your choice",
		Long: `Let a shard go on that stopped because Kafka's retention deleted events before they
were settled. --at start begins at the oldest event that Kafka still has; --at OFFSET
at that one. What lies before it is not delivered; what was delivered after it
already is delivered again.

The member that owns the shard is told through its actions address. When no member
runs, the group's committed offset is set instead, and the next member begins there.`,
		Example: `  sluice shard resume events-us 7 --at start
  sluice shard resume events-us 7 --at 120394`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: sh.streamNames,
		RunE:              func(cmd *cobra.Command, args []string) error { return sh.resume(cmd.Context(), args[0], args[1], at) },
	}
	resume.Flags().StringVar(&at, "at", "", "where to begin: `start|OFFSET`")
	return group("shard", "Look after shards", resume)
}

// resumed is the result of shard resume.
type resumed struct {
	Stream    string `json:"stream"`
	Partition int32  `json:"partition"`
	At        string `json:"at"`
	Offset    *int64 `json:"offset,omitempty"` // what was committed, when no member was told
	Owner     string `json:"owner,omitempty"`  // the member that was told
}

func (sh *shell) resume(ctx context.Context, streamName, number, at string) error {
	offset, err := strconv.ParseInt(at, 10, 64)
	if at != atStart && (err != nil || offset < 0) {
		return usage(fmt.Errorf("--at must be start or an offset, have %q", at))
	}
	cfg, stream, err := sh.stream(streamName)
	if err != nil {
		return err
	}
	shard, err := strconv.ParseInt(number, 10, 32)
	if err != nil || shard < 0 || shard >= int64(stream.Partitions) {
		return usage(fmt.Errorf("stream %s has the partitions 0 to %d, have %q", stream.Name, stream.Partitions-1, number))
	}
	result := resumed{Stream: stream.Name, Partition: int32(shard), At: at}
	err = ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		result.Owner, err = a.Owner(ctx, cfg.Kafka.Group, stream.Topic, result.Partition)
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
	return sh.answer(result, func(w io.Writer) {
		if result.Offset != nil {
			_, _ = fmt.Fprintf(w, "no member runs; group %s will begin %s/%d at offset %d\n", cfg.Kafka.Group, stream.Name, result.Partition, *result.Offset)
			return
		}
		_, _ = fmt.Fprintf(w, "%s/%d goes on at %s; told its owner at %s\n", stream.Name, result.Partition, at, result.Owner)
	})
}

// setOffset commits the offset for a group without members, within what the
// topic holds.
func setOffset(ctx context.Context, a *partition.Admin, cfg config.Config, stream config.Stream, r resumed) (int64, error) {
	bounds, err := a.Bounds(ctx, stream.Topic)
	if err != nil {
		return 0, err
	}
	start, end := bounds.Start[r.Partition], bounds.End[r.Partition]
	offset := start
	if r.At != atStart {
		offset, _ = strconv.ParseInt(r.At, 10, 64) // judged already
	}
	if offset < start || offset > end {
		return 0, usage(fmt.Errorf("%s/%d holds the offsets %d to %d; choose one of them, or start", stream.Topic, r.Partition, start, end))
	}
	at := partition.ShardID{Stream: stream.Topic, Partition: r.Partition}
	err = a.SetOffset(ctx, cfg.Kafka.Group, at, offset)
	if errors.Is(err, partition.ErrGroupActive) {
		return 0, fmt.Errorf("%w, but none that owns this shard tells its address; try again in a moment, set listen.actions, or stop all members", err)
	}
	return offset, err
}

// tellOwner asks the owning member to go on.
func tellOwner(ctx context.Context, r resumed) error {
	target := url.URL{
		Scheme: "http", Host: r.Owner, RawQuery: url.Values{"at": {r.At}}.Encode(),
		Path: fmt.Sprintf("/shards/%s/%d/resume", r.Stream, r.Partition),
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the owner at %s: %w", r.Owner, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the owner at %s: %w; run this where that address can be reached, or set listen.advertise", r.Owner, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 == 2 {
		return nil
	}
	const longest = 500
	text, _ := io.ReadAll(io.LimitReader(response.Body, longest))
	return fmt.Errorf("the owner at %s answered %s: %s", r.Owner, response.Status, strings.Join(strings.Fields(string(text)), " "))
}
