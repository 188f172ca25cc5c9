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
	"sluice/pipeline/rules"
)

// overflowReport is the result of group describe --overflow.
type overflowReport struct {
	Group  string         `json:"group"`
	Events int            `json:"events"`
	Users  []overflowUser `json:"users"` // those with the oldest events first
}

// overflowUser is one user whose events are on overflow, in one shard.
type overflowUser struct {
	User      string    `json:"user"` // the record key; empty: an event without a user
	Stream    string    `json:"stream"`
	Partition int32     `json:"partition"`
	Workspace string    `json:"workspace"`
	Class     string    `json:"class"` // of the first of them, which the others wait behind
	Events    int       `json:"events"`
	Oldest    time.Time `json:"oldest"` // when the first of them happened
	First     string    `json:"first"`  // where the first of them stood
}

// describeOverflow tells who is on overflow.
func (sh *shell) describeOverflow(ctx context.Context, q groupQuery) error {
	q, cfg, err := sh.complete(q)
	if err != nil {
		return err
	}
	report := overflowReport{Group: q.group, Users: []overflowUser{}}
	err = q.eachBehind(ctx, cfg, partition.Overflow, func(ctx context.Context, l partition.ShardLag) error {
		users, err := whoOverflows(ctx, cfg, l)
		if err != nil {
			return fmt.Errorf("read who is on overflow: %w", err)
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

// whoOverflows reads one partition of an overflow, and keeps of it who is on it.
func whoOverflows(ctx context.Context, cfg config.Config, l partition.ShardLag) ([]overflowUser, error) {
	stream, _ := streamOn(cfg, l.Topic)
	workspace, _ := stream.Route(l.Partition)
	var users []overflowUser
	known := map[string]int{}
	err := readUnsettled(ctx, cfg.Kafka, l, func(e *event.Event) {
		i, seen := known[string(e.Key)]
		if !seen || e.Key == nil {
			i = len(users)
			known[string(e.Key)] = i
			users = append(users, overflowUser{
				User: string(e.Key), Stream: stream.Name, Partition: l.Partition, Workspace: workspace,
				Class: cmp.Or(e.MovedClass, rules.DefaultClass), Oldest: e.Time, First: e.First().String(),
			})
		}
		users[i].Events++
	})
	return users, err
}

func (r *overflowReport) finish() {
	for _, u := range r.Users {
		r.Events += u.Events
	}
	slices.SortStableFunc(r.Users, func(a, b overflowUser) int {
		return cmp.Or(a.Oldest.Compare(b.Oldest), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Partition, b.Partition))
	})
}

func (r overflowReport) text(w io.Writer, limit int) {
	if len(r.Users) == 0 {
		_, _ = fmt.Fprintf(w, "no event of group %s is on overflow\n", r.Group)
		return
	}
	_, _ = fmt.Fprintf(w, "%s of %s on overflow: the class of the first of each is over its rate, the others wait behind it, in order\n\n",
		count(r.Events, "event", "events"), count(len(r.Users), "user is", "users are"))
	shown := bounded(r.Users, limit)
	table(w, func(row func(string, ...any)) {
		row("USER\tSHARD\tWORKSPACE\tCLASS\tEVENTS\tFIRST EVENT OF\tFIRST STOOD AT")
		for _, u := range shown {
			row("%s\t%s\t%s\t%s\t%d\t%s\t%s", orDash(visible(clipped(u.User))), partition.ShardID{Stream: u.Stream, Partition: u.Partition},
				orDash(u.Workspace), visible(u.Class), u.Events, stamp(u.Oldest), visible(u.First))
		}
	})
	more(w, len(r.Users)-len(shown), "more user", "more users")
	_, _ = fmt.Fprintln(w, "\nthey go by themselves, as fast as their classes may; a higher rate of the rule, and SIGHUP to the members, makes it faster")
}
