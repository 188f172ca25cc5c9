package replay

import (
	"errors"
	"maps"
	"sync"
	"time"

	"sluice/partition"
)

// crossing is a merge that window and selection take. It is about two people,
// whose copies go by lanes of their own: what stood before it of either must be
// settled first, and it before what came after.
type crossing struct {
	shard  int32
	offset int64
	tide   time.Time // no record of its shard up to it is newer
	lane   uint64    // of its record's key; 0 has none
}

// crossings are the merges of a job by the people they name. They are written by
// the survey alone, before anything is copied.
type crossings map[uint64][]crossing

// order keeps copies in the order of the log where a merge concerns two lanes.
// It is safe for concurrent use.
//
// A shard waits for another only when that one's tide is lower, or as high at a
// lower number: so no two ever wait for each other, however records' times lie.
type order struct {
	crossings crossings

	mu     sync.Mutex
	shards map[int32]*stand  // of the job; guarded by mu, as what they point to
	tracks map[uint64]*track // of the people that crossings name; guarded by mu, likewise
}

// stand is how far the copier of a shard is.
type stand struct {
	workspace string
	tide      time.Time // no record up to the one it is at is newer; zero: not begun
	next      int64     // everything before it was dealt with
	done      bool
	broken    bool            // a copy was not taken; the copier begins again behind it
	floor     map[int32]int64 // by partition of the tier, the end of what earlier copiers made
}

// track is where the copies about one person stand on the tier.
type track struct{ all, merges copies }

// copies are some that go out, or went.
type copies struct {
	flying int
	ends   map[int32]int64 // by partition of the tier
}

func (c *copies) land(at partition.Position) {
	if c.ends == nil {
		c.ends = map[int32]int64{}
	}
	c.ends[at.Partition] = max(c.ends[at.Partition], at.Offset+1)
}

// newOrder begins with what the state tells of the job's shards.
func newOrder(c crossings, ranges []Range, had map[int32]progress) *order {
	o := &order{crossings: c, shards: map[int32]*stand{}, tracks: map[uint64]*track{}}
	for _, r := range ranges {
		p := had[r.Partition]
		o.shards[r.Partition] = &stand{workspace: r.Workspace, next: p.Next, done: p.Done, floor: maps.Clone(p.Last)}
	}
	for h := range c {
		o.tracks[h] = &track{}
	}
	return o
}

// begin says that a copier takes up a shard.
func (o *order) begin(number int32, next int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.shards[number]
	s.tide, s.next, s.broken = time.Time{}, next, false
}

// arrive says that a copier has come to a record.
func (o *order) arrive(number int32, next int64, tide time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.shards[number]
	s.next, s.tide = next, tide
}

// end says that a shard is copied to its end.
func (o *order) end(number int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shards[number].done = true
}

// fly says that a copy goes out.
func (o *order) fly(e traveller) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for h := range e.people {
		t := o.tracks[h]
		t.all.flying++
		if e.merge {
			t.merges.flying++
		}
	}
}

// land says what became of a copy that went out.
func (o *order) land(e traveller, at partition.Position, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for h := range e.people {
		t := o.tracks[h]
		t.all.flying--
		if e.merge {
			t.merges.flying--
		}
	}
	switch {
	case err == nil:
		o.stands(e, at)
	case !errors.Is(err, partition.ErrTooLarge):
		o.shards[e.shard].broken = true
	}
}

// find says where a copy stands that an earlier copier made.
func (o *order) find(e traveller, at partition.Position) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stands(e, at)
}

func (o *order) stands(e traveller, at partition.Position) {
	for h := range e.people {
		t := o.tracks[h]
		t.all.land(at)
		if e.merge {
			t.merges.land(at)
		}
	}
}
