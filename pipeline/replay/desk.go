package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/state"
)

// ErrUnknown says that there is no job of that id.
var ErrUnknown = errors.New("no such replay")

// Desk plans replays and keeps their jobs. It copies nothing: a Runner does. It
// is safe for concurrent use.
type Desk struct{ deps Deps }

// NewDesk returns a Desk; nothing is asked before the first call.
func NewDesk(deps Deps) *Desk { return &Desk{deps} }

// Start makes a job of a plan, which running members take up at once, and leaves
// a line in the audit trail. By is who wants it.
func (d *Desk) Start(ctx context.Context, p Plan, by string) (Job, error) {
	if p.Selected == 0 {
		return Job{}, refuse("choose another window or selection", "the plan selects nothing")
	}
	stream, known := d.deps.stream(p.Selection.Stream)
	if !known {
		return Job{}, refuse("name one of the configuration's streams", "there is no stream %q", p.Selection.Stream)
	}
	if target, err := d.deps.targetOf(stream, p.Selection); err != nil || target != p.Target {
		return Job{}, errors.Join(err, refuse("plan it again", "the configuration is not what the plan was made with"))
	}
	if err := d.deps.Store.Refresh(ctx); err != nil {
		return Job{}, err
	}
	now := d.deps.now().UTC()
	job := Job{
		Selection: p.Selection, Target: p.Target, Since: p.Since, Selected: p.Selected,
		State: Running, By: by, Created: now, Changed: now,
	}
	for _, r := range p.Ranges {
		if r.From < r.To {
			job.Ranges = append(job.Ranges, r)
		}
	}
	for {
		var err error
		if job.ID, err = d.nextID(); err != nil {
			return Job{}, err
		}
		_, err = d.deps.Store.Swap(ctx, jobKey(job.ID), 0, job)
		if err == nil {
			break
		}
		if !errors.Is(err, state.ErrChanged) {
			return Job{}, fmt.Errorf("keep the replay: %w", err)
		}
	}
	return job, d.audit(ctx, "replay start", by, job)
}

// nextID is an id above that of every job, whoever's clock made those.
func (d *Desk) nextID() (string, error) {
	jobs, err := jobsIn(d.deps.Store)
	if err != nil && len(jobs) == 0 {
		return "", err
	}
	at := ulid.Timestamp(d.deps.now())
	if n := len(jobs); n > 0 {
		if last, err := ulid.ParseStrict(jobs[n-1].ID); err == nil {
			at = max(at, last.Time()+1)
		}
	}
	id, err := ulid.New(at, ulid.DefaultEntropy())
	if err != nil {
		return "", fmt.Errorf("name the replay: %w", err)
	}
	return id.String(), nil
}

// Pause stops the copying of a job until Resume. What is on the replay tier is
// still delivered. It does nothing for a job that is paused.
func (d *Desk) Pause(ctx context.Context, id, by string) (Job, error) {
	return d.change(ctx, change{id, by, "replay pause", Paused, []State{Running}})
}

// Resume goes on with a job that is paused. It does nothing for one that runs.
func (d *Desk) Resume(ctx context.Context, id, by string) (Job, error) {
	return d.change(ctx, change{id, by, "replay resume", Running, []State{Paused}})
}

// Cancel ends a job. What is on the replay tier is dropped; what was delivered
// stays. It does nothing for a job that is cancelled.
func (d *Desk) Cancel(ctx context.Context, id, by string) (Job, error) {
	return d.change(ctx, change{id, by, "replay cancel", Cancelled, []State{Running, Paused}})
}

// change is one act of a person.
type change struct {
	id, by, action string
	to             State
	from           []State
}

func (d *Desk) change(ctx context.Context, c change) (Job, error) {
	for {
		if err := d.deps.Store.Refresh(ctx); err != nil {
			return Job{}, err
		}
		job, err := jobIn(d.deps.Store, c.id)
		if err != nil {
			return Job{}, err
		}
		if job.State == c.to {
			return job.Job, nil
		}
		if !slices.Contains(c.from, job.State) {
			return job.Job, refuse("look at it with sluice replay status "+job.ID, "replay %s is %s: %s is not possible", job.ID, job.State, strings.TrimPrefix(c.action, "replay "))
		}
		now := d.deps.now().UTC()
		job.State, job.Changed = c.to, now
		if c.to == Cancelled {
			job.Stood, job.Ended = d.standsNow(ctx, job.Job), now
		}
		_, err = d.deps.Store.Swap(ctx, jobKey(c.id), job.version, job.Job)
		if errors.Is(err, state.ErrChanged) {
			continue
		}
		if err != nil {
			return Job{}, fmt.Errorf("keep the replay: %w", err)
		}
		return job.Job, d.audit(ctx, c.action, c.by, job.Job)
	}
}

// standsNow is stands for a job that is being cancelled. To cancel matters more
// than to know how much was delivered by then.
func (d *Desk) standsNow(ctx context.Context, job Job) map[int32]int64 {
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	t := tiers{desk: d, lags: map[string][]partition.ShardLag{}}
	defer t.close()
	stood, err := d.stands(bounded, job, &t)
	if err != nil {
		d.deps.Log.Warn("a replay is cancelled, and it is not known how much of it was delivered", zap.String("replay", job.ID), zap.Error(err))
	}
	return stood
}

func (d *Desk) audit(ctx context.Context, action, by string, job Job) error {
	err := d.deps.Store.Audit(ctx, state.Entry{
		At: d.deps.now().UTC(), By: by, Action: action, What: job.ID,
		Detail: map[string]string{"stream": job.Selection.Stream, "selected": fmt.Sprint(job.Selected)},
	})
	if err != nil {
		return fmt.Errorf("%s is done, but not in the audit trail: %w", action, err)
	}
	return nil
}
