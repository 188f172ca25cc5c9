package partition

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ShardLag is how far a group has come with one partition: what it committed,
// beside what the log holds. Offsets are counted, which are events but for those
// that a log leaves out: transaction markers and aborted records.
type ShardLag struct {
	Topic      string
	Partition  int32
	Start, End int64 // what the log holds: Start is its first offset, End the one after the last
	Watermark  int64 // next offset to settle, as committed; -1: nothing is committed
	Ours       bool  // the commit is sluice's, not a plain offset
	Released   bool  // its holder handed the shard over in good order
	Dispatched int64 // the highest offset an attempt was made with; -1: none is known above the watermark

	Retries  int       // records in retry that the commit remembers
	Attempts int       // of the one among them that was tried most often
	Failing  time.Time // when the first of them failed; zero: none did

	// Oldest is the time of the first unsettled record, once FindOldest has read
	// it; zero when there is none, or it was not read.
	Oldest time.Time

	// NextDue is the earliest due time among the deferred records that FindDue has
	// read; zero when there is none, or none was read. NextDueSure says that none
	// is due before it; else one that was not read may be.
	NextDue     time.Time
	NextDueSure bool

	sleeps   bool  // it is of a delay tier, of which
	sleepers int64 // those from this offset on wait for their time
	dueRead  int   // records that FindDue has read

	done window // what the commit says is settled above the watermark
}

// newShardLag takes in what a group committed.
func newShardLag(topic string, number int32, at int64, metadata string) ShardLag {
	l := ShardLag{Topic: topic, Partition: number, Watermark: at, Dispatched: -1, done: newWindow(max(0, at))}
	if at < 0 {
		return l
	}
	w, released, err := decodeMetadata(at, metadata)
	if err != nil {
		return l
	}
	l.done, l.Ours, l.Released, l.Dispatched = w, true, released, w.high
	l.Retries = len(w.retries)
	for _, r := range w.retries {
		l.Attempts = max(l.Attempts, r.attempts)
		if l.Failing.IsZero() || r.first.Before(l.Failing) {
			l.Failing = r.first
		}
	}
	return l
}

// known tells whether the watermark is one of this log: the group has one, and
// it does not lie beyond the end, as that of a topic made anew may.
func (l ShardLag) known() bool { return l.Watermark >= 0 && l.Watermark <= l.End }

// Next is the first offset that is not settled, as far as the commit tells: the
// watermark, or the log's start when the group has none in this log.
func (l ShardLag) Next() int64 {
	if !l.known() {
		return l.Start
	}
	return l.Watermark
}

// Settled is how many offsets above the watermark are settled.
func (l ShardLag) Settled() int64 { return l.settled(l.Next(), l.End) }

// Lag is how many offsets in the log are not settled, without those that wait for
// their time on a delay tier as far as FindDeferred has looked: they are not
// behind.
func (l ShardLag) Lag() int64 {
	from := max(l.Next(), l.Start)
	return max(0, l.End-from-l.settled(from, l.End)-l.Deferred())
}

// Deferred is how many offsets in the log are not settled because they are of a
// delay tier and wait for their time. It is 0 until FindDeferred has looked.
func (l ShardLag) Deferred() int64 {
	if !l.sleeps {
		return 0
	}
	return l.open(max(l.sleepers, l.Start), l.End)
}

// Unsettled tells whether an offset is in the log and not settled: one of those
// that Lag counts, or Deferred.
func (l ShardLag) Unsettled(offset int64) bool {
	return offset >= l.Start && offset < l.End && (!l.known() || !l.done.settled(offset))
}

// Tried is how often an unsettled record failed where it is, and when it first
// did, as far as the commit remembers.
func (l ShardLag) Tried(offset int64) (attempts int, first time.Time) {
	r := l.done.retries[offset]
	return r.attempts, r.first
}

