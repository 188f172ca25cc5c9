package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/event"
)

// heldReport is the result of group describe --held.
type heldReport struct {
	Group  string     `json:"group"`
	Events int        `json:"events"`
	Users  []heldUser `json:"users"` // those longest held first
}

// heldUser is one user whose events are held, in one shard.
type heldUser struct {
	User      string     `json:"user"` // the record key; empty: an event without a user
	Stream    string     `json:"stream"`
	Partition int32      `json:"partition"`
	Workspace string     `json:"workspace"`
	Events    int        `json:"events"`
	Since     *time.Time `json:"since"`  // when the first of them failed first; null: it only follows others
	Oldest    time.Time  `json:"oldest"` // when the first of them happened
	Tries     int        `json:"tries"`  // of the first of them that failed, as far as commits tell
	First     string     `json:"first"`  // where the first of them stood
}

// describeHeld tells who is held.
func (sh *shell) describeHeld(ctx context.Context, q groupQuery) error {
	q, cfg, err := sh.complete(q)
	if err != nil {
		return err
	}
	report := heldReport{Group: q.group, Users: []heldUser{}}
	err = q.eachBehind(ctx, cfg, partition.Held, func(ctx context.Context, l partition.ShardLag) error {
		users, err := whoIsHeld(ctx, cfg, l)
		if err != nil {
			return fmt.Errorf("read who is held: %w", err)
		}
		report.Users = append(report.Users, users...)
		return nil
	})
	if err != nil {
		return err
	}
	report.finish()
	return sh.answer(report, func(w io.Writer) { report.text(w, q.limit) })
}

// eachBehind calls fn for each partition of a tier, of those asked about, that has
// something unsettled.
func (q groupQuery) eachBehind(ctx context.Context, cfg config.Config, t partition.Tier, fn func(context.Context, partition.ShardLag) error) error {
	return ask(ctx, cfg.Kafka, readTime, func(ctx context.Context, a *partition.Admin) error {
		lags, err := a.Lag(ctx, q.group, q.topics(cfg)...)
		if err != nil {
			return err
		}
		for _, l := range q.wanted(cfg, lags)[t] {
			if l.Lag() == 0 {
				continue
			}
			if err := fn(ctx, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// whoIsHeld reads one held partition, and keeps of it who is on it.
func whoIsHeld(ctx context.Context, cfg config.Config, l partition.ShardLag) ([]heldUser, error) {
	stream, _ := streamOn(cfg, l.Topic)
	workspace, _ := stream.Route(l.Partition)
	var users []heldUser
	known := map[string]int{}
	err := readUnsettled(ctx, cfg.Kafka, l, func(e *event.Event) {
		i, seen := known[string(e.Key)]
		if !seen || e.Key == nil {
			i = len(users)
			known[string(e.Key)] = i
			users = append(users, heldUser{
				User: string(e.Key), Stream: stream.Name, Partition: l.Partition, Workspace: workspace,
				Oldest: e.Time, First: e.First().String(),
			})
		}
		users[i].add(e, l)
	})
	return users, err
}

// add takes in one more of the user's events. Only one that failed has tries:
// those behind it were never sent.
func (u *heldUser) add(e *event.Event, l partition.ShardLag) {
	u.Events++
	if u.Since != nil {
		return
	}
	here, since := l.Tried(e.Source.Offset)
	if !e.FirstTry.IsZero() {
		since = e.FirstTry
	}
	if u.Tries = e.Tries + here; !since.IsZero() {
		u.Since = &since
	}
}

func (r *heldReport) finish() {
	for _, u := range r.Users {
		r.Events += u.Events
	}
	slices.SortStableFunc(r.Users, func(a, b heldUser) int {
		return cmp.Or(a.since().Compare(b.since()), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Partition, b.Partition))
	})
}

func (u heldUser) since() time.Time {
	if u.Since == nil {
		return u.Oldest
	}
	return *u.Since
}

func (r heldReport) text(w io.Writer, limit int) {
	if len(r.Users) == 0 {
		_, _ = fmt.Fprintf(w, "no event of group %s is held\n", r.Group)
		return
	}
	_, _ = fmt.Fprintf(w, "%s of %s held: the first of each keeps failing, the others wait behind it, in order\n\n",
		count(r.Events, "event", "events"), count(len(r.Users), "user is", "users are"))
	shown := bounded(r.Users, limit)
	table(w, func(row func(string, ...any)) {
		row("USER\tSHARD\tWORKSPACE\tEVENTS\tFAILING SINCE\tTRIES\tFIRST EVENT OF\tFIRST STOOD AT")
		for _, u := range shown {
			failing := "-"
			if u.Since != nil {
				failing = stamp(*u.Since)
			}
			row("%s\t%s\t%s\t%d\t%s\t%d\t%s\t%s", orDash(visible(clipped(u.User))), partition.ShardID{Stream: u.Stream, Partition: u.Partition},
				orDash(u.Workspace), u.Events, failing, u.Tries, stamp(u.Oldest), visible(u.First))
		}
	})
	more(w, len(r.Users)-len(shown), "more user", "more users")
	_, _ = fmt.Fprintf(w, "\nthey are tried again by themselves; one whose tries are used up is a dead letter, with the answer that it got:\n  sluice dead ls %s\n", r.stream())
}

// stream is the one that everybody is held on, if it is one.
func (r heldReport) stream() string {
	for _, u := range r.Users {
		if u.Stream != r.Users[0].Stream {
			return "STREAM"
		}
	}
	return r.Users[0].Stream
}
