package budget

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Options are what a Pacer needs beside its budget.
type Options struct {
	Batch int              // the most events of one attempt; less than 1 means 1
	Now   func() time.Time // nil: time.Now. Called under a lock: it must call nothing back
	Rand  func() float64   // from 0 to below 1; nil: rand.Float64. Called under a lock too
}

// Room is what an attempt may hold.
type Room struct {
	Events int    // how many events, at least 1
	Shut   uint64 // operations that may not be in it now

	// Classes is how many events of each class may be in it now, by number: 0 of
	// one that is shut, math.MaxInt of one without a limit. It is nil when no class
	// has a limit. It may be written to, and is valid until fill returns.
	Classes []int
}

// Charge is what an attempt holds.
type Charge struct {
	Events int    // 0 or less: there is no attempt, nothing is charged
	Bits   uint64 // its operations

	// Classes is how many events of each class it holds, by the numbers of its
	// Room; what is above that is owed. It is read before Try or Wait returns, and
	// may be nil when Room's is.
	Classes []int
}

// ClassStatus is what a pacer does about a class of events at an instant.
type ClassStatus struct {
	Name string
	Rate Rate          // events a second that this member may send; infinite when the class has no limit
	Open bool          // an event of it may be sent, as far as the class goes
	Wait time.Duration // until it is open, at the present rate; the longest there is without a share
}

// Status is what a pacer does at an instant.
type Status struct {
	Rate         Rate    // attempts a second that this member may make; infinite when unlimited
	Events       Rate    // events a second; infinite when unlimited
	Factor       float64 // what the destination's answers leave of the budget: 0.05 to 1
	Owned, Total int     // this member's share

	Classes []ClassStatus // of the budget's classes of events, by number
}

// Pacer spaces a member's attempts on a workspace evenly and bounds the events
// in them. It is safe for concurrent use.
type Pacer struct {
	ledger  ledger
	turn    sync.Mutex    // one fill at a time: what is seen is what is charged
	line    chan struct{} // capacity 1: whose turn it is to wait; the others queue in order
	changed chan struct{} // capacity 1: the wait may be of an old budget
	timer   *time.Timer   // of who is first in line
}

// NewPacer makes a pacer whose share is 0 of 1: nothing is granted before
// SetShare. With a share of s any second holds at most s x Requests attempts (a
// fraction counts as one more), s x Events events and a batch, and one event of
// a class more than s x its Rate.
func NewPacer(cfg Config, o Options) *Pacer {
	p := &Pacer{line: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	l := &p.ledger
	l.now, l.dice, l.batch, l.total = o.Now, o.Rand, o.Batch, 1
	l.adapt = adaptation{factor: 1, ceiling: 1}
	l.settled = l.now()
	l.adopt(cfg)
	return p
}

// Set changes the budget, for those who wait already too: what is lower counts
// at once, what is higher after that time, when no other member goes by the
// lower one any more. What was charged stays charged. The batch counts at once,
// and so do the numbers of classes: one that is gone limits nothing any more.
func (p *Pacer) Set(cfg Config, batch int, after time.Duration) {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	p.ledger.set(cfg, batch, after)
	p.notify()
}

// SetShare changes the member's share of the budget, for those who wait already
// too: owned of total shards. It returns at once and calls nothing back, so it
// may be called with any lock but those that Options' functions take. The first
// attempt after a share of 0 waits for a little more than the time of two, so
// that a second that spans a hand-over holds no more than the rate either.
func (p *Pacer) SetShare(owned, total int) {
	l := &p.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setShare(owned, total)
	p.notify()
}

// notify lets who waits look again.
func (p *Pacer) notify() {
	select {
	case p.changed <- struct{}{}:
	default: // a wake-up is on its way already
	}
}

// Try makes an attempt if one may be sent now: fill is told what it may hold and
// returns what it holds, which is charged. When none may be sent, fill is not
// called and the time until the next is returned, at the present share and
// rate. When fill takes nothing while operations or classes are shut, the time
// until some of them may be open is returned, at most a second. Else 0 is
// returned.
func (p *Pacer) Try(fill func(Room) Charge) (wait time.Duration) {
	wait, _ = p.try(fill)
	return wait
}

// try is Try that also tells whether fill was asked.
func (p *Pacer) try(fill func(Room) Charge) (wait time.Duration, asked bool) {
	if p.ledger.open.Load() {
		fill(Room{Events: math.MaxInt})
		return 0, true
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	var room Room
	if wait = p.ledger.room(&room); wait > 0 {
		return wait, false
	}
	switch charge := fill(room); {
	case charge.Events > 0:
		p.ledger.charge(&charge)
	case room.Shut != 0 || p.ledger.classes.anyShut():
		return p.ledger.opening(room.Shut), true
	}
	return 0, true
}

// Wait is Try that waits until an attempt may be sent; those who wait are
// served in the order in which they came. When fill takes nothing while
// operations or classes are shut, it returns at once: again is when some of them
// may be open, for a caller who waits for that or for something else to send.
// The error is that of ctx, when it ends first.
func (p *Pacer) Wait(ctx context.Context, fill func(Room) Charge) (again time.Duration, err error) {
	if p.ledger.open.Load() {
		again, _ = p.try(fill)
		return again, nil
	}
	select {
	case p.line <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-p.line }()
	for ctx.Err() == nil {
		wait, asked := p.try(fill)
		if asked {
			return wait, nil
		}
		p.sleep(ctx, wait)
	}
	return 0, ctx.Err()
}

// sleep waits for the time, a change or the end of ctx. Only who is first in
// line sleeps.
func (p *Pacer) sleep(ctx context.Context, wait time.Duration) {
	var over <-chan time.Time
	if wait < never {
		if p.timer == nil {
			p.timer = time.NewTimer(wait)
		} else {
			p.timer.Reset(wait)
		}
		defer p.timer.Stop()
		over = p.timer.C
	}
	select {
	case <-ctx.Done():
	case <-p.changed:
	case <-over:
	}
}

// Answered tells the pacer how the destination answered a request: the rate
// follows. It reports whether so many answers were throttled lately that it is
// the workspace's affair; otherwise it is only that of the events in the
// request.
func (p *Pacer) Answered(sent time.Time, throttled bool) (many bool) {
	l := &p.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	many, changed := l.adapt.answered(now, sent, throttled, float64(l.cfg.Requests)*l.share())
	if changed {
		l.settle(now)
		l.tune()
		p.notify()
	}
	return many
}

// Status reports what the pacer does now. It is safe for concurrent use.
func (p *Pacer) Status() Status { return p.ledger.status() }
