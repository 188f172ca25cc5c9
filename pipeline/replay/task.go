package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
)

const (
	// shardsAtOnce is how many shards of one workspace are copied side by side: one
	// pacer serves them all, so one would do where it is not split.
	shardsAtOnce = 4
	// watchTier is how often it is asked whether all copies are settled.
	watchTier = time.Second
)

// task is one job that this member has claimed.
type task struct {
	runner  *Runner
	cluster Cluster
	job     Job
	view    *view
	claim   *claim
	log     *zap.Logger
	stopped func() bool // the member stops
	gauge   *gauge
	order   *order
}

// run copies the job until it is done or may not go on. It is nil when the job
// has ended, errYield when it was stopped with nothing under way.
func (t *task) run(ctx context.Context) error {
	var refused *RefusedError
	err := t.copyAll(ctx)
	switch {
	case errors.Is(err, errGone), errors.As(err, &refused):
		t.log.Error("the replay has failed", zap.Error(err))
		return t.runner.finish(ctx, t.job.ID, Failed, err.Error())
	case err != nil:
		return err
	}
	if err := t.settled(ctx); err != nil {
		return err
	}
	return t.runner.finish(ctx, t.job.ID, Done, "")
}

// copyAll copies all shards, some at a time of each workspace: one that is down
// keeps no other waiting.
func (t *task) copyAll(ctx context.Context) error {
	left, err := t.left()
	if err != nil || len(left) == 0 {
		return err
	}
	if t.gauge, err = t.survey(ctx); err != nil {
		return err
	}
	slots := map[string]chan struct{}{}
	for _, shard := range left {
		if slots[shard.Workspace] == nil {
			slots[shard.Workspace] = make(chan struct{}, shardsAtOnce)
		}
	}
	all, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers sync.WaitGroup
	var mu sync.Mutex
	var faults []error
	for _, shard := range left {
		workers.Go(func() {
			err := t.shard(all, shard, &slot{free: slots[shard.Workspace]})
			if err == nil {
				return
			}
			mu.Lock()
			faults = append(faults, err)
			mu.Unlock()
			if !errors.Is(err, errYield) {
				stop(err)
			}
		})
	}
	workers.Wait()
	return worst(faults)
}

// worst is errYield when nothing else happened, else what else did.
func worst(faults []error) error {
	var all []error
	for _, err := range faults {
		if !errors.Is(err, errYield) {
			all = append(all, err)
		}
	}
	if len(all) == 0 && len(faults) > 0 {
		return errYield
	}
	return errors.Join(all...)
}

// left are the shards that are not copied to their end.
func (t *task) left() ([]Range, error) {
	var left []Range
	for _, shard := range t.job.Ranges {
		p, err := progressIn(t.runner.deps.Store, t.job.ID, shard)
		if err != nil {
			return nil, err
		}
		if !p.Done {
			left = append(left, shard)
		}
	}
	return left, nil
}

// survey reads who was destroyed since, before anything is copied. What was
// copied before is read too: others may stand behind a call in it.
func (t *task) survey(ctx context.Context) (*gauge, error) {
	bounds, err := t.cluster.Bounds(ctx, t.view.stream.Topic)
	if err != nil {
		return nil, err
	}
	starts, had := map[int32]int64{}, map[int32]progress{}
	for _, shard := range t.job.Ranges {
		p, err := progressIn(t.runner.deps.Store, t.job.ID, shard)
		if err != nil {
			return nil, err
		}
		number, start := shard.Partition, bounds.Start[shard.Partition]
		if start > p.Next && p.Next < shard.To && !p.Done {
			return nil, fmt.Errorf("%w: retention has deleted the offsets %d to %d of %s/%d before they were copied", errGone, p.Next, start-1, t.view.stream.Topic, number)
		}
		starts[number], had[number] = max(shard.From, start), p
	}
	firsts, err := t.view.firsts(ctx, t.cluster, t.job.Since, bounds)
	if err != nil {
		return nil, err
	}
	if err := t.view.survey(ctx, t.cluster, t.view.parts(starts, firsts, bounds.End)); err != nil {
		return nil, err
	}
	t.order = newOrder(t.view.crossings, t.job.Ranges, had)
	g := &gauge{
		cluster: t.cluster, group: t.runner.deps.Group, view: t.view,
		turn: make(chan struct{}, 1), known: map[int32]int64{}, round: time.Now(),
	}
	g.turn <- struct{}{}
	for number, w := range t.view.workspaces {
		if w.Kind == KindCustomerio {
			g.known[number] = bounds.End[number]
		}
	}
	return g, nil
}

// shard copies one shard once it is its turn, over everything that passes.
func (t *task) shard(ctx context.Context, shard Range, s *slot) error {
	defer s.leave()
	at := partition.ShardID{Stream: t.job.Selection.Stream, Partition: shard.Partition}
	for {
		if t.stopped() || t.runner.now.Load().states[t.job.ID] != Running {
			return errYield
		}
		if !t.runner.turn(t.job.ID, at) {
			if err := pause(ctx, lookAgain); err != nil {
				return err
			}
			continue
		}
		if err := s.enter(ctx); err != nil {
			return err
		}
		c := copier{
			cluster: t.cluster, store: t.runner.deps.Store, view: t.view, gauge: t.gauge, claim: t.claim, job: t.job.ID,
			order: t.order, slot: s,
			may:   func() bool { return !t.stopped() && t.runner.turn(t.job.ID, at) },
			shard: shard, key: shardKey(t.job.ID, shard.Partition),
		}
		err := c.run(ctx)
		s.leave()
		var refused *RefusedError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errYield):
			continue // it says itself whether to wait or to end
		case errors.Is(err, errGone), errors.Is(err, errLost), errors.As(err, &refused):
			return err
		}
		t.log.Warn("copies of a shard stop; they are tried again", zap.Stringer("shard", at), zap.Error(err))
		if err := pause(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// settled waits until the group has settled the last copy of every shard.
func (t *task) settled(ctx context.Context) error {
	last, err := lastCopies(t.runner.deps.Store, t.job)
	if err != nil {
		return err
	}
	for {
		if t.stopped() || t.runner.now.Load().states[t.job.ID] != Running {
			return errYield
		}
		lags, err := t.cluster.Lag(ctx, t.runner.deps.Group, t.view.target.ReplayTopic)
		if err != nil {
			return err
		}
		if open(last, lags) == 0 {
			return nil
		}
		if err := pause(ctx, watchTier); err != nil {
			return err
		}
	}
}

// lastCopies is, by partition of the replay topic, the offset after a job's last
// copy.
func lastCopies(s Store, job Job) (map[int32]int64, error) {
	last := map[int32]int64{}
	for _, shard := range job.Ranges {
		p, err := progressIn(s, job.ID, shard)
		if err != nil {
			return nil, err
		}
		for number, offset := range p.Last {
			last[number] = max(last[number], offset)
		}
	}
	return last, nil
}

// open is in how many partitions of the replay tier copies are not settled.
func open(last map[int32]int64, lags []partition.ShardLag) int {
	n := len(last)
	for _, l := range lags {
		if offset, copied := last[l.Partition]; copied && l.Next() >= offset {
			n--
		}
	}
	return n
}
