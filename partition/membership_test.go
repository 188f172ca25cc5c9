package partition_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
)

// process is one member as a process would be: what it took, and when.
type process struct {
	consumer *partition.Consumer
	cancel   context.CancelFunc
	cut      atomic.Bool // it cannot reach a broker any more
	ended    chan error

	mu    sync.Mutex
	taken map[string]time.Time // by value
	grant partition.Grant
	conns []net.Conn
}

// cutOff takes Kafka away from it, and nothing else.
func (p *process) cutOff() {
	p.cut.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
}

func (p *process) granted(g partition.Grant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grant = g
}

func (p *process) part() partition.Grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grant
}

func (p *process) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.taken)
}

// launch starts a process; what cfg dials can be cut.
func launch(t *testing.T, cfg partition.Config) *process {
	t.Helper()
	p := &process{ended: make(chan error, 1), taken: map[string]time.Time{}}
	dial := cfg.Dial
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if p.cut.Load() {
			return nil, fmt.Errorf("dial %s: cut off", address)
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.conns = append(p.conns, conn)
		return conn, nil
	}
	c, err := partition.NewConsumer(cfg, partition.Options{
		Streams: []partition.Stream{{Name: "events", Topic: "events", Routes: []partition.Route{{From: 0, To: 3, Workspace: "w"}}}},
		Prepare: func(_ string, e *event.Event) { e.PrepareObject() },
		Granted: p.granted, Workspaces: []partition.Load{{Workspace: "w", Rate: 100}},
		Log: zap.NewNop(), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.consumer = c
	ctx, cancel := context.WithCancel(t.Context())
	p.cancel = cancel
	go func() { p.ended <- c.Run(ctx, time.Second) }()
	go p.take(ctx)
	t.Cleanup(cancel)
	return p
}

func (p *process) take(ctx context.Context) {
	lanes := p.consumer.Lanes()
	for {
		select {
		case <-ctx.Done():
			return
		case <-lanes.Ready("w"):
		}
		for b := lanes.Take("w", partition.Limit{Items: 10}); !b.Empty(); b = lanes.Take("w", partition.Limit{Items: 10}) {
			p.mu.Lock()
			for _, pick := range b.Picks {
				p.taken[string(pick.Event.Value)] = time.Now()
			}
			p.mu.Unlock()
			lanes.Finish(b.Picks, partition.Outcome{Kind: partition.Delivered})
		}
	}
}

// end stops it, in good order.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.cancel()
	if err := <-p.ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

// settle lets so much time pass that whatever was started has joined.
func settle() { time.Sleep(2 * time.Second) }

// virtual runs a test on an embedded broker in the bubble's time, with the
// product's own periods.
func virtual(t *testing.T, test func(t *testing.T, kafka *partitiontest.Cluster, cfg partition.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		kafka := partitiontest.NewVirtual(t, 4, "events")
		cfg := kafka.Config()
		def := partition.DefaultConfig()
		cfg.Heartbeat, cfg.CommitEvery, cfg.FetchWait = def.Heartbeat, def.CommitEvery, def.FetchWait
		test(t, kafka, cfg)
	})
}

// produce appends n events, a user each.
func produce(t *testing.T, kafka *partitiontest.Cluster, from, n int) {
	t.Helper()
	for i := range n {
		kafka.Produce(t, "events", 4, fmt.Sprint("user-", i), fmt.Sprintf(`{"n":%d}`, from+i))
	}
}

// A member that stops hands its shards over at once, under a static identity
// as well: it leaves by its instance id. Only one that is to come back stays.
func TestStoppedMemberLeaves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		instance string
		remain   bool
		within   time.Duration
		after    time.Duration
	}{
		{"dynamic", "", false, 2 * time.Second, 0},
		{"static", "a", false, 2 * time.Second, 0},
		{"static, to come back", "a", true, 9 * time.Second, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T, kafka *partitiontest.Cluster, cfg partition.Config) {
				t.Helper()
				mine := cfg
				mine.Instance, mine.Remain = tt.instance, tt.remain
				a := launch(t, mine)
				settle()
				produce(t, kafka, 0, 20)
				settle()
				b := launch(t, cfg)
				settle()
				a.end(t)
				stopped := time.Now()
				produce(t, kafka, 100, 20)
				for b.part().Owned < 4 {
					time.Sleep(10 * time.Millisecond)
				}
				settle()
				if gap := time.Since(stopped) - 2*time.Second; gap > tt.within || gap < tt.after {
					t.Errorf("the shards moved after %v, want %v to %v", gap, tt.after, tt.within)
				}
				if a.count()+b.count() != 40 {
					t.Errorf("%d and %d events taken, want 40 in all: each once", a.count(), b.count())
				}
				b.end(t)
			})
		})
	}
}

// A member that cannot reach Kafka stops sending when its lease ends, and
// whoever gets its shards waits until then, whatever the group says.
func TestNobodySendsBesideAMemberThatIsCutOff(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T, _ *partitiontest.Cluster, cfg partition.Config) {
		t.Helper()
		a := launch(t, cfg)
		settle()
		b := launch(t, cfg)
		settle()
		old, next := a, b
		if a.part().Owned == 0 {
			old, next = b, a
		}
		if old.part() != (partition.Grant{Workspace: "w", Owned: 4, Total: 4}) || next.part().Owned != 0 {
			t.Fatalf("want the workspace whole on one member, have %+v and %+v", old.part(), next.part())
		}
		old.cutOff()
		for conn := time.Now(); time.Since(conn) < 20*time.Second; time.Sleep(5 * time.Millisecond) {
			if old.consumer.Lanes().Leased() && next.part().Owned > 0 && next.consumer.Lanes().Leased() {
				t.Fatalf("both may send, %v after the cut", time.Since(conn))
			}
		}
		if next.part().Owned != 4 {
			t.Errorf("the other member has %d of 4 shards", next.part().Owned)
		}
		a.end(t)
		b.end(t)
	})
}

// Two processes must not share an instance id: the one that came first ends,
// and says why.
func TestStaticTwinEndsTheFirst(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T, kafka *partitiontest.Cluster, cfg partition.Config) {
		t.Helper()
		cfg.Instance = "same"
		produce(t, kafka, 0, 8)
		a := launch(t, cfg)
		settle()
		started := time.Now()
		twin := launch(t, cfg)
		if err := <-a.ended; err == nil || !strings.Contains(err.Error(), "instance id") {
			t.Errorf("the first ended with %v, want it to say why", err)
		}
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("the first ended after %v", took)
		}
		produce(t, kafka, 100, 8)
		time.Sleep(5 * time.Second)
		twin.mu.Lock()
		for value, at := range twin.taken {
			if wait := at.Sub(started); wait < 2500*time.Millisecond {
				t.Errorf("%s was sent %v after the twin's start: the first may still have been sending", value, wait)
			}
		}
		twin.mu.Unlock()
		if twin.count() != 8 {
			t.Errorf("the twin took %d events, want the 8 new ones", twin.count())
		}
		twin.end(t)
	})
}
