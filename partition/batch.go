package partition

import (
	"iter"
	"time"

	"sluice/pipeline/event"
)

// Limit bounds one Take.
type Limit struct {
	Items   int // events
	Bytes   int // sum of Event.Size; 0: no bound
	PerLane int // events of one lane; 0: no bound
	// Probe prefers an event that has not failed by itself before: a probe is
	// to tell how the destination is, not how that event is.
	Probe bool
	// Shut are operations, a bit each (1 << event.Op), that are not taken now:
	// a lane whose head is one of them waits, the others go.
	Shut uint64
	// Classes is how many events of each class may be taken, by number: a class
	// beyond it any number, as every class while it is nil. A lane whose head is
	// of a class of which no more may be taken waits, the others go. Take only
	// reads it.
	Classes []int
}

// Pick is one event in an attempt. Its lane is busy until every pick of the
// lane's run has an outcome; Event is not ours any more after Finish settled it.
type Pick struct {
	Event    *event.Event
	Attempts int       // failures counted so far
	First    time.Time // of the first counted failure
	Mark     uint64    // as the last Retry left it

	lane     *lane
	item     *item
	holdable bool
	copied   bool
	target   Tier // of a pick in Batch.Moves; Live: of none
}

// Copied tells whether a pick of Batch.Moves needs no move: it is on its target
// tier already, since before its shard came to this member.
func (p Pick) Copied() bool { return p.copied }

// Target is the tier that a pick of Batch.Moves has to move to, and its topic.
func (p Pick) Target() (t Tier, topic string) {
	return p.target, p.lane.shard.whole.topics[p.target]
}

// Deferred tells whether the event goes by its due time and not by its place
// among its user's. One that fails waits on a delay tier for its next try; of no
// other must a copy carry a due time.
func (p Pick) Deferred() bool { return p.lane.deferred }

// DelayTopic is the topic of a delay tier of the event's stream; empty when it
// has none, or t is no delay tier.
func (p Pick) DelayTopic(t Tier) string {
	if !t.Delays() {
		return ""
	}
	return p.lane.shard.whole.topics[t]
}

// Shard names the shard, and the tier of it, that the event is on.
func (p Pick) Shard() ShardID { return p.lane.shard.id }

// LiveTopic is the live topic of the event's stream.
func (p Pick) LiveTopic() string { return p.lane.shard.whole.topics[Live] }

// HeldTopic is where the event may be moved to wait there, with what comes of
// its user behind it; empty when it may not: it is not on the live tier, or the
// held one is missing or full.
func (p Pick) HeldTopic() string {
	if !p.holdable {
		return ""
	}
	return p.lane.shard.whole.topics[Held]
}

// Batch is what one attempt holds: runs of lanes, each in order and together.
// Events that no destination could take (Event.Fault) are in Faults instead, and
// those that have to move to another tier in Moves: behind what their user has
// there, because their class has no room, or until they are due. Their lanes are
// busy alike.
type Batch struct {
	Events []*event.Event // the events of Picks, for Sink.Deliver
	Picks  []Pick
	Faults []Pick
	Moves  []Pick // runs of lanes, each in order and together
	Bytes  int
	// PassedOver tells that something is ready whose class Limit.Classes gave
	// nothing more. Ready does not signal for it again: whoever took this batch,
	// an empty one too, takes anew when one of the classes may be open.
	PassedOver bool
}

// Empty tells whether nothing was ready.
func (b Batch) Empty() bool { return b.size() == 0 }

// size is how many records the batch holds in all.
func (b *Batch) size() int { return len(b.Picks) + len(b.Faults) + len(b.Moves) }

// Lanes is the number of lanes with events in the batch.
func (b Batch) Lanes() int {
	n := 0
	for i, p := range b.Picks {
		if i == 0 || p.lane != b.Picks[i-1].lane {
			n++
		}
	}
	return n
}

// Split halves a batch at the boundary of a lane nearest to its middle; the
// lanes stay busy. A batch of one lane is halved within its run: the second
// half may be sent only once the first has settled. The batch must hold at
// least two events.
func (b Batch) Split() (Batch, Batch) {
	mid := len(b.Picks) / 2
	boundary := func(i int) bool { return i > 0 && i < len(b.Picks) && b.Picks[i].lane != b.Picks[i-1].lane }
	for d := range mid + 1 { // of an odd number, the last boundary is one further away than the first
		if boundary(mid - d) {
			mid -= d
			break
		}
		if boundary(mid + d) {
			mid += d
			break
		}
	}
	part := func(from, to int) Batch {
		half := Batch{Events: b.Events[from:to:to], Picks: b.Picks[from:to:to]}
		for _, e := range half.Events {
			half.Bytes += e.Size
		}
		return half
	}
	return part(0, mid), part(mid, len(b.Picks))
}

// move marks what a lane begins with as on its way to another tier.
func (b *Batch) move(l *lane, to Tier, longest int) {
	for it := l.head; it != nil && l.taken < longest; it = it.next {
		p := l.pick(it)
		p.target = to
		b.Moves = append(b.Moves, p)
		if to == Overflow {
			l.shard.bound++
		}
	}
}

// Runs yields the runs of lanes that picks of one batch are, each in order.
func Runs(picks []Pick) iter.Seq[[]Pick] {
	return func(yield func([]Pick) bool) {
		for from, to := 0, 0; from < len(picks); from = to {
			for to = from + 1; to < len(picks) && picks[to].lane == picks[from].lane; to++ {
			}
			if !yield(picks[from:to:to]) {
				return
			}
		}
	}
}

// Kind is what became of a pick.
type Kind uint8

const (
	// Retry puts the record back at the head of its lane.
	Retry Kind = iota
	// Delivered settles it: the destination has it.
	Delivered
	// DeadLettered settles it: its dead letter is acknowledged.
	DeadLettered
	// Dropped settles it: a rule says so.
	Dropped
	// Moved settles it: its copy on another tier is acknowledged.
	Moved
)

// Outcome is what an attempt came to for one pick.
type Outcome struct {
	Kind    Kind
	At      time.Time // Retry: not before; zero: at once
	Counted bool      // Retry: the attempt counts against the record
	Mark    uint64    // Retry: a note for the next try
	Narrow  int       // Retry: longest run of this lane to take next; 0: any
	Offset  int64     // Moved: of its copy
	Delayed bool      // Moved: to a delay tier, though the pick is not deferred
}

// RetryAt puts a record back until then.
func RetryAt(at time.Time, counted bool) Outcome {
	return Outcome{Kind: Retry, At: at, Counted: counted}
}
