package partition

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/pipeline/event"
)

// bench is one workspace's lanes without Kafka.
type bench struct {
	lanes *Lanes
	lease *lease
}

func newBench() *bench {
	l := newLease()
	l.renew(time.Now(), time.Hour)
	return &bench{lanes: newLanes(lanesConfig{workspaces: []string{"w"}, lease: l, commitNow: func() {}}), lease: l}
}

// shard opens a shard that may be taken from.
func (b *bench) shard(n int32) *shard {
	s := b.lanes.open(ShardID{Stream: "s", Partition: n}, topicInfo{name: "s", id: [16]byte{1}, partitions: 4}, "w")
	b.lanes.load(s, newWindow(0), true)
	s.claimed()
	return s
}

// read appends events, one for each key, from an offset on.
func (*bench) read(s *shard, from int64, keys ...string) {
	var events []*event.Event
	for i, key := range keys {
		e := new(event.Event)
		r := event.Record{Topic: "s", Partition: s.id.Partition, Offset: from + int64(i), Key: []byte(key), Value: []byte(`{"k":1}`)}
		if key == "" {
			r.Key = nil
		}
		e.Load(r, "cluster")
		e.Size = 10
		events = append(events, e)
	}
	s.add(events, 0, 0)
}

func offsets(b Batch) string {
	text := ""
	for _, p := range b.Picks {
		text += fmt.Sprintf("%d/%d ", p.Event.Source.Partition, p.Event.Source.Offset)
	}
	return text
}

func TestTake(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		read  [][]string // keys, by shard
		limit Limit
		want  []string // batch after batch, nothing finished
	}{
		{"one event a lane in flight", [][]string{{"a", "a", "b"}}, Limit{Items: 1}, []string{"0/0 ", "0/2 ", ""}},
		{"runs of a lane stay together", [][]string{{"a", "b", "a"}}, Limit{Items: 10}, []string{"0/0 0/2 0/1 ", ""}},
		{"bounded per lane", [][]string{{"a", "a", "a", "b"}}, Limit{Items: 10, PerLane: 2}, []string{"0/0 0/1 0/3 ", ""}},
		{"bounded by bytes", [][]string{{"a", "b", "c"}}, Limit{Items: 10, Bytes: 25}, []string{"0/0 0/1 ", "0/2 "}},
		{"shards in turn", [][]string{{"a", "b"}, {"c", "d"}}, Limit{Items: 3}, []string{"0/0 1/0 0/1 ", "1/1 "}},
		{"no key: a lane for each record", [][]string{{"", "", ""}}, Limit{Items: 1}, []string{"0/0 ", "0/1 ", "0/2 ", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			for i, keys := range tt.read {
				b.read(b.shard(int32(i)), 0, keys...)
			}
			for i, want := range tt.want {
				if have := offsets(b.lanes.Take("w", tt.limit)); have != want {
					t.Fatalf("batch %d: have %q, want %q", i, have, want)
				}
			}
		})
	}
}

func TestSoloTravelsAlone(t *testing.T) {
	t.Parallel()
	b := newBench()
	s := b.shard(0)
	b.read(s, 0, "a", "b", "c", "d")
	for _, key := range []string{"b", "d"} {
		s.lanes[s.queue.hash([]byte(key))].head.event.Solo = true
	}
	for i, want := range []string{"0/0 0/2 ", "0/1 ", "0/3 ", ""} {
		if have := offsets(b.lanes.Take("w", Limit{Items: 10})); have != want {
			t.Fatalf("batch %d: have %q, want %q", i, have, want)
		}
	}
}

func TestNothingIsTakenWithoutALease(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.read(b.shard(0), 0, "a")
	b.lease.end()
	if batch := b.lanes.Take("w", Limit{Items: 1}); !batch.Empty() {
		t.Fatalf("taken without a lease: %s", offsets(batch))
	}
	b.lease.renew(time.Now(), time.Minute)
	if batch := b.lanes.Take("w", Limit{Items: 1}); batch.Empty() {
		t.Fatal("nothing taken with a lease")
	}
}

