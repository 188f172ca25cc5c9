package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kafka is an Appender that keeps what it takes. Its answer comes from another
// goroutine, as a real one's does.
type kafka struct {
	mu      sync.Mutex
	records []event.Record
	away    error                    // what every record gets instead
	refuse  func(event.Record) error // what a record gets, nil when it is taken
	hang    bool                     // answers only when the context ends
	during  func()                   // called before a record is taken
}

func (k *kafka) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.during != nil {
		k.during()
	}
	err := k.away
	if err == nil && k.refuse != nil {
		err = k.refuse(r)
	}
	if err == nil {
		k.records = append(k.records, r)
	}
	hang := k.hang
	go func() {
		if hang {
			<-ctx.Done()
			err = ctx.Err()
		}
		done(partition.Position{}, err)
	}()
}

func (k *kafka) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

func (k *kafka) taken() []event.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]event.Record(nil), k.records...)
}

func streams() []gateway.Stream {
	return []gateway.Stream{
		{Name: "events-us", Topic: "topic-us", Region: "us"}, {Name: "events-eu", Topic: "topic-eu", Region: "eu"},
	}
}

func config() gateway.Config {
	cfg := gateway.DefaultConfig()
	cfg.Credentials = []gateway.Credential{{SiteID: "site", APIKey: "key", Stream: "events-us"}}
	return cfg
}

func newGateway(t *testing.T, cfg gateway.Config, k gateway.Appender) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(cfg, streams(), k, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func basic(pair string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

func request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", basic("site:key"))
	return r
}

func send(g *gateway.Gateway, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, r)
	return w
}

func wantStatus(t *testing.T, w *httptest.ResponseRecorder, want int) {
	t.Helper()
	if w.Code != want {
		t.Errorf("want status %d, have %d: %s", want, w.Code, w.Body)
	}
	if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
		t.Errorf("want JSON or nothing, have %q", w.Body)
	}
}

const purchase = `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase"}`

func TestTakenIsAnsweredAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	w := send(newGateway(t, config(), k), request("POST", "/api/v2/entity", purchase))
	wantStatus(t, w, 200)
	if have := w.Body.String(); have != "{}\n" {
		t.Errorf(`want "{}\n", have %q`, have)
	}
	for name, want := range map[string]string{"Content-Type": "application/json; charset=utf-8", "Content-Length": "3"} {
		if have := w.Header().Get(name); have != want {
			t.Errorf("%s: want %q, have %q", name, want, have)
		}
	}
	records := k.taken()
	if len(records) != 1 {
		t.Fatalf("want 1 record, have %d", len(records))
	}
	r := records[0]
	if r.Topic != "topic-us" || r.Partition != -1 || string(r.Key) != "42" || string(r.Value) != purchase {
		t.Errorf("want the entity as it was sent, have %s/%d %q %q", r.Topic, r.Partition, r.Key, r.Value)
	}
	if time.Since(r.Time) > time.Minute || r.Time.IsZero() {
		t.Errorf("want the door's time, have %v", r.Time)
	}
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	g := newGateway(t, config(), &kafka{})
	for _, tc := range []struct {
		method, path string
		want         int
		allow        string
	}{
		{"POST", "/api/v2/nothing", 404, ""},
		{"POST", "/", 404, ""},
		{"POST", "/api/v2/entity/", 404, ""},
		{"POST", "//api/v2/entity", 404, ""},
		{"POST", "/api/v2/./entity", 404, ""},
		{"POST", "/api/v2/%65ntity", 404, ""},
		{"GET", "/api/v2/entity", 405, "POST"},
		{"PUT", "/api/v2/batch", 405, "POST"},
		{"PATCH", "/api/v1/customers/1", 405, "PUT, DELETE"},
		{"OPTIONS", "/api/v2/batch", 405, "POST"},
		{"POST", "/api/v1/metrics", 404, ""},
		{"POST", "/webhooks/none", 404, ""},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			t.Parallel()
			w := send(g, request(tc.method, tc.path, "{}"))
			wantStatus(t, w, tc.want)
			if have := w.Header().Get("Allow"); have != tc.allow {
				t.Errorf("Allow: want %q, have %q", tc.allow, have)
			}
			if have := w.Header().Get("Location"); have != "" {
				t.Errorf("want no redirect, have one to %q", have)
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	g := newGateway(t, config(), &kafka{})
	for _, tc := range []struct {
		name, given string
		kept        bool
	}{
		{"none", "", false},
		{"sane", "trace-42/a", true},
		{"longest", strings.Repeat("x", 128), true},
		{"too long", strings.Repeat("x", 129), false},
		{"blank", "a b", false},
		{"control", "a\x01b", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := request("POST", "/api/v2/entity", purchase)
			if tc.given != "" {
				r.Header["X-Request-Id"] = []string{tc.given}
			}
			have := send(g, r).Header().Get("X-Request-Id")
			if (have == tc.given) != tc.kept || have == "" {
				t.Errorf("want %q taken over: %v, have %q", tc.given, tc.kept, have)
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	preflight := func(origins []string, origin string) *httptest.ResponseRecorder {
		cfg := config()
		cfg.Origins = origins
		r := httptest.NewRequest(http.MethodOptions, "/api/v2/entity", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		return send(newGateway(t, cfg, &kafka{}), r)
	}
	for _, tc := range []struct {
		name    string
		origins []string
		origin  string
		want    int
		allowed string
	}{
		{"off by default", nil, "https://shop.example", 405, ""},
		{"named", []string{"https://shop.example"}, "https://shop.example", 204, "https://shop.example"},
		{"another", []string{"https://shop.example"}, "https://shop.example.evil", 405, ""},
		{"any", []string{"*"}, "https://shop.example", 204, "https://shop.example"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := preflight(tc.origins, tc.origin)
			wantStatus(t, w, tc.want)
			if have := w.Header().Get("Access-Control-Allow-Origin"); have != tc.allowed {
				t.Errorf("want %q, have %q", tc.allowed, have)
			}
		})
	}
}

// A fault of our own must not cost an event nor look like an answer of the API
// that clients give up on.
func TestPanicIs503(t *testing.T) {
	t.Parallel()
	var nobody *kafka
	k := &kafka{during: func() { nobody.records = nil }}
	w := send(newGateway(t, config(), k), request("POST", "/api/v2/entity", purchase))
	wantStatus(t, w, 503)
	if w.Header().Get("Retry-After") == "" {
		t.Error("want Retry-After")
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*gateway.Config)
		want   string
	}{
		{"unknown stream", func(c *gateway.Config) { c.Credentials[0].Stream = "none" }, `gateway.credentials[0].stream: there is no stream "none"`},
		{"no stream", func(c *gateway.Config) { c.Credentials[0].Stream = "" }, "gateway.credentials[0]: must name either"},
		{"unknown region stream", func(c *gateway.Config) {
			c.Credentials[0].Stream = ""
			c.Credentials[0].Region = &gateway.RegionRule{Field: "r", Streams: map[string]string{"x": "none"}}
		}, "gateway.credentials[0].region.streams.x: there is no stream"},
		{"region without values", func(c *gateway.Config) {
			c.Credentials[0] = gateway.Credential{SiteID: "s", APIKey: "k", Region: &gateway.RegionRule{}}
		}, "gateway.credentials[0].region.field: must not be empty\ngateway.credentials[0].region.streams: must name"},
		{"twice", func(c *gateway.Config) { c.Credentials = append(c.Credentials, c.Credentials[0]) }, "gateway.credentials[1].site_id: stands twice"},
		{"colon", func(c *gateway.Config) { c.Credentials[0].SiteID = "a:b" }, "gateway.credentials[0].site_id: must not hold a colon"},
		{"empty key", func(c *gateway.Config) { c.Credentials[0].APIKey = "" }, "gateway.credentials[0]: site_id and api_key"},
		{"open nowhere", func(c *gateway.Config) { c.Open = map[string]string{"metrics": "none"} }, "gateway.open.metrics: there is no stream"},
		{"not an open endpoint", func(c *gateway.Config) { c.Open = map[string]string{"identify": "events-us"} }, `gateway.open: "identify" is none of`},
		{"half a pair", func(c *gateway.Config) { c.Cert = "cert.pem" }, "gateway.cert: cert and key"},
		{"no listener", func(c *gateway.Config) { c.Listen = "" }, "gateway.listen: must name an address"},
		{"no room", func(c *gateway.Config) { c.InFlightBytes = 1 }, "gateway.in_flight_bytes: must be at least"},
		{"no patience", func(c *gateway.Config) { c.AppendTimeout = 0 }, "gateway.append_timeout: must be above 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := config()
			tc.change(&cfg)
			_, err := gateway.New(cfg, streams(), &kafka{}, zap.NewNop(), prometheus.NewRegistry())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want %q, have %v", tc.want, err)
			}
			if err != nil && strings.Contains(err.Error(), "key\"") {
				t.Errorf("the fault repeats a secret: %v", err)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	g, err := gateway.New(config(), streams(), &kafka{}, zap.NewNop(), registry)
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, send(g, request("POST", "/api/v2/batch", `{"batch":[`+purchase+`,`+purchase+`,{}]}`)), 207)
	wantStatus(t, send(g, request("POST", "/api/v2/entity", `{`)), 400)
	have := gathered(t, registry)
	for name, want := range map[string]float64{
		"sluice_gateway_requests_total/batch/207":    1,
		"sluice_gateway_requests_total/entity/400":   1,
		"sluice_gateway_requests_total/entity/200":   0,
		"sluice_gateway_requests_total/identify/503": 0,
		"sluice_gateway_appended_total/events-us":    2,
		"sluice_gateway_appended_total/events-eu":    0,
		"sluice_gateway_in_flight_bytes":             0,
	} {
		if n, ok := have[name]; !ok || n != want {
			t.Errorf("%s: want %v, have %v (there: %v)", name, want, n, ok)
		}
	}
}

// gathered is every counter and gauge, named with its label values.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, label := range m.GetLabel() {
				name += "/" + label.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

var errAway = errors.New("no broker answers")

// endless is a body that never ends.
type endless struct{ pattern byte }

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.pattern
	}
	return len(b), nil
}

var _ io.Reader = endless{}
