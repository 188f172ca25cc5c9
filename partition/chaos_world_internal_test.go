package partition

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// The chaos test runs a whole fleet in virtual time: processes that drive the
// shipped claim, lease, membership, window, commit metadata, balancer and pacer
// as Consumer does, a group coordinator as Kafka's behaves, a network between
// them that loses and delays, and a witness that knows what nobody in the fleet
// can know and checks it at every send. Everything follows from the seed.

// world is one run. It has no goroutines: every act is an entry of the agenda.
type world struct {
	now    time.Duration // virtual, since the start
	agenda heap[time.Duration, func()]
	dice   *rand.Rand

	cfg     Config
	rules   rules
	streams []Stream
	loads   []Load
	spaces  []*space
	sites   []*site            // every shard, by number
	byTopic map[string][]*site // the same, by topic and partition

	group     *coordinator
	processes []*process // those that ever lived
	living    []*process
	witness   *witness

	stormUntil time.Duration // till then messages are lost and late
	slowness   time.Duration // how much longer the destination takes to answer
	stragglers float64       // the part of its answers that take a second or two
	// hold delays requests of one kind on purpose, in a directed schedule.
	hold func(p *process, what string) time.Duration
}

// space is a workspace with the destination behind it.
type space struct {
	number int
	name   string
	rate   float64 // attempts a second that the destination takes
	sites  []*site
	sendHistory
}

// site is a shard as the world knows it: its log, which never ends, and what
// reached the destination.
type site struct {
	id        ShardID
	topic     string
	number    int
	space     *space
	committed *commitment
	hits      []uint8 // deliveries by offset
	newest    [users]int64
	flying    [users]*attempt // the attempt of each user that began last
	proven    int64           // offsets below were found delivered
}

// users is how many keys a shard has: few, so that lanes matter.
const users = 32

// user is whose event an offset holds; low numbers have most.
func (s *site) user(offset int64) int {
	x := (uint64(offset) + uint64(s.number)<<40 + 1) * 0x9e3779b97f4a7c15
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 32
	return int(x & (x >> 5) & (users - 1))
}

// realm is one workspace of a scenario: its rate and the partitions of each of
// its streams.
type realm struct {
	rate    float64
	streams []int32
}

func newWorld(seed uint64, r rules, realms []realm) *world {
	w := &world{dice: rand.New(rand.NewPCG(seed, 0x51)), cfg: DefaultConfig(), rules: r, byTopic: map[string][]*site{}, stragglers: 0.01}
	w.cfg.Reach = 100
	for i, realm := range realms {
		sp := &space{number: i, name: string(rune('a' + i)), rate: realm.rate}
		w.spaces = append(w.spaces, sp)
		w.loads = append(w.loads, Load{Workspace: sp.name, Rate: realm.rate})
		for j, partitions := range realm.streams {
			topic := fmt.Sprintf("%s%d", sp.name, j)
			w.streams = append(w.streams, Stream{Name: topic, Topic: topic, Routes: []Route{{To: partitions - 1, Workspace: sp.name}}})
			for n := range partitions {
				s := &site{id: ShardID{Stream: topic, Partition: n}, topic: topic, number: len(w.sites), space: sp}
				for u := range s.newest {
					s.newest[u] = -1
				}
				w.sites = append(w.sites, s)
				sp.sites = append(sp.sites, s)
				w.byTopic[topic] = append(w.byTopic[topic], s)
			}
		}
	}
	w.group = &coordinator{world: w}
	w.witness = newWitness(w)
	return w
}

func (w *world) at(t time.Duration, act func()) { w.agenda.push(max(t, w.now), act) }

func (w *world) after(d time.Duration, act func()) { w.at(w.now+d, act) }

// run lets the world go on until then.
func (w *world) run(until time.Duration) {
	for w.agenda.len() > 0 && w.agenda.min().key <= until {
		w.now = w.agenda.min().key
		w.agenda.pop()()
	}
	w.now = until
}

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.dice.Int64N(int64(most-least)+1))
}

func (w *world) chance(p float64) bool { return w.dice.Float64() < p }

// route is how long a request is on its way to the destination, or its answer
// back: 40 ms, now and then much more.
func (w *world) route() time.Duration {
	return time.Duration(float64(40*time.Millisecond) * math.Exp(0.35*w.dice.NormFloat64()))
}

// travel is how long a message to or from the brokers takes, and whether it is
// lost.
func (w *world) travel() (time.Duration, bool) {
	d := w.between(500*time.Microsecond, 2500*time.Microsecond)
	switch storm := w.now < w.stormUntil; {
	case storm && w.chance(0.15):
		return d, true
	case storm && w.chance(0.25):
		d += w.between(0, 4*time.Second)
	case w.chance(0.002):
		d += w.between(0, 500*time.Millisecond)
	}
	return d, false
}

// notices is how long a client takes to see that a connection is gone.
const notices = 500 * time.Millisecond

// call sends a request to the coordinator. Exactly one of two things happens in
// the end: serve runs there and what it gives to answer runs in the process, or
// broken runs in the process, whether the request was served or not.
func (w *world) call(p *process, what string, serve func(answer func(func())), broken func()) {
	way, lost := w.travel()
	if w.hold != nil {
		way += w.hold(p, what)
	}
	if lost || p.cut || p.deposed && what != "heartbeat" {
		p.after(notices, broken)
		return
	}
	answer := func(act func()) {
		back, lost := w.travel()
		w.after(back, func() {
			if lost || p.cut {
				p.after(notices, broken)
				return
			}
			p.do(act)
		})
	}
	if p.deposed { // a coordinator that is one no more says yes from memory
		w.after(way, func() { answer(p.heard) })
		return
	}
	w.after(way, func() { w.group.attend(func() { serve(answer) }) })
}
