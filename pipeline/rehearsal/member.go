package rehearsal

import (
	"math/rand/v2"
	"slices"
	"time"

	"sluice/sink/budget"
)

// member is one owner of shards, with a pacer of its share.
type member struct {
	play   *play
	pacer  *budget.Pacer
	rota   rota
	shards []*shard
	called bool      // some operations have a budget of their own
	fresh  bool      // something became ready since it last looked
	wake   time.Time // it looks again then; zero: when something is ready

	// When it sent last, and the last time that it sent nothing for long.
	last, silent, until time.Time
}

// silence is for how long nothing was sent when what was due meanwhile is judged
// anew, as a member's dispatcher does.
const silence = time.Second

// newMember makes the member of that number, which owns its part of the shards.
func newMember(p *play, number int, shards []int32) *member {
	classes := p.rules.Classes()
	m := &member{play: p, rota: newRota(classes), last: p.out.Begin}
	cfg := p.cfg.Budget
	cfg.Classes = nil
	if p.cfg.Rules != nil {
		for _, c := range classes {
			cfg.Classes = append(cfg.Classes, budget.Class{Name: c.Name, Rate: budget.Rate(c.Rate)})
		}
	}
	m.called = len(cfg.Calls) > 0
	dice := rand.New(rand.NewPCG(1, uint64(number))) //nolint:gosec // the same each time is what is wanted
	m.pacer = budget.NewPacer(cfg, budget.Options{
		Batch: p.cfg.Items, Now: func() time.Time { return p.now }, Rand: dice.Float64,
	})
	for i := number; i < len(shards); i += p.cfg.Members {
		s := &shard{
			member: m, partition: shards[i], lanes: map[string]*lane{}, lines: make([]*line, len(classes)), inHand: make([]int, len(classes)),
		}
		m.shards = append(m.shards, s)
		p.shards[s.partition] = s
	}
	m.pacer.SetShare(len(m.shards), len(shards))
	return m
}

func (m *member) read() {
	for _, s := range m.shards {
		s.read()
	}
}

// enqueue has a lane wait for its turn.
func (m *member) enqueue(l *lane) {
	line := l.shard.line(l.head.lot)
	line.ready.push(l.head.event.Source.Offset, l)
	m.rota.add(line)
}

// work makes attempts until the budget, or what is ready, is used up.
func (m *member) work() {
	m.fresh, m.wake = false, time.Time{}
	for !m.rota.Idle() {
		var made attempt
		wait := m.pacer.Try(func(room budget.Room) budget.Charge {
			made = m.attempt(room)
			return made.charge
		})
		m.read()
		switch {
		case len(made.items) > 0 || made.hushed:
		case wait > 0 && made.asked && made.shut == 0:
			m.wake = m.play.now.Add(min(longest, max(wait, m.opening())))
			return
		case wait > 0:
			m.wake = m.play.now.Add(wait)
			return
		default:
			return
		}
	}
}

// opening is the time until the first class that has something ready may send:
// what a member finds out by asking every second.
func (m *member) opening() time.Duration {
	first := time.Duration(-1)
	for i, c := range m.pacer.Status().Classes {
		if m.rota.Waits(uint8(i)) && (first < 0 || c.Wait < first) {
			first = c.Wait
		}
	}
	return first
}

// attempt is one request that is being made up.
type attempt struct {
	asked  bool // the budget let it be made up
	items  []*item
	bytes  int
	hushed bool   // something was taken out of it that has to wait
	shut   uint64 // operations that could not be in it
	charge budget.Charge
}

// attempt takes what is ready now and may be sent.
func (m *member) attempt(room budget.Room) attempt {
	a := attempt{asked: true, shut: room.Shut}
	m.rota.Begin(room.Classes)
	var taken, misfits []*lane
	most := min(m.play.cfg.Items, room.Events)
	for m.rota.More() && len(a.items) < most && !a.solo() {
		line := m.rota.take()
		l := line.ready.pop()
		if m.run(&a, l, most) {
			taken = append(taken, l)
		} else {
			misfits = append(misfits, l)
		}
		m.rota.add(line)
	}
	for _, l := range slices.Concat(misfits, taken) {
		l.release()
	}
	for _, it := range a.items {
		it.shard.count(it.lot, -1)
	}
	m.hush(&a)
	if len(a.items) > 0 {
		m.play.sent(a.items)
	}
	a.charge = m.charge(a, room)
	return a
}

// run moves a lane's head and what may follow it into the attempt, and reports
// false when its head does not fit.
func (m *member) run(a *attempt, l *lane, most int) bool {
	before := len(a.items)
	for it := l.head; it != nil && len(a.items) < most && a.fits(it, m.play.cfg.Bytes) && m.rota.Admits(it.lot); it = it.next {
		a.items = append(a.items, it)
		a.bytes += it.event.Size
		m.rota.Charge(it.lot)
		l.head = it.next
		if it.alone() || it.event.Barrier {
			break
		}
	}
	return len(a.items) > before
}

func (a *attempt) solo() bool { return len(a.items) == 1 && a.items[0].alone() }

// fits tells whether an event can join the attempt as it stands.
func (a *attempt) fits(it *item, bytes int) bool {
	switch {
	case a.shut>>it.event.Op&1 != 0:
		return false
	case len(a.items) == 0:
		return true
	default:
		return !it.alone() && (bytes == 0 || a.bytes+it.event.Size <= bytes)
	}
}

// hush takes out what must not be sent now: its quiet hours have begun since it
// was judged, or it was due while nothing was sent.
func (m *member) hush(a *attempt) {
	now := m.play.now
	if len(a.items) > 0 && now.Sub(m.last) > silence {
		m.silent, m.until = m.last, now
	}
	kept := a.items[:0]
	for _, it := range a.items {
		quiet := !it.closes.IsZero() && !now.Before(it.closes)
		if quiet || !it.due.IsZero() && it.due.After(m.silent) && it.due.Before(m.until) {
			if m.play.judge(it); it.due.After(now) {
				m.play.postpone(it)
				a.hushed = true
				continue
			}
		}
		kept = append(kept, it)
	}
	if a.items = kept; len(kept) > 0 {
		m.last = now
	}
}

// charge is what an attempt takes of the budget. It writes to the room's classes.
func (m *member) charge(a attempt, room budget.Room) budget.Charge {
	c := budget.Charge{Events: len(a.items), Classes: room.Classes}
	clear(c.Classes)
	for _, it := range a.items {
		if m.called {
			c.Bits |= 1 << it.event.Op
		}
		if int(it.lot) < len(c.Classes) {
			c.Classes[it.lot]++
		}
	}
	return c
}
