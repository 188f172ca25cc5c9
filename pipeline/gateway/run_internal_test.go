package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
)

// gated is an Appender that takes a record when it is told to.
type gated struct{ came, leave chan struct{} }

func (g gated) Append(_ context.Context, _ event.Record, done func(partition.Position, error)) {
	go func() {
		g.came <- struct{}{}
		<-g.leave
		done(partition.Position{}, nil)
	}()
}

type running struct {
	*Gateway
	stop  context.CancelFunc
	ended chan error
}

func run(t *testing.T, cfg Config, a Appender) running {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	cfg.Credentials = []Credential{{SiteID: "site", APIKey: "key", Stream: "events"}}
	g, err := New(cfg, []Stream{{Name: "events", Topic: "events"}}, a, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := running{g, cancel, make(chan error, 1)}
	go func() { r.ended <- g.Run(ctx) }()
	select {
	case <-g.Ready():
	case err := <-r.ended:
		cancel()
		t.Fatal(err)
	}
	return r
}

// post deletes a person, and returns the status, the protocol and the body.
func post(t *testing.T, client *http.Client, url string) (status int, proto, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v2/entity",
		strings.NewReader(`{"type":"person","action":"delete","identifiers":{"id":"1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("site", "key")
	answer, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return 0, "", ""
	}
	raw, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		t.Error(err)
	}
	return answer.StatusCode, answer.Proto, string(raw)
}

func TestRunServesBothListeners(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := DefaultConfig()
	cfg.ListenTLS, cfg.Cert, cfg.Key = "127.0.0.1:0", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, key := selfSigned(t, "gateway")
	for name, text := range map[string][]byte{cfg.Cert: cert, cfg.Key: key} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, cfg, taking{})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	for _, tc := range []struct {
		name, url string
		h2        bool
		want      string
	}{
		{"plain", "http://" + r.Addr().String(), false, "HTTP/1.1"},
		{"TLS", "https://" + r.AddrTLS().String(), false, "HTTP/1.1"},
		{"HTTP/2", "https://" + r.AddrTLS().String(), true, "HTTP/2.0"},
	} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: tc.h2}
		status, proto, body := post(t, &http.Client{Transport: transport}, tc.url)
		transport.CloseIdleConnections()
		if status != http.StatusOK || proto != tc.want || body != "{}\n" {
			t.Errorf("%s: want 200 by %s, have %d by %s: %q", tc.name, tc.want, status, proto, body)
		}
	}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Errorf("want nil when the context ends it, have %v", err)
	}
}

func TestStopLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	a := gated{make(chan struct{}), make(chan struct{})}
	r := run(t, DefaultConfig(), a)
	url := "http://" + r.Addr().String()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		transport := &http.Transport{DisableKeepAlives: true}
		if status, _, body := post(t, &http.Client{Transport: transport}, url); status != http.StatusOK || body != "{}\n" {
			t.Errorf("want 200 for a request under way, have %d %q", status, body)
		}
	}()
	<-a.came
	r.stop()
	// The listener closes first; whoever connects now is turned away, and the
	// request under way goes on.
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Addr().String())
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(a.leave)
	<-answered
	if err := <-r.ended; err != nil {
		t.Errorf("want nil, have %v", err)
	}
}

func TestRunSaysWhyItCannotListen(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, change := range map[string]func(*Config){
		"listen on " + taken.Addr().String(): func(c *Config) { c.Listen = taken.Addr().String() },
		"look at":                            func(c *Config) { c.Cert, c.Key = "/none/cert.pem", "/none/key.pem" },
	} {
		cfg := DefaultConfig()
		cfg.Listen, cfg.ListenTLS = "127.0.0.1:0", "127.0.0.1:0"
		change(&cfg)
		g, err := New(cfg, nil, taking{}, zap.NewNop(), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, have %v", name, err)
		}
	}
}
