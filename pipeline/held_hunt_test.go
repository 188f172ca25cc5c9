package pipeline_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline"
	"sluice/sink"
)

var (
	huntSeed = flag.Uint64("held.seed", 1, "the first seed of the hunt over the held tier")
	huntRuns = flag.Uint64("held.runs", 1, "how many seeds, one after the other")
)

// hunted is a member of the hunt.
type hunted struct {
	name string
	p    *pipeline.Pipeline
	wire *wire
	die  func()
	stop func()
	gone bool // it was stopped or has died
}

// hunt is a group of members over the held tier, and what happens to it.
type hunt struct {
	t      *testing.T
	rnd    *rand.Rand
	kafka  *partitiontest.Cluster
	admin  *partition.Admin
	dest   *ledger
	all    []*hunted
	made   []string       // every event produced
	next   map[string]int // by user: the number of the next event
	told   []string       // what happened, for whoever has to find out why
	begun  time.Time
	buries sync.WaitGroup
	lose   func(n int32) // answers about the held topic's bounds
	refuse func()        // ends the refusal of the held topic; nil: there is none
}

const huntUsers = 24

func newHunt(t *testing.T, seed uint64) *hunt {
	t.Helper()
	h := &hunt{
		t: t, rnd: rand.New(rand.NewPCG(seed, 0)), dest: newLedger(seed), next: map[string]int{}, begun: time.Now(),
		kafka: partitiontest.NewVirtual(t, parts, "a", "a"+pipeline.HeldSuffix, "a"+pipeline.ReplaySuffix, "a"+pipeline.DeadSuffix),
	}
	var err error
	if h.admin, err = partition.NewAdmin(h.kafka.Config()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.admin.Close)
	h.lose = h.kafka.LoseBounds("a" + pipeline.HeldSuffix)
	return h
}

func (h *hunt) tell(format string, args ...any) {
	h.told = append(h.told, fmt.Sprintf("%8.3f ", time.Since(h.begun).Seconds())+fmt.Sprintf(format, args...))
}

// start runs one more member.
func (h *hunt) start() {
	h.t.Helper()
	m := &hunted{name: fmt.Sprintf("m%d", len(h.all))}
	kafka := partition.DefaultConfig()
	virtual := h.kafka.Config()
	m.wire = newWire(virtual.Dial)
	kafka.Brokers, kafka.Group, kafka.Dial, kafka.AdminAddr = virtual.Brokers, virtual.Group, m.wire.Dial, m.name
	kafka.ClientID = m.name
	kafka.FetchWait = 50 * time.Millisecond
	dead := make(chan struct{})
	ws := pipeline.Workspace{
		Name: "a", Sink: ledgerSink{h.dest, dead, m.name}, InFlight: 8, BatchItems: 10,
		Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
	}
	brisk(&ws)
	var err error
	m.p, err = pipeline.New(pipeline.Config{
		Kafka: kafka, Drain: 5 * time.Second, Workspaces: []pipeline.Workspace{ws},
		Streams: []partition.Stream{{
			Name: "a", Topic: "a", Held: "a" + pipeline.HeldSuffix, Replay: "a" + pipeline.ReplaySuffix,
			Routes: []partition.Route{{From: 0, To: parts - 1, Workspace: "a"}},
		}},
	}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.p.Run(ctx); err != nil {
			h.t.Errorf("run %s: %v", m.name, err)
		}
	}()
	m.stop = func() { m.wire.thaw(); cancel(); <-done }
	m.die = func() { close(dead); m.wire.sever(); cancel(); h.buries.Go(func() { h.bury(m.name) }) }
	h.t.Cleanup(m.stop)
	h.all = append(h.all, m)
	h.tell("%s starts", m.name)
}

func (h *hunt) running() []*hunted {
	return slices.DeleteFunc(slices.Clone(h.all), func(m *hunted) bool { return m.gone })
}

// produce appends so many events of random users; some have most of them.
func (h *hunt) produce(count int) {
	h.t.Helper()
	for range count {
		u := h.rnd.IntN(huntUsers)
		if h.rnd.IntN(2) == 0 {
			u %= 4
		}
		h.event(fmt.Sprint("u", u))
	}
}

func (h *hunt) event(user string) {
	h.t.Helper()
	n := h.next[user]
	h.next[user]++
	name := fmt.Sprintf("%s:%d", user, n)
	if h.made = append(h.made, name); h.rnd.IntN(150) == 0 {
		h.dest.set(func() { h.dest.bad[name] = true })
	}
	h.kafka.Produce(h.t, "a", parts, user, fmt.Sprintf(`{"n":%d}`, n))
}

