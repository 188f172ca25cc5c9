package partition

import (
	"fmt"
	"testing"
	"time"

	"sluice/pipeline/event"
)

// flood is a shard on whose live log a class that is shut has far more than may be
// in hand, with an event of another class after every hundred.
type flood struct {
	*tieredBench
	users    int // of the class; 0: its events have no key
	events   int64
	overflow []int64 // origins of what is there
	most     [tiers]int
	others   int
}

func newFlood(events int64, users int) *flood {
	f := &flood{tieredBench: newTieredBench(true), events: events, users: users}
	f.lanes.Classes("w", []Class{{Name: "default"}, {Name: "bulk", Limited: true}})
	return f
}

// record is what stands at an offset of the live log.
func (f *flood) record(offset int64, tier Tier, at int64) *event.Event {
	e := new(event.Event)
	e.Size, e.Source = 2, event.Source{Topic: f.tiers[tier].topic, Offset: at}
	e.Time = time.UnixMilli(1_700_000_000_000 + offset)
	if tier != Live {
		e.Origin = event.Source{Topic: "s", Offset: offset}
	}
	switch {
	case offset%101 == 100:
		e.Key = fmt.Append(nil, "other", offset%7)
	case f.users > 0:
		e.Key, e.Lot = fmt.Append(nil, "user", offset*7919%int64(f.users)), 1
	default:
		e.Lot = 1
	}
	return e
}

// poll reads 500 of a tier on, unless the gate would keep it shut.
func (f *flood) poll(tier Tier) {
	end := f.events
	if tier == Overflow {
		end = int64(len(f.overflow))
	}
	if f.tiers[tier].records >= DefaultConfig().ShardRecords {
		return
	}
	var events []*event.Event
	for ; len(events) < 500 && f.next[tier] < end; f.next[tier]++ {
		origin := f.next[tier]
		if tier == Overflow {
			origin = f.overflow[origin]
		}
		events = append(events, f.record(origin, tier, f.next[tier]))
	}
	f.tiers[tier].add(events, 0, end)
	f.most[tier] = max(f.most[tier], f.tiers[tier].records)
}

// round reads, and takes while it is told to, with so much room for the class.
func (f *flood) round(bulk int) (taken int) {
	f.poll(Live)
	f.poll(Overflow)
	for range 20 {
		select {
		case <-f.lanes.Ready("w"):
		default:
			return taken
		}
		batch := f.lanes.Take("w", Limit{Items: 100, Classes: []int{100, bulk - taken}})
		for _, p := range batch.Picks {
			if p.Event.Lot == 0 {
				f.others++
			} else {
				taken++
			}
			f.lanes.Finish([]Pick{p}, Outcome{Kind: Delivered})
		}
		for _, p := range batch.Moves {
			f.overflow = append(f.overflow, p.Event.First().Offset)
			f.lanes.Finish([]Pick{p}, Outcome{Kind: Moved, Offset: int64(len(f.overflow) - 1)})
		}
		f.lanes.Recycle("w", batch)
	}
	return taken
}

// TestHandStaysFlatUnderAFlood: 100,000 events of one class that is shut, or opens
// for one now and then, go by without filling the hand, however few their users
// are, and whoever is not of that class waits for none of them.
func TestHandStaysFlatUnderAFlood(t *testing.T) {
	t.Parallel()
	for _, users := range []int{0, 1, 40, 30_000} {
		for _, opens := range []int{0, 10} {
			t.Run(fmt.Sprintf("%d users, opens %d", users, opens), func(t *testing.T) {
				t.Parallel()
				const events = 100_000
				f := newFlood(events, users)
				live, most := f.tiers[Live], roomyOf(0)*5/4+2*500
				rounds, bulk := 0, 0
				for ; f.next[Live] < events; rounds++ {
					room := 0
					if opens > 0 && rounds%opens == 0 {
						room = 1
					}
					if bulk += f.round(room); rounds > events/100 {
						t.Fatalf("%d of %d were read in %d rounds", f.next[Live], events, rounds)
					}
					if left := live.ofClass(0); left > 0 {
						t.Fatalf("round %d: %d events wait that are of another class", rounds, left)
					}
				}
				if f.most[Live] > most || f.most[Overflow] > DefaultConfig().ShardRecords+500 {
					t.Errorf("in hand were up to %d, and %d of the overflow; %d may be", f.most[Live], f.most[Overflow], most)
				}
				if n := len(live.queue.items.free) + live.queue.records; n > most+DefaultConfig().ShardRecords+1000 {
					t.Errorf("memory for %d records is kept", n)
				}
				if want := events / 101; f.others != want {
					t.Errorf("%d of %d of the other class were delivered", f.others, want)
				}
				if opens > 0 && bulk < rounds/opens-1 {
					t.Errorf("%d of the class in %d rounds, want one each %d", bulk, rounds, opens)
				}
			})
		}
	}
}
