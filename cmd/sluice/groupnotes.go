package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/partition"
	"sluice/pipeline"
	"sluice/pipeline/config"
	"sluice/pipeline/tiers"
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
		for _, tier := range tiersOf(s) {
			topic := topicOf(s, tier)
			n, exists := have[topic]
			switch {
			case q.stream != "" && q.stream != s.Name, q.workspace != "": // not all of it was asked for
			case !exists:
				r.note("topic %s of stream %s does not exist; create it with sluice topics apply", topic, s.Name)
			case n != s.Partitions:
				r.note("topic %s has %d partitions, the configuration says %d; see sluice topics check", topic, n, s.Partitions)
			}
		}
	}
}

// notesOfLeftovers say what is on topics that a stream had with other rules: no
// member reads them. It is silent about those that may not be asked about, as
// somebody who never had such rules was never granted to.
func (r *groupReport) notesOfLeftovers(ctx context.Context, a *partition.Admin, cfg config.Config, q groupQuery) {
	for _, s := range cfg.Streams {
		if q.workspace != "" || q.stream != "" && q.stream != s.Name {
			continue
		}
		absent := tiers.Absent(s)
		lags, err := a.Lag(ctx, q.group, slices.Sorted(maps.Keys(absent))...)
		if err != nil {
			continue
		}
		left := map[string]int64{}      // by what would give the stream the tier again
		topics := map[string][]string{} // likewise
		for _, topic := range slices.Sorted(maps.Keys(absent)) {
			if n := sumOf(lagsOf(lags, topic)); n > 0 {
				left[absent[topic]] += n
				topics[absent[topic]] = append(topics[absent[topic]], topic)
			}
		}
		for _, remedy := range slices.Sorted(maps.Keys(left)) {
			r.note("%s on %s, and stream %s has no such tier any more: no member reads it; %s, and restart the members",
				count(int(left[remedy]), "event waits", "events wait"), listing(topics[remedy]), s.Name, remedy)
		}
	}
}

// notesOfShards say which shards need somebody, and what to do.
func (r *groupReport) notesOfShards() {
	r.notesOfStopped()
	unrouted := map[string][]int32{}
	ownerless := map[string][]int32{}
	for _, s := range r.Shards {
		switch {
		case s.Workspace == "":
			unrouted[s.Stream] = append(unrouted[s.Stream], s.Partition)
		case s.troubled() == 0 && s.Owner == nil && len(r.Members) > 0:
			ownerless[s.Stream] = append(ownerless[s.Stream], s.Partition)
		}
	}
	for _, stream := range slices.Sorted(maps.Keys(unrouted)) {
		r.note("%s %s: no route covers it, so it is not delivered; add it to the stream's routes", stream, ranges(unrouted[stream]))
	}
	if r.settled {
		for _, stream := range slices.Sorted(maps.Keys(ownerless)) {
			r.note("%s %s: no member owns it; do all members run with this configuration?", stream, ranges(ownerless[stream]))
		}
	}
	r.notesOfStandstills()
	r.notesOfTiers()
}

// notesOfTiers say what it means that events are on other tiers than the live one.
func (r *groupReport) notesOfTiers() {
	if r.Held > 0 {
		r.note("%s held: some keep failing, their users' later ones wait behind them, everybody else's flow; who they are: sluice group describe --held",
			count(int(r.Held), "event is", "events are"))
	}
	if r.Overflow > 0 {
		r.note("%s on overflow: some are over the rate of their class, their users' later ones wait behind them, everybody else's flow; "+
			"who they are: sluice group describe --overflow", count(int(r.Overflow), "event is", "events are"))
	}
	if r.Late > 0 {
		r.note("%s late: the time was up and nobody took or moved what was deferred; is a member running, and its workspace neither paused nor behind? "+
			"what is deferred: sluice deferred ls STREAM", count(int(r.Late), "event is", "events are"))
	}
}

// trouble is what several shards may have stopped for alike.
type trouble struct {
	stream, reason string
	tier           partition.Tier
	beyond, bars   bool
}

