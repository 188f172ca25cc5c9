package partition

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"sluice/pipeline/event"
)

// journey is one shard with every tier as logs, and the member that owns it: what
// an owner leaves behind, the next one finds there and in the commits.
type journey struct {
	*tieredBench
	t         *rapid.T
	logs      [tiers][]event.Record
	due       []time.Time // of each record of the live log
	lot       []uint8
	committed [tiers]string
	bases     [tiers]int64

	flying   []Batch
	inFlight map[string]int
	times    map[int64]int    // deliveries, by origin
	last     map[string]int64 // origin of a key's last undeferred event that was delivered for the first time
	killed   bool
}

func newJourney(t *rapid.T) *journey {
	j := &journey{t: t, times: map[int64]int{}, last: map[string]int64{}}
	for tier := range tiers {
		w := newWindow(0)
		j.committed[tier] = encodeMetadata(&w, true)
	}
	j.begin()
	return j
}

// begin is a new owner: it goes by the commits and by what is on the tiers that
// capture, which it may be slow to find out.
func (j *journey) begin() {
	j.tieredBench = newTieredBench(false)
	j.lanes.Classes("w", []Class{{Name: "default"}, {Name: "bulk", Limited: true}})
	j.lanes.queues["w"].roomy = 3
	j.inFlight, j.flying = map[string]int{}, nil
	for tier := range tiers {
		j.lanes.close(j.tiers[tier])
		delete(j.lanes.memory, j.tiers[tier].id)
		w, _, err := decodeMetadata(j.bases[tier], j.committed[tier])
		if err != nil {
			j.t.Fatal(err)
		}
		j.open(tier, w)
		j.next[tier] = w.base
	}
	for _, tier := range []Tier{Held, Overflow} {
		s := j.tiers[tier]
		from, to, _ := s.unsettled(int64(len(j.logs[tier])))
		survey{s, from, to}.read(asRead(j.logs[tier][from:to], from))
		s.surveyed()
	}
}

