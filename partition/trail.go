package partition

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"sluice/pipeline/event"
)

// A member that was killed after a record's copy reached the held tier, or the
// overflow, and before that was committed leaves the record to the next owner,
// who must not put a second copy there: had the first been given up, the second
// could still be delivered later. So it is kept which records the copies are of.
// Of deferred events it is not: one may come there more than once on its way,
// and what a crash leaves of them twice goes by their ids.

// trail is what a tier has of one key.
type trail struct {
	last   int64    // offset of the key's last record there
	copies []copyAt // by origin; in that order they were put there
}

// copyAt is one record of such a tier.
type copyAt struct {
	origin int64 // the record's offset on the live tier
	made   int64 // its time there (unix ms): a topic that is made anew has the same offsets again
	at     int64 // its offset on the tier
}

// copyOf tells what a record of such a tier is a copy of, as its headers say.
func (s *shard) copyOf(origin event.Source, made time.Time, at int64) (c copyAt, ours bool) {
	ours = origin.Topic == s.whole.topics[Live] && origin.Partition == s.id.Partition
	return copyAt{origin: origin.Offset, made: made.UnixMilli(), at: at}, ours
}

// find returns where the copy of a record is among a key's, or would be.
func (t *trail) find(origin int64) (int, bool) {
	return slices.BinarySearchFunc(t.copies, origin, func(c copyAt, o int64) int { return cmp.Compare(c.origin, o) })
}

// note adds what was read on the tier. A record that is older than others
// of its key there and is not among them was put there when its shard had been
// set back, and those come after it once more: their first copies are forgotten.
func (t *trail) note(c copyAt) {
	i, found := t.find(c.origin)
	if found && t.copies[i].made == c.made && t.copies[i].at <= c.at {
		return
	}
	t.copies = append(t.copies[:i], c)
}

// forget is note for a record that was put there and is still to be read.
func (t *trail) forget(origin int64) {
	i, _ := t.find(origin)
	t.copies = t.copies[:i]
}

// has tells whether there is a copy of the same record, before this one.
func (t *trail) has(c copyAt) bool {
	i, found := t.find(c.origin)
	return found && t.copies[i].made == c.made && t.copies[i].at < c.at
}

// trail returns what is known of a key that is held, made when there is none.
func (c *captured) trail(hash uint64) *trail {
	t := c.users[hash]
	if t == nil {
		t = &trail{last: -1}
		if c.users == nil {
			c.users = map[uint64]*trail{}
		}
		c.users[hash] = t
	}
	return t
}

// looseMost is how many copies of records without a key are known before those
// that are settled are forgotten.
const looseMost = 4096

// note adds a record that was read on this tier.
func (s *shard) note(c copyAt, hash uint64, keyed bool) {
	held := &s.captured
	if keyed {
		held.trail(hash).note(c)
		return
	}
	if first, known := held.loose[c.origin]; known && first.made == c.made {
		return
	}
	if held.loose == nil {
		held.loose = map[int64]copyAt{}
	}
	if len(held.loose) >= looseMost {
		maps.DeleteFunc(held.loose, func(_ int64, c copyAt) bool { return c.at < s.win.base })
	}
	held.loose[c.origin] = c
}

// read notes a record of a tier that captures to which no survey came. A key
// that nobody holds has left no trail.
func (s *shard) read(e *event.Event, hash uint64) {
	if !s.id.Tier.captures() || e.Source.Offset < s.captured.surveyedTo || !e.Due.IsZero() || e.Key != nil && !s.holds(hash) {
		return
	}
	if c, ours := s.copyOf(e.Origin, e.Time, e.Source.Offset); ours {
		s.note(c, hash, e.Key != nil)
	}
}

// copied tells on which tier a record has a copy, so that it needs no attempt
// and no other one: a record of the live tier on any that captures, one of such
// a tier itself an earlier one. One of the overflow may also have one on the
// held tier, from an owner who was gone and did not know.
func (l *lane) copied(e *event.Event) (on Tier, is bool) {
	tier := l.shard.id.Tier
	if l.deferred || tier != Live && !tier.captures() {
		return Live, false
	}
	for _, t := range [...]Tier{Held, Overflow} {
		by := l.shard.whole.owned[t]
		if by == nil || tier == Held && t == Overflow || len(by.captured.users) == 0 && len(by.captured.loose) == 0 {
			continue
		}
		if by.hasCopy(l, e) {
			return t, true
		}
	}
	return Live, false
}

// hasCopy tells whether this tier has a copy of a lane's record: one that is on
// the tier itself has to be earlier.
func (s *shard) hasCopy(l *lane, e *event.Event) bool {
	this := copyAt{origin: e.Source.Offset, made: e.Time.UnixMilli(), at: math.MaxInt64}
	if l.shard.id.Tier != Live {
		var ours bool
		if this, ours = l.shard.copyOf(e.Origin, e.Time, e.Source.Offset); !ours {
			return false
		}
		if l.shard != s {
			this.at = math.MaxInt64
		}
	}
	if !l.keyed {
		first, known := s.captured.loose[this.origin]
		return known && first.made == this.made && first.at < this.at
	}
	t := s.captured.users[l.hash]
	return t != nil && t.has(this)
}
