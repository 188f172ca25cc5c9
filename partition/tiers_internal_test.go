package partition

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/pipeline/event"
)

// tieredBench is one shard of a stream that has every tier.
type tieredBench struct {
	*bench
	tiers [tiers]*shard
	next  [tiers]int64 // offset of the next record
}

func newTieredBench(surveyed bool) *tieredBench {
	l := newLease()
	l.renew(time.Now(), time.Hour)
	b := &tieredBench{bench: &bench{lease: l, lanes: newLanes(lanesConfig{
		workspaces: []string{"w"}, streams: []Stream{tieredStream()},
		lease: l, commitNow: func() {},
	})}}
	for t := range tiers {
		b.open(t, newWindow(0))
	}
	b.tiers[Overflow].surveyed()
	if surveyed {
		b.tiers[Held].surveyed()
	}
	return b
}

func tieredStream() Stream {
	return Stream{
		Name: "s", Topic: "s", Held: "s.held", Replay: "s.replay", Overflow: "s.overflow",
		Delays: [3]string{"s.delay-10s", "s.delay-10m", "s.delay-6h"},
	}
}

// open begins a new assignment of a tier.
func (b *tieredBench) open(t Tier, w window) {
	s := b.lanes.open(ShardID{Stream: "s", Tier: t}, topicInfo{name: tieredStream().topic(t), partitions: 1}, "w")
	b.lanes.load(s, w, true)
	s.claimed()
	b.tiers[t] = s
}

// add appends one record to a tier.
func (b *tieredBench) add(t Tier, key string, age time.Duration) *event.Event {
	e := new(event.Event)
	r := event.Record{Topic: b.tiers[t].topic, Offset: b.next[t], Key: []byte(key), Value: []byte(`{}`), Time: time.Now().Add(-age)}
	if e.Load(r, "c"); key == "" {
		e.Key = nil
	}
	e.Size = 2
	b.next[t]++
	b.tiers[t].add([]*event.Event{e}, 0, b.next[t])
	return e
}

func (b *tieredBench) take(items int) Batch { return b.lanes.Take("w", Limit{Items: items}) }

// moved puts the copies of picks on the held tier and settles them.
func (b *tieredBench) moved(picks []Pick) {
	for _, p := range picks {
		key, offset := string(p.Event.Key), b.next[Held]
		b.lanes.Finish([]Pick{p}, Outcome{Kind: Moved, Offset: offset})
		b.add(Held, key, 0)
	}
}

func TestLiveWaitsUntilItIsKnownWhoIsHeld(t *testing.T) {
	t.Parallel()
	b := newTieredBench(false)
	b.add(Live, "a", 0)
	if got := b.take(9); !got.Empty() {
		t.Fatalf("taken before the survey: %s", offsets(got))
	}
	b.tiers[Held].hold(b.tiers[Held].queue.hash([]byte("b")), true, 0, 1)
	b.tiers[Held].surveyed()
	b.add(Live, "b", 0)
	got := b.take(9)
	if len(got.Picks) != 1 || string(got.Picks[0].Event.Key) != "a" || len(got.Moves) != 1 || string(got.Moves[0].Event.Key) != "b" {
		t.Fatalf("taken %d, moved %d; want a sent and b moved behind what is held of it", len(got.Picks), len(got.Moves))
	}
}

func TestLosingTheHeldTierStopsTheLiveOne(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	b.add(Live, "a", 0)
	b.tiers[Held].halt()
	if got := b.take(9); !got.Empty() {
		t.Fatal("taken while the held tier goes to another member")
	}
}

func TestFollowersMoveUntilTheLastIsDelivered(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	b.add(Live, "a", 0)
	head := b.take(1).Picks
	if head[0].HeldTopic() != "s.held" || head[0].LiveTopic() != "s" {
		t.Fatalf("topics %q, %q", head[0].HeldTopic(), head[0].LiveTopic())
	}
	b.moved(head)
	for range 2 {
		b.add(Live, "a", 0)
		follower := b.take(9)
		if len(follower.Moves) != 1 || len(follower.Picks) != 0 {
			t.Fatalf("%d moved, %d taken; want the follower moved, and what is held to wait for it", len(follower.Moves), len(follower.Picks))
		}
		if got := b.take(9); !got.Empty() {
			t.Fatal("the key was free while its follower was on the way")
		}
		b.moved(follower.Moves)
	}
	got := b.take(9)
	if len(got.Picks) != 3 || got.Picks[0].Shard().Tier != Held {
		t.Fatalf("%d taken, want the three that are held", len(got.Picks))
	}
	b.lanes.Finish(got.Picks, Outcome{Kind: Delivered})
	b.add(Live, "a", 0)
	if got := b.take(9); len(got.Moves) != 0 || len(got.Picks) != 1 || got.Picks[0].Shard().Tier != Live {
		t.Fatal("the user was not let go")
	}
}

