package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// send is one attempt that a destination saw.
type send struct {
	at     time.Time
	events []string // user:n
}

// destination answers as its function says and remembers what it delivered.
type destination struct {
	latency time.Duration
	items   int
	answer  func(at time.Time, events []string) sink.Result

	mu    sync.Mutex
	sends []send
	got   []string // delivered, in order
}

func (*destination) Prepare(e *event.Event) {
	e.PrepareObject()
	e.Size = len(e.Value)
}

func (d *destination) Limits() sink.Limits {
	return sink.Limits{Items: max(1, d.items), Bytes: 1 << 20}
}

func (*destination) Close() {}

func (d *destination) Deliver(ctx context.Context, batch []*event.Event) sink.Result {
	var events []string
	for _, e := range batch {
		var n int
		_, _ = fmt.Sscanf(string(e.Value), `{"n":%d}`, &n)
		events = append(events, fmt.Sprintf("%s:%d", e.Key, n))
	}
	at := time.Now()
	select {
	case <-time.After(d.latency):
	case <-ctx.Done():
		return sink.Result{Verdict: sink.Interrupted}
	}
	r := sink.Result{Verdict: sink.Delivered, Status: 200}
	if d.answer != nil {
		r = d.answer(at, events)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sends = append(d.sends, send{at, events})
	if r.Verdict == sink.Delivered {
		for i, e := range events {
			if !slices.ContainsFunc(r.Items, func(it sink.Item) bool { return it.Index == i }) {
				d.got = append(d.got, e)
			}
		}
	}
	return r
}

func (d *destination) delivered() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

// count is how many were delivered.
func (d *destination) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.got)
}

const parts = 4

// world is a pipeline over an in-memory Kafka, inside a bubble.
type world struct {
	t        *testing.T
	kafka    *partitiontest.Cluster
	cfg      pipeline.Config
	pipeline *pipeline.Pipeline
	stop     func()
}

// newWorld runs a pipeline with a stream and a workspace of its name for each
// destination. What tunes is told how the member and Kafka are to talk.
func newWorld(t *testing.T, destinations map[string]*destination, change func(*pipeline.Workspace), tunes ...func(*partition.Config)) *world {
	t.Helper()
	w := &world{t: t}
	var topics []string
	cfg := pipeline.Config{Drain: 5 * time.Second}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range destinations {
			if !yield(name) {
				return
			}
		}
	}) {
		topics = append(topics, name, name+pipeline.HeldSuffix, name+pipeline.ReplaySuffix, name+pipeline.DeadSuffix)
		var tiers [4]string
		for i := range tiers {
			tiers[i] = name + "." + (partition.Overflow + partition.Tier(i)).String()
		}
		topics = append(topics, tiers[:]...)
		ws := pipeline.Workspace{
			Name: name, Sink: destinations[name], InFlight: 4, BatchItems: 10,
			Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
		}
		if change != nil {
			change(&ws)
		}
		cfg.Workspaces = append(cfg.Workspaces, ws)
		cfg.Streams = append(cfg.Streams, partition.Stream{
			Name: name, Topic: name, Held: name + pipeline.HeldSuffix, Replay: name + pipeline.ReplaySuffix,
			Overflow: tiers[0], Delays: [3]string(tiers[1:]),
			Routes: []partition.Route{{From: 0, To: parts - 1, Workspace: name}},
		})
	}
	w.kafka = partitiontest.NewVirtual(t, parts, topics...)
	cfg.Kafka = w.kafka.Config()
	cfg.Kafka.CommitEvery = 500 * time.Millisecond
	cfg.Kafka.FetchWait, cfg.Kafka.Heartbeat = partition.DefaultConfig().FetchWait, partition.DefaultConfig().Heartbeat
	for _, tune := range tunes {
		tune(&cfg.Kafka)
	}
	w.run(cfg)
	return w
}

