package main

import (
	"context"
	"encoding/json"
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
		Use:   "resume STREAM PARTITION|all",
		Short: "Let a shard that stopped go on, from an offset of your choice",
		Long: `Let a shard go on that stopped because Kafka's retention deleted events before they
were settled. --at start begins at the oldest event that Kafka still has; --at OFFSET
at that one. What lies before it is not delivered; what was delivered after it
already is delivered again.

The member that owns the shard is told through its actions address. When no member
runs, the group's committed offset is set instead, and the next member begins there.

all resumes, at the start, every shard of the stream that is stopped: each member is
asked which of its own are. When no member runs it sets every partition whose committed
offset is missing or deleted. It may be repeated when some could not be resumed.`,
		Example: `  sluice shard resume events-us 7 --at start
  sluice shard resume events-us 7 --at 120394
  sluice shard resume events-us all --at start`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] == everyShard {
				return sh.resumeAll(cmd.Context(), args[0], at)
			}
			return sh.resume(cmd.Context(), args[0], args[1], at)
		},
	}
	resume.Flags().StringVar(&at, "at", "", "where to begin: `start|OFFSET`")
	return group("shard", "Look after shards", resume)
}

// resumed is the result of shard resume.
type resumed struct {
	Stream    string `json:"stream"`
	Partition int32  `json:"partition"`
	At        string `json:"at"`
	Offset    *int64 `json:"offset,omitempty"`  // what was committed, as far as it is known
	Missing   *int64 `json:"missing,omitempty"` // offsets given up, as far as the owner said
	Owner     string `json:"owner,omitempty"`   // the member that was told
	Error     string `json:"error,omitempty"`   // why it was not resumed, one of several
}

// line says it to a person.
func (r resumed) line(group string) string {
	shard := partition.ShardID{Stream: r.Stream, Partition: r.Partition}
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
	return sh.answer(result, func(w io.Writer) { _, _ = fmt.Fprintln(w, result.line(cfg.Kafka.Group)) })
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
	return callOwner(ctx, http.MethodPost, resumeURL(r.Owner, r.Stream, strconv.Itoa(int(r.Partition)), r.At), nil)
}

func resumeURL(owner, stream, shard, at string) *url.URL {
	return &url.URL{
		Scheme: "http", Host: owner, RawQuery: url.Values{"at": {at}}.Encode(),
		Path: fmt.Sprintf("/shards/%s/%s/resume", stream, shard),
	}
}

// callOwner asks a member and decodes its answer, unless into is nil.
func callOwner(ctx context.Context, method string, target *url.URL, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, target.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the owner at %s: %w", target.Host, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the owner at %s: %w; run this where that address can be reached, or set listen.advertise", target.Host, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		const longest = 500
		text, _ := io.ReadAll(io.LimitReader(response.Body, longest))
		return fmt.Errorf("the owner at %s answered %s: %s", target.Host, response.Status, strings.Join(strings.Fields(string(text)), " "))
	}
	if into == nil {
		return nil
	}
	const longest = 4 << 20
	if err := json.NewDecoder(io.LimitReader(response.Body, longest)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of the owner at %s: %w", target.Host, err)
	}
	return nil
}
