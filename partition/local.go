package partition

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/pipeline/event"
)

// LocalConfig says what a Local holds.
type LocalConfig struct {
	Workspace string
	// Prepare fits an event to the workspace's destination, as Options.Prepare.
	Prepare func(workspace string, e *event.Event)
	// Settled is told how many records an outcome settled. It is called from
	// several goroutines and must not block; nil for nobody.
	Settled func(n int)
	// Granted is told that the workspace is wholly the caller's, as
	// Options.Granted; nil for nobody.
	Granted func(Grant)

	Namespace  string // stands for Kafka's cluster id in derived event ids
	From       int64  // the first place; records below it count as settled
	MaxRecords int    // in hand at most
	MaxBytes   int    // in hand at most, roughly
}

// Validate returns every fault, joined, each with its path.
func (c LocalConfig) Validate() error {
	var faults []error
	if c.From < 0 {
		faults = append(faults, fmt.Errorf("from: must not be below 0, have %d", c.From))
	}
	if c.MaxRecords < 1 || c.MaxRecords > maxSpan {
		faults = append(faults, fmt.Errorf("max_records: must be 1 to %d, have %d", maxSpan, c.MaxRecords))
	}
	if c.MaxBytes < 1 {
		faults = append(faults, fmt.Errorf("max_bytes: must be above 0, have %d", c.MaxBytes))
	}
	return errors.Join(faults...)
}

// ErrPlace is returned by Add for a record that does not come after the one
// before it.
var ErrPlace = errors.New("the record's place is not above the one before")

// localTopic is the source of every record of a Local.
const localTopic = "direct"

// Local is the lanes of one workspace without Kafka: one shard in memory, which
// Add fills, under a lease that does not end. A record's offset is its place in
// wherever it comes from, so that the watermark says where to go on. Nothing
// outlives the process, so a destructive call waits for no commit. It is safe
// for concurrent use.
type Local struct {
	*Lanes
	cfg     LocalConfig
	shard   *shard
	failing atomic.Int64  // unix ns of the first failure since something was settled; 0: none
	turn    chan struct{} // capacity 1: held by the one that adds
	last    int64         // place of the last record taken; guarded by turn
	one     []*event.Event
	ended   chan struct{} // closed by End

	mu      sync.Mutex
	endErr  error         // guarded by mu
	changed chan struct{} // guarded by mu; nil while nobody waits
}

// NewLocal checks its argument and starts nothing.
func NewLocal(cfg LocalConfig) (*Local, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l := &Local{
		Lanes: newLanes(lanesConfig{workspaces: []string{cfg.Workspace}, lease: endlessLease(), commitNow: func() {}, granted: cfg.Granted}),
		cfg:   cfg, last: cfg.From - 1,
		turn: make(chan struct{}, 1), ended: make(chan struct{}), one: make([]*event.Event, 1),
	}
	l.shard = l.open(ShardID{Stream: cfg.Workspace}, topicInfo{name: localTopic, partitions: 1}, cfg.Workspace)
	l.count(func(_ string, usable int) (int, int) { return usable, 1 })
	l.load(l.shard, newWindow(cfg.From), true)
	l.shard.claimed()
	return l, nil
}

// Add takes one record into hand, as a copy. It blocks while as much as may be
// is in hand, until ctx ends. The record's Offset is its place; it must be above
// that of every record before, else the error is ErrPlace, and 0 takes the next
// place. After End the error is End's.
func (l *Local) Add(ctx context.Context, r event.Record) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	switch {
	case r.Offset == 0 && l.last >= 0:
		r.Offset = l.last + 1
	case r.Offset <= l.last:
		return fmt.Errorf("place %d after %d: %w", r.Offset, l.last, ErrPlace)
	}
	if err := l.makeRoom(ctx); err != nil {
		return err
	}
	r.Topic, r.Partition = localTopic, 0
	e, _ := l.shard.queue.events.Get().(*event.Event)
	if e.Load(r, l.cfg.Namespace); e.Fault == nil {
		l.cfg.Prepare(l.cfg.Workspace, e)
	}
	forgetPast(e)
	l.one[0], l.last = e, r.Offset
	l.shard.add(l.one, 0, 0)
	return nil
}

// makeRoom waits until a record may be added.
func (l *Local) makeRoom(ctx context.Context) error {
	for {
		changed := l.Changed()
		select {
		case <-l.ended:
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.endErr
		default:
		}
		if !l.full() {
			return nil
		}
		select {
		case <-changed:
		case <-l.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (l *Local) full() bool {
	s := l.shard
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.records >= l.cfg.MaxRecords || s.bytes >= l.cfg.MaxBytes || s.win.full()
}

// Finish is that of Lanes.
func (l *Local) Finish(picks []Pick, o Outcome) {
	l.Lanes.Finish(picks, o)
	if o.Kind == Retry {
		l.failing.CompareAndSwap(0, time.Now().UnixNano())
		return
	}
	l.failing.Store(0)
	l.shard.passBarriers()
	l.mu.Lock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	l.mu.Unlock()
	if l.cfg.Settled != nil {
		l.cfg.Settled(len(picks))
	}
}

// passBarriers lets lanes go on whose destructive call is settled: there is no
// commit to wait for.
func (s *shard) passBarriers() {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	for _, ln := range s.barriers {
		s.queue.reenter(ln)
	}
	s.barriers = s.barriers[:0]
}

// Changed returns a channel that is closed when something has been settled
// since.
func (l *Local) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// FailingSince is when the first record was put back since one was last
// settled; zero while there is none.
func (l *Local) FailingSince() time.Time {
	if at := l.failing.Load(); at > 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// End takes nothing in any more: Add fails with err, or with what the first
// call said. What is in hand can be taken as before.
func (l *Local) End(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.endErr == nil {
		l.endErr = err
		close(l.ended)
	}
}

// Drain lets nothing be taken any more and waits until nothing is in an
// attempt, at most so long; it reports whether that was reached.
func (l *Local) Drain(limit time.Duration) bool { return l.shard.drain(time.Now().Add(limit)) }

// Close lets go of what the lanes hold beside memory. Everything that was taken
// must have been given to Finish.
func (l *Local) Close() { l.stop() }

// Span is a run of places, both ends included.
type Span struct{ From, To int64 }

// Position returns the watermark, which is the first place that is not settled,
// and what is settled above it. A place that was left out between two records
// counts as settled.
func (l *Local) Position() (next int64, above []Span) {
	s := l.shard
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	at := s.win.base
	for length, settled := range s.win.runs {
		if settled {
			above = append(above, Span{at, at + length - 1})
		}
		at += length
	}
	return s.win.base, above
}

// Left returns the events in hand, by place. It must be called only when nothing
// is added or in an attempt any more.
func (l *Local) Left() []*event.Event {
	s := l.shard
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	var left []*event.Event
	gather := func(ln *lane) {
		for it := ln.head; it != nil; it = it.next {
			left = append(left, it.event)
		}
	}
	for _, ln := range s.lanes {
		gather(ln)
	}
	unkeyed := func(waiting []entry[int64, *lane]) {
		for _, e := range waiting {
			if !e.value.keyed {
				gather(e.value)
			}
		}
	}
	for line := range s.lines.all() {
		unkeyed(line.ready.entries)
	}
	unkeyed(s.queue.waiting.entries)
	for _, ln := range s.whole.waiters {
		for _, one := range ln {
			gather(one)
		}
	}
	slices.SortFunc(left, func(a, b *event.Event) int { return int(a.Source.Offset - b.Source.Offset) })
	return left
}
