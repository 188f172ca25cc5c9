package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/partition/embedded"
)

// transcript is what a running command has written so far.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer  // guarded by mu
	changed chan struct{} // capacity 1
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{}, 1)} }

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// line returns the first that has all of the words.
func (w *transcript) line(words ...string) (string, bool) {
lines:
	for line := range strings.Lines(w.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue lines
			}
		}
		return line, true
	}
	return "", false
}

// await waits for a line with all of the words, or for the end, and returns it.
func (w *transcript) await(t *testing.T, ended <-chan struct{}, words ...string) string {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		if line, ok := w.line(words...); ok {
			return line
		}
		select {
		case <-w.changed:
		case <-ended:
			return ""
		case <-timeout:
			t.Fatalf("no line with %q in\n%s", words, w)
		}
	}
}

// until waits for a line with all of the words.
func (w *transcript) until(t *testing.T, words ...string) string {
	t.Helper()
	return w.await(t, nil, words...)
}

// running is a `sluice run` in this process, with a webhook that wants a token.
type running struct {
	folder, config string
	log            *transcript
	hangups        chan os.Signal
	delivered      chan string // bodies that came with the right token
	stop           func() int
}

const (
	wrongToken = "wrong-token-hunter2"
	rightToken = "right-token-hunter2"
)

func startRun(t *testing.T) *running {
	t.Helper()
	r := &running{folder: t.TempDir(), log: newTranscript(), hangups: make(chan os.Signal), delivered: make(chan string, 1000)}
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != rightToken {
			http.Error(rw, "who is "+req.Header.Get("Authorization")+"?", http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(req.Body)
		r.delivered <- string(body)
	}))
	t.Cleanup(hook.Close)
	broker, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	r.config = filepath.Join(r.folder, "sluice.yaml")
	r.put(t, "token", wrongToken+"\n")
	r.put(t, "sluice.yaml", `kafka: {brokers: ["`+broker.Addrs()[0]+`"], group: reload}
listen: {metrics: "127.0.0.1:0", actions: off}
workspaces:
  hook: {sink: webhook, url: "`+hook.URL+`", headers: {Authorization: "file:token"}, budget: {requests: 50/s}}
streams:
  hooked: {workspace: hook, partitions: 2, replication: 1}
`)
	if o := sluice(t, "", "topics", "apply", "--force", "-c", r.config); o.code != exitDone {
		t.Fatalf("topics apply: %d\n%s", o.code, o.err)
	}
	r.start(t)
	return r
}

func (r *running) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	sh := &shell{
		in: strings.NewReader(""), out: r.log, err: r.log, read: readSecret,
		lookup:  func(string) (string, bool) { return "", false },
		hangups: func() (<-chan os.Signal, func()) { return r.hangups, func() {} },
	}
	code := make(chan int, 1)
	go func() { code <- sh.execute(ctx, []string{"run", "-c", r.config}) }()
	r.stop = sync.OnceValue(func() int { cancel(); return <-code })
	t.Cleanup(func() { r.stop() })
}

// put replaces a file at once, as a rename does.
func (r *running) put(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(r.folder, name)
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// edit replaces a text in the configuration.
func (r *running) edit(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(r.config)
	if err != nil || !strings.Contains(string(text), from) {
		t.Fatalf("want %q in the configuration, %v", from, err)
	}
	r.put(t, "sluice.yaml", strings.Replace(string(text), from, to, 1))
}

func (r *running) get(t *testing.T, path string) string {
	t.Helper()
	line := r.log.until(t, "listening", "probes and metrics")
	_, rest, _ := strings.Cut(line, `"address":"`)
	address, _, _ := strings.Cut(rest, `"`)
	return page(t, "http://"+address+path)
}

// page is what a URL answers, whatever the status.
func page(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	answer, err := new(http.Client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestRunReloads tells the story of a wrong token: the workspace is refused,
// the token's file is mended and taken without a signal, then the
// configuration is changed in ways that apply, that wait and that are faulty.
// No secret is seen anywhere meanwhile.
func TestRunReloads(t *testing.T) {
	t.Parallel()
	r := startRun(t)
	if o := sluice(t, `{"user":"1","event":"a"}`+"\n", "produce", "hooked", "-", "-c", r.config); o.code != exitDone {
		t.Fatalf("produce: %d\n%s", o.code, o.err)
	}
	r.log.until(t, "refuses this workspace", "401")
	health := r.get(t, "/health")
	if !strings.Contains(health, `"refused":true`) {
		t.Errorf("health says %s", health)
	}

	r.put(t, "token", rightToken+"\n")
	if body := <-r.delivered; !strings.Contains(body, `"a"`) {
		t.Errorf("have %s", body)
	}
	r.log.until(t, "applied", "workspaces.hook.headers")

	r.edit(t, "requests: 50/s", "requests: 40/s")
	r.edit(t, "group: reload", "group: another")
	r.hangups <- syscall.SIGHUP
	r.log.until(t, "applied", "workspaces.hook.budget.requests")
	r.log.until(t, "restart to apply", "kafka.group")
	if metrics := r.get(t, "/metrics"); !strings.Contains(metrics, "sluice_config_waiting_keys 1") {
		t.Error("want one key waiting for a restart in the metrics")
	}

	r.edit(t, "requests: 40/s", "requests: fast")
	r.edit(t, "workspace: hook", "workspace: hok")
	r.hangups <- syscall.SIGHUP
	r.log.until(t, "nothing has changed", "workspaces.hook.budget.requests", "80/s")
	r.log.until(t, "nothing has changed", "streams.hooked.workspace", "write hook")

	r.edit(t, "requests: fast", "requests: 40/s")
	r.edit(t, "workspace: hok", "workspace: hook")
	r.edit(t, "workspaces:", "log_level: error\nworkspaces:")
	r.hangups <- syscall.SIGHUP
	for !strings.Contains(r.get(t, "/metrics"), `sluice_config_reloads_total{result="applied"} 3`) {
		select {
		case <-t.Context().Done():
			t.Fatal("the third reload is not counted")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if code := r.stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
	if strings.Contains(r.log.String(), `"stopped"`) {
		t.Error("an info line was logged at log_level: error")
	}
	for name, text := range map[string]string{"log": r.log.String(), "health": health} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("a secret is in the %s:\n%s", name, text)
		}
	}
}
