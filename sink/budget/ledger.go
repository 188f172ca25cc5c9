package budget

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// headroom and tolerance keep any second of attempts within the rate: it
	// holds at most 1 + (1 s + tolerance) x headroom x R of them, which is below
	// R + 1. The tolerance makes up for timers that are late.
	headroom  = 0.985
	tolerance = 0.015
)

// ledger is what was sent and not yet paid for, by one member. Its lock is the
// innermost: nothing is called with it but the clock and the dice of Options.
type ledger struct {
	now  func() time.Time
	dice func() float64
	open atomic.Bool // unlimited and owned: nobody waits, nothing is counted; written under mu

	mu       sync.Mutex // guards what follows
	cfg      Config
	batch    int
	next     *Config // takes the place of cfg at nextAt; nil: nothing will
	nextAt   time.Time
	owned    int
	total    int
	requests meter
	events   meter
	calls    []meter   // of cfg.Calls, in their order
	settled  time.Time // until when the meters are drained
	adapt    adaptation
	classes  classes // of cfg.Classes
}

func (l *ledger) share() float64 { return float64(l.owned) / float64(l.total) }

// settle brings the meters to the present.
func (l *ledger) settle(now time.Time) {
	if l.next != nil && !now.Before(l.nextAt) {
		l.drain(l.nextAt)
		l.adopt(*l.next)
		l.next = nil
	}
	l.drain(now)
}

func (l *ledger) drain(now time.Time) {
	since := now.Sub(l.settled)
	if since <= 0 {
		return
	}
	l.settled = now
	passed := float64(since) / float64(time.Second) // Duration.Seconds divides twice
	l.requests.drain(passed)
	l.events.drain(passed)
	for i := range l.calls {
		l.calls[i].drain(passed)
	}
	l.classes.drain(passed)
}

// adopt makes cfg the budget. Classes keep their debts by their names.
func (l *ledger) adopt(cfg Config) {
	cfg.Calls = slices.Clone(cfg.Calls)
	calls := make([]meter, len(cfg.Calls))
	for i, call := range cfg.Calls {
		for j, old := range l.cfg.Calls {
			if old.Name == call.Name {
				calls[i] = l.calls[j]
			}
		}
	}
	shown := len(cfg.Classes)
	if l.next != nil { // what is behind its classes has no number any more
		shown = len(l.next.Classes)
	}
	fresh := l.classes.adopt(cfg.Classes, shown)
	l.cfg, l.calls = cfg, calls
	l.tune()
	if l.owned > 0 {
		l.classes.begin(fresh, l.dice)
	}
}

// tune gives every meter its part of the budget, at the present share and
// factor.
func (l *ledger) tune() {
	share := l.share()
	part := share * l.adapt.factor
	requests := headroom * float64(l.cfg.Requests) * part
	l.requests.tune(l.cfg.Requests <= 0, requests, tolerance*requests)
	// A batch is an event of many at once: small budgets get small ones.
	batch := max(1, min(l.batch, int(float64(l.cfg.Events)*share/10)))
	l.events.tune(l.cfg.Events <= 0, float64(l.cfg.Events)*part, float64(batch-1))
	for i, call := range l.cfg.Calls {
		rate := headroom * float64(call.Rate) * part
		l.calls[i].tune(call.Rate <= 0, rate, tolerance*rate)
	}
	l.classes.tune(headroom*part, lower(l.cfg.Requests, l.cfg.Events))
	l.open.Store(l.owned > 0 && l.cfg.unlimited())
}

// set changes the budget: to what both allow now, to the new one later.
func (l *ledger) set(cfg Config, batch int, after time.Duration) {
	now := l.now()
	l.settle(now)
	l.batch = batch
	// What asks for no more than the last change keeps its time: a budget that
	// is set again and again must come into force nonetheless.
	if l.next == nil || !stricter(*l.next, cfg).Equal(cfg) {
		l.nextAt = now.Add(max(0, after))
	}
	l.next = &cfg
	l.adopt(stricter(l.cfg, cfg))
	l.settle(now)
}

