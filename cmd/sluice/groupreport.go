package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
)

// groupReport is the result of group describe. Times are in seconds; null is
// one that is not known.
type groupReport struct {
	Group string    `json:"group"`
	State string    `json:"state"` // Kafka's word
	At    time.Time `json:"at"`
	Lag   int64     `json:"lag"` // of the live tier
	tierCounts
	nextDue
	Members    []groupMember  `json:"members"`
	Workspaces []workspaceLag `json:"workspaces"` // those that lag most first
	Shards     []shardLag     `json:"shards"`     // stopped ones first, then those that lag most
	Notes      []string       `json:"notes"`      // what is wrong, and what to do about it

	rates   map[string]float64 // events a second, by workspace, as budgets have it; 0: unlimited
	classes map[string]float64 // likewise, what the classes with a rate of their own have together
	demand  map[string]float64 // as members measured it when they joined
	settled bool               // the members know what is whose
}

// workspaceLag is how far a group is with one workspace.
type workspaceLag struct {
	Workspace string `json:"workspace"`
	Region    string `json:"region,omitempty"`
	Shards    int    `json:"shards"`
	Owners    int    `json:"owners"` // members that own some of them
	Lag       int64  `json:"lag"`    // of the live tier
	tierCounts
	nextDue
	Rate     float64  `json:"events_per_second,omitempty"` // that seconds follows from
	RateFrom string   `json:"rate_from,omitempty"`
	Seconds  *float64 `json:"seconds"` // all that is unsettled at that rate, without what is deferred
	Settling *float64 `json:"settling_per_second,omitempty"`
	Oldest   *float64 `json:"oldest_seconds"` // the age of the oldest unsettled event
	Retries  int      `json:"retries"`
	Stopped  int      `json:"stopped"` // shards
}

// What a rate follows from.
const (
	rateOfBudget  = "budget"
	rateOfSettled = "settled" // between two looks of a watch
	rateOfDemand  = "demand"
)

// newGroupReport puts together what Kafka tells; finish makes the rest of it.
func newGroupReport(cfg config.Config, state partition.GroupState, tiers map[partition.Tier][]partition.ShardLag) groupReport {
	r := groupReport{
		Group: state.Name, State: state.State, At: time.Now(), Members: []groupMember{}, Workspaces: []workspaceLag{},
		Shards: []shardLag{}, Notes: []string{}, rates: map[string]float64{}, classes: map[string]float64{}, demand: map[string]float64{},
		settled: state.Settled(),
	}
	members := map[string]groupMember{}
	for _, m := range state.Members {
		members[m.ID] = memberOf(m, cfg.Streams)
		r.Members = append(r.Members, members[m.ID])
		for workspace, rate := range m.Told.Demand {
			r.demand[workspace] += rate
		}
	}
	beside := map[partition.ShardID]partition.ShardLag{}
	for _, t := range everyTier()[1:] {
		for _, l := range tiers[t] {
			beside[partition.ShardID{Stream: l.Topic, Partition: l.Partition}] = l
		}
	}
	for _, l := range tiers[partition.Live] {
		stream, _ := streamOn(cfg, l.Topic)
		one := r.shard(l, stream.Name)
		for _, t := range everyTier()[1:] {
			if of, exists := beside[partition.ShardID{Stream: topicOf(stream, t), Partition: l.Partition}]; exists {
				one.beside(t, of)
			}
		}
		if m, owned := state.Owner(l.Topic, l.Partition); owned {
			owner := members[m.ID]
			one.Owner = &owner
		}
		one.Workspace, _ = stream.Route(l.Partition)
		r.Shards = append(r.Shards, one)
	}
	for _, w := range cfg.Workspaces {
		if slices.ContainsFunc(r.Shards, func(s shardLag) bool { return s.Workspace == w.Name }) {
			r.Workspaces = append(r.Workspaces, workspaceLag{Workspace: w.Name, Region: w.Region})
			r.rates[w.Name] = eventRate(w)
			for _, rule := range w.Rules.Rules {
				r.classes[w.Name] += rule.Rate
			}
		}
	}
	r.notesOfGroup(state)
	return r
}

