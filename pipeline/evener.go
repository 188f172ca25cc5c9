package pipeline

import (
	"sync"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

const (
	// evenEarly is how closely together the events of a spread class may go
	// whatever their rate: a timer is no more exact.
	evenEarly = 20 * time.Millisecond
	// evenWait is how long at most a due event waits for those before it.
	evenWait = time.Second
	// evenOver is how much faster than they come due they may go, so that those
	// that wait catch up.
	evenOver = 1.02

	evenCell  = 250 * time.Millisecond // of what is counted
	evenCells = 128                    // a ring of them: 32 s
	evenLook  = 32                     // cells that a rate is measured over: 8 s
	evenAhead = (evenCells - evenLook) * evenCell
)

// evener lets the evenly spread events of a class go one after the other.
// Each partition's are even, but those of a dozen partitions, and those that
// missed their time, now and then meet; so one that is due goes a little later
// when others have just gone. It knows those of this member, which is enough.
// It is safe for concurrent use.
type evener struct {
	mu    sync.Mutex
	flows map[uint8]*flow // by class
}

// flow is one class's.
type flow struct {
	next time.Time // from when on the next one may go
	ring [evenCells]struct {
		cell int64 // since the epoch
		due  int   // events
	}
}

// expect counts an event that will be due.
func (v *evener) expect(lot uint8, due time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.flows[lot]
	if f == nil {
		if v.flows == nil {
			v.flows = map[uint8]*flow{}
		}
		f = &flow{}
		v.flows[lot] = f
	}
	cell := due.UnixNano() / int64(evenCell)
	at := &f.ring[uint64(cell)%evenCells]
	switch {
	case at.cell < cell:
		at.cell, at.due = cell, 1
	case at.cell == cell:
		at.due++
	}
}

// turn is when an event may go that is due, now or a little later. Later means
// that this moment is its own from then on: it need not ask again.
func (v *evener) turn(lot uint8, due, now time.Time) time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.flows[lot]
	if f == nil {
		return now
	}
	at := now
	if f.next.After(now) {
		at = f.next
	}
	if at.Sub(due) > evenWait {
		return now
	}
	f.next = at.Add(f.gap(now))
	if at.Sub(now) <= evenEarly {
		return now
	}
	return at
}

// gap is the time between two events at the rate at which they come due: the
// highest of the rates before, around and after now, for at either end of a
// window there are none on one side, and not all of those ahead are known.
func (f *flow) gap(now time.Time) time.Duration {
	cell := now.UnixNano() / int64(evenCell)
	most := 1
	for _, from := range [...]int64{cell - evenLook, cell - evenLook/2, cell} {
		n := 0
		for c := from; c < from+evenLook; c++ {
			if at := f.ring[uint64(c)%evenCells]; at.cell == c { //nolint:gosec // times after 1970
				n += at.due
			}
		}
		most = max(most, n)
	}
	return time.Duration(float64(evenLook*evenCell) / (evenOver * float64(most)))
}

// expect counts an event that was judged, when it will wait in memory from the
// moment on that it wakes: one that goes to a delay tier is judged again.
func (w *workspace) expect(s *settings, e *event.Event, now time.Time) {
	if e.Due.IsZero() || !e.Due.After(now) || !s.rules.Even(e) {
		return
	}
	from := now
	if e.Wake.After(now) {
		from = e.Wake
	}
	if _, far := partition.DelayFor(e.Due.Sub(from)); !far && e.Due.Sub(now) < evenAhead {
		w.evener.expect(e.Lot, e.Due)
	}
}
