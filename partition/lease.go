package partition

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// lease is the time until which this member may send. Only an accepted commit
// renews it, counted from when that commit was sent: a member that the group
// has given up on cannot commit, so it falls silent by itself.
//
// Safe for concurrent use: the committer writes, every dispatcher reads.
type lease struct {
	start time.Time    // carries both clocks
	mono  atomic.Int64 // end, on the monotonic clock since start
	wall  atomic.Int64 // end, on the wall clock (unix ns)

	mu     sync.Mutex
	tenure atomic.Pointer[tenure] // stored under mu
	timer  *time.Timer            // ends the tenure; guarded by mu, nil before the first
	closed bool                   // guarded by mu
}

// tenure is a time without a gap in which this member may have attempts in
// flight.
type tenure struct {
	ctx context.Context //nolint:containedctx // its end is what is handed out
	end context.CancelFunc
}

// tenureGrace is how long after the lease's end an attempt may still be in
// flight: it began in time, and most destinations answer within it.
const tenureGrace = time.Second

func newLease() *lease { return newLeaseAt(time.Now()) }

// newLeaseAt returns a lease that has ended. Times given to it must not lie
// before start.
func newLeaseAt(start time.Time) *lease {
	l := &lease{start: start}
	l.tenure.Store(overTenure())
	return l
}

// endlessLease returns one for lanes that nobody else could own.
func endlessLease() *lease {
	l := newLease()
	l.mono.Store(math.MaxInt64)
	l.wall.Store(math.MaxInt64)
	l.tenure.Store(newTenure())
	return l
}

func newTenure() *tenure {
	ctx, end := context.WithCancel(context.Background())
	return &tenure{ctx, end}
}

func overTenure() *tenure {
	t := newTenure()
	t.end()
	return t
}

// renew extends the lease to sent + length; it never shortens it.
func (l *lease) renew(sent time.Time, length time.Duration) {
	if end := int64(sent.Sub(l.start) + length); end > l.mono.Load() {
		l.mono.Store(end)
		l.wall.Store(sent.Round(0).Add(length).UnixNano())
	}
}

// end ends the lease at once, and what is in flight a little later, whatever
// comes next.
func (l *lease) end() {
	l.mono.Store(0)
	l.wall.Store(0)
	l.mu.Lock()
	defer l.mu.Unlock()
	time.AfterFunc(tenureGrace, l.tenure.Swap(overTenure()).end)
}

// valid compares both clocks: the monotonic one stands still while a machine is
// suspended, the wall clock may be set back.
func (l *lease) valid(now time.Time) bool {
	return int64(now.Sub(l.start)) < l.mono.Load() && now.UnixNano() < l.wall.Load()
}

// extend, after a renewal, makes the tenure last until a second after the lease; one that was
// over is followed by another.
func (l *lease) extend(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := max(0, time.Duration(l.mono.Load())-now.Sub(l.start)) + tenureGrace
	if l.closed || !l.valid(now) {
		return
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(rest, l.lapse)
	} else {
		l.timer.Reset(rest)
	}
	if l.tenure.Load().ctx.Err() != nil {
		l.tenure.Store(newTenure())
	}
}

// lapse ends the tenure unless the lease was renewed meanwhile.
func (l *lease) lapse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.valid(time.Now().Add(-tenureGrace)) {
		l.tenure.Load().end()
	}
}

// close ends the tenure for good.
func (l *lease) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.tenure.Load().end()
}

// stay is one workspace's part of a tenure: it ends earlier when a shard of the
// workspace goes to another member and an attempt of it has not ended in time.
type stay struct {
	tenure
	of *tenure
}

// Tenure returns a context that ends when nothing of the workspace may be in
// flight here any more: a second after the lease, or when a shard was handed
// over whose attempts had not ended in time; which attempts hold records of it
// is not known, so all of the workspace end, and are made again. An attempt asks
// when it begins: another time brings another context.
func (l *Lanes) Tenure(workspace string) context.Context {
	q := l.queues[workspace]
	of := l.lease.tenure.Load()
	if s := q.stay.Load(); s.lasts(of) {
		return s.ctx
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stay.Load()
	if s.lasts(of) { // many ask at once
		return s.ctx
	}
	if s != nil {
		s.end()
	}
	ctx, end := context.WithCancel(of.ctx)
	q.stay.Store(&stay{tenure{ctx, end}, of})
	return ctx
}

// lasts tells whether a stay, nil for none, is the present one of a tenure.
func (s *stay) lasts(of *tenure) bool {
	return s != nil && s.of == of && (s.ctx.Err() == nil || of.ctx.Err() != nil)
}

// cut ends the workspace's attempts in flight. It runs under q.mu.
func (q *queue) cut() {
	if s := q.stay.Load(); s != nil {
		s.end()
	}
}
