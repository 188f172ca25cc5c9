package partition

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/pipeline/event"
)

// FindDeferred notes in the lags of delay tiers' topics, which steps names with
// the time that a record sleeps there, what waits for its time at that moment:
// Deferred counts it from then on, and Lag does not. It reads no records: all of
// a tier sleep for the same time from when they were put there. One that woke up
// to ten seconds ago counts as deferred, for it may wait in memory until it is
// due.
func (a *Admin) FindDeferred(ctx context.Context, lags []ShardLag, steps map[string]time.Duration) error {
	asked := map[string][]int32{}
	for i := range lags {
		if l := &lags[i]; steps[l.Topic] > 0 {
			asked[l.Topic] = append(asked[l.Topic], l.Partition)
		}
	}
	return patiently(ctx, func() error {
		from, err := a.deferredFrom(ctx, asked, steps)
		if err != nil {
			return err
		}
		for i := range lags {
			if of, ok := from[lags[i].Topic]; ok {
				lags[i].wakesBefore(of[lags[i].Partition])
			}
		}
		return nil
	})
}

// deferredFrom is the first offset of each partition that waits for its time; -1
// where none does.
func (a *Admin) deferredFrom(ctx context.Context, asked map[string][]int32, steps map[string]time.Duration) (map[string]map[int32]int64, error) {
	now := time.Now()
	from := map[string]map[int32]int64{}
	for topic, partitions := range asked {
		put := now.Add(-steps[topic] - dueSoon)
		found, err := listOffsets(ctx, a.client, map[string][]int32{topic: partitions}, max(0, put.UnixMilli()))
		if err != nil {
			return nil, fmt.Errorf("ask what is deferred on %s: %w", topic, err)
		}
		from[topic] = found[topic]
	}
	return from, nil
}

// wakesBefore notes from where on a delay tier's records wait for their time; -1:
// none does.
func (l *ShardLag) wakesBefore(offset int64) {
	if offset < 0 || offset > l.End { // one that came since sleeps, and is not in this lag
		offset = l.End
	}
	l.sleeps, l.sleepers = true, offset
}

// dueReads bounds how many deferred records of a partition are looked at for the
// one that is due first: a broker holds any number of them.
const dueReads = 500

// FindDue notes in each lag that FindDeferred has found deferred records in
// which is due first. It reads at most 500 of a partition: no record is due
// before it wakes, and those that wake first come first, so mostly few tell.
// What was found is noted even when an error says why other lags are not.
func (a *Admin) FindDue(ctx context.Context, lags []ShardLag) error {
	s := scan{what: "the next deferred event", take: (*ShardLag).dues, from: func(l *ShardLag) (int64, bool) {
		return max(l.sleepers, l.Next(), l.Start), l.Deferred() > 0
	}}
	return a.scan(ctx, lags, s)
}

// dues notes the due time of a deferred record, and tells whether no later one is
// needed.
func (l *ShardLag) dues(rec *kgo.Record) bool {
	if rec.Offset >= l.End {
		l.NextDueSure = true
		return true
	}
	if !rec.Attrs.IsControl() && l.Unsettled(rec.Offset) {
		var e event.Event
		e.LoadMoved(plain(rec), "") // the cluster matters to ids alone
		if !l.NextDue.IsZero() && !e.Wake.Before(l.NextDue) {
			l.NextDueSure = true
			return true
		}
		if !e.Due.IsZero() && (l.NextDue.IsZero() || e.Due.Before(l.NextDue)) {
			l.NextDue = e.Due
		}
		l.dueRead++
	}
	l.NextDueSure = rec.Offset+1 == l.End
	return l.NextDueSure || l.dueRead >= dueReads
}
