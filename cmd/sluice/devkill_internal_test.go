package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/sink/simulator"
)

// destination is a simulated workspace that outlives every process under test.
func destination(t *testing.T) (*simulator.Simulator, string) {
	t.Helper()
	cfg := simulator.DefaultConfig()
	cfg.Keys = []simulator.Key{{Site: "site", Secret: testKey}}
	sim, err := simulator.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return sim, "http://" + listener.Addr().String()
}

const killPartitions = 4

// realConfig is a configuration whose one workspace is the destination.
func realConfig(t *testing.T, url string) string {
	t.Helper()
	return write(t, "real.yaml", fmt.Sprintf(`kafka: {group: kill, lease: 1s, drain: 500ms, commit_every: 100ms}
listen: {metrics: off, actions: off}
workspaces:
  acme: {sink: customerio, region: us, site_id: site, api_key: %s, base_url: %q, budget: {requests: 200/s, events: 2000/s}}
streams:
  events: {workspace: acme, partitions: %d, replication: 1}
`, testKey, url, killPartitions))
}

// feed appends events of a few users, in order per user, until ctx ends, and
// remembers which were acknowledged.
type feed struct {
	next  atomic.Int64 // number of the next event
	mu    sync.Mutex
	acked map[string]partition.Position // by id
}

func (f *feed) run(ctx context.Context, t *testing.T, broker string) {
	t.Helper()
	cfg := partition.DefaultConfig()
	cfg.Brokers = []string{broker}
	appender, err := partition.NewAppender(cfg, zap.NewNop())
	if err != nil {
		t.Error(err)
		return
	}
	var sent sync.WaitGroup
	defer sent.Wait()
	defer appender.Close() // the broker is dead: what it never answers must fail first
	for tick := time.NewTicker(500 * time.Microsecond); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			tick.Stop()
		case <-tick.C:
			sent.Add(1)
			id, record := numbered(f.next.Add(1))
			appender.Append(ctx, record, func(p partition.Position, err error) {
				defer sent.Done()
				if err == nil {
					f.mu.Lock()
					f.acked[id] = p
					f.mu.Unlock()
				}
			})
		}
	}
}

// numbered makes the nth event; its id says which it is.
func numbered(n int64) (string, event.Record) {
	id := fmt.Sprintf("01JTEST%019d", n)
	user := fmt.Sprint("u", n%20)
	return id, event.Record{
		Topic: "events", Partition: -1, Key: []byte(user), Time: time.Now(),
		Headers: []event.Header{{Key: "id", Value: []byte(id)}},
		Value:   fmt.Appendf(nil, `{"type":"person","action":"event","identifiers":{"id":%q},"name":"step","attributes":{"_seq":%d,"_n":%d}}`, user, (n-1)/20+1, n),
	}
}

func (f *feed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.acked)
}

// until waits for a fact about other processes, which no channel tells.
func until(t *testing.T, what string, fact func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); !fact(); {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// TestKilledDevKeepsEverything kills the process three times while events are
// appended and delivered. Whatever was acknowledged must be in the log where it
// was said to be, commits must not go back, delivery must go on to the end, and
// nothing may take effect twice or out of order.
func TestKilledDevKeepsEverything(t *testing.T) {
	t.Parallel()
	sim, url := destination(t)
	args := []string{"-c", realConfig(t, url), "--data", t.TempDir() + "/data", "--allow-real"}
	f := &feed{acked: map[string]partition.Position{}}
	watermarks := map[int32]int64{}
	for range 3 {
		p := startDev(t, args...)
		judgeCommits(t, p.kafka, watermarks)
		ctx, cancel := context.WithCancel(t.Context())
		fed := make(chan struct{})
		go func() { defer close(fed); f.run(ctx, t, p.kafka) }()
		appended, delivered := f.count(), effects(sim)
		until(t, "events to be acknowledged and delivered", func() bool {
			return f.count() >= appended+300 && effects(sim) >= delivered+100
		})
		noteCommits(t, p.kafka, watermarks)
		p.kill()
		cancel()
		<-fed
	}
	p := startDev(t, args...)
	judgeCommits(t, p.kafka, watermarks)
	judgeLog(t, p.kafka, f.acked)
	until(t, "every acknowledged event to be delivered", func() bool { return undelivered(sim, f.acked) == 0 })
	judgeEffects(t, sim)
	if err := p.stop(); err != nil {
		t.Errorf("a stop in good order: want exit 0, have %v", err)
	}
	if len(watermarks) == 0 {
		t.Error("want commits before the kills, have none")
	}
}

// effects counts the events that took effect.
func effects(sim *simulator.Simulator) int { return int(sim.Stats().Effects) }

// kafkaAt is how a test reaches a broker.
func kafkaAt(broker string) partition.Config {
	cfg := partition.DefaultConfig()
	cfg.Brokers = []string{broker}
	return cfg
}

func committed(t *testing.T, broker string) map[int32]partition.Committed {
	t.Helper()
	admin, err := partition.NewAdmin(kafkaAt(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	all, err := admin.Committed(t.Context(), "kill", "events")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func noteCommits(t *testing.T, broker string, watermarks map[int32]int64) {
	t.Helper()
	for p, c := range committed(t, broker) {
		watermarks[p] = c.Offset
	}
}

func judgeCommits(t *testing.T, broker string, watermarks map[int32]int64) {
	t.Helper()
	if len(watermarks) == 0 { // nothing is committed yet, and the group may not exist
		return
	}
	have := committed(t, broker)
	for p, want := range watermarks {
		if c, ok := have[p]; !ok || c.Offset < want {
			t.Errorf("partition %d: want a commit of at least %d, have %v", p, want, c)
		}
	}
}

// judgeLog looks for every acknowledged event where the broker said it is.
func judgeLog(t *testing.T, broker string, acked map[string]partition.Position) {
	t.Helper()
	admin, err := partition.NewAdmin(kafkaAt(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	bounds, err := admin.Bounds(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	found := map[partition.Position]string{}
	for p, end := range bounds.End {
		r := partition.Range{Topic: "events", Partition: p, From: bounds.Start[p], To: end}
		if err := partition.ReadRange(t.Context(), kafkaAt(broker), r, func(r event.Record) error {
			for _, h := range r.Headers {
				if h.Key == "id" {
					found[partition.Position{Partition: r.Partition, Offset: r.Offset}] = string(h.Value)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	missing := 0
	for id, at := range acked {
		if found[at] != id {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d acknowledged events are not in the log where they were said to be", missing, len(acked))
	}
}

// undelivered counts the acknowledged events that have not taken effect.
func undelivered(sim *simulator.Simulator, acked map[string]partition.Position) int {
	left := len(acked)
	seen := map[string]bool{}
	for _, a := range sim.History() {
		if _, ok := acked[a.ID]; ok && a.Effect && !seen[a.ID] {
			seen[a.ID] = true
			left--
		}
	}
	return left
}

// judgeEffects reports what took effect twice or out of order.
func judgeEffects(t *testing.T, sim *simulator.Simulator) {
	t.Helper()
	took, last := map[string]bool{}, map[string]int64{}
	twice, late := 0, 0
	for _, a := range sim.History() {
		if !a.Effect {
			continue
		}
		if took[a.ID] {
			twice++
		}
		if a.Seq <= last[a.User] {
			late++
		}
		took[a.ID], last[a.User] = true, a.Seq
	}
	if twice > 0 || late > 0 {
		t.Errorf("want each event to take effect once and in its user's order, have %d twice and %d late", twice, late)
	}
}