func asRead(log []event.Record, from int64) []*kgo.Record {
	var all []*kgo.Record
	for i, r := range log {
		k := &kgo.Record{Topic: r.Topic, Offset: from + int64(i), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		all = append(all, k)
	}
	return all
}

// produce writes a record to the live log.
func (j *journey) produce(key string, due time.Time, lot uint8) {
	r := event.Record{Topic: "s", Key: []byte(key), Value: []byte(`{}`), Time: time.Now()}
	if key == "" {
		r.Key = nil
	}
	j.logs[Live] = append(j.logs[Live], r)
	j.due, j.lot = append(j.due, due), append(j.lot, lot)
}

// poll reads a tier on, as intake does.
func (j *journey) poll(tier Tier, most int) {
	var events []*event.Event
	for ; most > 0 && j.next[tier] < int64(len(j.logs[tier])); most-- {
		r := j.logs[tier][j.next[tier]]
		r.Topic, r.Offset = tieredStream().topic(tier), j.next[tier]
		e := new(event.Event)
		if tier == Live {
			e.Load(r, "c")
		} else {
			e.LoadMoved(r, "c")
		}
		origin := e.First().Offset
		marked := !e.Due.IsZero()
		if e.Lot = j.lot[origin]; !marked {
			e.Due = j.due[origin]
			forgetPast(e)
		}
		e.Size = 2
		events = append(events, e)
		j.next[tier]++
	}
	if len(events) > 0 {
		j.tiers[tier].add(events, 0, int64(len(j.logs[tier])))
	}
}

func (j *journey) take(items, bulk int) {
	batch := j.lanes.Take("w", Limit{Items: items, Classes: []int{items, bulk}})
	for _, picks := range [][]Pick{batch.Picks, batch.Moves} {
		for run := range Runs(picks) {
			if key := string(run[0].Event.Key); key != "" && (len(batch.Moves) == 0 || !run[0].Deferred()) {
				if j.inFlight[key]++; j.inFlight[key] > 1 {
					j.t.Fatalf("%s is in two attempts", key)
				}
			}
		}
	}
	for _, p := range batch.Picks {
		if now := time.Now(); now.Before(p.Event.Due) || now.Before(j.due[p.Event.First().Offset]) {
			j.t.Fatalf("%v is sent %v before it is due", p.Event.First(), p.Event.Due.Sub(now))
		}
	}
	if !batch.Empty() {
		j.flying = append(j.flying, batch)
	}
}

// end gives an attempt its outcomes as draw says: 0 retry, 1 move on, else delivered.
func (j *journey) end(batch Batch, draw func() int) {
	for i, picks := range [][]Pick{batch.Picks, batch.Moves} {
		for run := range Runs(picks) {
			key := string(run[0].Event.Key)
			if key != "" && (i == 0 || !run[0].Deferred()) {
				if len(batch.Moves) == 0 || !run[0].Deferred() {
					j.inFlight[key]--
				}
			}
			if i == 1 {
				j.move(run, draw)
				continue
			}
			for n, p := range run {
				what := draw()
				if what == 0 || what == 1 && !j.fail(p) {
					j.lanes.Finish(run[n:], Outcome{Kind: Retry})
					break
				}
				if what == 1 {
					j.lanes.Finish(run[n+1:], Outcome{Kind: Retry})
					break
				}
				j.deliver(p)
			}
		}
	}
}

// fail moves an event that failed once too often, as pipeline does.
func (j *journey) fail(p Pick) bool {
	now := time.Now()
	switch {
	case p.Deferred():
		to := event.Move{Topic: p.DelayTopic(Delay10s), Attempts: p.Attempts + 1, Due: now.Add(12 * time.Second), Wake: now.Add(10 * time.Second)}
		j.append(p, Delay10s, to)
	case p.HeldTopic() != "":
		j.append(p, Held, event.Move{Topic: p.HeldTopic(), Attempts: p.Attempts + 1})
	default:
		return false
	}
	return true
}

// move does what a batch's moves ask for; from where that fails the rest goes back.
func (j *journey) move(run []Pick, draw func() int) {
	for i, p := range run {
		tier, topic := p.Target()
		switch {
		case p.Copied():
			j.lanes.Finish(run[i:i+1], Outcome{Kind: Moved})
			continue
		case draw() == 0:
			j.lanes.Finish(run[i:], RetryAt(time.Now().Add(time.Second), false))
			return
		}
		to := event.Move{Topic: topic, Attempts: p.Attempts}
		if p.Deferred() {
			to.Due = p.Event.Due
		}
		if tier.Delays() {
			to.Wake = time.Now().Add(tier.Step())
		}
		j.append(p, tier, to)
	}
}

func (j *journey) append(p Pick, tier Tier, to event.Move) {
	offset := int64(len(j.logs[tier]))
	r := event.Moved(p.Event, to)
	r.Key, r.Value = slices.Clone(r.Key), slices.Clone(r.Value) // they are the event's, which is used again
	j.logs[tier] = append(j.logs[tier], r)
	j.lanes.Finish([]Pick{p}, Outcome{Kind: Moved, Offset: offset})
}

func (j *journey) deliver(p Pick) {
	origin, key := p.Event.First().Offset, string(p.Event.Key)
	j.times[origin]++
	if first := j.times[origin] == 1; !first && !j.killed {
		j.t.Fatalf("%d was delivered twice", origin)
	} else if before, known := j.last[key]; first && key != "" && !p.Deferred() {
		if known && origin < before && j.due[origin].IsZero() {
			j.t.Fatalf("%s: %d was delivered after %d", key, origin, before)
		}
		j.last[key] = origin
	}
	j.lanes.Finish([]Pick{p}, Outcome{Kind: Delivered})
}

// commit writes down where every tier stands.
func (j *journey) commit() {
	q := j.lanes.queues["w"]
	q.mu.Lock()
	defer q.mu.Unlock()
	for tier := range tiers {
		w := j.tiers[tier].win
		j.bases[tier], j.committed[tier] = w.base, encodeMetadata(&w, false)
	}
}

// finish lets all be well until everything is delivered.
func (j *journey) finish() {
	fine := func() int { return 2 }
	for range 2000 {
		for tier := range tiers {
			j.poll(tier, 10)
		}
		j.take(20, 5)
		for _, batch := range j.flying {
			j.end(batch, fine)
		}
		if j.flying = nil; len(j.times) == len(j.logs[Live]) && j.inHand() == 0 {
			return
		}
		time.Sleep(700 * time.Millisecond)
	}
	j.t.Fatalf("%d of %d delivered, %d in hand", len(j.times), len(j.logs[Live]), j.inHand())
}

func (j *journey) inHand() int { n, _ := j.lanes.InHand("w"); return n }

// bubble has no deadline, which a bubble of synctest must not be asked for.
type bubble struct{ testing.TB }

// TestJourneysOverEveryTier plays random takes, outcomes, waits and kills over all
// tiers: nothing is sent before it is due, nothing is lost, without a kill nothing
// is sent twice, undeferred events of a key go in order, a key is in one attempt
// at a time, and nobody is captured for ever.
func TestJourneysOverEveryTier(t *testing.T) {
	t.Parallel()
	for _, kills := range []bool{false, true} {
		t.Run(fmt.Sprintf("kills %v", kills), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rapid.Check(bubble{t}, func(t *rapid.T) {
					j := newJourney(t)
					defer func() { j.lanes.stop() }()
					for range rapid.IntRange(20, 150).Draw(t, "steps") {
						j.step(kills)
					}
					j.finish()
					for tier := range tiers {
						s := j.tiers[tier]
						if c := &s.captured; len(c.users) > 0 || c.records > 0 {
							t.Fatalf("%s holds %d users and %d records for ever", s.id, len(c.users), c.records)
						}
						if s.win.open != 0 || s.asleep != 0 || s.bound != 0 || s.leaving.len() != 0 {
							t.Fatalf("%s: %d open, %d asleep, %d bound, %d leave", s.id, s.win.open, s.asleep, s.bound, s.leaving.len())
						}
					}
					if w := j.tiers[Live].whole; len(w.sending)+len(w.waiters) > 0 {
						t.Fatalf("%v in attempts, %v wait for them", w.sending, w.waiters)
					}
				})
			})
		})
	}
}

