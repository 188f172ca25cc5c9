package replay_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/replay"
)

// person is what a destination knows of somebody.
type person struct {
	plan   int // of the last identify by its time
	set    time.Time
	events map[int]bool
}

// destination keeps people as Customer.io does: a suppressed one cannot be, an
// event's id has effect once, a later attribute wins, and of a merge the primary
// keeps what it has.
type destination struct {
	people  map[string]*person
	blocked map[string]bool
	seen    map[int]bool
}

func newDestination() *destination {
	return &destination{people: map[string]*person{}, blocked: map[string]bool{}, seen: map[int]bool{}}
}

func (d *destination) of(user string) *person {
	if d.blocked[user] {
		return nil
	}
	if d.people[user] == nil {
		d.people[user] = &person{events: map[int]bool{}}
	}
	return d.people[user]
}

// take carries out the n-th deed of a log.
func (d *destination) take(n int, x deed) {
	switch x.action {
	case "event":
		if p := d.of(x.user); p != nil && !d.seen[n] {
			p.events[n], d.seen[n] = true, true
		}
	case "identify":
		if p := d.of(x.user); p != nil && !x.at.Before(p.set) {
			p.plan, p.set = n, x.at
		}
	case "delete":
		delete(d.people, x.user)
	case "suppress":
		delete(d.people, x.user)
		d.blocked[x.user] = true
	case "unsuppress":
		delete(d.blocked, x.user)
	case "merge":
		to, from := d.people[x.user], d.people[x.other]
		if to == nil || from == nil {
			return
		}
		if to.set.IsZero() {
			to.plan, to.set = from.plan, from.set
		}
		maps.Copy(to.events, from.events)
		delete(d.people, x.other)
	}
}

// String tells all that a destination knows, except whom it was told of and knows
// nothing about.
func (d *destination) String() string {
	known := map[string]string{}
	for user, p := range d.people {
		known[user] = fmt.Sprintf("%d %v", p.plan, p.events)
	}
	return fmt.Sprint(known, d.blocked)
}

// A window is replayed to a destination that was wiped, and to one that was not;
// what came after the window was delivered before. In the end they know what they
// would know undisturbed, however the lanes of the replay's copies race, and
// though the copier is killed.
func TestReplayEndsAsUndisturbed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		for _, wiped := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d wiped %v", seed, wiped), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { endsAsUndisturbed(t, rand.New(rand.NewPCG(seed, 3)), wiped) })
			})
		}
	}
}

func endsAsUndisturbed(t *testing.T, random *rand.Rand, wiped bool) {
	t.Helper()
	w := newVirtualWorld(t)
	const window, all = 60, 80
	began := time.Now().Add(-time.Hour)
	undisturbed, have := newDestination(), newDestination()
	var log history
	for i := range all {
		at := anything
		if wiped && i >= window {
			at = tail
		} else if wiped && i >= window-20 {
			at = closing
		}
		d := nextDeed(random, log, undisturbed, at)
		d.key, d.at = d.user, began.Add(time.Duration(i)*time.Second)
		if !d.lives() && d.action != "merge" && random.IntN(4) == 0 {
			d.key = d.user + "@example.com"
		}
		d.shard, d.offset = w.write(t, d.key, d.value(i), d.at)
		log = append(log, d)
		undisturbed.take(i, d)
		if i >= window || !wiped {
			have.take(i, d)
		}
	}
	w.settle(t, live)
	stop := w.race(t, random, log, have)
	first := w.member(t, "m1", func(c replay.Cluster) replay.Cluster { return c })
	job := w.start(t, replay.Selection{Stream: "events", To: began.Add(window * time.Second)})
	if random.IntN(2) == 0 {
		time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond) // in a synctest bubble
		first.dead.Store(true)
		w.member(t, "m2", nil)
	}
	s := w.status(t, job.ID)
	for range 600 {
		if s = w.status(t, job.ID); done(s) {
			break
		}
		time.Sleep(time.Second) // in a synctest bubble
	}
	stop()
	if !done(s) {
		t.Errorf("want it done, have %+v", s)
	}
	if undisturbed.String() != have.String() {
		for i, d := range log {
			t.Logf("%d: %d:%d %s %s %s %s", i, d.shard, d.offset, d.at.Format("04:05"), d.action, d.user, d.other)
		}
		t.Errorf("want %v,\nhave %v", undisturbed, have)
	}
}

