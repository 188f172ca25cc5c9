package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/partition"
)

// stale is how old a rate may be that is still believed.
const stale = 15 * time.Second

// Jobs returns all jobs and how far each is, in order of creation.
func (d *Desk) Jobs(ctx context.Context) ([]Status, error) {
	if err := d.deps.Store.Refresh(ctx); err != nil {
		return nil, err
	}
	jobs, err := jobsIn(d.deps.Store)
	if err != nil {
		return nil, err
	}
	return d.statuses(ctx, jobs, jobs)
}

// Status returns one job and how far it is, or ErrUnknown.
func (d *Desk) Status(ctx context.Context, id string) (Status, error) {
	if err := d.deps.Store.Refresh(ctx); err != nil {
		return Status{}, err
	}
	job, err := jobIn(d.deps.Store, id)
	if err != nil {
		return Status{}, err
	}
	all, err := jobsIn(d.deps.Store)
	if err != nil {
		return Status{}, err
	}
	found, err := d.statuses(ctx, []stored{job}, all)
	if err != nil {
		return Status{}, err
	}
	return found[0], nil
}

// statuses looks at the replay tiers of those jobs of which copies may be on
// them, and at nothing of Kafka when there is none.
func (d *Desk) statuses(ctx context.Context, jobs, all []stored) ([]Status, error) {
	found := make([]Status, 0, len(jobs))
	tiers := tiers{desk: d, lags: map[string][]partition.ShardLag{}}
	for _, job := range jobs {
		s, err := d.status(ctx, job.Job, all, &tiers)
		if err != nil {
			tiers.close()
			return nil, err
		}
		found = append(found, s)
	}
	tiers.close()
	return found, nil
}

// tiers asks for each replay topic once.
type tiers struct {
	desk    *Desk
	cluster Cluster
	end     func()
	lags    map[string][]partition.ShardLag
}

func (t *tiers) close() {
	if t.end != nil {
		t.end()
	}
}

func (t *tiers) of(ctx context.Context, topic string) ([]partition.ShardLag, error) {
	if lags, known := t.lags[topic]; known {
		return lags, nil
	}
	if t.cluster == nil {
		var err error
		if t.cluster, t.end, err = t.desk.deps.connect(); err != nil {
			return nil, err
		}
	}
	lags, err := t.cluster.Lag(ctx, t.desk.deps.Group, topic)
	if err != nil {
		return nil, err
	}
	t.lags[topic] = lags
	return lags, nil
}

func (d *Desk) status(ctx context.Context, job Job, all []stored, t *tiers) (Status, error) {
	s := Status{Job: job}
	whole := true
	upTo, err := d.upTo(ctx, job, t)
	if err != nil {
		return Status{}, err
	}
	for _, r := range job.Ranges {
		p, err := progressIn(d.deps.Store, job.ID, r)
		if err != nil {
			return Status{}, err
		}
		one := ShardStatus{Range: r, Next: p.Next, Copied: p.Copied, Settled: p.Copied, Skipped: p.Skipped, Done: p.Done, Waiting: p.Waiting}
		if job.State != Done {
			one.Settled -= min(p.Copied, p.open(upTo))
		}
		if d.deps.now().Sub(p.At) < stale && job.State == Running && !p.Done {
			s.Rate += p.Rate
		}
		whole = whole && p.Done
		s.add(one)
	}
	if job.State == Running {
		s.wait(d.deps.Store, all, whole)
		s.pace(d.deps.now(), whole)
	}
	if s.Rate > 0 && s.Left > 0 {
		s.ETA = time.Duration(float64(s.Left) / s.Rate * float64(time.Second))
	}
	return s, nil
}

// pace corrects the rate of copying, which runs ahead at the start and has ended
// before the last copies are delivered, by what was delivered since the start. Of
// a job that was paused that tells nothing.
func (s *Status) pace(now time.Time, whole bool) {
	if !whole && s.Copied-s.Settled <= s.Settled {
		return
	}
	s.Rate = 0
	if took := now.Sub(s.Created); took > 0 && s.Changed.Equal(s.Created) {
		s.Rate = float64(s.Settled) / took.Seconds()
	}
}

// upTo is up to where the tier that takes a job's copies counts as settled.
func (d *Desk) upTo(ctx context.Context, job Job, t *tiers) (map[int32]int64, error) {
	if job.State == Done || job.State == Cancelled {
		return job.Stood, nil
	}
	return d.stands(ctx, job, t)
}

// stands is up to where the tier that takes a job's copies is settled now, by
// partition.
func (d *Desk) stands(ctx context.Context, job Job, t *tiers) (map[int32]int64, error) {
	stream, known := d.deps.stream(cmp.Or(job.Target, job.Selection.Stream))
	if !known {
		return map[int32]int64{}, nil
	}
	lags, err := t.of(ctx, stream.ReplayTopic)
	return settledIn(lags), err
}

// settledIn is up to where each partition of a topic is settled.
func settledIn(lags []partition.ShardLag) map[int32]int64 {
	next := map[int32]int64{}
	for _, l := range lags {
		next[l.Partition] = l.Next()
	}
	return next
}

// open is how many offsets of the tier the last copies stand above what is
// settled: of the copies, that many may not be settled yet.
func (p progress) open(settled map[int32]int64) int64 {
	n := int64(0)
	for number, last := range p.Last {
		n += max(0, last-settled[number])
	}
	return n
}

// add takes a shard into the sums.
func (s *Status) add(one ShardStatus) {
	s.Copied += one.Copied
	s.Settled += one.Settled
	s.Skipped.Deleted += one.Skipped.Deleted
	s.Skipped.Suppressed += one.Skipped.Suppressed
	s.Skipped.Merged += one.Skipped.Merged
	s.Skipped.Overtaken += one.Skipped.Overtaken
	s.Skipped.Faulty += one.Skipped.Faulty
	s.Skipped.TooLarge += one.Skipped.TooLarge
	if !s.State.Final() {
		s.Left += one.Copied - one.Settled
		if !one.Done {
			s.Left += max(0, one.Selected-one.Copied)
		}
	}
	s.Shards = append(s.Shards, one)
}

// wait says who copies, or why nobody does.
func (s *Status) wait(store Store, all []stored, whole bool) {
	t, _ := tenant(store, s.ID)
	s.Holder = t.Holder
	switch earlier, err := s.behind(store, all); {
	case err == nil && earlier != "" && !whole:
		s.Waiting = "replay " + earlier + " comes first on some shards"
	case s.Holder == "":
		s.Waiting = "no member has taken it up yet: one with sluice run must be up"
	case whole:
		s.Waiting = "all is copied; the last copies are being delivered"
	default:
		for _, shard := range s.Shards {
			if shard.Waiting != "" {
				s.Waiting = fmt.Sprintf("shard %d: %s", shard.Partition, shard.Waiting)
				return
			}
		}
	}
}

// behind is the earliest job that comes first on a shard that is left.
func (s *Status) behind(store Store, all []stored) (string, error) {
	var faults []error
	for _, other := range all {
		if other.ID >= s.ID {
			break
		}
		if other.State != Running || other.Selection.Stream != s.Selection.Stream {
			continue
		}
		for _, r := range other.Ranges {
			p, err := progressIn(store, other.ID, r)
			faults = append(faults, err)
			if err != nil || p.Done {
				continue
			}
			for _, shard := range s.Shards {
				if shard.Partition == r.Partition && !shard.Done {
					return other.ID, errors.Join(faults...)
				}
			}
		}
	}
	return "", errors.Join(faults...)
}