// run starts a member; the one before must have stopped.
func (w *world) run(cfg pipeline.Config) {
	t := w.t
	t.Helper()
	w.cfg = cfg
	var err error
	if w.pipeline, err = pipeline.New(cfg, zap.NewNop(), prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.pipeline.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	w.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(w.stop)
}

// produce appends events n..n+count-1, over so many users.
func (w *world) produce(topic string, n, count, users int) {
	w.t.Helper()
	for i := range count {
		w.kafka.Produce(w.t, topic, parts, fmt.Sprint("u", (n+i)%users), fmt.Sprintf(`{"n":%d}`, n+i))
	}
}

func (w *world) admin() *partition.Admin {
	w.t.Helper()
	admin, err := partition.NewAdmin(w.kafka.Config())
	if err != nil {
		w.t.Fatal(err)
	}
	return admin
}

// settle waits, in the bubble's time, until the balance shows that n events are
// settled, and fails after limit.
func (w *world) settle(n int64, limit time.Duration) {
	w.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		b := w.pipeline.Balance()
		if !b.Holds() {
			w.t.Fatalf("the balance does not add up: %+v", b)
		}
		if b.Delivered+b.DeadLettered >= n {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("after %v: %+v, want %d settled", limit, b, n)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// inOrder fails when a user's events were delivered out of order or twice.
func inOrder(t *testing.T, got []string) {
	t.Helper()
	last := map[string]int{}
	for _, e := range got {
		var user string
		var n int
		for i := range e {
			if e[i] == ':' {
				user = e[:i]
				_, _ = fmt.Sscan(e[i+1:], &n)
			}
		}
		if before, seen := last[user]; seen && n <= before {
			t.Errorf("%s came after %s:%d", e, user, before)
		}
		last[user] = n
	}
}

func TestDeliversEachUserInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 20 * time.Millisecond, items: 10}
		w := newWorld(t, map[string]*destination{"a": d}, nil)
		w.produce("a", 0, 300, 17)
		w.settle(300, time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		if n := len(d.delivered()); n != 300 {
			t.Errorf("%d delivered, want 300", n)
		}
	})
}

func TestOutageHoldsOnlyItsWorkspace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		sick := &destination{latency: 10 * time.Millisecond, items: 10, answer: func(at time.Time, _ []string) sink.Result {
			if at.Sub(start) < 70*time.Second && at.Sub(start) > 5*time.Second {
				return sink.Result{Verdict: sink.Unavailable, Status: 503}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}}
		well := &destination{latency: 10 * time.Millisecond, items: 10}
		w := newWorld(t, map[string]*destination{"sick": sick, "well": well}, nil)
		for i := range 80 {
			w.produce("sick", i*10, 10, 50)
			w.produce("well", i*10, 10, 50)
			time.Sleep(time.Second)
			if n := len(well.delivered()); n < (i+1)*10-10 {
				t.Fatalf("after %d s the healthy workspace has delivered %d", i+1, n)
			}
		}
		w.settle(1600, 2*time.Minute)
		w.stop()
		inOrder(t, sick.delivered())
		if dead := w.kafka.Read(t, "sick"+pipeline.DeadSuffix); len(dead) > 0 {
			t.Errorf("an outage made %d dead letters", len(dead))
		}
		attempts := 0
		for _, s := range sick.sends {
			if since := s.at.Sub(start); since > 10*time.Second && since < 69*time.Second {
				attempts++
			}
		}
		if attempts > 3 {
			t.Errorf("%d attempts while the breaker was open, want a probe every 30s", attempts)
		}
	})
}

func TestRefusedWorkspaceWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d := &destination{latency: 10 * time.Millisecond, items: 10, answer: func(at time.Time, _ []string) sink.Result {
			if at.Sub(start) < 100*time.Second {
				return sink.Result{Verdict: sink.Refused, Status: 401}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}}
		w := newWorld(t, map[string]*destination{"a": d}, nil)
		w.produce("a", 0, 50, 9)
		time.Sleep(90 * time.Second)
		health, ok := w.pipeline.Health()
		if ok || !health["a"].Refused || health["a"].CircuitState != "closed" {
			t.Errorf("health says %+v", health)
		}
		if n := len(d.sends); n > 4+3 {
			t.Errorf("%d attempts in 90 s, want those in flight and a probe every 30s", n)
		}
		w.settle(50, time.Minute)
		w.stop()
		inOrder(t, d.delivered())
		if b := w.pipeline.Balance(); b.DeadLettered > 0 {
			t.Errorf("a refusal made dead letters: %+v", b)
		}
	})
}
