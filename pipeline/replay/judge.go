package replay

import (
	"slices"

	"sluice/pipeline/event"
)

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
//
// Nothing of who was deleted or suppressed since is sent, for it would bring
// them back; the calls themselves are, unless the user came back since, or a
// suppression was lifted. What came while somebody was suppressed had no effect
// then, and is not sent. Who was merged away since is sent when the merge is,
// which puts things right, and else not. Who was kept by a merge goes on. An
// unsuppress is sent unless there was a suppression since.
func (g *graves) judge(e *event.Event) verdict {
	keys, at := g.hashes(keysOf(e)), placeOf(e)
	g.mu.RLock()
	defer g.mu.RUnlock()
	why := causeOf(e)
	if why == suppressed {
		if g.released(keys, at) {
			return skipOvertaken
		}
		return copied
	}
	if why == merged {
		if other := secondaryOf(e); other != nil {
			keys = append(keys, g.hash(other))
		}
	}
	lifts := e.Op == event.OpUnsuppress
	for _, h := range keys {
		if why == none && !lifts && g.silenced(h, at) {
			return skipSuppressed
		}
		for _, c := range g.calls[h] {
			if at.before(c.place, why == none) && g.buries(h, c, lifts, 0) {
				return skipFor(c.cause)
			}
		}
	}
	if why != none && slices.ContainsFunc(keys, func(h uint64) bool { return g.undoes(h, at) }) {
		return skipOvertaken
	}
	return copied
}

// mostMerges bounds how long a row of merges is followed, each into the next.
const mostMerges = 64

// buries tells whether what stands before a call of a key must not be sent.
func (g *graves) buries(h uint64, c *grave, lifts bool, depth int) bool {
	switch {
	case lifts:
		return c.cause == suppressed
	case c.cause == merged:
		return !g.plays(h, c, depth)
	}
	return ends(c.cause)
}

// silenced tells whether a key was suppressed at a place.
func (g *graves) silenced(h uint64, at place) bool {
	calls := g.calls[h]
	return slices.ContainsFunc(calls, func(c *grave) bool {
		return c.cause == suppressed && c.before(at, false) && !slices.ContainsFunc(calls, func(l *grave) bool {
			return l.cause == lifted && c.before(l.place, false) && l.before(at, false)
		})
	})
}

// plays tells whether a merge is replayed, as judge would.
func (g *graves) plays(h uint64, merge *grave, depth int) bool {
	if !merge.kept || depth > mostMerges || g.returned(h, merge) || g.gone(h, merge, depth) {
		return false
	}
	for _, k := range merge.keeps {
		if g.gone(k, merge, depth) {
			return false
		}
	}
	return true
}

// gone tells whether a key that a merge names was destroyed after it.
func (g *graves) gone(h uint64, merge *grave, depth int) bool {
	for _, c := range g.calls[h] {
		if merge.before(c.place, false) && g.buries(h, c, false, depth+1) {
			return true
		}
	}
	return false
}

// undoes tells whether the call at a place would undo what a key is now: who came
// back after it, were they deleted or merged away once more, would lose that.
func (g *graves) undoes(h uint64, at place) bool {
	return slices.ContainsFunc(g.calls[h], func(c *grave) bool {
		return c.shard == at.shard && c.offset == at.offset && g.returned(h, c)
	})
}

// returned tells whether who was destroyed by a call came back. After a merge it
// does not matter when they are gone again: what they did then follows the merge.
func (g *graves) returned(h uint64, c *grave) bool {
	return c.since && (c.cause == deleted || c.cause == merged && !slices.ContainsFunc(g.calls[h], func(later *grave) bool {
		return later.cause != lifted && c.life.before(later.place, true)
	}))
}

// released tells whether a suppression at a place, or a later one, was lifted.
func (g *graves) released(keys []uint64, at place) bool {
	return slices.ContainsFunc(keys, func(h uint64) bool {
		return slices.ContainsFunc(g.calls[h], func(l *grave) bool { return l.cause == lifted && at.before(l.place, false) })
	})
}

func skipFor(c cause) verdict {
	switch c {
	case suppressed:
		return skipSuppressed
	case merged:
		return skipMerged
	case deleted, lifted, none:
	}
	return skipDeleted
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
