package partition

import (
	"fmt"
	"slices"
	"time"

	"sluice/sink/budget"
)

// rules are the decisions that the protocol stands on, each as the product
// makes it. An ablation replaces one, to see that the witness sees it.
type rules struct {
	// load notes what the group's commit says of the owner before.
	load func(c *claim, released bool, now time.Time, lease time.Duration)
	// releases tells whether a revoked shard's last commit lets others start.
	releases func(c *claim, now time.Time, flying int) bool
	// early tells whether a commit in the ordinary course says released.
	early func(h *holding) bool
	// ready tells whether a shard may be committed.
	ready func(h *holding) bool
	// describe is the metadata of a commit.
	describe func(h *holding, released bool) string
	// identity is what a commit carries.
	identity func(p *process) (member string, generation int32)
	// evicted tells whether a generation was adopted under another name.
	evicted func(was, is string) bool
	// claimed is the generation in which a JoinGroup says its shards were given.
	claimed func(p *process) int32
	// heartbeat is told when one that was sent then is answered.
	heartbeat func(p *process, sent time.Time)
}

func shippedRules() rules {
	return rules{
		load:      (*claim).load,
		releases:  (*claim).releases,
		early:     func(*holding) bool { return false },
		ready:     func(h *holding) bool { return h.loaded },
		describe:  func(h *holding, released bool) string { return encodeMetadata(&h.win, released) },
		identity:  func(p *process) (string, int32) { return p.members.get() },
		evicted:   func(was, is string) bool { return was != "" && was != is },
		claimed:   func(p *process) int32 { return p.client.generation },
		heartbeat: func(*process, time.Time) {},
	}
}

// process is one member's process, driven as Consumer drives the same pieces.
type process struct {
	world    *world
	number   int
	instance string // static identity, "" for none
	loud     bool   // its client gives its shards up when it hears nothing (OnPartitionsLost)

	alive, frozen, leaving bool
	cut                    bool     // no way to Kafka; the destination is reached
	deposed                bool     // its coordinator is one no more, and does not know
	deferred               []func() // what is due while it is frozen
	skew                   time.Duration
	ppm                    int64 // its clock's rate error, parts in a million

	client   *client
	members  membership
	lease    *lease
	adopted  adoption
	holdings []*holding // by number of the site; nil: not ours
	memory   []*window  // of what an earlier assignment settled, by number of the site
	busy     []uint32   // by number of the site: keys in an attempt, whatever its assignment
	desks    []*desk
	drains   []*drainage
	commits  commits

	// For the witness, by the process's clock since its lease's start: how far
	// accepted commits prove that it may send, and the lease as last seen.
	proven time.Duration
	seen   struct {
		lease    time.Duration
		revoking bool
	}
}

// epoch is where clocks begin; each process's is off by a time of its own.
func epoch() time.Time { return time.Unix(1_700_000_000, 0) }

// start adds a process to the fleet; it joins at once.
func (w *world) start(instance string) *process {
	p := &process{
		world: w, number: len(w.processes), instance: instance, loud: w.chance(0.5), alive: true,
		skew: w.between(0, time.Hour), ppm: w.dice.Int64N(1001) - 500,
		holdings: make([]*holding, len(w.sites)), memory: make([]*window, len(w.sites)), busy: make([]uint32, len(w.sites)),
	}
	p.lease = newLeaseAt(p.clock().Add(-time.Hour))
	w.processes = append(w.processes, p)
	w.living = append(w.living, p)
	for _, sp := range w.spaces {
		pacer := budget.NewPacer(budget.Config{Requests: budget.Rate(sp.rate)}, budget.Options{Batch: 1, Now: p.clock, Rand: w.dice.Float64})
		p.desks = append(p.desks, &desk{process: p, space: sp, pacer: pacer})
	}
	w.witness.note("%v starts (instance %q, clock %+d ppm)", p, instance, p.ppm)
	p.open()
	p.every(w.cfg.CommitEvery, p.commitNow)
	p.every(w.cfg.Heartbeat, p.beat)
	return p
}

func (p *process) String() string { return fmt.Sprintf("p%d", p.number) }

// clock is the time as this process has it.
func (p *process) clock() time.Time {
	now := p.world.now
	return epoch().Add(p.skew + now + now*time.Duration(p.ppm)/1_000_000)
}

// do lets the process act: never once it is dead, later while it is frozen.
func (p *process) do(act func()) {
	switch {
	case !p.alive:
	case p.frozen:
		p.deferred = append(p.deferred, act)
	default:
		act()
	}
}

// after acts after a time on the process's own clock, a little late as timers are.
func (p *process) after(d time.Duration, act func()) {
	late := time.Duration(p.world.dice.ExpFloat64() * float64(300*time.Microsecond))
	d = d*1_000_000/time.Duration(1_000_000+p.ppm) + 1 + late
	p.world.after(d, func() { p.do(act) })
}

func (p *process) every(d time.Duration, act func()) {
	var tick func()
	tick = func() {
		act()
		p.after(d, tick)
	}
	p.after(time.Duration(p.world.dice.Int64N(int64(d))), tick)
}

func (p *process) freeze() { p.frozen = true }

// thaw lets everything that was due meanwhile happen at once.
func (p *process) thaw() {
	p.frozen = false
	due := p.deferred
	p.deferred = nil
	for _, act := range due {
		p.do(act)
	}
}

// die ends the process as it stands.
func (p *process) die() {
	p.alive = false
	p.world.living = slices.DeleteFunc(p.world.living, func(x *process) bool { return x == p })
}

// lost is OnPartitionsLost: what was ours is another's already.
func (p *process) lost(c *client, why error) {
	p.world.witness.note("%v lost its shards: %v", p, why)
	c.assigned = nil
	p.lease.end()
	p.closeAll()
}

// replaced ends a process whose static identity another has taken.
func (p *process) replaced() {
	p.world.witness.note("%v is fenced", p)
	p.lease.end()
	p.closeAll()
	p.die()
}

// leave is a clean stop: nothing more is taken, attempts may end under a lease
// that is renewed meanwhile, then the shards are released and the group is left.
func (p *process) leave() {
	p.world.witness.note("%v leaves", p)
	p.leaving = true
	held := p.held()
	for _, h := range held {
		h.enter((*claim).drain)
	}
	p.drain(held, 3*time.Second, func() {
		p.release(held, func() {
			p.closeAll()
			p.lease.end()
			p.depart(p.client)
			p.after(100*time.Millisecond, p.die)
		})
	})
}

// depart tells the group that a client is gone for good.
func (p *process) depart(c *client) {
	member := c.member
	p.world.call(p, "leave", func(func(func())) {
		if s, err := p.world.group.find(member, p.instance); err == nil {
			p.world.group.remove(s)
		}
	}, func() {})
}