// setShare changes the share. What comes over from another owner is paid for
// first: he may have used his slack, and an attempt, an instant ago.
func (l *ledger) setShare(owned, total int) {
	l.settle(l.now())
	total = max(total, 1)
	owned = min(max(owned, 0), total)
	was, fresh := l.share(), l.owned == 0
	l.owned, l.total = owned, total
	if l.share() <= was {
		l.tune()
		return
	}
	requests, events, calls := l.requests.slack, l.events.slack, make([]float64, len(l.calls))
	for i := range l.calls {
		calls[i] = l.calls[i].slack
	}
	classes := l.classes.slacks()
	l.tune()
	// Members that adopt a generation together must not send together: the dice.
	l.requests.inherit(2+l.dice(), 3, requests, fresh)
	l.events.inherit(1, 1, events, fresh)
	for i := range l.calls {
		l.calls[i].inherit(1, 1, calls[i], fresh)
	}
	l.classes.inherit(classes, l.dice, fresh)
}

// room says what an attempt may hold now, or how long to wait before another
// look. It is called by who has the turn.
func (l *ledger) room(room *Room) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.settle(now)
	if l.owned == 0 {
		return never
	}
	if wait := max(l.requests.wait(), l.events.wait()); wait > 0 {
		return l.orChange(wait, now)
	}
	room.Events = l.events.room()
	for i := range l.calls {
		if !l.calls[i].open() {
			room.Shut |= l.cfg.Calls[i].Bits
		}
	}
	if l.classes.looks() {
		room.Classes = l.classes.look()
	}
	return 0
}

// orChange shortens a wait that a change of the budget may end.
func (l *ledger) orChange(wait time.Duration, now time.Time) time.Duration {
	if l.next == nil {
		return wait
	}
	return min(wait, max(1, l.nextAt.Sub(now)))
}

// charge writes down an attempt that is about to be sent.
func (l *ledger) charge(c *Charge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(l.now()) // the fill may have waited for a lock
	cost, covered := 0.0, uint64(0)
	for i, call := range l.cfg.Calls {
		covered |= call.Bits
		if call.Bits&c.Bits != 0 {
			cost = max(cost, call.cost())
			l.calls[i].charge(1)
		}
	}
	if c.Bits == 0 || c.Bits&^covered != 0 {
		cost = max(cost, 1)
	}
	l.requests.charge(cost)
	l.events.charge(float64(c.Events))
	if c.Classes != nil {
		l.classes.charge(c.Classes)
	}
}

// opening is the time until the first of the shut operations, or of the classes
// that were shut at the last look, is let through again, at least 1 ns and at
// most longestShut: the share may grow meanwhile.
func (l *ledger) opening(shut uint64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.settle(now)
	first := longestShut
	for rest := shut; rest != 0; rest &= rest - 1 {
		operation, wait := rest&-rest, time.Duration(0)
		for i, call := range l.cfg.Calls {
			if call.Bits&operation != 0 {
				wait = max(wait, l.calls[i].wait())
			}
		}
		first = min(first, wait)
	}
	first = min(first, l.classes.opening())
	return max(1, l.orChange(first, now)) // 0 would say that nothing is shut
}

// longestShut bounds how long a caller waits for what is shut without asking
// again.
const longestShut = time.Second

// status reports the present.
func (l *ledger) status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(l.now())
	s := Status{Rate: Rate(l.requests.rate), Events: Rate(l.events.rate), Factor: l.adapt.factor, Owned: l.owned, Total: l.total}
	if l.owned > 0 && l.requests.free {
		s.Rate = Rate(math.Inf(1))
	}
	if l.owned > 0 && l.events.free {
		s.Events = Rate(math.Inf(1))
	}
	s.Classes = l.classes.status(l.owned > 0)
	return s
}
