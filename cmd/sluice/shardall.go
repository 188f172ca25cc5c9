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
	failed := 0
	for _, one := range r.Shards {
		_, _ = fmt.Fprintln(w, one.line(group))
		if one.Error != "" {
			failed++
		}
	}
	if failed > 0 {
		_, _ = fmt.Fprintf(w, "%s not resumed; the same again resumes what is still stopped: sluice group describe --stream %s tells what is\n",
			count(failed, "shard was", "shards were"), shellWord(r.Stream))
	}
	if len(r.Shards) == 0 {
		_, _ = fmt.Fprintf(w, "no shard of %s is stopped; %s; how far each is: sluice group describe --stream %s\n", r.Stream, unchanged, shellWord(r.Stream))
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
	shards map[partition.ShardID]resumed // guarded by mu
}

func newResumption(stream config.Stream) *resumption {
	return &resumption{stream: stream, shards: map[partition.ShardID]resumed{}}
}

// note keeps the last word on a shard; err says that it was not resumed.
func (r *resumption) note(id partition.ShardID, owner string, done partition.Resumed, err error) {
	one := resumedAt(id, atStart)
	one.Owner = owner
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
	r.shards[id] = one
}

// fail notes the same error for several shards.
func (r *resumption) fail(shards []partition.ShardID, owner string, err error) {
	for _, id := range shards {
		r.note(id, owner, partition.Resumed{}, err)
	}
}

func (r *resumption) sorted() []resumed {
	all := make([]resumed, 0, len(r.shards))
	for _, one := range r.shards {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b resumed) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.tier, b.tier))
	})
	return all
}

var (
	errNobodyOwns = errors.New("no member owns it just now; try again in a moment")
	errNoAddress  = errors.New("its owner tells no address; set listen.actions, or stop all members")
	errWentAway   = errors.New("its owner gave it away meanwhile; try again in a moment")
)

// tellOwners asks all members side by side, so that the group rebalances once
// and not once a member. What cannot be asked about counts as failed: it may be
// stopped. A shard's tiers have one owner, so its live tier stands for it there.
func tellOwners(ctx context.Context, stream config.Stream, owners map[int32]string) []resumed {
	r := newResumption(stream)
	byOwner := map[string][]partition.ShardID{}
	for shard := range stream.Partitions {
		id := partition.ShardID{Stream: stream.Name, Partition: shard}
		if owner, owned := owners[shard]; owned {
			byOwner[owner] = append(byOwner[owner], id)
		} else {
			r.fail([]partition.ShardID{id}, "", errNobodyOwns)
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
func (r *resumption) tell(ctx context.Context, owner string, shards []partition.ShardID) {
	var known map[string]partition.Stop
	if err := callOwner(ctx, http.MethodGet, stoppedURL(owner), &known); err != nil {
		r.fail(shards, owner, err)
		return
	}
	var stopped []partition.ShardID
	for shard := range r.stream.Partitions {
		for _, tier := range tiersOf(r.stream) {
			id := partition.ShardID{Stream: r.stream.Name, Partition: shard, Tier: tier}
			if _, ok := known[id.String()]; ok {
				stopped = append(stopped, id)
			}
		}
	}
	if len(stopped) == 0 {
		return
	}
	var became map[string]struct {
		partition.Resumed
		Error string `json:"error"`
	}
	if err := callOwner(ctx, http.MethodPost, resumeURL(owner, r.stream.Name, everyShard, url.Values{"at": {atStart}}), &became); err != nil {
		r.fail(stopped, owner, err)
		return
	}
	for _, id := range stopped {
		one, ok := became[id.String()]
		var err error
		switch {
		case !ok:
			err = errWentAway
		case one.Error != "":
			err = errors.New(one.Error)
		}
		r.note(id, owner, one.Resumed, err)
	}
}

// setOffsets commits the log's start for every partition that a member would
// stop at, on every tier that there is, for a group without members.
func setOffsets(ctx context.Context, a *partition.Admin, cfg config.Config, stream config.Stream) ([]resumed, error) {
	if err := mustExist(ctx, a, stream.Topic); err != nil {
		return nil, err
	}
	r := newResumption(stream)
	for _, tier := range tiersOf(stream) {
		lags, err := a.Lag(ctx, cfg.Kafka.Group, topicOf(stream, tier))
		if err != nil && len(r.shards) > 0 {
			err = unsure(err, "sluice group describe --stream "+shellWord(stream.Name))
		}
		if err != nil {
			return nil, err
		}
		for _, l := range lags {
			if l.Halted() == "" {
				continue
			}
			err := a.SetOffset(ctx, cfg.Kafka.Group, partition.ShardID{Stream: l.Topic, Partition: l.Partition}, l.Start)
			r.note(partition.ShardID{Stream: stream.Name, Partition: l.Partition, Tier: tier}, "", partition.Resumed{Offset: l.Start}, err)
		}
	}
	return r.sorted(), nil
}
