package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// spoil is what happens to the first exchange.
type spoil string

const (
	// lost: the gateway has answered, and the answer never arrives.
	lost spoil = "lost"
	// gone: the connection breaks as soon as the request is through.
	gone spoil = "gone"
)

// spoiler stands between a client and a gateway and spoils the first exchange;
// the others pass.
type spoiler struct {
	url      string
	target   string // host and port
	how      spoil
	requests atomic.Int64
	server   *http.Server
	served   chan error
}

// newSpoiler listens until close, over TLS when cert and key are named.
func newSpoiler(target string, how spoil, cert, key string) (*spoiler, error) {
	l, err := freeListener()
	if err != nil {
		return nil, err
	}
	s := &spoiler{url: "http://" + l.Addr().String(), target: target, how: how, served: make(chan error, 1)}
	// A connection is taken over to break it, which HTTP/2 has no way to say.
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	if cert != "" {
		s.url = "https://" + l.Addr().String()
		go func() { s.served <- s.server.ServeTLS(l, cert, key) }()
	} else {
		go func() { s.served <- s.server.Serve(l) }()
	}
	return s, nil
}

// ServeHTTP passes a request on.
func (s *spoiler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first := s.requests.Add(1) == 1
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case first && s.how == gone:
		s.abandon(r)
		breakOff(w)
	case first:
		if resp, err := s.pass(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // it is lost anyhow
			_ = resp.Body.Close()
		}
		breakOff(w)
	default:
		s.relay(w, r)
	}
}

func (s *spoiler) relay(w http.ResponseWriter, r *http.Request) {
	resp, err := s.pass(r)
	if err != nil {
		http.Error(w, "{}", http.StatusBadGateway)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // the client sees what is missing
}

func (s *spoiler) pass(r *http.Request) (*http.Response, error) {
	r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", s.target
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("pass a request on: %w", err)
	}
	return resp, nil
}

// abandon sends the request and resets the connection at once.
func (s *spoiler) abandon(r *http.Request) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.WithoutCancel(r.Context()), "tcp", s.target)
	if err != nil {
		return
	}
	_ = r.Write(conn) // what does not get through was lost on the way
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// breakOff closes a client's connection without an answer.
func breakOff(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func (s *spoiler) close() error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("close the spoiler at %s: %w", strings.TrimPrefix(s.url, "http://"), err)
	}
	return nil
}
