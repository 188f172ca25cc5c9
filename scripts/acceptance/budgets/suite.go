// Package budgets is the suite of rates that hold over all members: on time,
// used to the full, through joins, crashes, zombies and brokers that die.
package budgets

import (
	"context"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// Suite lists the checks: first those in one process, then those on Kafka, which
// share one cluster of three nodes, while each has topics, a group and a
// simulator of its own. In the short form the ones that mostly wait run beside
// each other.
func Suite(r *rig.Rig) suite.Suite {
	s := budgets{r}
	list := suite.Suite{Name: "budgets", Checks: []suite.Check{
		{Name: "chaos", What: "shares never add up to more than one, under faults", Limit: 15 * time.Minute, Run: s.chaos},
		{Name: "ablations", What: "each rule left out is seen to break the promise", Limit: 10 * time.Minute, Run: s.ablations},
		{Name: "gcra", What: "no second above R for R from 1 to 400", Limit: 10 * time.Minute, Run: s.gcra},
		{Name: "fleet", What: "60 workspaces on 12 members, one joins, one leaves", Limit: 10 * time.Minute, Run: s.fleet},
		{Name: "cycle", What: "take, grant and settle at 1, 100 and 1,000 workspaces", Limit: 10 * time.Minute, Run: s.cycle},
		{Name: "rate-1", What: "one member, backlog", Limit: s.limit(4, 8), Run: s.rate(1), Beside: "rates"},
		{Name: "rate-4", What: "four members, a fifth joins", Limit: s.limit(4, 8), Run: s.rate(4), Beside: "rates"},
		{Name: "rate-8", What: "eight members, a ninth joins", Limit: s.limit(4, 8), Run: s.rate(8), Beside: "rates"},
		{Name: "split", What: "3,000/s in three units on four members", Limit: s.limit(4, 8), Run: s.split},
		{Name: "kill", What: "kill -9 of the owner", Run: s.kill, Beside: "faults"},
		{Name: "kill-static", What: "kill -9 of an owner with an identity, back at once", Run: s.killStatic, Beside: "faults"},
		{Name: "freeze", What: "the owner stands still for 25 s and goes on", Run: s.freeze, Beside: "faults"},
		{Name: "cut", What: "the owner is cut from Kafka, not from the destination", Run: s.cut, Beside: "faults"},
		{Name: "rolling", What: "all members are restarted in turn", Run: s.rolling, Beside: "faults"},
		{Name: "twin", What: "a second process with the owner's identity", Run: s.twin, Beside: "faults"},
		{Name: "coordinator", What: "kill -9 of the group's coordinator", Run: s.coordinator},
		{Name: "adapt", What: "the destination takes 60/s instead of 100/s for a while", Limit: s.limit(5, 10), Run: s.adapt, Beside: "destination"},
		{Name: "down", What: "one workspace down, the others unharmed", Limit: s.limit(5, 10), Run: s.down, Beside: "destination"},
	}}
	if r.Long { // one at a time, so that nothing but the product is measured
		for i := range list.Checks {
			list.Checks[i].Beside = ""
		}
	}
	return list
}

type budgets struct{ rig *rig.Rig }

// limit is a check's bound in minutes, short and long.
func (s budgets) limit(short, long int) time.Duration {
	return time.Duration(s.pick(short, long)) * time.Minute
}

// pick takes the short form's number or the full one.
func (s budgets) pick(short, long int) int {
	if s.rig.Long {
		return long
	}
	return short
}

// seconds is pick for a time.
func (s budgets) seconds(short, long int) time.Duration {
	return time.Duration(s.pick(short, long)) * time.Second
}

// check is the signature of a check's function.
type check = func(ctx context.Context, r *suite.Result) error
