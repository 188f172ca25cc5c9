package partition

import (
	"cmp"
	"time"

	"sluice/pipeline/event"
)

// shard is one assignment of one shard to this member. A shard that comes back
// is a new value, so that outcomes of the old one can be told apart. All fields
// are guarded by the queue's mutex.
type shard struct {
	id         ShardID
	topic      string
	topicID    [16]byte // offsets mean nothing for a topic made anew
	partitions int32    // of the topic
	queue      *queue
	whole      *whole // with the shard's other tiers
	tally      *Tally

	claim
	loaded bool        // the committed offset is known
	opens  *time.Timer // ends the quarantine; nil: none
	win    window
	stop   *Stop // nothing is fetched until an operator resumes it

	captured captured // of a held tier or an overflow

	lanes map[uint64]*lane
	lines lines // those that are ready

	records, bytes int   // in hand
	classed        []int // records, by the number of their class
	flying         int   // records in attempts
	asleep         int   // records of a delay tier that are not to wake yet
	wakes          int64 // when the last of those wakes (unix ns)
	bound          int   // records on their way to the overflow

	leaving ring[*lane]      // those that go to another tier without an attempt
	listed  bool             // among those of the queue that have such
	crowded bool             // among those of the queue that have much of a class in hand
	spills  map[uint8]*spill // by class, of those that had too much
	end     int64            // of the log, at the last poll that brought something

	paused   bool          // as the gate last decided
	stagger  time.Duration // after its workspace came back, until it is fetched again
	dirty    bool          // something to commit that the last snapshot did not hold
	barriers []*lane       // their destructive call is settled and not yet committed
}

// Tally counts what became of one shard's records in this process, over all its
// assignments. At all times Read = Delivered + DeadLettered + Dropped + Moved +
// InHand + HandedBack.
type Tally struct {
	Shard                                         ShardID
	Read, Delivered, DeadLettered, Dropped, Moved int64
	InHand                                        int64
	HandedBack                                    int64 // unsettled when the shard went to another member
	Misplaced                                     int64 // key does not hash to the partition: order is not promised
	Missing                                       int64 // offsets that retention took before they were settled
}

// lane is the queue of one key, or of one record that has none or is deferred.
// It is in at most one of: its shard's ready heaps, those that leave it, the
// queue's waiting heap, those it set aside, an attempt, the shard's barriers, the
// waiters for a key.
type lane struct {
	shard      *shard
	hash       uint64
	keyed      bool // false: a record alone in its lane, without a key or deferred
	deferred   bool // goes by its due time
	asleep     bool // on a delay tier, and counted as such
	sends      bool // deferred, and its key is in no other attempt meanwhile
	target     Tier // of a lane that leaves
	head, tail *item
	taken      int   // length of the run in an attempt, from head on
	unsettled  int   // of the run, without an outcome yet
	blocked    bool  // the key is still in an attempt of an earlier assignment, or of another tier
	barrier    bool  // the run ended with a destructive call
	committing bool  // and that waits for its commit
	moves      int   // runs moved behind what is captured since it last waited for that
	narrow     int   // longest run to take next; 0: any
	resumeAt   int64 // not before this time (unix ns); 0: at once
}

// item is one record in hand. attempts of a batch point at it.
type item struct {
	next    *item
	event   *event.Event
	settled bool
	era     uint32 // of the number of its class
	mark    uint64 // the pipeline's note from the last try
}

// append adds a record to its lane, making one when the key has none, and
// reports the lane when it is new.
func (s *shard) append(e *event.Event, hash uint64) *lane {
	it := s.queue.items.get()
	it.event, it.era = e, s.queue.era()
	s.count(it, 1)
	s.records++
	s.queue.records++
	s.bytes += cost(e)
	s.tally.Read++
	s.tally.InHand++
	s.crowd(e.Lot)
	deferred := !e.Due.IsZero()
	keyed := e.Key != nil && !deferred
	if keyed {
		if l := s.lanes[hash]; l != nil {
			l.push(it)
			return nil
		}
	}
	l := s.queue.lanes.get()
	*l = lane{shard: s, hash: hash, keyed: keyed, deferred: deferred, head: it, tail: it}
	if keyed {
		s.lanes[hash] = l
	}
	return l
}

// push appends to a lane that exists; it may be empty while its barrier waits.
func (l *lane) push(it *item) {
	if l.head == nil {
		l.head = it
	} else {
		l.tail.next = it
	}
	l.tail = it
}

func (s *shard) phaseNow() phase {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.phase
}

// settle takes a record out of hand for good.
func (s *shard) settle(it *item, kind Kind) {
	s.win.settle(it.event.Source.Offset)
	it.settled = true
	s.dirty = true
	s.count(it, -1)
	s.records--
	s.queue.records--
	s.queue.settled++
	s.bytes -= cost(it.event)
	s.tally.InHand--
	if s.id.Tier.captures() {
		s.captured.records = max(0, s.captured.records-1)
		s.captured.bytes = max(0, s.captured.bytes-cost(it.event))
	}
	switch kind {
	case Delivered:
		s.tally.Delivered++
	case DeadLettered:
		s.tally.DeadLettered++
	case Dropped:
		s.tally.Dropped++
	case Moved:
		s.tally.Moved++
	case Retry: // settles nothing; never passed here
	}
}

// recordOverhead is roughly what one record in hand costs beside its bytes.
const recordOverhead = 400

// cost is how many bytes of memory a record in hand takes, roughly.
func cost(e *event.Event) int { return len(e.Key) + len(e.Value) + recordOverhead }

// freelist keeps what a queue uses over and over, so that intake allocates
// nothing once it is warm. It is guarded by the queue's mutex.
type freelist[T any] struct{ free []*T }

func (f *freelist[T]) get() *T {
	if n := len(f.free); n > 0 {
		v := f.free[n-1]
		f.free = f.free[:n-1]
		return v
	}
	return new(T)
}

func (f *freelist[T]) put(v *T) {
	var zero T
	*v = zero
	f.free = append(f.free, v)
}

func compareShards(a, b ShardID) int {
	return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.Partition, b.Partition))
}
