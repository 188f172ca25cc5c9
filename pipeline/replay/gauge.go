package replay

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"sluice/partition"
)

const (
	// leastAhead and mostAhead bound the copies of a shard that wait on the replay
	// tier; between them it is what the budget delivers in ahead.
	leastAhead = 200
	mostAhead  = 20_000
	ahead      = 10 * time.Second
	// behind is how far live may lag, at the budget, before nothing is copied.
	behind = 30 * time.Second
	// unlimited stands for the rate of a workspace without a limit.
	unlimited = 2000
	// lookRound is how often the shards are read in which only calls that name
	// somebody of another shard can stand.
	lookRound = 10 * time.Second
)

// capacity is how many events a second a budget allows at most; +Inf: any.
func (w Workspace) capacity() float64 {
	most := math.Inf(1)
	if w.EventRate > 0 {
		most = w.EventRate
	}
	if w.Rate > 0 {
		most = min(most, w.Rate*float64(max(1, w.Batch)))
	}
	return most
}

// within is how many events the budget allows in d.
func (w Workspace) within(d time.Duration) int64 {
	rate := w.capacity()
	if math.IsInf(rate, 1) {
		rate = unlimited
	}
	return int64(rate * d.Seconds())
}

// gauge follows the live topic and the replay tier while a job is copied. It is
// safe for concurrent use.
type gauge struct {
	cluster Cluster
	group   string
	view    *view

	turn   chan struct{} // holds one token unless somebody reads: who follows, follows for all
	at     time.Time     // when what is below was asked for; all of it belongs to whoever took the token
	topics map[string]map[int32]partition.ShardLag
	known  map[int32]int64 // by shard, where the survey has come to
	round  time.Time       // when the other shards were read last
}

// look asks where the topics end and what is committed, unless that is known
// from after so long.
func (g *gauge) look(ctx context.Context, after time.Time) error {
	if g.at.After(after) {
		return nil
	}
	at := time.Now()
	names := []string{g.view.stream.Topic, g.view.target.ReplayTopic}
	if g.view.elsewhere {
		names = append(names, g.view.target.Topic)
	}
	lags, err := g.cluster.Lag(ctx, g.group, names...)
	if err != nil {
		return err
	}
	topics := map[string]map[int32]partition.ShardLag{}
	for _, l := range lags {
		if topics[l.Topic] == nil {
			topics[l.Topic] = map[int32]partition.ShardLag{}
		}
		topics[l.Topic][l.Partition] = l
	}
	for _, name := range names {
		if len(topics[name]) == 0 {
			return fmt.Errorf("topic %s does not exist; create it with sluice topics apply", name)
		}
	}
	g.at, g.topics = at, topics
	return nil
}

// reading is what a shard's copier must know before it goes on.
type reading struct {
	room    int64  // copies that may be made
	waiting string // why there is none
	start   int64  // of the shard's live log
}

// read follows the live topic to its end, as of after at the earliest, and says
// how much of a shard may be copied now.
func (g *gauge) read(ctx context.Context, number int32, after time.Time) (reading, error) {
	select {
	case <-g.turn:
		defer func() { g.turn <- struct{}{} }()
	case <-ctx.Done():
		return reading{}, context.Cause(ctx)
	}
	if err := g.look(ctx, after); err != nil {
		return reading{}, err
	}
	if err := g.follow(ctx, number); err != nil {
		return reading{}, err
	}
	return g.room(number), nil
}

// settled is up to where the replay tier is settled, by partition, as of after at
// the earliest.
func (g *gauge) settled(ctx context.Context, after time.Time) (map[int32]int64, error) {
	select {
	case <-g.turn:
		defer func() { g.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := g.look(ctx, after); err != nil {
		return nil, err
	}
	return settledIn(slices.Collect(maps.Values(g.topics[g.view.target.ReplayTopic]))), nil
}

// follow notes what came on the live topic since.
func (g *gauge) follow(ctx context.Context, number int32) error {
	numbers := []int32{number}
	whole := time.Since(g.round) >= lookRound
	if whole {
		numbers = slices.Sorted(maps.Keys(g.known))
	}
	for _, p := range numbers {
		from, followed := g.known[p]
		end := g.topics[g.view.stream.Topic][p].End
		if !followed || from >= end {
			continue
		}
		if err := g.view.survey(ctx, g.cluster, []stretch{{p, from, end}}); err != nil {
			return err
		}
		g.known[p] = end
	}
	if whole {
		g.round = time.Now()
	}
	return nil
}

// room says how much of a shard may be copied.
func (g *gauge) room(number int32) reading {
	w := g.view.workspaces[number]
	r := reading{start: g.topics[g.view.stream.Topic][number].Start}
	live, waits := g.topics[g.view.target.Topic][number].Lag(), g.topics[g.view.target.ReplayTopic][number].Lag()
	if g.view.elsewhere { // the keys decide where the copies go: the fullest counts
		live, waits = most(g.topics[g.view.target.Topic]), most(g.topics[g.view.target.ReplayTopic])
	}
	limit := min(max(leastAhead, w.within(ahead)), mostAhead)
	switch {
	case live > w.within(behind):
		r.waiting = fmt.Sprintf("live traffic goes first: %d events wait, more than %s of the budget", live, behind)
	case waits >= limit:
		r.waiting = fmt.Sprintf("%d copies wait on the replay tier already", waits)
	default:
		r.room = limit - waits
	}
	return r
}

func most(lags map[int32]partition.ShardLag) int64 {
	n := int64(0)
	for _, l := range lags {
		n = max(n, l.Lag())
	}
	return n
}

// ends is where the partitions of the replay topic end now.
func (g *gauge) ends(ctx context.Context, number int32) (map[int32]int64, error) {
	bounds, err := g.cluster.Bounds(ctx, g.view.target.ReplayTopic)
	if err != nil {
		return nil, err
	}
	if g.view.elsewhere {
		return bounds.End, nil
	}
	return map[int32]int64{number: bounds.End[number]}, nil
}
