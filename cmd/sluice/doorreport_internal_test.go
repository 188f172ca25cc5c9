package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/config"
	"sluice/pipeline/doctor"
	"sluice/scripts/kafka/authority"
)

// certify writes a certificate for this machine, good for so long, and its key
// into a folder, and returns who trusts it.
func certify(t *testing.T, folder string, lasts time.Duration) *x509.CertPool {
	t.Helper()
	ca, err := authority.New("ours")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(authority.Request{Name: "gateway", Hosts: []string{"127.0.0.1"}, Until: time.Now().Add(lasts)})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"gateway.pem": leaf.Cert, "gateway.key": leaf.Key} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM)
	return pool
}

// TestGatewayOverTLS: the certificate's files are found beside the
// configuration, wherever the process was started.
func TestGatewayOverTLS(t *testing.T) {
	t.Parallel()
	_, url := destination(t)
	config := gatewayConfig(t, url)
	trusted := certify(t, filepath.Dir(config), 365*24*time.Hour)
	text := strings.Replace(readFile(t, config), "  listen: 127.0.0.1:0\n", "  listen: off\n  tls: {listen: \"127.0.0.1:0\", cert: gateway.pem, key: gateway.key}\n", 1)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	apply(t, config)
	s := serve(t, "-c", config, "--roles", "gateway")
	s.ready(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.address(t, "https")+"/api/v1/customers/1/events", bytes.NewBufferString(purchase))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("shop", "shop-key")
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
	}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode != http.StatusOK {
		t.Errorf("have %d", answer.StatusCode)
	}
}

func TestDoctorLooksAtTheCertificate(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name  string
		lasts time.Duration
		at    time.Duration // from now
		state doctor.State
		want  string
	}{
		{"good", 90 * day, 0, doctor.OK, "good until"},
		{"soon over", 90 * day, 80 * day, doctor.Warning, "good until"},
		{"over", 90 * day, 91 * day, doctor.Failed, "expired"},
		{"not begun", 90 * day, -900 * day, doctor.Failed, "not valid before"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			certify(t, folder, tc.lasts)
			cfg := doorWith(t, filepath.Join(folder, "gateway.pem"), filepath.Join(folder, "gateway.key"))
			have := certificateFindings(cfg, time.Now().Add(tc.at))
			if len(have) != 1 || have[0].State != tc.state || !strings.Contains(have[0].What, tc.want) || (have[0].Remedy == "") != (tc.state == doctor.OK) {
				t.Errorf("have %+v", have)
			}
			if err := os.Remove(filepath.Join(folder, "gateway.key")); err != nil {
				t.Fatal(err)
			}
			if have := certificateFindings(cfg, time.Now()); len(have) != 1 || have[0].State != doctor.Failed {
				t.Errorf("without its key: have %+v", have)
			}
		})
	}
	if have := certificateFindings(doorWith(t, "", ""), time.Now()); have != nil {
		t.Errorf("want nothing said of no certificate, have %v", have)
	}
}

// doorWith is a configuration whose gateway has these files.
func doorWith(t *testing.T, cert, key string) config.Config {
	t.Helper()
	cfg, err := config.Parse(strings.NewReader(devConfig), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Gateway.Cert, cfg.Gateway.Key = cert, key
	return cfg
}

func TestConfigCheckListsWhoMayComeIn(t *testing.T) {
	t.Parallel()
	const door = `gateway:
  credentials:
    - {site_id: shop, api_key: "${KEY}", stream: purchases, rate: 5/s}
    - {site_id: both, api_key: "${KEY}", region: {field: region, streams: {us: purchases, eu: split}}}
  open: {metrics: purchases}
  webhooks: {in: {stream: hooked, scheme: token, secrets: ["${KEY}"]}}
`
	path := write(t, "door.yaml", readFile(t, configFor(t, "127.0.0.1:1"))+door)
	o := sluice(t, "", "config", "check", "-c", path)
	for _, want := range []string{
		"gateway: http :8080, https -", "site id shop  purchases", "5/s", "split (region: eu), purchases (region: us)",
		"Track API: metrics  nothing", "/webhooks/in        token         hooked",
	} {
		if !strings.Contains(o.out, want) {
			t.Errorf("want %q in\n%s%s", want, o.out, o.err)
		}
	}
	var report configReport
	o = sluice(t, "", "config", "check", "-c", path, "-o", "json")
	if o.last(t, &report); report.Gateway == nil || len(report.Gateway.Credentials) != 2 || report.Gateway.Webhooks[0].Path != "/webhooks/in" || strings.Contains(o.out, testKey) {
		t.Errorf("have %s", o.out)
	}
	o = sluice(t, "", "config", "check", "-c", configFor(t, "127.0.0.1:1"), "-o", "json")
	if strings.Contains(o.out, "gateway") {
		t.Errorf("want no gateway told of, have %s", o.out)
	}
}
