package sink_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/sink"
)

func clientFor(tb testing.TB, cfg sink.HTTPConfig, opts sink.Options) *sink.Client {
	tb.Helper()
	client, err := sink.NewClient(cfg, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return client
}

func parse(tb testing.TB, raw string) *url.URL {
	tb.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// post is a whole exchange up to its end, which is the caller's.
func post(ctx context.Context, client *sink.Client, to *url.URL, body string) (*sink.Exchange, sink.Answer) {
	x := client.Begin()
	x.Method, x.URL, x.Header = http.MethodPost, to, http.Header{"X-Test": {"1"}}
	x.Body = append(x.Body, body...)
	return x, x.Do(ctx)
}

// listen serves each connection with a func, until the test ends.
func listen(tb testing.TB, serve func(net.Conn)) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			tb.Cleanup(func() { _ = conn.Close() })
			go serve(conn)
		}
	}()
	tb.Cleanup(func() {
		_ = listener.Close()
		<-stopped
	})
	return listener.Addr().String()
}

func TestExchange(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(append([]byte(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X-Test")+" "), body...))
	}))
	t.Cleanup(server.Close)
	client := clientFor(t, sink.DefaultHTTPConfig(), sink.Options{AnswerBytes: 100})
	for _, c := range []struct {
		body, want string
		truncated  bool
	}{
		{"", "POST /a%2Fb?c=d 1 ", false},
		{"hello", "POST /a%2Fb?c=d 1 hello", false},
		{strings.Repeat("x", 82), "POST /a%2Fb?c=d 1 " + strings.Repeat("x", 82), false},
		{strings.Repeat("x", 83), "POST /a%2Fb?c=d 1 " + strings.Repeat("x", 82), true},
		{strings.Repeat("x", 1<<20), "POST /a%2Fb?c=d 1 " + strings.Repeat("x", 82), true},
	} {
		x, answer := post(t.Context(), client, parse(t, server.URL+"/a%2Fb?c=d"), c.body)
		if answer.Err != nil || answer.Status != http.StatusAccepted || string(answer.Body) != c.want || answer.Truncated != c.truncated {
			t.Errorf("%d bytes: want %q, have %q, status %d, truncated %t, %v", len(c.body), c.want, answer.Body, answer.Status, answer.Truncated, answer.Err)
		}
		x.End()
	}
}

// A whole exchange is recycled. (The race detector makes sync.Pool forget some.)
func TestExchangeIsRecycled(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(server.Close)
	client := clientFor(t, sink.DefaultHTTPConfig(), sink.Options{AnswerBytes: 100})
	to, recycled := parse(t, server.URL), 0
	var last *sink.Exchange
	for range 50 {
		x, answer := post(t.Context(), client, to, "body")
		if answer.Err != nil {
			t.Fatal(answer.Err)
		}
		if x == last {
			recycled++
		}
		last = x
		x.End()
	}
	if recycled == 0 {
		t.Error("none of 50 exchanges was recycled")
	}
}

func TestExchangeCauses(t *testing.T) {
	t.Parallel()
	silent := listen(t, func(net.Conn) {})
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	cfg := sink.DefaultHTTPConfig()
	hasty, handshake := cfg, cfg
	hasty.Attempt = 50 * time.Millisecond
	handshake.Connect = time.Second
	for name, c := range map[string]struct {
		url  string
		cfg  sink.HTTPConfig
		opts sink.Options
		want sink.Cause
		root error
	}{
		"silent":             {"http://" + silent, hasty, sink.Options{}, sink.CauseTimeout, context.DeadlineExceeded},
		"silent handshake":   {"https://" + silent, handshake, sink.Options{}, sink.CauseTLS, context.DeadlineExceeded},
		"nobody there":       {closed.URL, cfg, sink.Options{}, sink.CauseConnect, syscall.ECONNREFUSED},
		"no TLS":             {strings.Replace(plain.URL, "http", "https", 1), cfg, sink.Options{}, sink.CauseTLS, http.ErrSchemeMismatch},
		"private":            {plain.URL, cfg, sink.Options{PublicOnly: true}, sink.CauseBlocked, nil},
		"private, by a name": {strings.Replace(plain.URL, "127.0.0.1", "localhost", 1), cfg, sink.Options{PublicOnly: true}, sink.CauseBlocked, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.opts.AnswerBytes = 100
			x, answer := post(t.Context(), clientFor(t, c.cfg, c.opts), parse(t, c.url+"/?key=secret"), "{}")
			defer x.End()
			var failure *sink.Error
			if !errors.As(answer.Err, &failure) || failure.Cause != c.want {
				t.Fatalf("want %v, have %v", c.want, answer.Err)
			}
			if c.root != nil && !errors.Is(answer.Err, c.root) {
				t.Errorf("want %v in the chain of %v", c.root, answer.Err)
			}
			if wantLost := c.want != sink.CauseTimeout && c.want != sink.CauseBlocked; answer.Result().Lost != wantLost {
				t.Errorf("want lost %t", wantLost)
			}
			for err := answer.Err; err != nil; err = errors.Unwrap(err) {
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the error %q holds the query", err)
				}
			}
		})
	}
}

