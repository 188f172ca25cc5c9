package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/gateway"
)

// stored acknowledges at once and counts, by topic.
type stored struct {
	mu     sync.Mutex
	topics map[string]int // guarded by mu
}

// Append implements gateway.Appender.
func (s *stored) Append(_ context.Context, r event.Record, done func(partition.Position, error)) {
	s.mu.Lock()
	s.topics[r.Topic]++
	s.mu.Unlock()
	done(partition.Position{}, nil)
}

// reloadable is a gateway before which a test stands.
func reloadable(t *testing.T) (gateway.Config, *gateway.Gateway, *stored) {
	t.Helper()
	cfg := gateway.DefaultConfig()
	cfg.Credentials = []gateway.Credential{{SiteID: "a", APIKey: "k", Stream: "s", Rate: 1}, {SiteID: "b", APIKey: "k", Stream: "s"}}
	hook := gateway.DefaultWebhook(gateway.SchemeToken)
	hook.Name, hook.Stream, hook.Secrets, hook.ID = "in", "s", []string{"old"}, []string{"id"}
	cfg.Webhooks = []gateway.Webhook{hook}
	store := &stored{topics: map[string]int{}}
	g, err := gateway.New(cfg, []gateway.Stream{{Name: "s", Topic: "s"}, {Name: "z", Topic: "z"}}, store, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return cfg, g, store
}

func postEvent(g *gateway.Gateway, site, key string) int {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/customers/1/events", strings.NewReader(`{"name":"n"}`))
	r.SetBasicAuth(site, key)
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, r)
	return w.Code
}

func postHook(g *gateway.Gateway, secret, body string) int {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/in", strings.NewReader(body))
	r.Header.Set("Authorization", secret)
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, r)
	return w.Code
}

func TestReload(t *testing.T) {
	t.Parallel()
	cfg, g, store := reloadable(t)
	if have := [...]int{postEvent(g, "a", "k"), postEvent(g, "a", "k"), postEvent(g, "b", "k"), postHook(g, "old", `{"id":"1"}`)}; have != [...]int{200, 429, 200, 200} {
		t.Fatalf("have %v", have)
	}
	next := cfg
	next.Credentials = []gateway.Credential{{SiteID: "c", APIKey: "k", Stream: "z"}, {SiteID: "a", APIKey: "k2", Stream: "z", Rate: 1}}
	next.Webhooks = []gateway.Webhook{cfg.Webhooks[0]}
	next.Webhooks[0].Secrets = []string{"new"}
	if err := g.Reload(next); err != nil {
		t.Fatal(err)
	}
	// A rate that is used up stays so, and a webhook that is stored is known.
	have := [...]int{postEvent(g, "c", "k"), postEvent(g, "a", "k"), postEvent(g, "a", "k2"), postEvent(g, "b", "k"), postHook(g, "old", `{"id":"2"}`), postHook(g, "new", `{"id":"1"}`), postHook(g, "new", `{"id":"3"}`)}
	if want := [...]int{200, 401, 429, 401, 401, 200, 200}; have != want {
		t.Errorf("want %v, have %v", want, have)
	}
	if store.topics["s"] != 4 || store.topics["z"] != 1 {
		t.Errorf("have %v", store.topics)
	}
}

// TestReloadTakesAllOrNothing: what is wrong with one part keeps all of it out.
func TestReloadTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	cfg, g, _ := reloadable(t)
	next := cfg
	next.Credentials = []gateway.Credential{{SiteID: "c", APIKey: "k", Stream: "nowhere"}}
	if err := g.Reload(next); err == nil || !strings.Contains(err.Error(), `no stream "nowhere"`) {
		t.Errorf("have %v", err)
	}
	if have := [...]int{postEvent(g, "b", "k"), postEvent(g, "c", "k")}; have != [...]int{200, 401} {
		t.Errorf("have %v", have)
	}
}

// TestReloadWhileRequestsCome is for the race detector.
func TestReloadWhileRequestsCome(t *testing.T) {
	t.Parallel()
	cfg, g, _ := reloadable(t)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 100 {
				if have := postEvent(g, "b", "k"); have != http.StatusOK {
					t.Errorf("have %d", have)
				}
			}
		})
	}
	for range 50 {
		if err := g.Reload(cfg); err != nil {
			t.Error(err)
		}
	}
	callers.Wait()
}
