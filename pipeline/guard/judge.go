package guard

import (
	"encoding/binary"
	"hash/maphash"
	"time"

	"sluice/pipeline/event"
)

// maxBarriers is of how many users the last barrier is known, slowest for how
// much longer than any window: as long as an attempt may take that began before.
const (
	maxBarriers = 10_000
	slowest     = time.Hour
)

// identify is the last event of a user that an attempt took, if it was one that
// may be told from another.
type identify struct {
	sighting
	content uint64
	unix    int64
}

// sighting is when an event was taken, or delivered, by the guard's clock, and
// which one: should its like have been taken since, its delivery says nothing.
type sighting struct {
	at        int64
	source    uint64
	delivered bool
}

// idKey is an event id and whose it is.
type idKey struct {
	id  [16]byte
	who uint64
}

func (k idKey) hash() uint64 { return mix(k.who, binary.LittleEndian.Uint64(k.id[8:])) }

// contentKey is what was said and by whom.
type contentKey struct{ content, who uint64 }

func (k contentKey) hash() uint64 { return mix(k.who, k.content) }

// itself is the hash of what is one already.
func itself(k uint64) uint64 { return k }

// look is what a guard must know of an event.
type look struct {
	source   uint64
	user     uint64
	id       idKey
	identify uint64 // digest of an identify that may be told from another
	content  uint64 // digest of what may be told by its content
	isWord   bool   // identify holds
	isDeed   bool   // content holds
}

// look reads an event, as far as the rules ask for it at both of its times.
func (g *Guard) look(e *event.Event) look {
	at := e.Source
	l := look{
		source: mix(maphash.String(g.seed, at.Topic), uint64(at.Offset)^uint64(at.Partition)<<48), // #nosec G115 -- the bits are what is mixed
		user:   maphash.Bytes(g.seed, e.Key),
	}
	l.id = idKey{id: e.EventID(), who: mix(l.user, uint64(e.Op))}
	if g.rules.Content > 0 {
		l.content, l.isDeed = contentOf(g.seed, e)
	}
	return l
}

func (l *look) contentKey() contentKey { return contentKey{l.content, l.id.who} }

// take judges an event that an attempt is about to hold. Unless it is a repeat
// it is noted as under way.
func (g *Guard) take(e *event.Event, now int64, judge bool) Reason {
	l := g.look(e)
	var id, deed *sighting // what is known of its like
	if g.rules.EventID > 0 {
		id = g.ids.get(l.id)
	}
	if l.isDeed {
		deed = g.contents.get(l.contentKey())
	}
	if g.rules.Identify > 0 && e.Op == event.OpIdentify {
		l.identify, l.isWord = identifyOf(g.seed, e)
	}
	if judge {
		switch {
		case id.after(g.since(&l, now, g.rules.EventID)):
			return SameEventID
		case l.isWord && g.alone && g.repeats(e, &l, now):
			return SameIdentify
		case deed.after(g.since(&l, now, g.rules.Content)):
			return SameContent
		}
	}
	if e.Barrier {
		g.reset(e, l.user, now)
	}
	if l.isWord {
		g.said.put(l.user, identify{sighting{at: now, source: l.source}, l.identify, e.Unix()})
	} else if g.said.len() > 0 {
		g.said.drop(l.user)
	}
	if g.rules.EventID > 0 {
		note(&g.ids, l.id, id, sighting{at: now, source: l.source}, g.since(&l, now, g.rules.EventID))
	}
	if l.isDeed {
		note(&g.contents, l.contentKey(), deed, sighting{at: now, source: l.source}, g.since(&l, now, g.rules.Content))
	}
	return None
}

// repeats tells whether an identify says again what the user's last event said.
func (g *Guard) repeats(e *event.Event, l *look, now int64) bool {
	last := g.said.get(l.user)
	return last != nil && last.after(g.since(l, now, g.rules.Identify)) && last.content == l.identify &&
		(g.rules.LaterToo || e.Unix() <= last.unix)
}

// confirm notes that an event which was under way was delivered. One whose note
// is gone is not noted anew: something came in between.
func (g *Guard) confirm(e *event.Event, now int64) {
	l := g.look(e)
	since := g.valid(l.user)
	if e.Barrier {
		// What was delivered beside it, through another stream, may have taken
		// effect before it: nothing from before its end counts but itself.
		g.reset(e, l.user, now)
	}
	if last := g.said.get(l.user); last != nil {
		last.confirm(l.source, since, now)
	}
	if l.isDeed {
		g.contents.get(l.contentKey()).confirm(l.source, since, now)
	}
	g.ids.get(l.id).confirm(l.source, since, now)
}

// reset notes a barrier: what was delivered before it of its user, or of both
// users of a merge, counts no more.
func (g *Guard) reset(e *event.Event, user uint64, now int64) {
	g.bar(user, now)
	if e.Op != event.OpMerge {
		return
	}
	if other, ok := secondaryKey(g.seed, e); ok {
		g.bar(maphash.Bytes(g.seed, other), now)
	} else {
		g.floor = now - 1
	}
}

// bar notes that a user's last barrier is now. What has the same time is the
// barrier itself.
func (g *Guard) bar(user uint64, now int64) {
	oldest := now - int64(g.rules.longest()+slowest)
	for {
		key, at := g.barriers.last()
		if at == nil || *at > oldest && g.barriers.len() < maxBarriers {
			break
		}
		// From here on nothing from before that barrier is told from what came
		// after it.
		g.floor = max(g.floor, *at)
		g.barriers.drop(key)
	}
	g.barriers.put(user, now-1)
}

// valid is after when something of a user must have been noted to count.
func (g *Guard) valid(user uint64) int64 {
	if g.barriers.len() > 0 {
		if at := g.barriers.get(user); at != nil {
			return max(g.floor, *at)
		}
	}
	return g.floor
}

// since is after when something must have been delivered to count.
func (g *Guard) since(l *look, now int64, window time.Duration) int64 {
	return max(g.valid(l.user), now-int64(window))
}

// after tells whether it was delivered later than that.
func (s *sighting) after(at int64) bool { return s != nil && s.delivered && s.at > at }

// note remembers that something is under way, unless it is known already as
// delivered since then.
func note[K comparable](in *recent[K, sighting], key K, known *sighting, taken sighting, since int64) {
	switch {
	case known == nil:
		in.add(key, taken)
	case !known.after(since):
		in.put(key, taken)
	}
}

// confirm notes that an event was delivered which is still the one under way,
// and that since then.
func (s *sighting) confirm(source uint64, since, now int64) {
	if s != nil && s.source == source && s.at > since {
		s.at, s.delivered = now, true
	}
}