// eventRate is how many events a second a workspace's budget lets through when
// every attempt is full; 0: as many as it takes. Like the pacer it fills an
// attempt with a tenth of a second's events at most.
func eventRate(w config.Workspace) float64 {
	events, batch := float64(w.Budget.Events), max(1, w.BatchItems)
	if events > 0 {
		batch = max(1, min(batch, int(events/10)))
	}
	attempts := float64(w.Budget.Requests) * float64(batch)
	if attempts <= 0 || events > 0 && events < attempts {
		return events
	}
	return attempts
}

// measure notes how many events were settled a second since the last report.
func (r *groupReport) measure(last groupReport) {
	type shard struct {
		stream    string
		partition int32
	}
	before := map[shard]int64{}
	for _, s := range last.Shards {
		before[shard{s.Stream, s.Partition}] = s.reached
	}
	settled := map[string]int64{}
	for _, s := range r.Shards {
		if was, known := before[shard{s.Stream, s.Partition}]; known {
			settled[s.Workspace] += max(0, s.reached-was) // less only after a reset
		}
	}
	since := r.At.Sub(last.At).Seconds()
	if since <= 0 {
		return
	}
	for i := range r.Workspaces {
		w := &r.Workspaces[i]
		rate := float64(settled[w.Workspace]) / since
		w.Settling = &rate
	}
}

// finish sums up by workspace and puts everything in order.
func (r *groupReport) finish() {
	for i := range r.Workspaces {
		w := &r.Workspaces[i]
		w.Rate, w.RateFrom = r.rate(*w)
		owners := map[string]bool{}
		for j := range r.Shards {
			s := &r.Shards[j]
			if s.Workspace != w.Workspace {
				continue
			}
			s.Seconds = r.takes(w.Workspace, s.unsettled(), s.Overflow, w.Rate)
			if s.Owner != nil {
				owners[s.Owner.Member] = true
			}
			w.add(*s)
		}
		w.Owners, w.Seconds = len(owners), r.takes(w.Workspace, w.Lag+w.behind(), w.Overflow, w.Rate)
		r.budgeted(*w)
	}
	for _, s := range r.Shards {
		r.Lag += s.Lag
		r.tierCounts.add(s.tierCounts)
		r.nextDue.add(s.nextDue)
	}
	slices.SortStableFunc(r.Workspaces, func(a, b workspaceLag) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(a.Workspace, b.Workspace))
	})
	slices.SortStableFunc(r.Shards, func(a, b shardLag) int {
		return cmp.Or(
			cmp.Compare(b.troubled(), a.troubled()), cmp.Compare(b.Lag, a.Lag), cmp.Compare(b.unsettled(), a.unsettled()),
			cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Partition, b.Partition),
		)
	})
	r.notesOfShards()
}

// rate is how fast a workspace's lag can go, and what that follows from.
func (r *groupReport) rate(w workspaceLag) (eventsPerSecond float64, from string) {
	switch {
	case r.rates[w.Workspace] > 0:
		return r.rates[w.Workspace], rateOfBudget
	case w.Settling != nil && *w.Settling > 0:
		return *w.Settling, rateOfSettled
	case r.demand[w.Workspace] > 0:
		return r.demand[w.Workspace], rateOfDemand
	}
	return 0, ""
}

func (w *workspaceLag) add(s shardLag) {
	w.Shards++
	w.Lag += s.Lag
	w.tierCounts.add(s.tierCounts)
	w.nextDue.add(s.nextDue)
	w.Retries += s.Retries
	w.Stopped += s.troubled()
	if s.Oldest != nil && (w.Oldest == nil || *s.Oldest > *w.Oldest) {
		w.Oldest = s.Oldest
	}
}

// takes is how many seconds events of a workspace last at a rate, those among them
// that are on overflow at no more than what their classes have; nil: the rate is
// not known.
func (r *groupReport) takes(workspace string, events, overflow int64, eventsPerSecond float64) *float64 {
	all := takes(events, eventsPerSecond)
	classes := r.classes[workspace]
	if overflow == 0 || classes <= 0 || all == nil && events > overflow {
		return all
	}
	if least := takes(overflow, classes); all == nil || *least > *all {
		return least
	}
	return all
}

// takes is how many seconds a lag lasts at a rate; nil: the rate is not known.
func takes(lag int64, eventsPerSecond float64) *float64 {
	seconds := 0.0
	switch {
	case lag == 0:
	case eventsPerSecond <= 0:
		return nil
	default:
		seconds = float64(lag) / eventsPerSecond
	}
	return &seconds
}

func (r *groupReport) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}
