package pipeline

import (
	"sync/atomic"

	"sluice/sink"
)

// door is a sink while it is in use. It is closed when the workspace has let it
// go and the last attempt through it has ended.
type door struct {
	sink.Sink
	users atomic.Int64 // attempts under way, and one for the workspace itself; 0 is closed
}

func newDoor(s sink.Sink) *door {
	d := &door{Sink: s}
	d.users.Store(1)
	return d
}

// enter begins an attempt, unless the door is closed.
func (d *door) enter() bool {
	for {
		n := d.users.Load()
		if n == 0 {
			return false
		}
		if d.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (d *door) leave() {
	if d.users.Add(-1) == 0 {
		d.Close()
	}
}
