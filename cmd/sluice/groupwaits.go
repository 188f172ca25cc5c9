package main

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"sluice/partition"
	"sluice/pipeline"
)

// What a shard waits for, beside the words of packages partition and pipeline.
const (
	waitsForMember   = "a member"
	waitsForOperator = "stopped"
	waitsForBudget   = "budget"
	waitsForRate     = "class rate"
)

// stands takes the owner's word on what the shard waits for.
func (s *shardLag) stands(told pipeline.Standstills) {
	why, ok := told.Shards[s.on(partition.Live).String()]
	if !ok {
		why = told.Workspaces[s.Workspace]
	}
	if s.WaitsFor = why.For; !why.Until.IsZero() {
		s.WaitsUntil = &why.Until
	}
}

// budgeted completes what a workspace's shards wait for. One that has nothing but
// overflow waits for the rate of a class. That it is the budget is what is left
// when nothing else is known and there is more than a second of it to do, unless a
// watch saw it go slower than that.
func (r *groupReport) budgeted(w workspaceLag) {
	const most = 0.9 // of the budget: less is not what holds it up
	full := w.RateFrom == rateOfBudget && w.Seconds != nil && *w.Seconds > 1 && (w.Settling == nil || *w.Settling > most*w.Rate)
	for i := range r.Shards {
		s := &r.Shards[i]
		switch {
		case s.Workspace != w.Workspace:
		case s.Stopped != "" || s.barred():
			s.WaitsFor, s.WaitsUntil = waitsForOperator, nil
		case s.unsettled() == 0:
			s.WaitsFor, s.WaitsUntil = "", nil
		case s.Owner == nil:
			s.WaitsFor = waitsForMember
		case s.WaitsFor == "" && s.Overflow > 0 && s.Overflow == s.unsettled():
			s.WaitsFor = waitsForRate
		case s.WaitsFor == "" && full:
			s.WaitsFor = waitsForBudget
		}
	}
}

// notesOfStandstills say, where that needs words, what shards wait for that have
// something to do, and what to do if it lasts.
func (r *groupReport) notesOfStandstills() {
	type standstill struct{ of, what string }
	shards := map[standstill][]int32{}
	until := map[standstill]time.Time{}
	for _, s := range r.Shards {
		_, ofWorkspace := standstillOf(s.WaitsFor)
		key := standstill{s.Stream, s.WaitsFor}
		if ofWorkspace {
			key.of = "workspace " + s.Workspace
		}
		shards[key] = append(shards[key], s.Partition)
		if s.WaitsUntil != nil && s.WaitsUntil.After(until[key]) {
			until[key] = *s.WaitsUntil
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(shards), func(a, b standstill) int {
		return cmp.Or(cmp.Compare(a.of, b.of), cmp.Compare(a.what, b.what))
	}) {
		text, ofWorkspace := standstillOf(key.what)
		if text == "" {
			continue
		}
		of := key.of
		if !ofWorkspace {
			of += " " + ranges(shards[key])
		}
		if at := until[key]; !at.IsZero() {
			text += ", at " + at.UTC().Format(time.RFC3339)
		}
		r.note("%s: %s", of, text)
	}
}

// standstillOf is what a standstill means, and whether all of a workspace stands; ""
// for one that says it in its own word, or has a note of its own. A time may
// follow the text.
func standstillOf(what string) (text string, ofWorkspace bool) {
	switch what {
	case pipeline.WaitsForBreaker:
		return "its destination is down: nothing is lost and no try is spent, its events wait; it is asked again by itself", true
	case pipeline.WaitsForRefusal:
		return "its destination refuses us, so its key, region or URL is wrong: nothing is lost, its events wait; " +
			"mend the configuration and reload the members with SIGHUP; it is asked again by itself", true
	case pipeline.WaitsForPause:
		return "its destination asked for a pause: nothing is lost, its events wait; they go on by themselves", true
	case partition.WaitsForHeld:
		return "its owner still reads whose events are held, for later ones must not overtake them; if that lasts, the owner's log says why", false
	case partition.WaitsForOverflow:
		return "its owner still reads whose events are on overflow, for later ones must not overtake them; if that lasts, the owner's log says why", false
	case partition.WaitsForLease:
		return "the group takes no commit of its owner, which may send nothing meanwhile; if that lasts, examine Kafka: sluice doctor", false
	case partition.WaitsForOwner:
		return "whoever owned it before may still be sending; it goes on by itself", false
	}
	return "", false
}
