package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// deferredSet is what is known of deferred events: all of them by their rules, and
// the next ones one by one.
type deferredSet struct {
	stream string // its topic
	most   int    // of those that are kept one by one

	overdue time.Time // what was due before is late
	late    int

	seen  map[event.Source]struct{}
	rules map[string]*deferredRule
	next  []deferredEvent
}

// deferredOf reads what waits on a stream's delay topics, each event once: around
// a crash one may stand there twice.
func deferredOf(ctx context.Context, cfg config.Config, stream config.Stream, q deferredQuery) (*deferredSet, error) {
	const patience = 10 * time.Second // one that is due soon may wait in memory
	found := &deferredSet{stream: stream.Topic, most: q.next, overdue: time.Now().Add(-patience), seen: map[event.Source]struct{}{}, rules: map[string]*deferredRule{}}
	err := ask(ctx, cfg.Kafka, readTime, func(ctx context.Context, a *partition.Admin) error {
		topics := stream.DelayTopics()
		for _, topic := range topics {
			if err := mustExist(ctx, a, topic); err != nil {
				return err
			}
		}
		lags, err := a.Lag(ctx, cfg.Kafka.Group, topics[:]...)
		if err != nil {
			return err
		}
		for _, l := range lags {
			if l.Lag() == 0 {
				continue
			}
			err := readUnsettled(ctx, cfg.Kafka, l, func(e *event.Event) {
				if q.fits(e) {
					found.add(e)
				}
			})
			if err != nil {
				return fmt.Errorf("read what is deferred: %w", err)
			}
		}
		return nil
	})
	return found, err
}

// deferredBy names the rule that deferred an event.
func deferredBy(e *event.Event) string { return cmp.Or(e.MovedClass, rules.DefaultClass) }

func (q deferredQuery) fits(e *event.Event) bool {
	return (q.user == "" || q.user == string(e.Key)) && (q.rule == "" || q.rule == deferredBy(e))
}

// add takes in an event. It keeps little of each, for there may be millions.
func (d *deferredSet) add(e *event.Event) {
	first := e.First()
	if first.Topic == d.stream {
		first.Topic = d.stream // one string for all of them
	}
	if _, again := d.seen[first]; again {
		return
	}
	d.seen[first] = struct{}{}
	due, rule := e.Due.UTC(), deferredBy(e)
	sum := d.rules[rule]
	if sum == nil {
		sum = &deferredRule{Rule: rule, First: due, Last: due}
		d.rules[rule] = sum
	}
	sum.Events++
	if due.Before(d.overdue) {
		d.late++
	}
	if due.Before(sum.First) {
		sum.First = due
	}
	if due.After(sum.Last) {
		sum.Last = due
	}
	const slack = 1000 // so that they are sorted now and then only
	if d.next = append(d.next, deferredEvent{Due: due, User: string(e.Key), Rule: rule, Came: e.Time.UTC(), Source: first.String()}); len(d.next) >= d.most+slack {
		d.next = d.first()
	}
}

func (d *deferredSet) events() int { return len(d.seen) }

// byRule is the sums, by the names of the rules.
func (d *deferredSet) byRule() []deferredRule {
	all := make([]deferredRule, 0, len(d.rules))
	for _, name := range slices.Sorted(maps.Keys(d.rules)) {
		all = append(all, *d.rules[name])
	}
	return all
}

// first is those that are due next, in the order of their times.
func (d *deferredSet) first() []deferredEvent {
	slices.SortFunc(d.next, func(a, b deferredEvent) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Source, b.Source)) })
	return append([]deferredEvent{}, d.next[:min(d.most, len(d.next))]...)
}

// span is from when to when they are due; zero when there are none.
func (d *deferredSet) span() (first, last time.Time) {
	for _, r := range d.rules {
		if first.IsZero() || r.First.Before(first) {
			first = r.First
		}
		if r.Last.After(last) {
			last = r.Last
		}
	}
	return first, last
}

// chosenBy says which events were chosen.
func chosenBy(user, rule string) string {
	text := ""
	if user != "" {
		text += " of user " + visible(clipped(user))
	}
	if rule != "" {
		text += " by rule " + visible(rule)
	}
	return text
}

// choosing is the flags that choose the same.
func choosing(user, rule string) string {
	text := ""
	if user != "" {
		text += " --user " + shellWord(user)
	}
	if rule != "" {
		text += " --rule " + shellWord(rule)
	}
	return text
}
