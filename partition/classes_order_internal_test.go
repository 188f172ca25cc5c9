package partition

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/pipeline/event"
)

// ordered is one shard with its live tier, its held tier and its overflow as logs,
// in a stream of either order, and the member that owns it.
type ordered struct {
	*tieredBench
	t       *rapid.T
	byClass bool
	logs    [tiers][]event.Record
	class   []string // of each record of the live log
	names   []string // of the classes, by number

	committed [tiers]string
	bases     [tiers]int64
	killed    bool

	out      []Batch
	inFlight map[string]bool
	times    map[int64]int
	last     map[string]int64 // origin of what was delivered last for the first time, by lane
	overtook int              // deliveries before an earlier event of the same key, of another class
}

func newOrdered(t *rapid.T, byClass bool) *ordered {
	o := &ordered{
		t: t, byClass: byClass, names: []string{"default", "bulk", "mail", "news"},
		times: map[int64]int{}, last: map[string]int64{},
	}
	for tier := range tiers {
		w := newWindow(0)
		o.committed[tier] = encodeMetadata(&w, true)
	}
	o.begin()
	return o
}

// begin is a new owner, who goes by the commits and by what the tiers hold.
func (o *ordered) begin() {
	l := newLease()
	l.renew(time.Now(), time.Hour)
	stream := tieredStream()
	stream.OrderByClass = o.byClass
	o.tieredBench = &tieredBench{bench: &bench{lease: l, lanes: newLanes(lanesConfig{
		workspaces: []string{"w"}, streams: []Stream{stream}, lease: l, commitNow: func() {},
	})}}
	o.lanes.queues["w"].roomy = 3
	o.renumber()
	o.out, o.inFlight = nil, map[string]bool{}
	for _, tier := range []Tier{Live, Held, Overflow} {
		w, _, err := decodeMetadata(o.bases[tier], o.committed[tier])
		if err != nil {
			o.t.Fatal(err)
		}
		o.open(tier, w)
		o.next[tier] = w.base
	}
	for _, tier := range []Tier{Held, Overflow} {
		s := o.tiers[tier]
		from, to, _ := s.unsettled(int64(len(o.logs[tier])))
		survey{s, from, to}.read(asRead(o.logs[tier][from:to], from))
		s.surveyed()
	}
}

// renumber tells the lanes of the classes in their present order.
func (o *ordered) renumber() {
	classes := make([]Class, len(o.names))
	for i, name := range o.names {
		classes[i] = Class{Name: name, Weight: float64(1 + len(name)), Limited: i > 0}
	}
	o.lanes.Classes("w", classes)
}

// lane is what has to stay in order: a user, or his events of one class.
func (o *ordered) lane(p Pick) string {
	if name := string(p.Event.Key); !o.byClass {
		return name
	}
	return fmt.Sprintf("%s, %s", p.Event.Key, o.class[p.Event.First().Offset])
}

func (o *ordered) produce(key, class string) {
	o.logs[Live] = append(o.logs[Live], event.Record{Topic: "s", Key: []byte(key), Value: []byte(`{}`), Time: time.Now()})
	o.class = append(o.class, class)
}

// poll reads a tier on, as intake does.
func (o *ordered) poll(tier Tier, most int) {
	var events []*event.Event
	for ; most > 0 && o.next[tier] < int64(len(o.logs[tier])); most-- {
		r := o.logs[tier][o.next[tier]]
		r.Topic, r.Offset = tieredStream().topic(tier), o.next[tier]
		e := new(event.Event)
		if tier == Live {
			e.Load(r, "c")
		} else {
			e.LoadMoved(r, "c")
		}
		e.Size, e.Lot = 2, uint8(slices.Index(o.names, o.class[e.First().Offset]))
		events = append(events, e)
		o.next[tier]++
	}
	if len(events) > 0 {
		o.tiers[tier].add(events, 0, int64(len(o.logs[tier])))
	}
}

func (o *ordered) take(limit Limit) {
	batch := o.lanes.Take("w", limit)
	for _, picks := range [][]Pick{batch.Picks, batch.Moves} {
		for run := range Runs(picks) {
			lane := o.lane(run[0])
			if o.inFlight[lane] {
				o.t.Fatalf("%s is in two attempts", lane)
			}
			o.inFlight[lane] = true
			for _, p := range run {
				if o.lane(p) != lane {
					o.t.Fatalf("%s and %s are one run", lane, o.lane(p))
				}
			}
		}
	}
	if !batch.Empty() {
		o.out = append(o.out, batch)
	}
}

// end gives an attempt its outcomes as draw says: 0 fails, 1 moves to the held
// tier if it can, else it is delivered.
func (o *ordered) end(batch Batch, draw func() int) {
	for run := range Runs(batch.Picks) {
		delete(o.inFlight, o.lane(run[0]))
		for n, p := range run {
			switch what := draw(); {
			case what == 1 && p.HeldTopic() != "":
				o.move(p, Held, p.HeldTopic())
				o.lanes.Finish(run[n+1:], Outcome{Kind: Retry})
			case what < 2:
				o.lanes.Finish(run[n:], RetryAt(time.Time{}, what == 1))
			default:
				o.deliver(p)
				continue
			}
			break
		}
	}
	for run := range Runs(batch.Moves) {
		delete(o.inFlight, o.lane(run[0]))
		for n, p := range run {
			tier, topic := p.Target()
			if p.Copied() {
				o.lanes.Finish(run[n:n+1], Outcome{Kind: Moved})
			} else if draw() > 0 {
				o.move(p, tier, topic)
			} else {
				o.lanes.Finish(run[n:], RetryAt(time.Time{}, false))
				break
			}
		}
	}
}