func (j *journey) step(kills bool) {
	t := j.t
	switch rapid.IntRange(0, 11).Draw(t, "act") {
	case 0, 1, 2, 3:
		due := time.Time{}
		if rapid.IntRange(0, 2).Draw(t, "deferred") == 0 {
			due = time.Now().Add(time.Duration(rapid.IntRange(-2, 45).Draw(t, "in")) * time.Second)
		}
		key := rapid.SampledFrom([]string{"a", "b", "c", "d", ""}).Draw(t, "key")
		j.produce(key, due, uint8(rapid.IntRange(0, 1).Draw(t, "lot")))
	case 4, 5:
		j.poll(Tier(rapid.IntRange(0, int(tiers)-1).Draw(t, "tier")), rapid.IntRange(1, 6).Draw(t, "records"))
	case 6, 7:
		j.take(rapid.IntRange(1, 8).Draw(t, "items"), rapid.IntRange(0, 1).Draw(t, "bulk"))
	case 8, 9:
		if len(j.flying) > 0 {
			i := rapid.IntRange(0, len(j.flying)-1).Draw(t, "attempt")
			batch := j.flying[i]
			j.flying = slices.Delete(j.flying, i, i+1)
			j.end(batch, func() int { return rapid.IntRange(0, 3).Draw(t, "outcome") })
		}
	case 10:
		time.Sleep(time.Duration(rapid.IntRange(1, 12_000).Draw(t, "ms")) * time.Millisecond)
	case 11:
		if rapid.Bool().Draw(t, "commit") || !kills {
			j.commit()
			return
		}
		j.lanes.stop()
		j.killed = true
		j.begin()
	}
}