// Gone is how many unsettled offsets the log does not hold any more: retention
// took them.
func (l ShardLag) Gone() int64 { return l.open(l.Next(), l.Start) }

// Halted says why a member that is given the shard stops it until an operator
// resumes it; empty when it goes on. A member that has read beyond the gap
// already still delivers what it holds.
func (l ShardLag) Halted() string {
	switch {
	case l.Watermark < 0 && l.Start > 0:
		return reasonNoOffset
	case l.Watermark >= 0 && l.Watermark < l.Start:
		return reasonGap
	case l.Watermark > l.End:
		return "the watermark lies beyond the log's end: was the topic made anew?"
	}
	return ""
}

// settled counts those from from to to-1 at or above the watermark that are
// settled.
func (l ShardLag) settled(from, to int64) int64 {
	if !l.known() {
		return 0
	}
	n := overlap(from, to, l.Next(), l.done.base)
	at := l.done.base
	for length, settled := range l.done.runs {
		if settled {
			n += overlap(from, to, at, at+length)
		}
		at += length
	}
	return n
}

// open counts those from from to to-1 at or above the watermark that are not.
func (l ShardLag) open(from, to int64) int64 {
	from = max(from, l.Next())
	return max(0, to-from-l.settled(from, to))
}

// overlap is how many numbers two ranges share; neither holds its end.
func overlap(from, to, start, end int64) int64 { return max(0, min(to, end)-max(from, start)) }

// Lag tells how far a group is with every partition of the topics, by topic and
// number. Topics that do not exist are left out, and a group that does not has
// settled nothing.
func (a *Admin) Lag(ctx context.Context, group string, topics ...string) (lags []ShardLag, err error) {
	err = patiently(ctx, func() error {
		lags, err = a.lag(ctx, group, topics)
		return err
	})
	return lags, err
}

// lag reads commits before ends: a watermark never lies beyond an end that was
// merely asked for too early.
func (a *Admin) lag(ctx context.Context, group string, topics []string) ([]ShardLag, error) {
	committed, err := a.kadm.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("fetch offsets of group %s: %w", group, err)
	}
	held, err := a.logs(ctx, topics)
	if err != nil {
		return nil, err
	}
	return held.lags(committed)
}

// logs are the bounds of several topics.
type logs map[string]Bounds

// logs asks for the bounds of those topics that exist.
func (a *Admin) logs(ctx context.Context, topics []string) (logs, error) {
	if len(topics) == 0 { // the cluster would describe them all
		return logs{}, nil
	}
	found, _, err := describe(ctx, a.client, topics)
	if err != nil {
		return nil, err
	}
	all := map[string][]int32{}
	for name, t := range found {
		for p := range t.partitions {
			all[name] = append(all[name], p)
		}
	}
	if len(all) == 0 {
		return logs{}, nil
	}
	starts, err := listOffsets(ctx, a.client, all, atStart)
	if err != nil {
		return nil, err
	}
	ends, err := listOffsets(ctx, a.client, all, atEnd)
	if err != nil {
		return nil, err
	}
	held := logs{}
	for name := range found {
		held[name] = Bounds{Start: starts[name], End: ends[name]}
	}
	return held, nil
}

// lags puts what is committed beside the logs, in order.
func (held logs) lags(committed kadm.OffsetResponses) ([]ShardLag, error) {
	var all []ShardLag
	for _, topic := range slices.Sorted(maps.Keys(held)) {
		for _, p := range slices.Sorted(maps.Keys(held[topic].End)) {
			o, ok := committed[topic][p]
			if ok && o.Err != nil {
				return nil, fmt.Errorf("fetch offset of %s/%d: %w", topic, p, o.Err)
			}
			at := int64(-1)
			if ok {
				at = o.At
			}
			l := newShardLag(topic, p, at, o.Metadata)
			l.Start, l.End = held[topic].Start[p], held[topic].End[p]
			all = append(all, l)
		}
	}
	return all, nil
}
