package replay

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/state"
)

const (
	// lookEvery is how often jobs are looked at when nothing changes, and settle
	// how long after a change they are, so that a run of changes is one look.
	lookEvery = time.Second
	settle    = 100 * time.Millisecond
	// retryAfter is the wait after something went wrong that may pass by itself.
	retryAfter = 5 * time.Second
	// stopWithin bounds the wait for what is under way when the member stops.
	stopWithin = 5 * time.Second
)

// Runner copies what running jobs ask for. Each member has one; of all members
// one at a time copies a job.
type Runner struct {
	deps   Deps
	holder string
	log    *zap.Logger
	now    atomic.Pointer[snapshot] // written by Run, read by anybody
}

// snapshot is what the state says of all jobs at one time.
type snapshot struct {
	states map[string]State
	jobs   []stored                     // that run, in order of creation
	first  map[partition.ShardID]string // whose turn it is on a shard
}

// NewRunner returns a Runner of a member of that name. It starts nothing, and
// knows of cancelled jobs what the Store knows.
func NewRunner(deps Deps, holder string) *Runner {
	r := &Runner{deps: deps, holder: holder, log: deps.Log.Named("replay")}
	r.look()
	return r
}

// Cancelled tells whether a job is cancelled: what stands on a replay tier for
// it is to be dropped. It is cheap, never waits and is safe for concurrent use;
// it learns of a change while Run runs.
func (r *Runner) Cancelled(job string) bool { return r.now.Load().states[job] == Cancelled }

// look takes a snapshot.
func (r *Runner) look() *snapshot {
	jobs, err := jobsIn(r.deps.Store)
	if err != nil {
		r.log.Error("a replay's document cannot be read", zap.Error(err))
	}
	s := &snapshot{states: map[string]State{}, first: map[partition.ShardID]string{}}
	for _, job := range jobs {
		s.states[job.ID] = job.State
		if job.State != Running {
			continue
		}
		s.jobs = append(s.jobs, job)
		for _, shard := range job.Ranges {
			at := partition.ShardID{Stream: job.Selection.Stream, Partition: shard.Partition}
			if _, taken := s.first[at]; taken {
				continue
			}
			if p, err := progressIn(r.deps.Store, job.ID, shard); err == nil && !p.Done {
				s.first[at] = job.ID
			}
		}
	}
	r.now.Store(s)
	return s
}

// turn tells whether a job runs and comes before all others on a shard.
func (r *Runner) turn(job string, at partition.ShardID) bool {
	s := r.now.Load()
	return s.states[job] == Running && s.first[at] == job
}

// Run claims jobs and copies until ctx ends. It returns when what it began has
// ended. The Store must follow its topic meanwhile.
func (r *Runner) Run(ctx context.Context) error {
	cluster, end, err := r.deps.connect()
	if err != nil {
		return err
	}
	defer end()
	var running sync.WaitGroup
	defer running.Wait()
	ended := make(chan outcome)
	claims, busy, notBefore := watch{}, map[string]bool{}, map[string]time.Time{}
	for {
		changed := r.deps.Store.Changed()
		now := r.look()
		for _, job := range now.jobs {
			// A claim is watched from the first look on, whoever may copy.
			version, free := claims.free(r.deps.Store, job.ID, time.Now())
			if !free || busy[job.ID] || time.Now().Before(notBefore[job.ID]) || !r.wanted(now, job) {
				continue
			}
			busy[job.ID] = true
			running.Go(func() {
				err := r.work(ctx, cluster, job.Job, version)
				select {
				case ended <- outcome{job.ID, err}:
				case <-ctx.Done():
				}
			})
		}
		maps.DeleteFunc(claims, func(id string, _ sighting) bool { return now.states[id].Final() })
		select {
		case <-ctx.Done():
			return nil
		case o := <-ended:
			delete(busy, o.job)
			notBefore[o.job] = time.Now().Add(o.wait())
		case <-changed:
			if pause(ctx, settle) != nil {
				return nil
			}
		case <-time.After(lookEvery):
		}
	}
}

// outcome is how the work on a job ended.
type outcome struct {
	job string
	err error
}

// wait is how long it is before the job is tried again.
func (o outcome) wait() time.Duration {
	var refused *RefusedError
	switch {
	case o.err == nil:
		return 0
	case errors.As(o.err, &refused): // by this member's configuration
		return time.Minute
	}
	return retryAfter
}

// wanted tells whether there is something to do for a job now: a shard of which
// it is the job's turn, or nothing but the end to wait for.
func (r *Runner) wanted(now *snapshot, job stored) bool {
	whole := true
	for _, shard := range job.Ranges {
		at := partition.ShardID{Stream: job.Selection.Stream, Partition: shard.Partition}
		if now.first[at] == job.ID {
			return true
		}
		p, err := progressIn(r.deps.Store, job.ID, shard)
		whole = whole && err == nil && p.Done
	}
	return whole
}

// work claims a job that was free at a version, copies it, and gives it back. The error is one that may
// pass by itself.
func (r *Runner) work(ctx context.Context, cluster Cluster, job Job, version int64) error {
	log := r.log.With(zap.String("replay", job.ID))
	v, err := newView(r.deps, job.Selection, job.Target, job.Ranges)
	if err != nil {
		log.Warn("this member cannot copy the replay", zap.Error(err))
		return err
	}
	c, err := take(ctx, r.deps.Store, job.ID, r.holder, version)
	if errors.Is(err, errLost) {
		return nil // somebody else was first
	}
	if err != nil {
		return err
	}
	log.Info("copies begin")
	// What is under way when the member stops is finished, for a while.
	held, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	defer lose(nil)
	stopping := context.AfterFunc(ctx, func() {
		if pause(held, stopWithin) == nil {
			lose(ctx.Err())
		}
	})
	defer stopping()
	keeping, stop := context.WithCancel(held)
	var keeper sync.WaitGroup
	keeper.Go(func() { c.keep(keeping, lose) })
	t := task{runner: r, cluster: cluster, job: job, view: v, claim: c, log: log, stopped: func() bool { return ctx.Err() != nil }}
	err = t.run(held)
	stop()
	keeper.Wait()
	switch {
	case err == nil || errors.Is(err, errYield):
		log.Info("copies end")
		if err := c.giveBack(ctx); err != nil {
			log.Info("the claim was not given back; others wait until it is dead", zap.Error(err))
		}
		return nil
	case held.Err() == nil:
		log.Warn("copies stop; they are tried again", zap.Error(err))
	default:
		log.Warn("copies stop", zap.Error(err))
	}
	return err
}

// finish ends a job. A change of its state by somebody else goes first.
func (r *Runner) finish(ctx context.Context, id string, to State, reason string) error {
	s, action := r.deps.Store, "replay done"
	if to == Failed {
		action = "replay failed"
	}
	job, err := jobIn(s, id)
	if err != nil || job.State != Running {
		return errors.Join(err, errYield)
	}
	now := r.deps.now().UTC()
	job.State, job.Reason, job.Changed, job.Ended = to, reason, now, now
	if _, err := s.Swap(ctx, jobKey(id), job.version, job.Job); err != nil {
		if errors.Is(err, state.ErrChanged) {
			return errYield
		}
		return err
	}
	entry := state.Entry{At: now, By: r.holder, Action: action, What: id, Detail: map[string]string{"stream": job.Selection.Stream}}
	if reason != "" {
		entry.Detail["reason"] = reason
	}
	return s.Audit(ctx, entry)
}