// dead are the events that became dead letters.
func (h *hunt) dead() map[string]bool {
	h.t.Helper()
	names := map[string]bool{}
	for _, r := range h.kafka.Read(h.t, "a"+pipeline.DeadSuffix) {
		var n int
		_, _ = fmt.Sscanf(string(r.Value), `{"n":%d}`, &n)
		names[fmt.Sprintf("%s:%d", r.Key, n)] = true
	}
	return names
}

// drains waits until every event is delivered or a dead letter.
func (h *hunt) drains(limit time.Duration) {
	h.t.Helper()
	woken := false
	for begun := time.Now(); ; time.Sleep(time.Second) {
		left := h.dest.left(h.made, h.dead())
		if len(left) == 0 {
			return
		}
		if !woken && time.Since(begun) > limit/2 && h.group().State == "PreparingRebalance" {
			woken = true // the fake brokers may wait for a member that is gone, until somebody comes
			h.start()
		}
		if time.Since(begun) > limit {
			if h.group().State == "PreparingRebalance" {
				h.t.Skip("the fake brokers do not end this rebalance: they begin its time anew at each join")
			}
			h.story()
			h.t.Fatalf("%d of %d events are neither delivered nor dead letters after %v: %.20q", len(left), len(h.made), limit, left[:min(len(left), 20)])
		}
	}
}

// group is how the members' group stands.
func (h *hunt) group() partition.GroupState {
	h.t.Helper()
	g, err := h.admin.Group(h.t.Context(), h.kafka.Config().Group)
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

// story tells what happened.
func (h *hunt) story() {
	h.t.Helper()
	for _, line := range h.told {
		h.t.Log(line)
	}
	h.t.Logf("the group: %+v", h.group())
	for _, m := range h.running() {
		h.t.Logf("%s: %+v, stopped %+v", m.name, m.p.Balance(), m.p.Consumer().Stops())
	}
}

func (h *hunt) play(steps int) {
	h.t.Helper()
	for range 2 {
		h.start()
	}
	time.Sleep(6 * time.Second)
	h.dest.set(func() { h.dest.failing["u0"], h.dest.failing["u9"] = true, true })
	for step := range steps {
		h.produce(h.rnd.IntN(12))
		if step > steps/8 && h.rnd.IntN(4) == 0 { // until then those two come to be held
			h.strike()
		}
		time.Sleep(time.Duration(h.rnd.IntN(700)) * time.Millisecond)
	}
	h.buries.Wait()
	h.tell("all is well")
	h.allow()
	h.lose(0)
	h.dest.set(func() { clear(h.dest.failing); h.dest.down = false })
	for _, m := range h.running() {
		m.wire.thaw()
	}
}

// ends holds what must be true once all is well again.
func (h *hunt) ends() {
	h.t.Helper()
	h.drains(5 * time.Minute)
	time.Sleep(5 * time.Second) // copies of what was delivered already
	held := len(h.kafka.Read(h.t, "a"+pipeline.HeldSuffix))
	begun := time.Now()
	for u := range huntUsers {
		h.event(fmt.Sprint("u", u))
	}
	h.drains(30 * time.Second)
	if have := len(h.kafka.Read(h.t, "a"+pipeline.HeldSuffix)); have != held {
		h.t.Errorf("%d events of users who do not fail any more went to the held topic", have-held)
	}
	dead := h.dead()
	h.t.Logf("hunt: events=%d held=%d dead=%d twice=%d last_round=%v virtual=%v", len(h.made), held, len(dead), h.dest.twice,
		time.Since(begun), time.Since(h.begun))
	if held == 0 {
		h.t.Error("nothing was held")
	}
	for name, how := range h.dest.breaks {
		// A dead letter whose member died before it could commit may have a copy
		// on the held topic, which is delivered where it stands.
		if dead[name] {
			h.t.Logf("a dead letter was delivered too: %s %s", name, how)
			continue
		}
		user, _, _ := strings.Cut(name, ":")
		h.story()
		h.t.Errorf("%s came %s:\n%s", name, how, strings.Join(h.dest.log[user], "\n"))
	}
	for _, m := range h.running() {
		m.stop()
		if b := m.p.Balance(); !b.Holds() {
			h.t.Errorf("the balance of %s does not add up: %+v", m.name, b)
		}
	}
}

// TestHeldTierOnABadDay draws members that are killed, frozen, stopped and
// started, users who fail and recover, outages and refusals of the held topic
// from a seed. Every event is delivered or set aside, first deliveries keep each
// user's order, and once all is well nobody is held any more.
func TestHeldTierOnABadDay(t *testing.T) {
	t.Parallel()
	for seed := *huntSeed; seed < *huntSeed+*huntRuns; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHunt(t, seed)
				h.play(700)
				h.ends()
			})
		})
	}
}