// A delete that is repeated after a crash would undo what followed it, so its
// key waits until its settlement is committed.
func TestBarrierWaitsForItsCommit(t *testing.T) {
	t.Parallel()
	b := newBench()
	s := b.shard(0)
	b.read(s, 0, "a", "a", "b")
	s.lanes[s.queue.hash([]byte("a"))].head.event.Barrier = true
	batch := b.lanes.Take("w", Limit{Items: 1})
	b.lanes.Finish(batch.Picks, Outcome{Kind: Delivered})
	if have := offsets(b.lanes.Take("w", Limit{Items: 10})); have != "0/2 " {
		t.Fatalf("before the commit: have %q, want only the other key", have)
	}
	b.read(s, 3, "a") // joins its lane while that waits
	s.queue.mu.Lock()
	n := s.snapshot(false)
	s.queue.mu.Unlock()
	n.committed(false)
	if have := offsets(b.lanes.Take("w", Limit{Items: 10})); have != "" {
		t.Fatalf("after a commit that failed: have %q", have)
	}
	s.queue.mu.Lock()
	n = s.snapshot(false)
	s.queue.mu.Unlock()
	n.committed(true)
	if have := offsets(b.lanes.Take("w", Limit{Items: 10})); have != "0/1 0/3 " {
		t.Fatalf("after the commit: have %q, want the key's next events", have)
	}
}

func TestBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		defer b.lanes.stop()
		b.read(b.shard(0), 0, "a", "b")
		batch := b.lanes.Take("w", Limit{Items: 1})
		b.lanes.Finish(batch.Picks, RetryAt(time.Now().Add(time.Second), true))
		if have := offsets(b.lanes.Take("w", Limit{Items: 10})); have != "0/1 " {
			t.Fatalf("during the back-off: have %q", have)
		}
		<-b.lanes.Ready("w")
		start := time.Now()
		for batch = b.lanes.Take("w", Limit{Items: 10}); batch.Empty(); batch = b.lanes.Take("w", Limit{Items: 10}) {
			<-b.lanes.Ready("w")
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v, want 1s", waited)
		}
		if p := batch.Picks[0]; p.Attempts != 1 || p.Event.Source.Offset != 0 {
			t.Errorf("have offset %d with %d attempts", p.Event.Source.Offset, p.Attempts)
		}
	})
}

// An answer that comes after its shard went away must settle nothing, and the
// same user's event, read again by this process, must wait for it.
func TestLateAnswerOfAnEarlierAssignment(t *testing.T) {
	t.Parallel()
	b := newBench()
	first := b.shard(0)
	b.read(first, 0, "a", "b")
	late := b.lanes.Take("w", Limit{Items: 1})
	b.lanes.close(first)
	second := b.shard(0)
	b.read(second, 0, "a", "b")
	if have := offsets(b.lanes.Take("w", Limit{Items: 10})); have != "0/1 " {
		t.Fatalf("while the late answer is out: have %q, want only the other user", have)
	}
	b.lanes.Finish(late.Picks, Outcome{Kind: Delivered})
	if second.win.settled(0) {
		t.Fatal("a late answer settled an offset of the new assignment")
	}
	if have := offsets(b.lanes.Take("w", Limit{Items: 10})); have != "0/0 " {
		t.Fatalf("after it: have %q, want the user's event again", have)
	}
}

func TestSettledSurvivesALostCallback(t *testing.T) {
	t.Parallel()
	b := newBench()
	first := b.shard(0)
	b.read(first, 0, "a", "b", "c")
	batch := b.lanes.Take("w", Limit{Items: 2})
	b.lanes.Finish(batch.Picks[1:], Outcome{Kind: Delivered})
	b.lanes.close(first) // nothing was committed
	second := b.shard(0)
	b.read(second, 0, "a", "b", "c")
	b.lanes.Finish(batch.Picks[:1], Outcome{Kind: Delivered}) // too late
	if have := offsets(b.lanes.Take("w", Limit{Items: 10})); have != "0/0 0/2 " {
		t.Fatalf("have %q, want all but the settled one", have)
	}
	third := b.lanes.open(ShardID{Stream: "s", Partition: 0}, topicInfo{name: "s", id: [16]byte{2}, partitions: 4}, "w")
	b.lanes.load(third, newWindow(0), true)
	if third.win.settled(1) {
		t.Fatal("a topic made anew inherited what was settled in the old one")
	}
}