func TestFullHeldTierTakesNothing(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	b.add(Live, "a", 0)
	b.moved(b.take(1).Picks)
	b.tiers[Held].captured.records = maxHeldRecords
	b.add(Live, "a", 0)
	b.add(Live, "b", 0)
	got := b.take(9)
	if len(got.Moves) != 0 {
		t.Fatal("moved to a full tier")
	}
	for _, p := range got.Picks {
		if p.HeldTopic() != "" || p.Shard().Tier == Live && string(p.Event.Key) == "a" {
			t.Fatalf("%s of tier %v may be moved or overtakes", p.Event.Key, p.Shard().Tier)
		}
	}
}

func TestTiersHaveTheirFloors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		age          time.Duration // of live events
		held, replay int           // of 1000
	}{
		{"live is up to date", time.Second, 87, 43},
		{"live is behind", time.Minute, 91, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newTieredBench(true)
			for i := range 1200 {
				for _, tier := range []Tier{Live, Held, Replay} {
					b.add(tier, fmt.Sprint(tier, i), tt.age)
				}
			}
			var have [tiers]int
			for range 1000 {
				for _, p := range b.take(1).Picks {
					have[p.Shard().Tier]++
					b.lanes.Finish([]Pick{p}, Outcome{Kind: Delivered})
				}
			}
			if abs(have[Held]-tt.held) > 5 || abs(have[Replay]-tt.replay) > 5 {
				t.Errorf("of 1000, held got %d and replay %d, want %d and %d", have[Held], have[Replay], tt.held, tt.replay)
			}
		})
	}
	b := newTieredBench(true)
	b.add(Replay, "a", 0)
	if got := b.take(5); len(got.Picks) != 1 {
		t.Error("replay waits although nothing else is there")
	}
}

// TestTiersKeepEachKeyInOrder plays random takes and outcomes over all tiers: a
// key is in one attempt at a time, its live events end in their order however
// many of them are held, and nothing is left over.
func TestTiersKeepEachKeyInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newTieredBench(true)
		keys := []string{"a", "b", "c"}
		serial := map[*event.Event]int{} // of live events and their copies
		var order []string               // as they were settled for good
		count, ended := 0, 0
		var flying []Batch
		held := map[string]int{}
		in := map[string]int{} // attempts that the key is in
		move := func(picks []Pick) {
			for run := range Runs(picks) {
				for _, p := range run {
					key, n, offset := string(p.Event.Key), serial[p.Event], b.next[Held]
					b.lanes.Finish([]Pick{p}, Outcome{Kind: Moved, Offset: offset})
					serial[b.add(Held, key, 0)] = n
				}
			}
		}
		end := func(batch Batch, draw func(p Pick) int) {
			for run := range Runs(batch.Picks) {
				in[string(run[0].Event.Key)]--
				for i, p := range run {
					key, what := string(p.Event.Key), draw(p)
					switch {
					case what == 0: // it and what follows in the run goes back
						b.lanes.Finish(run[i:], Outcome{Kind: Retry})
					case what == 1 && i == 0 && p.HeldTopic() != "":
						b.lanes.Finish(run[1:], Outcome{Kind: Retry})
						move(run[:1])
						held[key]++
					default:
						n, tier := serial[p.Event], p.Shard().Tier
						b.lanes.Finish([]Pick{p}, Outcome{Kind: Delivered})
						if ended++; tier != Replay {
							order = append(order, fmt.Sprintf("%s:%04d", key, n))
						}
						continue
					}
					break
				}
			}
			for run := range Runs(batch.Moves) {
				in[string(run[0].Event.Key)]--
				move(run)
			}
		}
		take := func(items int) {
			batch := b.take(items)
			for _, picks := range [][]Pick{batch.Picks, batch.Moves} {
				for run := range Runs(picks) {
					key := string(run[0].Event.Key)
					if in[key]++; in[key] > 1 {
						t.Fatalf("%s is in two attempts", key)
					}
				}
			}
			if !batch.Empty() {
				flying = append(flying, batch)
			}
		}
		for range rapid.IntRange(20, 120).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				key := rapid.SampledFrom(keys).Draw(t, "key")
				if rapid.IntRange(0, 3).Draw(t, "tier") == 0 {
					serial[b.add(Replay, key, 0)] = -1
				} else {
					serial[b.add(Live, key, 0)] = count
				}
				count++
			case 2:
				take(rapid.IntRange(1, 8).Draw(t, "items"))
			default:
				if len(flying) > 0 {
					i := rapid.IntRange(0, len(flying)-1).Draw(t, "attempt")
					batch := flying[i]
					flying = append(flying[:i], flying[i+1:]...)
					end(batch, func(Pick) int { return rapid.IntRange(0, 3).Draw(t, "outcome") })
				}
			}
		}
		for range 10 * count { // then all is well
			for _, batch := range flying {
				end(batch, func(Pick) int { return 2 })
			}
			flying = nil
			take(8)
		}
		if ended != count {
			t.Fatalf("%d of %d events settled", ended, count)
		}
		last := map[byte]string{}
		for _, o := range order {
			if o <= last[o[0]] {
				t.Fatalf("%s after %s", o, last[o[0]])
			}
			last[o[0]] = o
		}
		if n := len(b.tiers[Held].captured.users); n != 0 {
			t.Fatalf("%d users are held for ever", n)
		}
	})
}

