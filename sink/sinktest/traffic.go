package sinktest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"

	"sluice/pipeline/event"
	"sluice/sink"
)

// secrets: a server that puts everything it was sent into every place of its
// answer that a sink might read.
func (t trial) secrets() {
	var status atomic.Int64
	var body atomic.Value
	to, _ := t.serve(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		echo := fmt.Sprint(r.Header["Authorization"], r.Header, r.URL, password, secret)
		w.Header().Set("X-Echo", strings.ReplaceAll(echo, "\n", ""))
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, strings.ReplaceAll(body.Load().(string), "ECHO", strconv.Quote(echo))) //nolint:gosec // no browser sees it
	})
	batch := one(t, to, "a")
	for _, form := range []string{
		`{"errors":[{"reason":ECHO,"field":ECHO,"message":ECHO,"detail":ECHO}]}`,
		`{"errors":[{"batch_index":0,"reason":ECHO,"field":"a\nb","message":ECHO}]}`,
		`{"errors":[ECHO]}`, `{"meta":{"error":ECHO}}`, `{"meta":{"errors":[ECHO]}}`, `ECHO`, "nonsense ECHO",
	} {
		body.Store(form)
		for _, code := range []int64{200, 207, 301, 400, 401, 413, 422, 429, 500} {
			status.Store(code)
			result := to.Deliver(t.Context(), batch)
			for _, reason := range append([]string{result.Reason}, itemReasons(result)...) {
				if leaks(reason) || strings.ContainsAny(reason, "\r\n") {
					t.Errorf("HTTP %d with %s: the reason is %q", code, form, reason)
				}
			}
		}
	}
}

func (t trial) connections() {
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "{}"+strings.Repeat(" ", 10_000))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	to := t.sinkFor(server.URL, patient())
	for i := range 50 {
		check(t, to.Deliver(t.Context(), one(t, to, strconv.Itoa(i))), sink.Delivered, false)
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections for 50 attempts, one after the other", opened.Load())
	}
}

// concurrent: every event arrives once and whole, while the caller recycles
// each as soon as its attempt is over.
func (t trial) concurrent() {
	const senders, each = 8, 50
	var seen [senders * each]atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, rest, _ := strings.Cut(string(body), `"marker":"`)
		marker, _, _ := strings.Cut(rest, `"`)
		if n, err := strconv.Atoi(marker); err == nil && n < len(seen) {
			seen[n].Add(1)
		}
	}))
	t.Cleanup(server.Close)
	to := t.sinkFor(server.URL, patient())
	failed := make(chan error, senders)
	for sender := range senders {
		go func() {
			e := new(event.Event)
			for i := range each {
				load(e, strings.Replace(form, "MARKER", strconv.Itoa(sender*each+i), 1))
				to.Prepare(e)
				if result := to.Deliver(t.Context(), []*event.Event{e}); result.Verdict != sink.Delivered {
					failed <- errors.New(result.Reason)
					return
				}
			}
			failed <- nil
		}()
	}
	for range senders {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	for n := range seen {
		if count := seen[n].Load(); count != 1 {
			t.Errorf("event %d arrived %d times", n, count)
		}
	}
}

func (t trial) http2() {
	var major atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		major.Store(int64(r.ProtoMajor))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	cfg := patient()
	cfg.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	to := t.sinkFor(server.URL, cfg)
	check(t, to.Deliver(t.Context(), one(t, to, "a")), sink.Delivered, false)
	if major.Load() != 2 {
		t.Errorf("want HTTP/2 where it is offered, have HTTP/%d", major.Load())
	}
}