// Whatever the order of takes, outcomes and hand-overs: an event is settled
// once, a key's events go out in order with one run in flight, and the balance
// adds up at every step.
func TestLanesKeepTheirPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBench()
		defer b.lanes.stop()
		shards := []*shard{b.shard(0), b.shard(1)}
		written := [2][]string{}      // keys, by shard and offset
		highest := map[string]int64{} // highest offset delivered, by shard and key
		flying := map[string]bool{}
		var out []Pick
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "act") {
			case 0, 1:
				i := rapid.IntRange(0, 1).Draw(t, "shard")
				key := rapid.SampledFrom([]string{"a", "b", "c", ""}).Draw(t, "key")
				b.read(shards[i], int64(len(written[i])), key)
				written[i] = append(written[i], key)
			case 2, 3:
				batch := b.lanes.Take("w", Limit{Items: rapid.IntRange(1, 4).Draw(t, "items")})
				taken := map[string]bool{}
				for _, p := range batch.Picks {
					if id := laneID(p); p.Event.Key != nil {
						if flying[id] {
							t.Fatalf("%s is in two attempts", id)
						}
						taken[id] = true
					}
					out = append(out, p)
				}
				for id := range taken {
					flying[id] = true
				}
			case 4:
				if len(out) == 0 {
					continue
				}
				finishLane(t, b, &out, flying, highest)
			case 5: // over to another member and back
				i := rapid.IntRange(0, 1).Draw(t, "moves")
				w := shards[i].win
				text := encodeMetadata(&w, false)
				base := w.base
				b.lanes.close(shards[i])
				w, _, _ = decodeMetadata(base, text)
				shards[i] = b.lanes.open(ShardID{Stream: "s", Partition: int32(i)}, topicInfo{name: "s", id: [16]byte{1}, partitions: 4}, "w")
				b.lanes.load(shards[i], w, true)
				shards[i].claimed()
				b.read(shards[i], base, written[i][base:]...)
			}
			for _, tally := range b.lanes.Tallies() {
				if tally.Read != tally.Delivered+tally.DeadLettered+tally.Dropped+tally.Moved+tally.InHand+tally.HandedBack {
					t.Fatalf("the balance does not add up: %+v", tally)
				}
			}
		}
	})
}

func laneID(p Pick) string { return fmt.Sprintf("%d/%s", p.Event.Source.Partition, p.Event.Key) }

func finishLane(t *rapid.T, b *bench, out *[]Pick, flying map[string]bool, highest map[string]int64) {
	l := rapid.SampledFrom(*out).Draw(t, "lane").lane
	var run, rest []Pick
	for _, p := range *out {
		if p.lane == l {
			run = append(run, p)
		} else {
			rest = append(rest, p)
		}
	}
	*out = rest
	id, live := laneID(run[0]), l.shard.phase != closed
	if rapid.Bool().Draw(t, "fails") {
		delete(flying, id)
		b.lanes.Finish(run, RetryAt(time.Time{}, rapid.Bool().Draw(t, "counted")))
		return
	}
	if live && run[0].Event.Key != nil {
		for _, p := range run {
			if last, seen := highest[id]; seen && p.Event.Source.Offset <= last {
				t.Fatalf("%s: offset %d settled after %d", id, p.Event.Source.Offset, last)
			}
			highest[id] = p.Event.Source.Offset
		}
	}
	delete(flying, id)
	b.lanes.Finish(run, Outcome{Kind: Delivered})
}
