package main

import (
	"time"

	"sluice/partition"
)

// shardLag is how far a group is with one shard. What is not said of another
// tier is of the live one.
type shardLag struct {
	Stream    string `json:"stream"`
	Partition int32  `json:"partition"`
	Workspace string `json:"workspace"` // empty: no route covers it
	Lag       int64  `json:"lag"`
	tierCounts
	nextDue
	Seconds    *float64     `json:"seconds"` // of the workspace's whole budget, for all but what is deferred
	Oldest     *float64     `json:"oldest_seconds"`
	Watermark  *int64       `json:"watermark"` // next event to settle; null: nothing is committed
	Start      int64        `json:"log_start"`
	End        int64        `json:"log_end"`
	Settled    int64        `json:"settled"` // above the watermark
	Commit     string       `json:"commit"`
	Retries    int          `json:"retries"`
	Attempts   int          `json:"attempts,omitempty"` // of the event that was tried most often
	Failing    *time.Time   `json:"failing_since,omitempty"`
	Owner      *groupMember `json:"owner"`
	Stopped    string       `json:"stopped,omitempty"`   // why; empty: it goes on
	WaitsFor   string       `json:"waits_for,omitempty"` // while something is unsettled; empty: for nothing that is known
	WaitsUntil *time.Time   `json:"waits_until,omitempty"`
	Beside     []tierLag    `json:"beside,omitempty"` // its other tiers that exist

	// reached grows by one with each event that is settled, on any tier but the
	// delay tiers: a deferred one passes several of them.
	reached int64
	beyond  bool // the watermark lies beyond the log
}

// tierLag is how far a group is with another tier of a shard than the live one.
type tierLag struct {
	Tier      string     `json:"tier"`
	Lag       int64      `json:"lag"`
	Deferred  int64      `json:"deferred,omitempty"` // of a delay tier: they wait for their time, and are not in lag
	Watermark *int64     `json:"watermark"`
	Start     int64      `json:"log_start"`
	End       int64      `json:"log_end"`
	Settled   int64      `json:"settled"`
	Commit    string     `json:"commit"`
	Retries   int        `json:"retries"`
	Attempts  int        `json:"attempts,omitempty"`
	Failing   *time.Time `json:"failing_since,omitempty"`
	Stopped   string     `json:"stopped,omitempty"`

	tier   partition.Tier
	beyond bool
	bars   bool // the live tier waits until it goes on
}

// The words of COMMIT.
const (
	commitNone     = "none"
	commitPlain    = "plain"
	commitOwned    = "owned"
	commitReleased = "released"
)

func commitWord(l partition.ShardLag) string {
	switch {
	case l.Watermark < 0:
		return commitNone
	case !l.Ours:
		return commitPlain
	case l.Released:
		return commitReleased
	}
	return commitOwned
}

func (r *groupReport) shard(l partition.ShardLag, stream string) shardLag {
	s := shardLag{
		Stream: stream, Partition: l.Partition, Lag: l.Lag(), Start: l.Start, End: l.End, Settled: l.Settled(),
		Commit: commitWord(l), Retries: l.Retries, Attempts: l.Attempts, Stopped: l.Halted(),
		reached: l.Next() + l.Settled(), beyond: l.Watermark > l.End,
	}
	if l.Watermark >= 0 {
		s.Watermark = &l.Watermark
	}
	if !l.Failing.IsZero() {
		s.Failing = &l.Failing
	}
	if !l.Oldest.IsZero() {
		age := max(0, r.At.Sub(l.Oldest).Seconds()) // clocks differ
		s.Oldest = &age
	}
	return s
}

// beside takes in what is known of another tier.
func (s *shardLag) beside(t partition.Tier, l partition.ShardLag) {
	one := tierLag{
		Tier: t.String(), Lag: l.Lag(), Deferred: l.Deferred(), Start: l.Start, End: l.End, Settled: l.Settled(), Commit: commitWord(l),
		Retries: l.Retries, Attempts: l.Attempts, Stopped: l.Halted(),
		tier: t, beyond: l.Watermark > l.End, bars: captures(t) && l.Watermark < 0 && l.Halted() != "",
	}
	if l.Watermark >= 0 {
		one.Watermark = &l.Watermark
	}
	if !l.Failing.IsZero() {
		one.Failing = &l.Failing
	}
	s.tierCounts.count(t, l)
	s.nextDue.count(l)
	if !t.Delays() {
		s.reached += l.Next() + l.Settled()
	}
	s.Beside = append(s.Beside, one)
}

// on names one tier of the shard.
func (s *shardLag) on(t partition.Tier) partition.ShardID {
	return partition.ShardID{Stream: s.Stream, Partition: s.Partition, Tier: t}
}

// captures tells whether users wait behind what is on the tier, so that the live
// one waits until it is known who they are.
func captures(t partition.Tier) bool { return t == partition.Held || t == partition.Overflow }

// unsettled counts the events of all tiers that are not settled and do not wait
// for their time.
func (s *shardLag) unsettled() int64 { return s.Lag + s.behind() }

// troubled is 1 when one of the shard's tiers is stopped, else 0.
func (s *shardLag) troubled() int {
	if s.Stopped != "" {
		return 1
	}
	for _, t := range s.Beside {
		if t.Stopped != "" {
			return 1
		}
	}
	return 0
}

// told takes the owner's word on what has stopped, by shard.
func (s *shardLag) told(stops map[string]partition.Stop) {
	s.Stopped = stops[s.on(partition.Live).String()].Reason
	for i := range s.Beside {
		t := &s.Beside[i]
		stop := stops[s.on(t.tier).String()]
		t.Stopped = stop.Reason
		// One that has no place to begin at has not been read, so nobody knows whose
		// events are on it.
		t.bars = captures(t.tier) && stop.Reason != "" && stop.Watermark < 0
	}
}

// barred tells whether the live tier waits for a held one, or an overflow, that is
// stopped.
func (s *shardLag) barred() bool {
	for _, t := range s.Beside {
		if t.bars {
			return true
		}
	}
	return false
}