// stages of a log that is replayed to a wiped destination: first anything, then
// whoever came back from a merge is merged away again, then comes what is not
// replayed. What is left out of a replay is not there afterwards, so then none of
// it is made up: that who was merged away is destroyed in a way that is not
// replayed, or comes back and stays.
type stage int

const (
	anything stage = iota
	closing
	tail
)

// nextDeed makes up what may come next. A merge is of two that there are.
func nextDeed(random *rand.Rand, log history, now *destination, at stage) deed {
	actions := []string{"event", "event", "event", "event", "identify", "identify", "delete", "suppress", "unsuppress", "merge", "merge"}
	users := []string{"ada", "bob", "cyd", "dan", "eve", "fay", "gil", "hal"}
	for {
		d := deed{action: actions[random.IntN(len(actions))], user: users[random.IntN(len(users))]}
		back := func(user string) bool { return now.people[user] != nil && log.mergedAway(user) > 0 }
		switch d.action {
		case "merge":
			d.other = users[random.IntN(len(users))]
			if at == tail || d.other == d.user || now.people[d.user] == nil || now.people[d.other] == nil || (at == closing && back(d.user)) {
				continue
			}
		case "delete", "suppress":
			if log.mergedAway(d.user) > 0 || log.twice(d.user, at == tail) {
				continue
			}
		case "event", "identify":
			if at != anything && (log.mergedAway(d.user) > 0 || (at == tail && now.blocked[d.user])) {
				continue
			}
		}
		ends := d.action == "merge" && back(d.other) || d.lives() && len(now.people) < 2 // nobody to merge them into
		if ends || at != closing || !slices.ContainsFunc(users, back) {
			return d
		}
	}
}

// mergedAway counts the merges that made a user go.
func (h history) mergedAway(user string) (n int) {
	for _, x := range h {
		if x.action == "merge" && x.other == user {
			n++
		}
	}
	return n
}

// twice tells whether somebody was merged into a user, be it by way of others,
// and has been merged away before; or whether anybody was, when that is enough.
func (h history) twice(user string, once bool) bool {
	into := map[string]bool{user: true}
	for range h {
		for _, x := range h {
			if x.action == "merge" && into[x.user] {
				into[x.other] = true
			}
		}
	}
	for u := range into {
		if u != user && (once || h.mergedAway(u) > 1) {
			return true
		}
	}
	return false
}

// race delivers what is on the replay tier to a destination, each key's copies in
// order and no two lanes alike, and commits what is settled, until stop.
func (w *world) race(t *testing.T, random *rand.Rand, log history, to *destination) (stop func()) {
	t.Helper()
	places := map[string]int{}
	for i, d := range log {
		places[fmt.Sprint(d.shard, d.offset)] = i
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		delivered := map[partition.Position]bool{}
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Second): // in a synctest bubble
			}
			blocked, marks, passed := map[string]bool{}, map[int32]int64{}, map[int32]bool{}
			var e event.Event
			for _, r := range w.Read(t, tier) {
				at := partition.Position{Partition: r.Partition, Offset: r.Offset}
				if lane := fmt.Sprint(r.Partition, string(r.Key)); !delivered[at] && !blocked[lane] {
					blocked[lane] = true
					if random.IntN(2) == 0 {
						e.LoadMoved(r, "")
						n := places[fmt.Sprint(e.Origin.Partition, e.Origin.Offset)]
						to.take(n, log[n])
						delivered[at] = true
					}
				}
				if delivered[at] && !passed[r.Partition] {
					marks[r.Partition] = r.Offset + 1
				} else {
					passed[r.Partition] = true
				}
			}
			for number, mark := range marks {
				w.commit(t, tier, number, mark)
			}
		}
	}()
	return func() { close(done); <-ended }
}
