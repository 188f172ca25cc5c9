package sink_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"sluice/sink"
)

// An attempt may get its connection long after it was made up. Whoever may not
// send any more by then must not have sent a byte, on a new connection and on
// one that was kept, and the one who may again must get through.
func TestGuardedWritesNothingWithoutLeave(t *testing.T) {
	t.Parallel()
	for _, proto := range []string{"HTTP/1.1", "HTTP/1.1 over TLS", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
			cfg := sink.DefaultHTTPConfig()
			if proto == "HTTP/1.1" {
				server.Start()
			} else {
				server.EnableHTTP2 = proto == "HTTP/2.0"
				if !server.EnableHTTP2 {
					server.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
				}
				server.StartTLS()
				cfg.RootCAs = x509.NewCertPool()
				cfg.RootCAs.AddCert(server.Certificate())
			}
			defer server.Close()
			client := clientFor(t, cfg, sink.Options{AnswerBytes: 100})
			var leave atomic.Bool
			ctx := sink.Guarded(t.Context(), leave.Load)
			want := int64(0)
			for i, may := range []bool{false, true, false, true, true, false} {
				leave.Store(may)
				x, answer := post(ctx, client, parse(t, server.URL), "x")
				x.End()
				verdict := sink.Interrupted
				if may {
					verdict = sink.Delivered
					want++
				}
				if answer.Verdict() != verdict {
					t.Fatalf("attempt %d: want %v, have %v (%v)", i, verdict, answer.Verdict(), answer.Err)
				}
				if have := requests.Load(); have != want {
					t.Fatalf("attempt %d: want %d requests at the server, have %d", i, want, have)
				}
			}
		})
	}
}
