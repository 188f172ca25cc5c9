package replay

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// maxGraves bounds the calls that one replay knows to have destroyed somebody,
// over all its shards: some 100 MB.
const maxGraves = 500_000

// cause is what a destructive call does.
type cause uint8

const (
	none cause = iota
	deleted
	suppressed
	merged
	lifted // destroys nothing, but ends a suppression
)

// causeOf is what an event destroys, none for any other.
func causeOf(e *event.Event) cause {
	switch e.Op {
	case event.OpDelete, event.OpObjectDelete:
		return deleted
	case event.OpSuppress:
		return suppressed
	case event.OpMerge:
		return merged
	default:
		if e.Barrier { // one that is added later: the least that can be said of it
			return deleted
		}
		return none
	}
}

// place is where something stands: two of one shard are compared by offset, of
// two shards only the times can tell.
type place struct {
	shard  int32
	offset int64
	at     time.Time
}

func placeOf(e *event.Event) place { return place{e.Source.Partition, e.Source.Offset, e.Time} }

// before tells whether p stands before a later call; of two at one time the call
// is taken to be later.
func (p place) before(call place, life bool) bool {
	if p.shard == call.shard {
		return p.offset < call.offset
	}
	return p.at.Before(call.at) || (life && p.at.Equal(call.at))
}

// grave is one destructive call, or one that ends a suppression, as it concerns
// one key; of a merge, the key of whom it makes go. The one that a merge keeps is
// not destroyed.
type grave struct {
	place
	cause cause
	kept  bool     // the call is in the window and selected
	since bool     // the key came back after it
	life  place    // where it was seen last then
	far   bool     // the key's records stand in another shard
	keeps []uint64 // by key, of a merge: whom it keeps
}

// graves knows who was destroyed, as far as the live topic was read. It is safe
// for concurrent use.
type graves struct {
	seed       maphash.Seed
	most       int
	partitions int32 // of the topic

	mu    sync.RWMutex
	calls map[uint64][]*grave // by key; guarded by mu, as what they point to
	size  int                 // of all together; guarded by mu
}

func newGraves(partitions int32, most int) *graves {
	return &graves{seed: maphash.MakeSeed(), most: most, partitions: partitions, calls: map[uint64][]*grave{}}
}

func (g *graves) hash(key []byte) uint64 { return maphash.Bytes(g.seed, key) }

func (g *graves) hashes(keys [][]byte) []uint64 {
	all := make([]uint64, len(keys))
	for i, k := range keys {
		all[i] = g.hash(k)
	}
	return all
}

// note takes in a record of the live topic that has no fault. kept tells whether
// the replay takes it, judged by window and selection alone; it is asked only
// when that matters.
func (g *graves) note(e *event.Event, kept func() bool) error {
	why, keys := causeOf(e), keysOf(e)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case e.Op == event.OpUnsuppress:
		why = lifted
	case why == none:
		g.survived(e, keys)
		return nil
	}
	var keeps []uint64
	if why == merged {
		keeps, keys = g.hashes(keys), nil
		if other := secondaryOf(e); other != nil {
			keys = [][]byte{other}
		}
	}
	at, takes := placeOf(e), kept()
	for i, h := range g.hashes(keys) {
		if !slices.Contains(keeps, h) {
			far := partition.ShardOf(keys[i], g.partitions) != at.shard
			g.bury(h, &grave{place: at, cause: why, kept: takes, far: far, keeps: keeps})
		}
	}
	if g.size > g.most {
		return refuse("take a smaller window, or one that begins later", "more than %d users were deleted, suppressed or merged since the window's start: they do not fit in memory", g.most)
	}
	return nil
}

// bury adds a call to those of a key. What stood before it in its shard is told
// by it alone from then on, but for suppressions: nothing but an unsuppress ends them.
func (g *graves) bury(h uint64, call *grave) {
	calls := g.calls[h]
	g.size -= len(calls)
	calls = slices.DeleteFunc(calls, func(c *grave) bool {
		again := c.shard == call.shard && c.offset == call.offset
		return again || (c.shard == call.shard && ends(call.cause) && !bars(c.cause))
	})
	g.calls[h] = append(calls, call)
	g.size += len(calls) + 1
}

// ends tells whether whoever was there before such a call is not there any more.
func ends(c cause) bool { return c == deleted || c == suppressed }

// bars tells whether a call suppresses, or ends that.
func bars(c cause) bool { return c == suppressed || c == lifted }

// survived notes who came back after a destructive call.
func (g *graves) survived(e *event.Event, keys [][]byte) {
	at := placeOf(e)
	for _, k := range keys {
		for _, c := range g.calls[g.hash(k)] {
			if !at.before(c.place, true) && (!c.since || c.life.before(at, false)) {
				c.since, c.life = true, at
			}
		}
	}
}

// unsure tells whether there is a call that names a key of another shard, of
// which records that were read before the call may have come since.
func (g *graves) unsure() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, calls := range g.calls {
		for _, c := range calls {
			if c.far && c.kept && (c.cause == merged || c.cause == deleted && !c.since) {
				return true
			}
		}
	}
	return false
}

// revisit looks at a record once more, for unsure.
func (g *graves) revisit(e *event.Event) {
	if causeOf(e) != none || e.Op == event.OpUnsuppress {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.survived(e, keysOf(e))
}
