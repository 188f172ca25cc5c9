package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"sluice/partition/embedded"
)

// gatewayConfig is a configuration with a gateway on free ports in front of one
// stream into the destination.
func gatewayConfig(t *testing.T, url string) string {
	t.Helper()
	broker, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return write(t, "sluice.yaml", fmt.Sprintf(`kafka: {brokers: [%q], group: door, lease: 1s, drain: 500ms, commit_every: 100ms}
listen: {metrics: "127.0.0.1:0", actions: off}
workspaces:
  acme: {sink: customerio, region: us, site_id: site, api_key: %s, base_url: %q, budget: {requests: 200/s, events: 2000/s}}
streams:
  events: {workspace: acme, partitions: 2, replication: 1}
gateway:
  listen: 127.0.0.1:0
  credentials:
    - {site_id: shop, api_key: shop-key, stream: events}
  open: {metrics: events}
`, broker.Addrs()[0], testKey, url))
}

// serving is a `sluice run` in this process.
type serving struct {
	log   *transcript
	ended chan struct{}
	code  int // once ended
	stop  context.CancelFunc
	hup   chan os.Signal
}

// serve starts a member and stops it when the test ends.
func serve(t *testing.T, args ...string) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &serving{log: newTranscript(), ended: make(chan struct{}), stop: cancel, hup: make(chan os.Signal)}
	sh := &shell{
		in: strings.NewReader(""), out: s.log, err: s.log, read: readSecret,
		lookup:  func(name string) (string, bool) { return testKey, name == "KEY" },
		hangups: func() (<-chan os.Signal, func()) { return s.hup, func() {} },
	}
	go func() {
		defer close(s.ended)
		s.code = sh.execute(ctx, append([]string{"run"}, args...))
	}()
	t.Cleanup(func() { s.halt(t) })
	return s
}

// halt asks it to stop in good order and waits for that.
func (s *serving) halt(t *testing.T) {
	t.Helper()
	s.stop()
	<-s.ended
	if s.code != exitDone {
		t.Errorf("exit %d\n%s", s.code, s.log)
	}
}

// address is what a log line with these words says under a key.
func (s *serving) address(t *testing.T, key string, words ...string) string {
	t.Helper()
	line := s.log.await(t, s.ended, append([]string{"listening", `"` + key + `":"`}, words...)...)
	_, rest, _ := strings.Cut(line, `"`+key+`":"`)
	address, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("it ended:\n%s", s.log)
	}
	return address
}

func (s *serving) gateway(t *testing.T) string { t.Helper(); return "http://" + s.address(t, "http") }

func (s *serving) probes(t *testing.T) string {
	t.Helper()
	return "http://" + s.address(t, "address", "probes and metrics")
}

// curl is what curl -u user URL -d body gets; without a body it is a GET.
func curl(t *testing.T, user, url, body string) (status int, answer string) {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	if site, key, ok := strings.Cut(user, ":"); ok {
		request.SetBasicAuth(site, key)
	}
	response, err := new(http.Client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func apply(t *testing.T, config string) {
	t.Helper()
	if o := sluice(t, "", "topics", "apply", "--force", "-c", config); o.code != exitDone {
		t.Fatalf("topics apply: exit %d\n%s", o.code, o.err)
	}
}

// ready waits until /readyz says 200.
func (s *serving) ready(t *testing.T) {
	t.Helper()
	url := s.probes(t) + "/readyz"
	until(t, "the member to be ready", func() bool { status, _ := curl(t, "", url, ""); return status == http.StatusOK })
}

const purchase = `{"name":"purchase","data":{"total":12.5}}`
