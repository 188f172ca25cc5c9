package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"sluice/partition"
	"sluice/pipeline/config"
)

// everyShard takes the place of a partition's number, here and in the members'
// actions.
const everyShard = "all"

// resumedAll is the result of shard resume for a whole stream. A shard that is
// not stopped is not in it.
type resumedAll struct {
	Stream string    `json:"stream"`
	Shards []resumed `json:"shards"`
}

func (sh *shell) resumeAll(ctx context.Context, streamName, at string) error {
	if at != atStart {
		return usage(fmt.Errorf("--at must be start for all, have %q: an offset is a place in one partition", at))
	}
	cfg, stream, err := sh.stream(streamName)
	if err != nil {
		return err
	}
	result := resumedAll{Stream: stream.Name}
	err = ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		owners, live, err := a.Owners(ctx, cfg.Kafka.Group, stream.Topic)
		switch {
		case err != nil:
			return err
		case live:
			result.Shards = tellOwners(ctx, stream, owners)
			return nil
		}
		result.Shards, err = setOffsets(ctx, a, cfg, stream)
		return err
	})
	if err != nil {
		return err
	}
	if err := sh.answer(result, func(w io.Writer) { result.text(w, cfg.Kafka.Group) }); err != nil {
		return err
	}
	return result.verdict()
}

func (r resumedAll) text(w io.Writer, group string) {
	for _, one := range r.Shards {
		_, _ = fmt.Fprintln(w, one.line(group))
	}
	if len(r.Shards) == 0 {
		_, _ = fmt.Fprintf(w, "no shard of %s is stopped\n", r.Stream)
	}
}

func (r resumedAll) verdict() error {
	failed := 0
	for _, one := range r.Shards {
		if one.Error != "" {
			failed++
		}
	}
	switch failed {
	case 0:
		return nil
	case len(r.Shards):
		return verdict(exitFailed, "no shard was resumed")
	}
	return verdict(exitPart, "%d of %d shards were not resumed", failed, len(r.Shards))
}

// resumption collects what became of a stream's shards, from several owners.
type resumption struct {
	stream config.Stream

	mu     sync.Mutex
	shards map[int32]resumed // guarded by mu
}

// note keeps the last word on a shard; err says that it was not resumed.
func (r *resumption) note(shard int32, owner string, done partition.Resumed, err error) {
	one := resumed{Stream: r.stream.Name, Partition: shard, At: atStart, Owner: owner}
	switch {
	case err != nil:
		one.Error = err.Error()
	case owner != "":
		one.Offset, one.Missing = &done.Offset, &done.Missing
	default:
		one.Offset = &done.Offset
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shards[shard] = one
}

// fail notes the same error for several shards.
func (r *resumption) fail(shards []int32, owner string, err error) {
	for _, shard := range shards {
		r.note(shard, owner, partition.Resumed{}, err)
	}
}

func (r *resumption) sorted() []resumed {
	all := make([]resumed, 0, len(r.shards))
	for _, one := range r.shards {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b resumed) int { return cmp.Compare(a.Partition, b.Partition) })
	return all
}

var (
	errNobodyOwns = errors.New("no member owns it just now; try again in a moment")
	errNoAddress  = errors.New("its owner tells no address; set listen.actions, or stop all members")
	errWentAway   = errors.New("its owner gave it away meanwhile; try again in a moment")
)

// tellOwners asks all members side by side, so that the group rebalances once
// and not once a member. What cannot be asked about counts as failed: it may be
// stopped.
func tellOwners(ctx context.Context, stream config.Stream, owners map[int32]string) []resumed {
	r := &resumption{stream: stream, shards: map[int32]resumed{}}
	byOwner := map[string][]int32{}
	for shard := range stream.Partitions {
		if owner, owned := owners[shard]; owned {
			byOwner[owner] = append(byOwner[owner], shard)
		} else {
			r.fail([]int32{shard}, "", errNobodyOwns)
		}
	}
	r.fail(byOwner[""], "", errNoAddress)
	delete(byOwner, "")
	var asked sync.WaitGroup
	for owner, shards := range byOwner {
		asked.Go(func() { r.tell(ctx, owner, shards) })
	}
	asked.Wait()
	return r.sorted()
}

// tell asks one owner which shards of the stream are stopped, and to go on with
// those.
func (r *resumption) tell(ctx context.Context, owner string, shards []int32) {
	var known map[string]partition.Stop
	if err := callOwner(ctx, http.MethodGet, &url.URL{Scheme: "http", Host: owner, Path: "/shards/stopped"}, &known); err != nil {
		r.fail(shards, owner, err)
		return
	}
	var stopped []int32
	for shard := range r.stream.Partitions {
		if _, ok := known[r.id(shard)]; ok {
			stopped = append(stopped, shard)
		}
	}
	if len(stopped) == 0 {
		return
	}
	var became map[string]struct {
		partition.Resumed
		Error string `json:"error"`
	}
	if err := callOwner(ctx, http.MethodPost, resumeURL(owner, r.stream.Name, everyShard, atStart), &became); err != nil {
		r.fail(stopped, owner, err)
		return
	}
	for _, shard := range stopped {
		one, ok := became[r.id(shard)]
		var err error
		switch {
		case !ok:
			err = errWentAway
		case one.Error != "":
			err = errors.New(one.Error)
		}
		r.note(shard, owner, one.Resumed, err)
	}
}

func (r *resumption) id(shard int32) string {
	return partition.ShardID{Stream: r.stream.Name, Partition: shard}.String()
}

// setOffsets commits the log's start for every partition that a member would
// stop at, for a group without members.
func setOffsets(ctx context.Context, a *partition.Admin, cfg config.Config, stream config.Stream) ([]resumed, error) {
	bounds, err := a.Bounds(ctx, stream.Topic)
	if err != nil {
		return nil, err
	}
	committed, err := a.Committed(ctx, cfg.Kafka.Group, stream.Topic)
	if err != nil {
		return nil, err
	}
	r := &resumption{stream: stream, shards: map[int32]resumed{}}
	for shard, start := range bounds.Start {
		if c, ok := committed[shard]; ok && c.Offset >= start {
			continue
		}
		at := partition.ShardID{Stream: stream.Topic, Partition: shard}
		r.note(shard, "", partition.Resumed{Offset: start}, a.SetOffset(ctx, cfg.Kafka.Group, at, start))
	}
	return r.sorted(), nil
}
