// Package spread is the suite of evenness: a burst that is spread over its
// window, a campaign with a rate of its own, events that wait for their time, and
// what was kept waiting by an outage and leaves without a cluster.
package spread

import (
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// Suite lists the checks. They share a Kafka of a single node; each has topics,
// a group, members and simulators of its own.
func Suite(r *rig.Rig) suite.Suite {
	s := spread{r}
	return suite.Suite{Name: "spread", Checks: []suite.Check{
		{Name: "even", What: "a burst is spread evenly over its window", Limit: s.limit(5, 8), Run: s.even},
		{Name: "random", What: "a burst is spread over its window at random", Limit: s.limit(5, 8), Run: s.random},
		{Name: "killed", What: "kill -9 of who sends a burst that is spread", Limit: s.limit(6, 8), Run: s.killed},
		{Name: "campaign", What: "a campaign with a backlog keeps to its rate, one member", Limit: s.limit(6, 15), Run: s.campaign(1)},
		{Name: "campaign-4", What: "the same with four members", Limit: s.limit(6, 15), Run: s.campaign(4)},
		{Name: "deliver-at", What: "events that wait for their time, with a kill -9", Limit: s.limit(5, 8), Run: s.deliverAt},
		{Name: "deliver-at-virtual", What: "10,000 events due from 5 s to 10 days ahead, in virtual time", Limit: s.limit(10, 40), Run: s.virtual},
		{Name: "zones", What: "times and quiet hours in the user's own zone, over daylight saving both ways", Limit: 10 * time.Minute, Run: s.zones},
		{Name: "zones-unknown", What: "zones that are none take the rule's default and are counted; users who move", Limit: s.limit(6, 8), Run: s.zonesUnknown},
		{Name: "recall", What: "deferred events are recalled by user and by rule, with a kill -9", Limit: s.limit(5, 8), Run: s.recall},
		{Name: "shield", What: "bursts of webhooks, and a backend that fails in one of them", Limit: s.limit(6, 8), Run: s.shield},
		{Name: "retries", What: "after an outage the waiting requests leave evenly, without a cluster", Limit: s.limit(6, 8), Run: s.retries},
	}}
}

type spread struct{ rig *rig.Rig }

// limit is a check's bound in minutes, short and long.
func (s spread) limit(short, long int) time.Duration {
	return time.Duration(s.pick(short, long)) * time.Minute
}

// pick takes the short form's number or the full one.
func (s spread) pick(short, long int) int {
	if s.rig.Long {
		return long
	}
	return short
}

// gate is a bar that other work on the machine moves: the promise in the full
// form, in the short one what only a fault of ours misses.
func (s spread) gate(full, short float64) float64 {
	if s.rig.Long {
		return full
	}
	return short
}
