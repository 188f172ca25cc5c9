package main

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/partition"
	"sluice/pipeline/config"
)

// notesOfGroup say what the group's own state means.
func (r *groupReport) notesOfGroup(state partition.GroupState) {
	switch {
	case !state.Exists():
		r.note("group %s does not exist: no member has ever joined it, and no offset is committed", state.Name)
	case len(state.Members) == 0:
		r.note("no member runs: nothing is delivered; start one with sluice run")
	case !state.Settled():
		r.note("the members are just sharing out the shards (%s): who owns what is known in a moment; ask again", state.State)
	}
}

// notesOfTopics say where topics and configuration differ.
func (r *groupReport) notesOfTopics(cfg config.Config, q groupQuery, lags []partition.ShardLag) {
	have := map[string]int32{}
	for _, l := range lags {
		have[l.Topic] = max(have[l.Topic], l.Partition+1)
	}
	for _, s := range cfg.Streams {
		n, exists := have[s.Topic]
		switch {
		case q.stream != "" && q.stream != s.Name, q.workspace != "": // not all of it was asked for
		case !exists:
			r.note("topic %s of stream %s does not exist; create it with sluice topics apply", s.Topic, s.Name)
		case n != s.Partitions:
			r.note("topic %s has %d partitions, the configuration says %d; see sluice topics check", s.Topic, n, s.Partitions)
		}
	}
}

// notesOfShards say which shards need somebody, and what to do.
func (r *groupReport) notesOfShards() {
	type trouble struct {
		stream, reason string
		beyond         bool
	}
	stopped := map[trouble][]int32{}
	unrouted := map[string][]int32{}
	ownerless := map[string][]int32{}
	for _, s := range r.Shards {
		switch {
		case s.Workspace == "":
			unrouted[s.Stream] = append(unrouted[s.Stream], s.Partition)
		case s.Stopped != "":
			key := trouble{s.Stream, s.Stopped, s.beyond}
			stopped[key] = append(stopped[key], s.Partition)
		case s.Owner == nil && len(r.Members) > 0:
			ownerless[s.Stream] = append(ownerless[s.Stream], s.Partition)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(stopped), func(a, b trouble) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.reason, b.reason))
	}) {
		remedy := "sluice shard resume " + key.stream + " all --at start"
		if key.beyond {
			remedy = "stop the members, then sluice group reset --stream " + key.stream + " --to start"
		}
		r.note("%s %s stopped: %s; what the topic still has is delivered after: %s", key.stream, ranges(stopped[key]), key.reason, remedy)
	}
	for _, stream := range slices.Sorted(maps.Keys(unrouted)) {
		r.note("%s %s: no route covers it, so it is not delivered; add it to the stream's routes", stream, ranges(unrouted[stream]))
	}
	if r.settled {
		for _, stream := range slices.Sorted(maps.Keys(ownerless)) {
			r.note("%s %s: no member owns it; do all members run with this configuration?", stream, ranges(ownerless[stream]))
		}
	}
}

const (
	// memberTime bounds the wait for one member's answer, membersAtOnce how many
	// are asked at a time.
	memberTime    = 2 * time.Second
	membersAtOnce = 16
)

// askMembers asks the members which of their shards have stopped. What Kafka
// tells is a forecast, for a member may hold events that the log has not any
// more; the owner's word goes before it.
func (r *groupReport) askMembers(ctx context.Context) {
	var mu sync.Mutex
	told := map[string]map[string]partition.Stop{} // by address; guarded by mu
	var silent []error                             // guarded by mu
	var g errgroup.Group
	g.SetLimit(membersAtOnce)
	for _, m := range r.Members {
		if m.Actions == "" || m.Shards == 0 {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, memberTime)
			defer cancel()
			var stops map[string]partition.Stop
			err := callOwner(ctx, http.MethodGet, &url.URL{Scheme: "http", Host: m.Actions, Path: "/shards/stopped"}, &stops)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				silent = append(silent, err)
			} else {
				told[m.Actions] = stops
			}
			return nil
		})
	}
	_ = g.Wait() // none of them fails
	for i := range r.Shards {
		s := &r.Shards[i]
		if s.Owner == nil {
			continue
		}
		if stops, ok := told[s.Owner.Actions]; ok {
			s.Stopped = stops[partition.ShardID{Stream: s.Stream, Partition: s.Partition}.String()].Reason
		}
	}
	if len(silent) > 0 {
		r.note("%s could not be asked which shards have stopped, so that is what Kafka alone tells: %v",
			count(len(silent), "member", "members"), silent[0])
	}
}
