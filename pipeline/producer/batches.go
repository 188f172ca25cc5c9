package producer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// buffer holds events in batches, in order, and hands them to the appender from
// a goroutine of its own that runs while a batch is due. A caller is so never
// held up by anything but the lack of room.
type buffer struct {
	appender Appender
	config   Config
	room     *room
	refused  atomic.Uint64
	dropped  atomic.Uint64
	checkers sync.Pool // of *checker
	movers   sync.WaitGroup

	mu     sync.Mutex // guards all below
	queue  []*batch   // not handed over; only the last has room
	out    []*batch   // handed over, without all outcomes
	free   []*batch   // to be used again
	urgent int        // batches at the head of the queue that go as soon as they may
	due    bool       // the first batch has waited long enough
	moving bool       // a goroutine hands over
	timer  *time.Timer
	closed bool

	taken, acknowledged, failed uint64
	unheard                     uint64 // of the failed, those that no waiting call was told
	first                       error  // of the unheard
}

// batch is events that are handed over together.
type batch struct {
	entries []entry
	since   time.Time     // when the first was taken
	left    int           // without an outcome; guarded by the buffer's mu
	settled chan struct{} // closed when none is left; nil when nobody waits
}

// entry is one record between being taken and its outcome.
type entry struct {
	record event.Record
	size   int64
	waiter *waiter // nil: the call did not wait
	done   func(Outcome)
}

func newBuffer(a Appender, c Config) *buffer {
	return &buffer{appender: a, config: c, room: newRoom(c)}
}

// checker returns one that is the caller's until it is put back.
func (b *buffer) checker() *checker {
	if k, ok := b.checkers.Get().(*checker); ok {
		return k
	}
	return &checker{}
}

// take puts an event at the end of the queue. An error means that it is not
// there.
func (b *buffer) take(ctx context.Context, e entry) error {
	if b.isClosed() {
		return ErrClosed
	}
	if err := b.room.enter(ctx, e.size); err != nil {
		if errors.Is(err, ErrFull) {
			b.dropped.Add(1)
		}
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		b.room.leave(e.size)
		return ErrClosed
	}
	b.taken++
	b.add(e)
	if e.waiter != nil {
		b.urgent = len(b.queue)
	}
	b.move()
	return nil
}

func (b *buffer) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// add appends an entry to the last batch, or begins one. The caller holds mu.
func (b *buffer) add(e entry) {
	var last *batch
	if n := len(b.queue); n > 0 && len(b.queue[n-1].entries) < b.config.BatchEvents {
		last = b.queue[n-1]
	} else {
		if last = (&batch{}); len(b.free) > 0 {
			last, b.free = b.free[len(b.free)-1], b.free[:len(b.free)-1]
		}
		last.since = time.Now()
		b.queue = append(b.queue, last)
		if n == 0 && e.waiter == nil {
			b.arm()
		}
	}
	last.entries = append(last.entries, e)
}

// arm makes the first batch due when it has waited. The caller holds mu.
func (b *buffer) arm() {
	wait := time.Until(b.queue[0].since.Add(b.config.BatchWait))
	if b.timer != nil {
		b.timer.Reset(wait)
		return
	}
	b.timer = time.AfterFunc(wait, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		// The timer may have been set for a batch that is gone by now.
		b.due = len(b.queue) > 0 && time.Since(b.queue[0].since) >= b.config.BatchWait
		b.move()
	})
}

// ready says whether the first batch goes now. The caller holds mu.
func (b *buffer) ready() bool {
	return len(b.queue) > 0 && len(b.out) < b.config.Concurrency &&
		(b.due || b.urgent > 0 || b.closed || len(b.queue) > 1 || len(b.queue[0].entries) >= b.config.BatchEvents)
}

// move sees to it that what is ready is handed over. The caller holds mu.
func (b *buffer) move() {
	if b.moving || !b.ready() {
		return
	}
	b.moving = true
	b.movers.Go(func() {
		for next := b.next(); next != nil; next = b.next() {
			b.handOver(next)
		}
	})
}

// next takes the first batch out of the queue, nil when none is ready.
func (b *buffer) next() *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ready() {
		b.moving = false
		return nil
	}
	first := b.queue[0]
	b.queue = slices.Delete(b.queue, 0, 1)
	b.out = append(b.out, first)
	b.urgent = max(b.urgent-1, 0)
	first.left = len(first.entries)
	b.due = false
	if len(b.queue) > 0 {
		b.arm()
	} else if b.timer != nil {
		b.timer.Stop()
	}
	return first
}

// handOver gives a batch to the appender. Its events were taken for good, so no
// caller's context ends their way to Kafka.
func (b *buffer) handOver(next *batch) {
	// The last outcome may come before the loop ends, and the batch be used
	// again: its own length is not to be read then.
	entries := next.entries
	for i := range entries {
		e := &entries[i]
		b.appender.Append(context.Background(), e.record, func(at partition.Position, err error) {
			b.settle(next, e, at, err)
		})
	}
}
