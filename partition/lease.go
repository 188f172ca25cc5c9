package partition

import (
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
}

func newLease() *lease { return &lease{start: time.Now()} }

// renew extends the lease to sent + length; it never shortens it.
func (l *lease) renew(sent time.Time, length time.Duration) {
	if end := int64(sent.Sub(l.start) + length); end > l.mono.Load() {
		l.mono.Store(end)
		l.wall.Store(sent.Round(0).Add(length).UnixNano())
	}
}

// end ends the lease at once.
func (l *lease) end() {
	l.mono.Store(0)
	l.wall.Store(0)
}

// valid compares both clocks: the monotonic one stands still while a machine is
// suspended, the wall clock may be set back.
func (l *lease) valid(now time.Time) bool {
	return int64(now.Sub(l.start)) < l.mono.Load() && now.UnixNano() < l.wall.Load()
}
