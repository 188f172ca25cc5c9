package partition

import (
	"fmt"
	"testing"
	"time"

	"sluice/pipeline/event"
)

// crowdedBench is a shard that has n events of a class whose rate is its own,
// each of a user of its own, and one of another class.
func crowdedBench(n int) *tieredBench {
	b := newTieredBench(true)
	b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "bulk", Limited: true}})
	for i := range n {
		b.bulk(fmt.Sprint("bulk", i))
	}
	b.add(Live, "other", 0)
	return b
}

func (b *tieredBench) bulk(key string) {
	e := new(event.Event)
	e.Load(event.Record{Topic: "s", Offset: b.next[Live], Key: []byte(key), Value: []byte(`{}`), Time: time.Now()}, "c")
	e.Size, e.Lot = 2, 1
	b.next[Live]++
	b.tiers[Live].add([]*event.Event{e}, 0, b.next[Live])
}

// shut takes while the limited class has no room.
func (b *tieredBench) shut(items int) Batch {
	return b.lanes.Take("w", Limit{Items: items, Classes: []int{items, 0}})
}

func TestWhatCrowdsAShardOverflows(t *testing.T) {
	t.Parallel()
	roomy := roomyOf(0)
	for _, tt := range []struct {
		name        string
		bulk, moved int
	}{
		{"as much as may be", roomy, 0},
		{"a few more", roomy + 3, 3},
		{"more than one take moves", roomy + leaveMost + 1, leaveMost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := crowdedBench(tt.bulk)
			got := b.shut(10)
			if len(got.Picks) != 1 || len(got.Moves) != tt.moved {
				t.Fatalf("%d taken and %d moved, want 1 and %d", len(got.Picks), len(got.Moves), tt.moved)
			}
			for i, p := range got.Moves {
				if to, topic := p.Target(); to != Overflow || topic != "s.overflow" || p.Event.Source.Offset != int64(roomy+i) {
					t.Fatalf("offset %d goes to %s (%s), want %d to the overflow: first come, first served", p.Event.Source.Offset, to, topic, roomy+i)
				}
			}
		})
	}
}

func TestOneUserAloneOverflows(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "bulk", Limited: true}})
	for range roomyOf(0) + 1 {
		b.bulk("a")
	}
	if got := b.shut(10); len(got.Moves) != leaveMost {
		t.Fatalf("%d moved, want %d: what one user has may fill the hand as well", len(got.Moves), leaveMost)
	}
}

func TestOverflowTakesWhatComesLater(t *testing.T) {
	t.Parallel()
	b := crowdedBench(roomyOf(0) + 1)
	first := b.shut(10)
	b.overflow(t, first.Moves)
	b.bulk("late")
	got := b.shut(10)
	if len(got.Moves) != 1 || string(got.Moves[0].Event.Key) != "late" {
		t.Fatalf("%d moved, want the one that came later, behind those that wait", len(got.Moves))
	}
	b.overflow(t, got.Moves)
	b.add(Live, "late", 0) // of a class that has room
	if got := b.take(1000); len(got.Moves) != 1 || string(got.Moves[0].Event.Key) != "late" {
		t.Fatalf("%d moved, want the user's next event behind the one that waits", len(got.Moves))
	}
}

// overflow puts copies on the overflow and settles what they are of.
func (b *tieredBench) overflow(t *testing.T, picks []Pick) {
	t.Helper()
	for _, p := range picks {
		key, offset := string(p.Event.Key), b.next[Overflow]
		b.lanes.Finish([]Pick{p}, Outcome{Kind: Moved, Offset: offset})
		b.add(Overflow, key, 0)
	}
}

func TestNothingOverflows(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(b *tieredBench){
		"the class has no rate of its own": func(b *tieredBench) {
			b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "bulk"}})
		},
		"the overflow is full":  func(b *tieredBench) { b.tiers[Overflow].captured.records = maxOverflowRecords },
		"it has too many bytes": func(b *tieredBench) { b.tiers[Overflow].captured.bytes = maxOverflowBytes },
		"the stream has no such": func(b *tieredBench) {
			b.tiers[Live].whole.topics[Overflow], b.tiers[Live].whole.owned[Overflow] = "", nil
		},
		"the class has some room": func(*tieredBench) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := crowdedBench(roomyOf(0) + 10)
			change(b)
			room := 0
			if name == "the class has some room" {
				room = 1000
			}
			if got := b.lanes.Take("w", Limit{Items: 10, Classes: []int{10, room}}); len(got.Moves) != 0 {
				t.Errorf("%d moved", len(got.Moves))
			}
		})
	}
}

// TestTheTakerIsToldOfACrowd: nothing else that is ready need make it come.
func TestTheTakerIsToldOfACrowd(t *testing.T) {
	t.Parallel()
	b := crowdedBench(0)
	b.lanes.Finish(b.shut(10).Picks, Outcome{Kind: Delivered})
	select {
	case <-b.lanes.Ready("w"):
	default:
	}
	for i := range roomyOf(0) + 1 {
		b.bulk(fmt.Sprint("bulk", i))
	}
	b.shut(10)
	for i := range roomyOf(0) {
		b.bulk(fmt.Sprint("later", i))
	}
	select {
	case <-b.lanes.Ready("w"):
	default:
		t.Error("the hand fills with one class, and nobody looks")
	}
}

// TestOverflowCopiesOfAnOwnerBefore are neither made again nor sent twice.
func TestOverflowCopiesOfAnOwnerBefore(t *testing.T) {
	t.Parallel()
	made := time.UnixMilli(1_700_000_000_000).UTC()
	b := newTieredBench(true)
	over := b.tiers[Overflow]
	over.captured.known = false
	read := func(tier Tier, offset int64) {
		e := new(event.Event)
		e.Load(event.Record{Topic: b.tiers[tier].topic, Offset: offset, Key: []byte("a"), Value: []byte(`{}`), Time: made}, "c")
		if e.Size = 2; tier != Live {
			e.Origin = event.Source{Topic: "s", Offset: 5}
		}
		b.tiers[tier].add([]*event.Event{e}, 0, offset+1)
	}
	hash := over.queue.hash([]byte("a"))
	over.hold(hash, true, 0, 10)
	over.hold(hash, true, 1, 10)
	over.note(copyAt{origin: 5, made: made.UnixMilli(), at: 0}, hash, true)
	read(Live, 5)
	if got := b.take(9); !got.Empty() {
		t.Fatal("taken although nobody knows who overflowed")
	}
	over.captured.surveyedTo = 2
	over.surveyed()
	got := b.take(9)
	if len(got.Moves) != 1 || len(got.Picks) != 0 || !got.Moves[0].Copied() {
		t.Fatalf("%d moved and %d taken, want the record settled for its copy", len(got.Moves), len(got.Picks))
	}
	b.lanes.Finish(got.Moves, Outcome{Kind: Moved})
	read(Overflow, 0)
	read(Overflow, 1)
	if got = b.take(1); len(got.Picks) != 1 || got.Picks[0].Event.Source.Offset != 0 {
		t.Fatal("the first copy is not taken")
	}
	b.lanes.Finish(got.Picks, Outcome{Kind: Delivered})
	if got = b.take(1); len(got.Moves) != 1 || !got.Moves[0].Copied() {
		t.Fatal("the second copy is not dropped")
	}
	b.lanes.Finish(got.Moves, Outcome{Kind: Moved})
	if c := over.captured; len(c.users) != 0 || c.records != 0 {
		t.Errorf("%d users and %d records are held for ever", len(c.users), c.records)
	}
}
