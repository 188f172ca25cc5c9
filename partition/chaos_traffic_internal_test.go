package partition

import (
	"slices"
	"time"

	"sluice/sink/budget"
)

// holding is one assignment of a shard to a process: the shipped claim and
// window with as many records in hand as it takes to be busy.
type holding struct {
	process *process
	desk    *desk
	site    *site
	claim
	loaded  bool
	win     window
	pending []int64 // offsets in hand, ascending
	flying  int
	dirty   bool

	loadedAt time.Time // for the witness: when, and
	clean    bool      // whether the commit said released
	proven   bool      // a commit of it as ours was accepted
}

// desk is a process's dispatcher for one workspace, with the shipped pacer.
type desk struct {
	process *process
	space   *space
	pacer   *budget.Pacer
	usable  int // shards that may be taken from
	part    Grant
	next    int // of the process's holdings, in turn
	flying  int
	due     time.Duration // when its timer is set to, 0: it is not
}

// inHand is how many records of a shard are held, mostInFlight how many attempts
// a workspace makes at once.
const (
	inHand       = 48
	mostInFlight = 64
)

// attempt is one request on its way.
type attempt struct {
	holding *holding
	process *process
	offset  int64
	user    int
}

// enter moves a shard on and keeps the share up to date.
func (h *holding) enter(step func(*claim)) {
	was := h.phase == active
	step(&h.claim)
	if is := h.phase == active; is != was {
		if is {
			h.desk.usable++
		} else {
			h.desk.usable--
		}
		h.desk.count()
	}
}

// count tells the pacer of the share, by the counting of the generation.
func (d *desk) count() {
	owned, total := d.process.adopted.share(d.space.name, d.usable, len(d.space.sites))
	part := Grant{Workspace: d.space.name, Owned: owned, Total: max(owned, total)}
	if part == d.part {
		return
	}
	d.part = part
	d.space.changed = d.process.world.now
	d.pacer.SetShare(part.Owned, part.Total)
	d.process.world.after(0, func() { d.process.do(d.turn) })
}

// turn sends what may be sent now and sets the timer for the rest.
func (d *desk) turn() {
	p := d.process
	for !p.leaving && p.alive && d.flying < mostInFlight {
		sent := false
		wait := d.pacer.Try(func(budget.Room) budget.Charge {
			if !p.lease.valid(p.clock()) {
				return budget.Charge{}
			}
			h, i := d.pick()
			if h == nil {
				return budget.Charge{}
			}
			h.dispatch(i)
			sent = true
			return budget.Charge{Events: 1, Bits: 1}
		})
		if wait > 0 {
			d.arm(wait)
		}
		if !sent {
			return
		}
	}
}

func (d *desk) arm(wait time.Duration) {
	now := d.process.world.now
	if wait > time.Minute || d.due > now && d.due <= now+wait {
		return
	}
	due := now + wait
	d.due = due
	d.process.after(wait, func() {
		if d.due == due {
			d.due = 0
			d.turn()
		}
	})
}

// pick finds the next shard in turn with a record whose key is free, and the
// record's place.
func (d *desk) pick() (*holding, int) {
	sites := d.space.sites
	for range sites {
		d.next = (d.next + 1) % len(sites)
		h := d.process.holdings[sites[d.next].number]
		if h == nil || h.phase != active {
			continue
		}
		h.fill()
		busy := d.process.busy[h.site.number]
		for i, offset := range h.pending {
			if busy>>h.site.user(offset)&1 == 0 {
				return h, i
			}
		}
	}
	return nil, 0
}

func (h *holding) fill() {
	for len(h.pending) < inHand {
		offset := max(h.win.read, h.win.base)
		if h.win.see(offset) {
			h.pending = append(h.pending, offset)
		}
	}
}

// dispatch sends the record at that place.
func (h *holding) dispatch(i int) {
	p, w := h.process, h.process.world
	a := &attempt{holding: h, process: p, offset: h.pending[i], user: h.site.user(h.pending[i])}
	h.pending = slices.Delete(h.pending, i, i+1)
	h.win.high = max(h.win.high, a.offset)
	h.flying++
	h.desk.flying++
	p.busy[h.site.number] |= 1 << a.user
	w.witness.sent(a)
	there, back, fails := w.route(), w.route()+w.slowness, w.chance(0.005)
	if w.chance(w.stragglers) {
		back += w.between(0, 2300*time.Millisecond)
	}
	w.after(there, func() {
		if !fails {
			w.witness.arrived(a)
		}
		w.after(back, func() {
			w.witness.ended(a)
			p.do(func() { a.answered(fails) })
		})
	})
}

// answered settles an attempt, or puts its record back in its place. That of an
// assignment that is over settles nothing but frees its key.
func (a *attempt) answered(failed bool) {
	h, p := a.holding, a.process
	p.busy[h.site.number] &^= 1 << a.user
	h.desk.flying--
	h.flying--
	switch {
	case h.phase == closed:
	case failed:
		at, _ := slices.BinarySearch(h.pending, a.offset)
		h.pending = slices.Insert(h.pending, at, a.offset)
	default:
		h.win.settle(a.offset)
		h.dirty = true
	}
	p.drained()
	h.desk.turn()
}

// drainage waits for attempts of revoked shards.
type drainage struct {
	held []*holding
	done func()
}

// drain goes on with done once nothing of the shards is in flight, or when the
// time is over.
func (p *process) drain(held []*holding, limit time.Duration, done func()) {
	d := &drainage{held: held, done: done}
	p.drains = append(p.drains, d)
	p.after(limit, func() { p.drainEnds(d) })
	p.after(0, p.drained)
}

// drained ends the drains that wait for nothing any more.
func (p *process) drained() {
	for _, d := range slices.Clone(p.drains) {
		flying := 0
		for _, h := range d.held {
			if h.phase == draining {
				flying += h.flying
			}
		}
		if flying == 0 {
			p.drainEnds(d)
		}
	}
}

func (p *process) drainEnds(d *drainage) {
	if i := slices.Index(p.drains, d); i >= 0 {
		p.drains = slices.Delete(p.drains, i, i+1)
		d.done()
	}
}
