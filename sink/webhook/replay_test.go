package webhook_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/webhook"
)

// The transport repeats a request without a body by itself when its headers hold
// an idempotency key and the kept connection turns out to be closed: that would
// be an attempt that nobody granted.
func TestEmptyBodyIsNotReplayed(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get("Idempotency-Key"); key == "" {
			t.Error("the key did not arrive")
		}
		if requests.Add(1) == 2 { // after the first, on the connection that was kept
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.(*net.TCPConn).SetLinger(0)
				_ = conn.Close()
			}
		}
	}))
	defer server.Close()
	cfg := webhook.DefaultConfig()
	cfg.URL, cfg.PassThrough = server.URL, true
	s, err := webhook.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	deliver := func() sink.Verdict {
		var e event.Event
		headers, err := event.Carry(http.MethodDelete, []event.Header{{Key: "X-Idempotency-Key", Value: []byte("k")}})
		if err != nil {
			t.Fatal(err)
		}
		e.Load(event.Record{Topic: "t", Key: []byte("u"), Value: []byte{}, Headers: headers}, "cluster")
		s.Prepare(&e)
		if e.Fault != nil {
			t.Fatal(e.Fault)
		}
		return s.Deliver(t.Context(), []*event.Event{&e}).Verdict
	}
	if have := deliver(); have != sink.Delivered {
		t.Fatalf("have %v", have)
	}
	if have := deliver(); have != sink.Unavailable || requests.Load() != 2 {
		t.Errorf("the cut attempt came to %v after %d requests, want unavailable after 2", have, requests.Load())
	}
}
