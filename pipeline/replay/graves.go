package replay

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// maxGraves bounds the users and objects that one replay knows to be destroyed,
// over all its shards: some 50 MB.
const maxGraves = 1_000_000

// cause is what a destructive call does.
type cause uint8

const (
	none cause = iota
	deleted
	suppressed
	merged
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

// grave is the last destructive call of a key in the shard of its records.
type grave struct {
	last  int64 // its offset
	cause cause
	since bool // something of the key came after it that is not replayed in its order
}

// farGrave is the last destructive call of a key that stands in another shard
// than the key's records, so that only times can tell what came first.
type farGrave struct {
	at       time.Time
	shard    int32
	cause    cause
	since    bool
	replayed bool // the call itself is in the window and selected
}

// graves knows who was destroyed, as far as the live topic was read. It is safe
// for concurrent use.
type graves struct {
	seed       maphash.Seed
	most       int
	partitions int32 // of the topic

	mu   sync.RWMutex
	own  map[int32]map[uint64]grave // guarded by mu
	far  map[uint64]farGrave        // guarded by mu
	size int                        // of both together; guarded by mu
}

func newGraves(partitions int32, most int) *graves {
	return &graves{
		seed: maphash.MakeSeed(), most: most, partitions: partitions,
		own: map[int32]map[uint64]grave{}, far: map[uint64]farGrave{},
	}
}

// note takes in a record of the live topic that has no fault. kept tells whether
// the replay takes it, judged by window and selection alone; it is asked only
// when that matters.
func (g *graves) note(e *event.Event, kept func() bool) error {
	why, shard := causeOf(e), e.Source.Partition
	keys := keysOf(e)
	g.mu.Lock()
	defer g.mu.Unlock()
	if why == none {
		for _, k := range keys {
			g.survived(e, maphash.Bytes(g.seed, k), kept)
		}
		return nil
	}
	if other := secondaryOf(e); other != nil {
		keys = append(keys, other)
	}
	own := g.own[shard]
	if own == nil {
		own = map[uint64]grave{}
		g.own[shard] = own
	}
	for _, k := range keys {
		h := maphash.Bytes(g.seed, k)
		if _, known := own[h]; !known {
			g.size++
		}
		own[h] = grave{last: e.Source.Offset, cause: why}
		if partition.ShardOf(k, g.partitions) == shard {
			continue
		}
		old, known := g.far[h]
		if !known {
			g.size++
		}
		if !known || !e.Time.Before(old.at) {
			g.far[h] = farGrave{at: e.Time, shard: shard, cause: why, replayed: kept()}
		}
	}
	if g.size > g.most {
		return refuse("take a smaller window, or one that begins later", "more than %d users were deleted, suppressed or merged since the window's start: they do not fit in memory", g.most)
	}
	return nil
}

// survived notes that something of a key stands after its destructive call.
func (g *graves) survived(e *event.Event, h uint64, kept func() bool) {
	if own, dug := g.own[e.Source.Partition][h]; dug && !own.since && own.last < e.Source.Offset && !kept() {
		own.since = true
		g.own[e.Source.Partition][h] = own
	}
	// In another shard the copy of what came since may go out before the copy of
	// the call, even when both are replayed.
	if far, dug := g.far[h]; dug && !far.since && far.shard != e.Source.Partition && e.Time.After(far.at) {
		far.since = true
		g.far[h] = far
	}
}

// unsure tells whether some call that is replayed names a key of another shard,
// of which records that were read before the call may have come since.
func (g *graves) unsure() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, f := range g.far {
		if f.replayed && !f.since {
			return true
		}
	}
	return false
}

// revisit looks at a record once more, for unsure.
func (g *graves) revisit(e *event.Event) {
	if causeOf(e) != none {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range keysOf(e) {
		h := maphash.Bytes(g.seed, k)
		if far, dug := g.far[h]; dug && !far.since && far.shard != e.Source.Partition && e.Time.After(far.at) {
			far.since = true
			g.far[h] = far
		}
	}
}

// verdict is what becomes of a selected record.
type verdict uint8

const (
	copied verdict = iota
	skipDeleted
	skipSuppressed
	skipMerged
	skipOvertaken
	skipFaulty
	skipTooLarge
)

// judge tells whether a selected record that has no fault may be sent again.
func (g *graves) judge(e *event.Event) verdict {
	why := causeOf(e)
	keys := keysOf(e)
	g.mu.RLock()
	defer g.mu.RUnlock()
	own := g.own[e.Source.Partition]
	overtaken := false
	for _, k := range keys {
		h := maphash.Bytes(g.seed, k)
		if o, dug := own[h]; dug {
			if e.Source.Offset < o.last {
				return skipFor(o.cause)
			}
			overtaken = overtaken || (o.last == e.Source.Offset && o.since)
		}
		f, dug := g.far[h]
		if !dug {
			continue
		}
		if f.shard == e.Source.Partition {
			overtaken = overtaken || (why != none && f.at.Equal(e.Time) && f.since)
		} else if e.Time.Before(f.at) || (why == none && e.Time.Equal(f.at)) {
			return skipFor(f.cause)
		}
	}
	if other := secondaryOf(e); other != nil {
		h := maphash.Bytes(g.seed, other)
		o, f := own[h], g.far[h]
		overtaken = overtaken || (o.last == e.Source.Offset && o.since) || (f.shard == e.Source.Partition && f.at.Equal(e.Time) && f.since)
	}
	if overtaken {
		return skipOvertaken
	}
	return copied
}

func skipFor(c cause) verdict {
	switch c {
	case suppressed:
		return skipSuppressed
	case merged:
		return skipMerged
	default:
		return skipDeleted
	}
}

// add counts a verdict that is a skip.
func (s *Skipped) add(v verdict) {
	switch v {
	case skipDeleted:
		s.Deleted++
	case skipSuppressed:
		s.Suppressed++
	case skipMerged:
		s.Merged++
	case skipOvertaken:
		s.Overtaken++
	case skipFaulty:
		s.Faulty++
	case skipTooLarge:
		s.TooLarge++
	case copied:
	}
}

// keysOf are the keys that a prepared event is about: its record's, and that of
// whom it names when it is another.
func keysOf(e *event.Event) [][]byte {
	keys := make([][]byte, 0, 3)
	if len(e.Key) > 0 {
		keys = append(keys, e.Key)
	}
	if named := namedBy(e); len(named) > 0 && string(named) != string(e.Key) {
		keys = append(keys, named)
	}
	return keys
}

// namedBy is the key of whom or what an entity names, nil when it names nobody.
func namedBy(e *event.Event) []byte {
	switch kind, id := e.Identifier(); kind {
	case event.KindID:
		return id
	case event.KindEmail:
		return event.KeyOfEmail(string(id))
	case event.KindPhone:
		return event.KeyOfPhone(string(id))
	case event.KindCioID:
		return event.KeyOfCioID(string(id))
	case event.KindAnonymous:
		return event.KeyOfAnonymous(string(id))
	case event.KindObject, event.KindCioObject:
		key, err := event.EntityKey(e.Value)
		if err != nil {
			return nil
		}
		return key
	default:
		return nil
	}
}

// secondaryOf is the key of the person that a merge makes go, nil for any other
// event.
func secondaryOf(e *event.Event) []byte {
	if e.Op != event.OpMerge {
		return nil
	}
	entity := fmt.Appendf(nil, `{"type":"person","action":"delete","identifiers":%s}`, json.RawMessage(e.Field(event.FieldSecondary)))
	key, err := event.EntityKey(entity)
	if err != nil {
		return nil
	}
	return key
}
