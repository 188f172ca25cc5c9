package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/partition/partitiontest"
	"sluice/pipeline/config"
	"sluice/pipeline/doctor"
	"sluice/sink/customerio"
	"sluice/sink/simulator"
	"sluice/sink/webhook"
)

const secret = "hunter2-key"

// ask examines one workspace, beside a Kafka that has nothing to say of it.
func ask(t *testing.T, w config.Workspace) []doctor.Finding {
	t.Helper()
	cfg := config.Config{Kafka: partitiontest.New(t, 1).Config(), Workspaces: []config.Workspace{w}}
	o := doctor.DefaultOptions()
	o.Records = 0
	found := doctor.Examine(t.Context(), cfg, o)
	for _, f := range found {
		if strings.Contains(f.Subject+f.What+f.Remedy, secret) {
			t.Errorf("shows the secret: %+v", f)
		}
	}
	return found
}

func customer(url, region, key string) config.Workspace {
	cfg := customerio.DefaultConfig()
	cfg.Workspace, cfg.Region, cfg.SiteID, cfg.APIKey, cfg.BaseURL = "acme", region, "site", key, url
	return config.Workspace{Name: "acme", Kind: config.Customerio, Region: region, Customerio: cfg}
}

func hook(url string) config.Workspace {
	cfg := webhook.DefaultConfig()
	cfg.Workspace, cfg.URL = "hook", url
	cfg.Headers = map[string]string{"Authorization": "Bearer " + secret}
	return config.Workspace{Name: "hook", Kind: config.Webhook, Webhook: cfg}
}

func TestCredentialsAreTriedHarmlessly(t *testing.T) {
	t.Parallel()
	cfg := simulator.DefaultConfig()
	cfg.Region, cfg.Keys = "us", []simulator.Key{{Site: "site", Secret: secret}}
	sim, err := simulator.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	found := ask(t, customer(server.URL, "us", secret))
	expect(t, found, doctor.Credentials, doctor.OK, "acme", "the account is in us")
	expect(t, found, doctor.Destination, doctor.OK, "answers in")
	expect(t, found, doctor.Clock, doctor.OK)
	expect(t, ask(t, customer(server.URL, "eu", secret)), doctor.Credentials, doctor.Failed, "the account is in us and the workspace says eu", "region: us")
	expect(t, ask(t, customer(server.URL, "us", "other")), doctor.Credentials, doctor.Failed, "HTTP 401", "App API key")
	expect(t, ask(t, customer(server.URL+"/elsewhere", "us", secret)), doctor.Credentials, doctor.Warning, "HTTP 404", "base_url")
}

// TestWebhookIsNotCalled: what listens there may act on whatever it is sent.
func TestWebhookIsNotCalled(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Authorization"))
		rw.Header().Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
		rw.WriteHeader(http.StatusTeapot)
	}))
	server.Config.DisableGeneralOptionsHandler = true
	server.Start()
	t.Cleanup(server.Close)
	for _, path := range []string{"/in/" + secret, "/in/{{.User}}?token=" + secret} {
		found := ask(t, hook(server.URL+path))
		expect(t, found, doctor.Destination, doctor.OK, "hook", "answers in")
		expect(t, found, doctor.Clock, doctor.Failed, "2h0m", "behind", "NTP")
	}
	mu.Lock()
	defer mu.Unlock()
	for _, line := range asked {
		if line != "OPTIONS * " {
			t.Errorf("want only OPTIONS * without credentials, have %s", line)
		}
	}
	if len(asked) != 2 {
		t.Errorf("want each asked once, have %q", asked)
	}
	expect(t, ask(t, hook("https://{{.User}}.example.com/")), doctor.Destination, doctor.OK, "its own host")
}

func TestTheWayIsDiagnosed(t *testing.T) {
	t.Parallel()
	quiet := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(quiet.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, tc := range []struct {
		name, url string
		words     []string
	}{
		{"name", "https://nowhere.invalid/", []string{"nowhere.invalid cannot be reached: look up host", "DNS"}},
		{"nobody listens", closed.URL, []string{"connect", "firewall"}},
		{"unknown authority", quiet.URL, []string{"unknown authority", "root_ca"}},
		{"no TLS there", strings.Replace(plain.URL, "http:", "https:", 1), []string{"TLS"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			expect(t, ask(t, hook(tc.url+"?token="+secret)), doctor.Destination, doctor.Failed, tc.words...)
		})
	}
}

func TestCertificatesThatEndAreFound(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		left  time.Duration
		state doctor.State
		word  string
	}{
		{"fresh", 90 * 24 * time.Hour, doctor.OK, "certificate until"},
		{"ends soon", 3*24*time.Hour + time.Hour, doctor.Warning, "ends in 3 days"},
		{"ended", -time.Hour, doctor.Failed, "expired"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			certificate, pool := selfSigned(t, time.Now().Add(tc.left))
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
			server.StartTLS()
			t.Cleanup(server.Close)
			w := hook(server.URL)
			w.Webhook.HTTP.RootCAs = pool
			expect(t, ask(t, w), doctor.Destination, tc.state, tc.word)
		})
	}
}

// selfSigned is a certificate for 127.0.0.1 that is its own authority.
func selfSigned(t *testing.T, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pool
}
