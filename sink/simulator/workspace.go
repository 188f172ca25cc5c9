package simulator

import (
	"strings"

	"github.com/oklog/ulid/v2"
)

// workspace is what one account's workspace holds. The simulator's mutex
// guards it.
type workspace struct {
	site       string
	bucket     bucket
	counts     Counts
	answers    map[int]int64
	profiles   map[ident]*profile // by every identifier they have
	devices    map[string]*profile
	suppressed map[ident]*block
	seen       map[ulid.ULID]struct{} // the ids of events that took effect
	people     int
	objects    int
	assigned   uint32 // identifiers given out
}

func newWorkspace(site string) *workspace {
	return &workspace{
		site:       site,
		answers:    make(map[int]int64),
		profiles:   make(map[ident]*profile),
		devices:    make(map[string]*profile),
		suppressed: make(map[ident]*block),
		seen:       make(map[ulid.ULID]struct{}),
	}
}

// result is what an accepted call came to.
type result uint8

const (
	carriedOut result = iota
	repeated          // an event whose id is known
	ignored           // accepted, and nothing happens
)

// carryOut does what an accepted call asks for, counts it, and reports
// whether it took effect.
func (w *workspace) carryOut(c *call, now int64) bool {
	switch w.apply(c, now) {
	case repeated:
		w.counts.Repeats++
		return false
	case ignored:
		w.counts.Ignored++
		return false
	case carriedOut:
	}
	w.counts.Effects++
	return true
}

func (w *workspace) apply(c *call, now int64) result {
	if c.op != opUnsuppress && (w.isSuppressed(c.user) || w.isSuppressed(c.other)) {
		return ignored
	}
	at := c.at
	if !c.timed {
		at = now / 1e9
	}
	switch c.op {
	case opIdentify, opForm:
		return w.identify(c, at)
	case opTrack, opPage, opScreen:
		return w.track(c, at)
	case opDelete, opObjectDelete:
		w.remove(w.find(c.user))
	case opSuppress:
		w.suppress(c.user)
	case opUnsuppress:
		w.unsuppress(c.user)
	case opMerge:
		return w.merge(w.find(c.user), w.find(c.other))
	case opAddDevice:
		return w.addDevice(c)
	case opDeleteDevice:
		w.deleteDevice(c)
	case opAddRelationships, opObjectAddRelationships, opObjectIdentifyAnonymous:
		return w.addRelations(c)
	case opDeleteRelationships, opObjectDeleteRelationships:
		w.deleteRelations(w.find(c.user), c)
	case opObjectIdentify:
		return w.identify(c, at)
	case opSegmentAdd, opSegmentRemove:
		w.segment(c)
	case opDelivery, opMetric, opPush, opUnsubscribe, opUnreadable:
		// Deliveries are not kept: the history has all there is to know.
	}
	return carriedOut
}

// track is an event, a page or a screen. An id that is known makes it a
// repeat; the dedup window of the real service is not published, here it is
// the whole run.
func (w *workspace) track(c *call, at int64) result {
	if c.hasID && !c.isULID {
		return ignored
	}
	if _, known := w.seen[c.ulid]; known && c.hasID {
		return repeated
	}
	if c.user.kind != byNothing {
		p := w.findOrCreate(c.user)
		if p == nil {
			return ignored
		}
		p.events++
		if p.isAnonymous() {
			p.anonymousEvents = append(p.anonymousEvents, at)
		}
	}
	if c.hasID {
		w.seen[c.ulid] = struct{}{}
	}
	return carriedOut
}

// key is the identifier as an index knows it: an email has no case.
func (i ident) key() ident {
	if i.kind == byEmail {
		i.value = strings.ToLower(i.value)
	}
	return i
}

// find returns the profile with an identifier, nil without.
func (w *workspace) find(who ident) *profile { return w.profiles[who.key()] }

// findOrCreate is find, and makes the profile when there is none; but never
// one whose identifier only Customer.io can give.
func (w *workspace) findOrCreate(who ident) *profile {
	if p := w.find(who); p != nil {
		return p
	}
	if who.kind == byCio || who.kind == byCioObject || who.value == "" {
		return nil
	}
	return w.create(who)
}
