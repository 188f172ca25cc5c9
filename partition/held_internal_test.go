package partition

import "testing"

// TestUnknownPlaceHoldsItsUser: Kafka takes a batch that is sent again for a
// success without saying where it stands.
func TestUnknownPlaceHoldsItsUser(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	b.add(Live, "a", 0)
	b.lanes.Finish(b.take(1).Picks, Outcome{Kind: Moved, Offset: -1})
	b.add(Live, "a", 0)
	if got := b.take(9); len(got.Moves) != 1 {
		t.Fatalf("%d moved, %d taken; want the event to follow the first", len(got.Moves), len(got.Picks))
	}
}

// TestBusyUserIsLetGo keeps a user of whom something comes all the time from
// being moved for ever: what is held of him, and does not fail any more, has to
// get its turn, and then he is let go.
func TestBusyUserIsLetGo(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	b.add(Live, "a", 0)
	b.moved(b.take(1).Picks)
	moved := 0
	for step := range 100 {
		b.add(Live, "a", 0) // while the last attempt was under way
		got := b.take(1)
		b.add(Live, "a", 0)
		for _, p := range got.Picks {
			tier := p.Shard().Tier
			b.lanes.Finish([]Pick{p}, Outcome{Kind: Delivered})
			if tier == Live {
				t.Logf("let go after %d takes and %d moves", step+1, moved)
				return
			}
		}
		moved += len(got.Moves)
		b.moved(got.Moves)
	}
	t.Errorf("%d events were moved, and the user is held still", moved)
}
