package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	"sluice/pipeline/event"
	"sluice/pipeline/gateway"
	"sluice/sink"
	"sluice/sink/budget"
	"sluice/sink/webhook"
)

// backend is the user's own. It stands outside the bubble of a test and closes
// each connection after its answer: one that idles would hold the bubble's time.
type backend struct {
	*httptest.Server
	mu  sync.Mutex
	got []arrival
}

type arrival struct {
	method, body string
	header       http.Header
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.got = append(b.got, arrival{r.Method, string(body), r.Header})
		b.mu.Unlock()
		w.Header().Set("Connection", "close")
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *backend) arrived() []arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

// timed notes when its sink is asked.
type timed struct {
	sink.Sink
	mu sync.Mutex
	at []time.Time
}

func (s *timed) Deliver(ctx context.Context, batch []*event.Event) sink.Result {
	s.mu.Lock()
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	return s.Sink.Deliver(ctx, batch)
}

// through runs gateway, Kafka and pipeline, with a backend at its end that
// takes perSecond requests. It returns when stop is called.
func through(t *testing.T, b *backend, perSecond float64) (g *gateway.Gateway, asked *timed, stop func()) {
	t.Helper()
	const partitions = 4
	k := partitiontest.NewVirtual(t, partitions, "topic-us", "topic-us"+pipeline.DeadSuffix)
	appender, err := partition.NewAppender(k.Config(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	hook := webhook.DefaultConfig()
	hook.Workspace, hook.URL, hook.PassThrough = "backend", b.URL+"/in", true
	made, err := webhook.New(hook, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	asked = &timed{Sink: made}
	rate := budget.DefaultConfig()
	rate.Requests = budget.Rate(perSecond)
	p, err := pipeline.New(pipeline.Config{
		Kafka: k.Config(), Drain: 5 * time.Second,
		Workspaces: []pipeline.Workspace{{
			Name: "backend", Sink: asked, Budget: rate, InFlight: 4, BatchItems: 1, Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
		}},
		Streams: []partition.Stream{{Name: "events-us", Topic: "topic-us", Routes: []partition.Route{{From: 0, To: partitions - 1, Workspace: "backend"}}}},
	}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	g, err = gateway.New(hooked(gateway.SchemeCustomerio, nil), streams(), appender, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		appender.Close()
	})
	t.Cleanup(stop)
	return g, asked, stop
}

// A burst of Customer.io's webhooks reaches the backend byte for byte, with the
// signature that its own code checks, each once, each user's in order, and
// never faster than its rate.
func TestWebhooksReachTheBackendEvenly(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	synctest.Test(t, func(t *testing.T) {
		const count, users, perSecond = 200, 20, 25
		g, asked, stop := through(t, b, perSecond)
		time.Sleep(10 * time.Second) // the pipeline has its partitions
		burst := time.Now()
		for n := range count {
			body := fmt.Sprintf("{ \"event_id\":\"id-%d\",\t\"n\":%d,\"data\":{\"identifiers\":{\"id\":\"u%d\"}, \"x\":\"\\u00e9 é\"} }\n", n, n, n%users)
			for range 1 + n%2 { // every other one is repeated at once
				if w := send(g, reported(hookSecret, body, burst)); w.Code != http.StatusOK {
					t.Fatalf("webhook %d: %d", n, w.Code)
				}
			}
		}
		if took := time.Since(burst); took > time.Second {
			t.Errorf("the burst took %v", took)
		}
		for len(b.arrived()) < count && time.Since(burst) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		took := time.Since(burst)
		time.Sleep(10 * time.Second) // would show what comes twice
		stop()
		if most := time.Duration(count*1.05) * time.Second / perSecond; took > most {
			t.Errorf("the backend had all after %v, want at most %v", took, most)
		}
		asBefore(t, b.arrived(), count, users)
		evenly(t, asked.at, perSecond)
	})
}

// asBefore checks what arrived against what was sent.
func asBefore(t *testing.T, got []arrival, count, users int) {
	t.Helper()
	seen, last := map[int]bool{}, map[int]int{}
	for _, a := range got {
		var n int
		if _, err := fmt.Sscanf(a.body, "{ \"event_id\":\"id-%d\"", &n); err != nil || seen[n] {
			t.Fatalf("%d of %q, %v", n, a.body, err)
		}
		seen[n] = true
		if before, ok := last[n%users]; ok && n < before {
			t.Errorf("%d came after %d", n, before)
		}
		last[n%users] = n
		want := fmt.Sprintf("{ \"event_id\":\"id-%d\",\t\"n\":%d,\"data\":{\"identifiers\":{\"id\":\"u%d\"}, \"x\":\"\\u00e9 é\"} }\n", n, n, n%users)
		again := reported(hookSecret, a.body, time.Unix(946684810, 0))
		if a.body != want || a.method != http.MethodPost || a.header.Get("X-CIO-Signature") != again.Header.Get("X-CIO-Signature") ||
			a.header.Get("X-CIO-Timestamp") != "946684810" || a.header.Get("Content-Type") != "application/json" || len(a.header.Get("Idempotency-Key")) != 26 {
			t.Errorf("%s %q %v", a.method, a.body, a.header)
		}
	}
	if len(seen) != count {
		t.Errorf("%d arrived, want %d", len(seen), count)
	}
}

// evenly checks that no second holds more than the rate, and no tenth of one
// much more than its share.
func evenly(t *testing.T, at []time.Time, perSecond int) {
	t.Helper()
	for i := range at {
		for window, most := range map[time.Duration]int{time.Second: perSecond, 100 * time.Millisecond: perSecond/10 + 2} {
			n := 0
			for _, later := range at[i:] {
				if later.Sub(at[i]) < window {
					n++
				}
			}
			if n > most {
				t.Fatalf("%d requests within %v from the %dth on, want at most %d", n, window, i, most)
			}
		}
	}
}

// What is no JSON, and what is empty, reaches the backend as well.
func TestAnyBytesReachTheBackend(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	synctest.Test(t, func(t *testing.T) {
		g, _, stop := through(t, b, 100)
		bodies := []string{"", "\x00\xff", "a=1&b=2", "null", strings.Repeat("x", 500_000)}
		for _, body := range bodies {
			wantStatus(t, send(g, reported(hookSecret, body, time.Now())), http.StatusOK)
		}
		for started := time.Now(); len(b.arrived()) < len(bodies) && time.Since(started) < time.Minute; {
			time.Sleep(100 * time.Millisecond)
		}
		stop()
		var have []string
		for _, a := range b.arrived() {
			have = append(have, a.body)
		}
		slices.Sort(have)
		slices.Sort(bodies)
		if !slices.Equal(have, bodies) {
			t.Errorf("%d bodies arrived: %.60q", len(have), have)
		}
	})
}