func TestExchangeByProxy(t *testing.T) {
	t.Parallel()
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.RequestURI + " " + r.Header.Get("Proxy-Authorization"))
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(proxy.Close)
	cfg := sink.DefaultHTTPConfig()
	cfg.Proxy = strings.Replace(proxy.URL, "http://", "http://user:pass@", 1)
	x, answer := post(t.Context(), clientFor(t, cfg, sink.Options{AnswerBytes: 100}), parse(t, "http://destination.invalid/x"), "{}")
	defer x.End()
	if answer.Status != http.StatusNoContent || asked.Load() != "http://destination.invalid/x Basic dXNlcjpwYXNz" {
		t.Errorf("status %d, %v; the proxy was asked for %v", answer.Status, answer.Err, asked.Load())
	}
}

func TestNewClientFaults(t *testing.T) {
	t.Parallel()
	good := sink.DefaultHTTPConfig()
	proxied, unfit, ftp := good, good, good
	proxied.Proxy = "http://proxy.internal:3128"
	unfit.Proxy = "http://user:hunter2@%zz"
	ftp.Proxy = "ftp://user:hunter2@proxy"
	for name, c := range map[string]struct {
		cfg  sink.HTTPConfig
		opts sink.Options
		want string
	}{
		"no bound":         {good, sink.Options{}, "bound on answers"},
		"nothing set":      {sink.HTTPConfig{}, sink.Options{AnswerBytes: 1}, "timeout: must be above 0"},
		"proxied, guarded": {proxied, sink.Options{AnswerBytes: 1, PublicOnly: true}, "proxy: cannot be used"},
		"proxy, no URL":    {unfit, sink.Options{AnswerBytes: 1}, "proxy: must be a URL"},
		"proxy, by FTP":    {ftp, sink.Options{AnswerBytes: 1}, `have "ftp"`},
	} {
		_, err := sink.NewClient(c.cfg, c.opts)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: want %q, have %v", name, c.want, err)
		}
	}
}

// stub answers each request, known to come in one piece, without allocating.
func stub(b *testing.B) *url.URL {
	b.Helper()
	addr := listen(b, func(conn net.Conn) {
		buf := make([]byte, 64<<10)
		answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	})
	return parse(b, "http://"+addr+"/hook")
}

func BenchmarkExchange(b *testing.B) {
	to, body := stub(b), bytes.Repeat([]byte("x"), 300)
	client := clientFor(b, sink.DefaultHTTPConfig(), sink.Options{AnswerBytes: 64 << 10})
	header := http.Header{"Content-Type": {"application/json"}}
	b.ReportAllocs()
	for b.Loop() {
		x := client.Begin()
		x.Method, x.URL, x.Header, x.Body = http.MethodPost, to, header, append(x.Body, body...)
		if answer := x.Do(b.Context()); answer.Err != nil {
			b.Fatal(answer.Err)
		}
		x.End()
	}
}

// BenchmarkBareClient is what the others are measured against.
func BenchmarkBareClient(b *testing.B) {
	to, body := stub(b).String(), bytes.Repeat([]byte("x"), 300)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	b.Cleanup(client.CloseIdleConnections)
	b.ReportAllocs()
	for b.Loop() {
		request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, to, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}