func (o *ordered) move(p Pick, tier Tier, topic string) {
	offset := int64(len(o.logs[tier]))
	r := event.Moved(p.Event, event.Move{Topic: topic, Attempts: p.Attempts, Class: o.class[p.Event.First().Offset]})
	r.Key, r.Value = slices.Clone(r.Key), slices.Clone(r.Value)
	o.logs[tier] = append(o.logs[tier], r)
	o.lanes.Finish([]Pick{p}, Outcome{Kind: Moved, Offset: offset})
}

func (o *ordered) deliver(p Pick) {
	origin, lane := p.Event.First().Offset, o.lane(p)
	if o.times[origin]++; o.times[origin] > 1 && !o.killed {
		o.t.Fatalf("%d was delivered twice", origin)
	}
	if o.times[origin] == 1 {
		if before, known := o.last[lane]; known && origin < before {
			o.t.Fatalf("%s: %d was delivered after %d", lane, origin, before)
		}
		o.last[lane] = origin
		for earlier := range origin {
			if o.times[earlier] == 0 && string(o.logs[Live][earlier].Key) == string(p.Event.Key) {
				o.overtook++
				break
			}
		}
	}
	o.lanes.Finish([]Pick{p}, Outcome{Kind: Delivered})
}

func (o *ordered) step(kills bool) {
	t := o.t
	switch rapid.IntRange(0, 13).Draw(t, "act") {
	case 0, 1, 2, 3:
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			o.produce(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"), rapid.SampledFrom(o.names).Draw(t, "class"))
		}
	case 4, 5, 6:
		o.poll(rapid.SampledFrom([]Tier{Live, Live, Held, Overflow}).Draw(t, "tier"), rapid.IntRange(1, 8).Draw(t, "records"))
	case 7, 8, 9:
		limit := Limit{Items: rapid.IntRange(1, 8).Draw(t, "items")}
		limit.Classes = append([]int{limit.Items}, rapid.SliceOfN(rapid.IntRange(0, 1), 3, 3).Draw(t, "allowances")...)
		o.take(limit)
	case 10, 11:
		if len(o.out) > 0 {
			i := rapid.IntRange(0, len(o.out)-1).Draw(t, "attempt")
			batch := o.out[i]
			o.out = slices.Delete(o.out, i, i+1)
			o.end(batch, func() int { return rapid.IntRange(0, 4).Draw(t, "outcome") })
		}
	case 12: // a reload numbers the classes anew
		o.names = append([]string{"default"}, rapid.Permutation(o.names[1:]).Draw(t, "names")...)
		o.renumber()
	case 13:
		if rapid.Bool().Draw(t, "commit") || !kills {
			for _, tier := range []Tier{Live, Held, Overflow} {
				w := o.tiers[tier].win
				o.bases[tier], o.committed[tier] = w.base, encodeMetadata(&w, false)
			}
			return
		}
		o.lanes.stop()
		o.killed = true
		o.begin()
	}
}

// finish lets all be well until everything is delivered.
func (o *ordered) finish() {
	inHand := func() int { n, _ := o.lanes.InHand("w"); return n }
	for range 1000 {
		for _, tier := range []Tier{Live, Held, Overflow} {
			o.poll(tier, 10)
		}
		o.take(Limit{Items: 20})
		for _, batch := range o.out {
			o.end(batch, func() int { return 2 })
		}
		if o.out = nil; len(o.times) == len(o.logs[Live]) && inHand() == 0 {
			break
		}
	}
	if n := inHand(); len(o.times) != len(o.logs[Live]) || n > 0 {
		o.t.Fatalf("%d of %d delivered, %d in hand", len(o.times), len(o.logs[Live]), n)
	}
	for _, tier := range []Tier{Held, Overflow} {
		if c := &o.tiers[tier].captured; len(c.users) > 0 || c.records > 0 {
			o.t.Fatalf("%s holds %d users and %d records for ever", tier, len(c.users), c.records)
		}
	}
	if !o.byClass && !o.killed && o.overtook > 0 {
		o.t.Fatalf("%d overtook an earlier event of their user", o.overtook)
	}
}

// TestOrderOverClassesAndTiers plays random classes that open and shut, failures,
// moves to the held tier and the overflow, reloads and kills: what is promised to
// stay in order does, one attempt at a time, and nothing is lost or held for ever.
// In a stream of either order that is a user's events, or those of one class.
func TestOrderOverClassesAndTiers(t *testing.T) {
	t.Parallel()
	for _, byClass := range []bool{false, true} {
		for _, kills := range []bool{false, true} {
			t.Run(fmt.Sprintf("by class %v, kills %v", byClass, kills), func(t *testing.T) {
				t.Parallel()
				overtook := 0
				rapid.Check(t, func(t *rapid.T) {
					o := newOrdered(t, byClass)
					defer func() { o.lanes.stop() }()
					for range rapid.IntRange(20, 150).Draw(t, "steps") {
						o.step(kills)
					}
					o.finish()
					overtook += o.overtook
				})
				if byClass && overtook == 0 {
					t.Error("no event ever overtook one of another class, so order by class is worth nothing")
				}
			})
		}
	}
}
