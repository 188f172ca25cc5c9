package replay

import (
	"sluice/partition"
	"sluice/pipeline/event"
)

// turn is what an event has to wait for.
type turn struct {
	shards map[int32]bool  // that are not so far
	flying bool            // copies are not acknowledged
	ends   map[int32]int64 // by partition of the tier, up to where it must be settled
}

// come tells whether there is nothing to wait for, as far as is settled.
func (t turn) come(settled map[int32]int64) bool {
	if len(t.shards) > 0 || t.flying {
		return false
	}
	for number, end := range t.ends {
		if settled[number] < end {
			return false
		}
	}
	return true
}

// traveller is an event whose turn is asked for.
type traveller struct {
	place
	merge  bool
	lane   uint64           // of its key; 0: it has none
	people map[uint64]int32 // that crossings name: the shard of their records
}

// turnOf is what an event has to wait for.
func (o *order) turnOf(e traveller) turn {
	t := turn{shards: map[int32]bool{}, ends: map[int32]int64{}}
	o.mu.Lock()
	defer o.mu.Unlock()
	for h, home := range e.people {
		if e.merge && !e.leads(h) {
			o.reach(&t, e, home)
			t.add(o.tracks[h].all)
		}
		for _, c := range o.crossings[h] {
			if o.follows(e, c) {
				o.pass(&t, e, c)
				t.add(o.tracks[h].merges)
			}
		}
	}
	return t
}

// leads tells whether what came before of a person is before an event anyhow.
func (e traveller) leads(h uint64) bool { return e.lane != 0 && h == e.lane }

// follows tells whether an event comes after a merge, in another lane.
func (o *order) follows(e traveller, c crossing) bool {
	if c.shard == e.shard {
		return c.offset < e.offset && (e.lane == 0 || c.lane != e.lane)
	}
	return c.tide.Before(o.shards[e.shard].tide)
}

// reach has a merge wait until a shard is as far as its own.
func (o *order) reach(t *turn, e traveller, number int32) {
	own, s := o.shards[e.shard], o.shards[number]
	if s == nil || s.workspace != own.workspace {
		return
	}
	t.add(copies{ends: s.floor})
	behind := s.tide.Before(own.tide) || (s.tide.Equal(own.tide) && number < e.shard)
	if number != e.shard && !s.done && (s.broken || behind) {
		t.shards[number] = true
	}
}

// pass has an event wait until a merge was dealt with.
func (o *order) pass(t *turn, e traveller, c crossing) {
	s := o.shards[c.shard]
	if s == nil || s.workspace != o.shards[e.shard].workspace {
		return
	}
	t.add(copies{ends: s.floor})
	if c.shard != e.shard && !s.done && (s.broken || s.next <= c.offset) {
		t.shards[c.shard] = true
	}
}

// add has an event wait until copies are settled.
func (t *turn) add(c copies) {
	t.flying = t.flying || c.flying > 0
	for number, end := range c.ends {
		t.ends[number] = max(t.ends[number], end)
	}
}

// traveller is an event as the order sees it.
func (v *view) traveller(e *event.Event) traveller {
	t := traveller{place: placeOf(e), merge: causeOf(e) == merged}
	if len(v.crossings) == 0 {
		return t
	}
	t.people = map[uint64]int32{}
	if e.Key != nil {
		t.lane = v.graves.hash(e.Key)
	}
	for _, k := range peopleOf(e) {
		h := v.graves.hash(k)
		if _, crossed := v.crossings[h]; crossed {
			t.people[h] = partition.ShardOf(k, v.stream.Partitions)
		}
	}
	return t
}
