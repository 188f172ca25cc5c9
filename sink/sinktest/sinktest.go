// Package sinktest is the conformance suite that every sink must pass: each
// HTTP status to its verdict, Retry-After, every way in which a connection can
// fail, one attempt a call, bounded time and memory, connections used again,
// and no secret in any reason. It is for tests only.
package sinktest

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/sink"
)

const (
	// attempt is the whole attempt's time of a sink whose time is to run out.
	attempt = time.Second
	// patience bounds what must come at once, on the slowest machine.
	patience = 10 * time.Second
	secret   = "s3cr3t-Tok3n/+="
)

// Target is what a sink under test is made for.
type Target struct {
	URL    string          // where the suite's server is
	Secret string          // to be used for every credential that the sink has
	HTTP   sink.HTTPConfig // to be used as it is
}

// MakeFunc makes a sink under test. It may fail t; the suite closes the sink.
type MakeFunc func(tb testing.TB, to Target) sink.Sink

// Run runs the suite, in parallel subtests.
func Run(t *testing.T, newSink MakeFunc) {
	t.Helper()
	for name, test := range map[string]func(trial){
		"prepare":             trial.prepare,
		"statuses":            trial.statuses,
		"retry after":         trial.retryAfter,
		"redirects":           trial.redirects,
		"cancelled":           trial.cancelled,
		"cancelled before":    trial.cancelledBefore,
		"deadline":            trial.deadline,
		"hung":                trial.hung,
		"hung in the answer":  trial.hungInAnswer,
		"cut":                 trial.cut,
		"cut in the answer":   trial.cutInAnswer,
		"cut when idle":       trial.cutWhenIdle,
		"no server":           trial.noServer,
		"untrusted":           trial.untrusted,
		"http2":               trial.http2,
		"not HTTP":            trial.notHTTP,
		"huge answer":         trial.hugeAnswer,
		"secrets":             trial.secrets,
		"connections":         trial.connections,
		"concurrent delivery": trial.concurrent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(trial{t, newSink})
		})
	}
}

// trial is one test of the suite; each of its methods that Run names is one.
type trial struct {
	*testing.T
	newSink MakeFunc
}

// serve starts a server and a sink for it, both gone when the test ends.
func (t trial) serve(handler http.HandlerFunc) (sink.Sink, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return t.sinkFor(server.URL, patient()), server
}

func (t trial) sinkFor(url string, cfg sink.HTTPConfig) sink.Sink {
	t.Helper()
	made := t.newSink(t.T, Target{URL: url, Secret: secret, HTTP: cfg})
	t.Cleanup(made.Close) // before the server's, which waits for connections
	return made
}

// hasty is for tests in which the attempt's time runs out.
func hasty() sink.HTTPConfig {
	cfg := patient()
	cfg.Attempt = attempt
	return cfg
}

// patient is for tests in which no time may run out, however busy the machine.
func patient() sink.HTTPConfig {
	cfg := sink.DefaultHTTPConfig()
	cfg.Connect, cfg.Attempt = patience, patience
	return cfg
}

// form is the suite's event: good for any destination.
const form = `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"conformance","attributes":{"marker":"MARKER"}}`

// one is a batch of one prepared event that holds the marker.
func one(tb testing.TB, to sink.Sink, marker string) []*event.Event {
	tb.Helper()
	e := loaded(strings.Replace(form, "MARKER", marker, 1))
	if to.Prepare(e); e.Fault != nil {
		tb.Fatalf("a good event has the fault %+v", *e.Fault)
	}
	return []*event.Event{e}
}

func loaded(value string) *event.Event {
	e := new(event.Event)
	load(e, value)
	return e
}

func load(e *event.Event, value string) {
	e.Load(event.Record{
		Topic: "conformance", Partition: 3, Offset: 7, Key: []byte("42"), Value: []byte(value),
		Time: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}, "cluster")
}

// leaks reports whether text holds the secret in any form it may go out in.
func leaks(text string) bool {
	return strings.Contains(text, secret) ||
		strings.Contains(text, strings.Trim(base64.StdEncoding.EncodeToString([]byte("site:"+secret)), "=")) ||
		strings.Contains(text, "Tok3n")
}

// check compares verdict and loss, and sees that every reason is fit to show.
func check(tb testing.TB, have sink.Result, want sink.Verdict, wantLost bool) {
	tb.Helper()
	if have.Verdict != want || have.Lost != wantLost {
		tb.Errorf("want %v, lost %t; have %v, lost %t, status %d (%s)", want, wantLost, have.Verdict, have.Lost, have.Status, have.Reason)
	}
	if want != sink.Delivered && have.Reason == "" {
		tb.Errorf("%v without a reason", have.Verdict)
	}
	for _, reason := range append([]string{have.Reason}, itemReasons(have)...) {
		if leaks(reason) || len(reason) > 400 || strings.ContainsAny(reason, "\r\n\x00") {
			tb.Errorf("the reason %q is not fit to show", reason)
		}
	}
}

func itemReasons(r sink.Result) []string {
	var reasons []string
	for _, item := range r.Items {
		reasons = append(reasons, item.Reason)
	}
	return reasons
}

// promptly fails when deliver takes longer than the limit.
func promptly(tb testing.TB, limit time.Duration, deliver func() sink.Result) sink.Result {
	tb.Helper()
	done := make(chan sink.Result, 1)
	began := time.Now()
	go func() { done <- deliver() }()
	select {
	case result := <-done:
		if took := time.Since(began); took > limit {
			tb.Errorf("took %v, want at most %v", took, limit)
		}
		return result
	case <-time.After(limit + patience):
		tb.Fatalf("no result after %v", limit+patience)
		return sink.Result{}
	}
}

func (t trial) cancelled() {
	arrived, leave := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-leave
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(leave) })
	to := t.sinkFor(server.URL, patient())
	batch := one(t, to, "a")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	check(t, promptly(t, patience/2, func() sink.Result { return to.Deliver(ctx, batch) }), sink.Interrupted, false)
}

func (t trial) cancelledBefore() {
	var requests atomic.Int64
	to, _ := t.serve(func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check(t, to.Deliver(ctx, one(t, to, "a")), sink.Interrupted, false)
	if requests.Load() != 0 {
		t.Errorf("%d requests under a context that had ended", requests.Load())
	}
}