// TestFailingLanesGetAFifth keeps users that fail again and again from taking
// the rate of those who do not.
func TestFailingLanesGetAFifth(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	for i := range 400 {
		b.add(Live, fmt.Sprint("bad", i), 0)
	}
	for range 400 {
		b.lanes.Finish(b.take(1).Picks, RetryAt(time.Time{}, true))
	}
	for i := range 1200 {
		b.add(Live, fmt.Sprint("good", i), 0)
	}
	bad := 0
	for range 1000 {
		for _, p := range b.take(1).Picks {
			if p.Attempts == 0 {
				b.lanes.Finish([]Pick{p}, Outcome{Kind: Delivered})
				continue
			}
			bad++
			b.lanes.Finish([]Pick{p}, RetryAt(time.Time{}, true))
		}
	}
	if abs(bad-167) > 5 {
		t.Errorf("%d of 1000 attempts were of those who fail, want a fifth of the others'", bad)
	}
	for len(b.take(1).Picks) > 0 { // and all of it when nobody else is there
		bad++
	}
	if bad < 500 {
		t.Errorf("%d attempts of those who fail", bad)
	}
}

// TestReplayOfADeletedUserIsDropped: what was replayed of a user from before a
// live delete must not come back after it.
func TestReplayOfADeletedUserIsDropped(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	add := func(key string, offset int64) {
		e := b.add(Replay, key, 0)
		e.Origin = event.Source{Topic: "s", Offset: offset}
	}
	b.next[Live] = 50
	b.add(Live, "a", 0).Barrier = true
	add("a", 10)
	add("a", 50)
	add("a", 60)
	add("b", 10)
	gone := b.take(1)
	if len(gone.Picks) != 1 || gone.Picks[0].Shard().Tier != Live {
		t.Fatal("the live delete does not go first")
	}
	b.lanes.Finish(gone.Picks, Outcome{Kind: Delivered})
	b.tiers[Live].passBarriers()
	have := ""
	for got := b.take(9); !got.Empty(); got = b.take(9) {
		for _, p := range got.Picks {
			have += fmt.Sprintf("%s:%d ", p.Event.Key, p.Event.Origin.Offset)
			b.lanes.Finish([]Pick{p}, Outcome{Kind: Delivered})
		}
	}
	if have != "a:50 a:60 b:10 " && have != "b:10 a:50 a:60 " {
		t.Errorf("replayed %q, want nothing of a from before 50", have)
	}
	for _, tally := range b.lanes.Tallies() {
		if tally.Shard.Tier == Replay && (tally.Dropped != 1 || tally.Read != 4 || tally.Delivered != 3 || tally.InHand != 0) {
			t.Errorf("tally %+v", tally)
		}
	}
}