// notesOfStopped say which shards have stopped, and what to type.
func (r *groupReport) notesOfStopped() {
	stopped := map[trouble][]int32{}
	for _, s := range r.Shards {
		if s.Workspace == "" {
			continue
		}
		if s.Stopped != "" {
			key := trouble{stream: s.Stream, reason: s.Stopped, beyond: s.beyond}
			stopped[key] = append(stopped[key], s.Partition)
		}
		for _, t := range s.Beside {
			if t.Stopped != "" {
				key := trouble{s.Stream, t.Stopped, t.tier, t.beyond, t.bars}
				stopped[key] = append(stopped[key], s.Partition)
			}
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(stopped), func(a, b trouble) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.tier, b.tier), cmp.Compare(a.reason, b.reason),
			cmp.Compare(stopped[a][0], stopped[b][0]))
	}) {
		r.note("%s", key.text(stopped[key]))
	}
}

// text says what stopped, what waits for it, and what to type.
func (t trouble) text(shards []int32) string {
	name := t.stream
	if t.tier != partition.Live {
		name += "." + t.tier.String()
	}
	text := fmt.Sprintf("%s %s stopped: %s; ", name, ranges(shards), t.reason)
	if t.bars {
		where := "held"
		if t.tier == partition.Overflow {
			where = "on overflow"
		}
		text += "until it goes on, its live shard waits too, for nobody knows whose events are " + where + "; "
	}
	return text + "what the topic still has is delivered after: " + t.remedy(shards)
}

// remedy is what lets the shards go on.
func (t trouble) remedy(shards []int32) string {
	resume := "sluice shard resume " + t.stream + " all --at start"
	switch {
	case t.beyond && t.tier == partition.Live:
		return "stop the members, then sluice group reset --stream " + t.stream + " --to start"
	case t.beyond: // a reset moves the live tier only
		return "stop the members, then " + resume
	case t.tier != partition.Live && len(shards) == 1:
		return fmt.Sprintf("sluice shard resume %s %d --at start --tier %s", t.stream, shards[0], t.tier)
	}
	return resume
}

const (
	// memberTime bounds the wait for one member's answer, membersAtOnce how many
	// are asked at a time.
	memberTime    = 2 * time.Second
	membersAtOnce = 16
)

// askMembers asks the members which of their shards have stopped, and what
// their events wait for. Of the stopped, what Kafka tells is a forecast, for a
// member may hold events that the log has not any more; the owner's word goes
// before it.
func (r *groupReport) askMembers(ctx context.Context) {
	var mu sync.Mutex
	told := map[string]map[string]partition.Stop{} // by address; guarded by mu
	stands := map[string]pipeline.Standstills{}    // by address; guarded by mu
	var silent []error                             // guarded by mu
	waiting := map[string]pipeline.Waiting{}       // by workspace; guarded by mu
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
			err := callOwner(ctx, http.MethodGet, stoppedURL(m.Actions), &stops)
			var waits map[string]pipeline.Waiting
			var stand pipeline.Standstills
			if err == nil { // one of an earlier version cannot say it, and has said the rest
				_ = callOwner(ctx, http.MethodGet, &url.URL{Scheme: "http", Host: m.Actions, Path: "/waiting"}, &waits)
				_ = callOwner(ctx, http.MethodGet, &url.URL{Scheme: "http", Host: m.Actions, Path: "/shards/waiting"}, &stand)
			}
			mu.Lock()
			defer mu.Unlock()
			for workspace, w := range waits {
				if known, ok := waiting[workspace]; !ok || w.Since.Before(known.Since) {
					waiting[workspace] = w
				}
			}
			if err != nil {
				silent = append(silent, err)
			} else {
				told[m.Actions], stands[m.Actions] = stops, stand
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
			s.told(stops)
			s.stands(stands[s.Owner.Actions])
		}
	}
	r.notesOfWaiting(waiting)
	if len(silent) > 0 {
		r.note("%s could not be asked which shards have stopped, so that is what Kafka alone tells: %v",
			count(len(silent), "member", "members"), silent[0])
	}
}

// notesOfWaiting say for which topic the events of a workspace that was asked
// about wait, and what to do.
func (r *groupReport) notesOfWaiting(waiting map[string]pipeline.Waiting) {
	for _, workspace := range slices.Sorted(maps.Keys(waiting)) {
		if !slices.ContainsFunc(r.Shards, func(s shardLag) bool { return s.Workspace == workspace }) {
			continue
		}
		r.note("workspace %s: %s", workspace, strings.ReplaceAll(waiting[workspace].String(), "\n", "\n  "))
	}
}
