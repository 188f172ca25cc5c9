package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"

	"sluice/pipeline/sender"
	"sluice/scripts/data"
	"sluice/sink/simulator"
)

// sendConfig writes a configuration of one workspace, acme, and no stream.
func sendConfig(t *testing.T, url string) string {
	t.Helper()
	return write(t, "sluice.yaml", `workspaces:
  acme: {sink: customerio, region: us, site_id: site, api_key: "${KEY}", base_url: "`+url+`", retry: {base: 20ms}, budget: {requests: unlimited, events: unlimited}}
`)
}

// eventsOf is count events of so many users, one a line.
func eventsOf(count, users int) string {
	var b strings.Builder
	for n := 1; n <= count; n++ {
		fmt.Fprintf(&b, `{"user":"%d","event":"purchase"}`+"\n", n%users)
	}
	return b.String()
}

func TestSendReportsAndWritesWhatFailed(t *testing.T) {
	t.Parallel()
	url := simulated(t)
	input := write(t, "in.ndjson", eventsOf(2500, 100)+`{"user":"1"}`+"\n"+`{"type":"person","action":"event","identifiers":{"id":"1"},"attributes":{}}`+"\n")
	o := sluice(t, "", "send", input, "--workspace", "acme", "--seq", "-c", sendConfig(t, url), "-o", "json")
	var have sender.Report
	o.last(t, &have)
	want := sender.Report{Read: 2502, Succeeded: 2500, Failed: 2, Seconds: have.Seconds, FailedPath: input + ".failed.ndjson"}
	if o.code != exitPart || fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("exit %d\nwant %+v\nhave %+v\n%s", o.code, want, have, o.err)
	}
	failed, err := os.ReadFile(have.FailedPath)
	if err != nil || !strings.Contains(string(failed), `"line":2501,`) || !strings.Contains(string(failed), `"line":2502,`) {
		t.Errorf("failed ones: %v\n%s", err, failed)
	}
	if n := strings.Count(o.err, " failed, "); n != 2 || !strings.Contains(o.err, "2 of 2502 events failed") {
		t.Errorf("%d lines of progress, want 2, and the outcome:\n%s", n, o.err)
	}
	// The checker expects what can be converted, which those two cannot.
	if o = sluice(t, "", "check", "--input", input, "--sim", url); o.code != exitDone || !strings.Contains(o.out, "read 2,500 = delivered 2,500") {
		t.Errorf("check: exit %d\n%s%s", o.code, o.out, o.err)
	}
}

func TestSendOfStandardInputAndRefusal(t *testing.T) {
	t.Parallel()
	url := simulated(t)
	config := sendConfig(t, url)
	if o := sluice(t, eventsOf(3, 3), "send", "-", "--workspace", "acme", "-c", config); o.code != exitDone || !strings.HasPrefix(o.out, "3 succeeded, 0 failed at workspace acme") {
		t.Errorf("exit %d\n%s%s", o.code, o.out, o.err)
	}
	set(t, url, `{"reject_key":true}`)
	input := write(t, "in.ndjson", eventsOf(3, 3))
	o := sluice(t, "", "send", input, "--workspace", "acme", "-c", config)
	if o.code != exitFailed || !strings.Contains(o.err, "refused by workspace acme: HTTP 401") || !strings.Contains(o.err, "--from-line 1\n") {
		t.Errorf("exit %d\n%s%s", o.code, o.out, o.err)
	}
	if beside, _ := filepath.Glob(input + ".*"); beside != nil {
		t.Errorf("a refusal is no event's fault, and yet there is %v", beside)
	}
}

// set changes a simulator's settings.
func set(t *testing.T, url, settings string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/_sim/config", strings.NewReader(settings))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	if _ = answer.Body.Close(); answer.StatusCode != http.StatusOK {
		t.Fatalf("simulator: %s: %s", answer.Status, text)
	}
}

// The purchases of the shop are sent, stopped three times at no matter what
// moment and resumed as the command says: each arrives once, each customer's in
// order.
func TestSendStoppedAndResumedLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	settings := simulator.DefaultConfig()
	sim, err := simulator.New(settings, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	var stop atomic.Pointer[context.CancelFunc] // of the run under way
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if n := requests.Add(1); n == 20 || n == 50 || n == 90 {
			(*stop.Load())()
		}
		if r.Method == http.MethodPost && requests.Load()%17 == 0 {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		sim.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	purchases, err := io.ReadAll(data.Sample())
	if err != nil {
		t.Fatal(err)
	}
	input, config := write(t, "cdnow.csv", string(purchases)), sendConfig(t, server.URL)
	columns := []string{"--map", "user=customer_id,timestamp=date", "--event", "purchase"}
	args := append([]string{"send", input, "--workspace", "acme", "--seq", "-c", config}, columns...)
	further := []string{}
	stops := 0
	for ; ; stops++ {
		ctx, cancel := context.WithCancel(t.Context())
		stop.Store(&cancel)
		o := sluiceUntil(ctx, "", append(args, further...)...)
		cancel()
		if o.code == exitDone {
			break
		}
		_, remedy, found := strings.Cut(o.err, "run the same command with ")
		if !found || stops > 3 || o.code != exitPart && o.code != exitFailed {
			t.Fatalf("exit %d\n%s%s", o.code, o.out, o.err)
		}
		further = strings.Fields(remedy)
	}
	if stops == 0 {
		t.Fatal("it was never stopped")
	}
	o := sluice(t, "", append([]string{"check", "--input", input, "--sim", server.URL, "-o", "json"}, columns...)...)
	var have struct {
		Read, Delivered, Lost, Duplicates int
		OrderBreaks                       int `json:"order_breaks"`
	}
	o.last(t, &have)
	if have.Read != strings.Count(string(purchases), "\n")-1 || have.Delivered != have.Read || have.Lost+have.Duplicates+have.OrderBreaks > 0 {
		t.Errorf("after %d stops: %+v", stops, have)
	}
}
