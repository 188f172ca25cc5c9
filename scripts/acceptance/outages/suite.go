// Package outages is the suite of what goes wrong and is made good again: a
// destination that is away, users who fail by themselves, a topic that takes
// nothing, windows that are replayed, and what the commands say about it.
package outages

import (
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// Suite lists the checks. They share a Kafka of a single node; each has topics,
// a group, members and simulators of its own.
func Suite(r *rig.Rig) suite.Suite {
	s := outages{r}
	return suite.Suite{Name: "outages", Checks: []suite.Check{
		{Name: "outage-virtual", What: "10 minutes without a destination, in virtual time", Limit: 10 * time.Minute, Run: s.virtual},
		{Name: "outage", What: "a destination away in every way: nothing set aside, memory flat, drained at the budget", Limit: s.limit(5, 15), Run: s.outage},
		{Name: "failing-users", What: "10% of users fail, the others are as quick as before", Limit: s.limit(10, 45), Run: s.failingUsers},
		{Name: "held-rebuild", What: "kill -9 of the member that holds users back: their order is kept", Limit: s.limit(10, 20), Run: s.heldRebuild},
		{Name: "dead-unwritable", What: "a dead topic that takes nothing: its lane waits, and all say why", Limit: s.limit(5, 10), Run: s.unwritable},
		{Name: "replay-wiped", What: "a wiped destination gets its window again, live traffic unharmed", Limit: s.limit(8, 20), Run: s.replayWiped},
		{Name: "replay-again", What: "a window already delivered: nothing takes effect twice", Limit: s.limit(6, 12), Run: s.replayAgain},
		{Name: "replay-deleted", What: "who was deleted or suppressed since stays so", Limit: s.limit(6, 12), Run: s.replayDeleted},
		{Name: "replay-killed", What: "kill -9 of all members, three times, during a replay", Limit: s.limit(8, 20), Run: s.replayKilled},
		s.chaosCheck(),
		{Name: "texts", What: "every refusal and plan says what happened, what is safe and what to type", Limit: s.limit(5, 5), Run: s.texts},
	}}
}

type outages struct{ rig *rig.Rig }

// limit is a check's bound in minutes, short and long.
func (s outages) limit(short, long int) time.Duration {
	return time.Duration(s.pick(short, long)) * time.Minute
}

// pick takes the short form's number or the full one.
func (s outages) pick(short, long int) int {
	if s.rig.Long {
		return long
	}
	return short
}

// seconds is pick for a time.
func (s outages) seconds(short, long int) time.Duration {
	return time.Duration(s.pick(short, long)) * time.Second
}

// gate is a bar that other work on the machine moves: the promise in the full
// form, in the short one what only a fault of ours misses.
func (s outages) gate(full, short float64) float64 {
	if s.rig.Long {
		return full
	}
	return short
}
