package replay

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"sluice/partition"
)

const (
	// floor is the share of the budget that a replay has when live takes it all.
	floor = 0.05
	// lately is how far back the rate of live traffic is measured.
	lately = 5 * time.Minute
)

// Share is one workspace's part of a plan.
type Share struct {
	Workspace   string        `json:"workspace"`
	Events      int64         `json:"events"`
	Requests    int64         `json:"requests"`     // full batches, and one for each that travels alone
	Rate        float64       `json:"rate"`         // events a second that the budget allows; 0: unlimited
	LiveRate    float64       `json:"live_rate"`    // events a second that came in lately
	BudgetShare float64       `json:"budget_share"` // of the budget that is free for the replay
	Finish      time.Duration `json:"finish"`       // how long it is expected to take; 0: no limit is known
}

// judge says what the plan costs and what to be careful about.
func (p *planner) judge(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(p.tallies)) {
		w, _ := p.desk.deps.workspace(name)
		live, err := p.desk.liveRate(ctx, p.cluster, name)
		if err != nil {
			return err
		}
		p.plan.Workspaces = append(p.plan.Workspaces, share(w, *p.tallies[name], live))
	}
	return p.caution(ctx)
}

// share is what a workspace's part takes of its budget, and how long.
func share(w Workspace, t tally, live float64) Share {
	batch := int64(max(1, w.Batch))
	s := Share{
		Workspace: w.Name, Events: t.together + t.alone, Requests: (t.together+batch-1)/batch + t.alone,
		LiveRate: live, BudgetShare: 1,
	}
	rate := w.capacity()
	if math.IsInf(rate, 1) {
		return s
	}
	s.Rate = rate
	s.BudgetShare = max(floor, (rate-live)/rate)
	seconds := float64(s.Events) / (rate * s.BudgetShare)
	if w.Rate > 0 {
		seconds = max(seconds, float64(s.Requests)/(w.Rate*s.BudgetShare))
	}
	s.Finish = time.Duration(min(seconds*float64(time.Second), math.MaxInt64/2))
	return s
}

// liveRate is how many events a second came in lately for a workspace, over all
// streams.
func (d *Desk) liveRate(ctx context.Context, c Cluster, workspace string) (float64, error) {
	came := int64(0)
	for _, s := range d.deps.Streams {
		if !slices.ContainsFunc(s.Routes, func(r partition.Route) bool { return r.Workspace == workspace }) {
			continue
		}
		infos, err := c.Topics(ctx, s.Topic)
		if err != nil {
			return 0, err
		}
		if !infos[s.Topic].Exists {
			continue
		}
		from, err := c.OffsetsAt(ctx, s.Topic, d.deps.now().Add(-lately))
		if err != nil {
			return 0, err
		}
		bounds, err := c.Bounds(ctx, s.Topic)
		if err != nil {
			return 0, err
		}
		for number, end := range bounds.End {
			if s.workspace(number) == workspace {
				came += max(0, end-from[number])
			}
		}
	}
	return float64(came) / lately.Seconds(), nil
}

// caution adds what whoever starts the replay should know.
func (p *planner) caution(ctx context.Context) error {
	say := func(format string, args ...any) {
		p.plan.Cautions = append(p.plan.Cautions, fmt.Sprintf(format, args...))
	}
	s := p.plan.Selection
	if len(p.window.gone) > 0 {
		say("Retention may have deleted the window's start in %d shards: only the rest is replayed.", len(p.window.gone))
	}
	if n := p.plan.Unsettled; n > 0 {
		say("The last %d offsets of the window are not settled yet: they are delivered anyway and are left out.", n)
	}
	if n := p.plan.Skipped.Overtaken; n > 0 {
		say("%d deletes, suppressions or merges are left out: their users came back since, and would lose what they have now. Where they never arrived, older data of those users may be there still.", n)
	}
	if n := p.plan.Skipped.Faulty; n > 0 {
		say("%d records are left out because no destination could take them: they went to the dead letters.", n)
	}
	if p.plan.MayDouble > 0 {
		say("%d calls carry no id by which the destination could drop them: what they did before they do again.", p.plan.MayDouble)
	}
	if len(s.Events) > 0 || len(s.Fields) > 0 {
		say("Only some of a user's events are chosen: they are replayed without those that stood between them.")
	}
	if p.plan.Target != "" {
		say("The copies go through the replay tier of stream %s to workspace %s, and count against its budget.", p.plan.Target, s.Target)
	}
	return p.cautionTime(ctx, say)
}

// cautionTime warns when a log may not last as long as the replay takes.
func (p *planner) cautionTime(ctx context.Context, say func(format string, args ...any)) error {
	finish := time.Duration(0)
	for _, w := range p.plan.Workspaces {
		finish = max(finish, w.Finish)
		if w.BudgetShare <= floor {
			say("Live traffic takes all of %s's budget: the replay has %.0f %% of it, and nothing while live lags.", w.Workspace, floor*100)
		}
	}
	live, replay := p.view.stream.Topic, p.view.target.ReplayTopic
	infos, err := p.cluster.Topics(ctx, live, replay)
	if err != nil {
		return err
	}
	if !infos[replay].Exists {
		return refuse("create it with sluice topics apply", "the topic %s does not exist", replay)
	}
	if keeps := retention(infos[replay]); keeps > 0 && finish > keeps {
		say("It takes about %s, longer than %s keeps a copy (%s): choose a smaller window.", finish.Round(time.Second), replay, keeps)
	}
	if keeps := retention(infos[live]); keeps > 0 && !p.plan.Since.IsZero() && p.plan.Selected > 0 {
		if left := keeps - p.desk.deps.now().Sub(p.plan.Since); left < finish {
			say("It takes about %s, and %s deletes the window's oldest events in %s: raise its retention first, or they may be gone before their turn.", finish.Round(time.Second), live, max(0, left).Round(time.Second))
		}
	}
	return nil
}

// retention is how long a topic keeps a record, 0 when it keeps it for ever or
// does not say.
func retention(t partition.TopicInfo) time.Duration {
	ms, err := strconv.ParseInt(t.Settings["retention.ms"], 10, 64)
	if err != nil || ms < 0 {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}
