// Package guard tells repeats: events that need not be sent because another
// that says the same was delivered a moment ago. All that a workspace is sent of
// a user goes through one member, in order, so a guard in memory is enough: it
// is told of every event when an attempt takes it and when one is delivered, and
// forgets when shards move.
//
// What holds, whatever happens: an event is dropped only because of another that
// was delivered, never because of one that is in flight, failed or was set
// aside; never because of one from before a delete, suppress or merge of its
// user; and a dropped identify has no effect that the first one had not. Where
// that is in doubt the event is sent. A guard that has forgotten something, or
// whose memory is full, drops less.
//
// Two things are beyond it: a person who is written to by two keys has two
// orders, and records that a producer put into the wrong partition (misplaced)
// go past it.
package guard

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"sluice/pipeline/event"
)

// Guard watches one workspace. It is safe for concurrent use.
type Guard struct {
	seed  maphash.Seed
	start time.Time
	on    atomic.Bool // rules.On(); stored under mu

	mu       sync.Mutex // guards all below
	rules    Rules
	alone    bool // all that is sent of a user goes through here
	clock    int64
	floor    int64 // what is not from after it is forgotten
	said     recent[uint64, identify]
	ids      recent[idKey, sighting]
	contents recent[contentKey, sighting]
	barriers recent[uint64, int64] // when the user's last one was, by this clock
}

// New makes a guard that knows nothing yet. It drops no identify before
// Reassigned says that it may.
func New(r Rules) *Guard {
	g := &Guard{
		seed: maphash.MakeSeed(), start: time.Now(), rules: r,
		said: newRecent[uint64, identify](MaxIdentifies, itself), ids: newRecent[idKey, sighting](MaxEventIDs, idKey.hash),
		contents: newRecent[contentKey, sighting](MaxContents, contentKey.hash), barriers: newRecent[uint64, int64](maxBarriers, itself),
	}
	g.on.Store(r.On())
	return g
}

// Set changes the rules from the next event on. When they differ, everything is
// forgotten: a rule that was off has not seen what was sent meanwhile.
func (g *Guard) Set(r Rules) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r == g.rules {
		return
	}
	g.rules = r
	g.on.Store(r.On())
	g.forget()
}

// Forget is called when what was delivered so far says nothing about what comes:
// another destination. What is in flight is forgotten too.
func (g *Guard) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget()
}

// Reassigned is called when shards of the workspace may have come or gone: others
// may have delivered since, so everything is forgotten. Identifies are only
// judged while alone: nothing of a user can reach the workspace through another
// member. It returns at once and calls nothing.
func (g *Guard) Reassigned(alone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alone = alone
	g.forget()
}

// On tells whether any rule is. It costs next to nothing.
func (g *Guard) On() bool { return g.on.Load() }

// Screen is told of the events of an attempt that is made up, each user's in
// order, before anything of it is sent; repeat is called at once for each that
// is to be dropped instead. Events that judge says false of are never dropped;
// nil is true of all. It neither keeps nor changes what it is given.
func (g *Guard) Screen(events []*event.Event, now time.Time, judge func(*event.Event) bool, repeat func(i int, why Reason)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.rules.On() {
		return
	}
	for i, e := range events {
		if why := g.take(e, g.tick(now), judge == nil || judge(e)); why != None {
			repeat(i, why)
		}
	}
}

// Delivered is told of events that their destination has taken, before anything
// later of their users is taken. It neither keeps nor changes what it is given.
func (g *Guard) Delivered(events []*event.Event, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.rules.On() {
		return
	}
	for _, e := range events {
		g.confirm(e, g.tick(now))
	}
}

// tick is the guard's clock: nanoseconds, and never the same twice, so that it
// also tells what came first.
func (g *Guard) tick(now time.Time) int64 {
	g.clock = max(g.clock+1, int64(now.Sub(g.start)))
	return g.clock
}

func (g *Guard) forget() { g.floor = g.tick(time.Now()) }
