package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	headTime  = 5 * time.Second  // for a request's head
	readTime  = 20 * time.Second // for a whole request
	writeTime = 10 * time.Second // for an answer, beyond the wait for Kafka
	idleTime  = 2 * time.Minute  // of a connection between requests
	stopTime  = 2 * time.Second  // for answers on their way, beyond the wait for Kafka
	maxHead   = 16 << 10         // bytes of a request's head, above which net/http adds 4 KiB
	// maxConnections bounds what connections hold, busy or idle.
	maxConnections = 10_000
	maxStreams     = 128 // requests at a time of one HTTP/2 connection
)

// Run listens and serves until ctx ends, then stops listening and lets the
// requests under way end, for as long as they may wait for Kafka and a little
// more. When it returns, all goroutines that it started have ended; it returns
// nil when ctx ended it. It may be called once.
func (g *Gateway) Run(ctx context.Context) error {
	server, err := g.server()
	if err != nil {
		return err
	}
	listeners, err := g.listen(ctx, server)
	if err != nil {
		return err
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- server.Serve(l) }()
	}
	close(g.ready)
	g.log.Info("listening", zap.Any("http", g.plain), zap.Any("https", g.secure))
	running := len(listeners)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-ended:
		running--
		err = fmt.Errorf("serve: %w", err)
	}
	return errors.Join(err, g.stop(ctx, server, ended, running))
}

// stop ends the server and waits for its loops.
func (g *Gateway) stop(ctx context.Context, server *http.Server, ended <-chan error, running int) error {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.AppendTimeout+stopTime)
	defer cancel()
	err := server.Shutdown(grace)
	if err != nil {
		err = errors.Join(fmt.Errorf("let requests end: %w", err), server.Close())
	}
	for range running {
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, fmt.Errorf("serve: %w", served))
		}
	}
	return err
}

// server is the HTTP server of all listeners.
func (g *Gateway) server() (*http.Server, error) {
	// What clients break off is no news; what a listener meets is logged where
	// it accepts.
	errorLog, err := zap.NewStdLogAt(g.log, zap.DebugLevel)
	if err != nil {
		return nil, fmt.Errorf("make the server's log: %w", err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:           g.Handler(),
		Protocols:         &protocols,
		ReadHeaderTimeout: headTime,
		ReadTimeout:       readTime,
		WriteTimeout:      readTime + g.cfg.AppendTimeout + writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHead,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: 512 << 10, MaxReceiveBufferPerStream: 128 << 10},
		ErrorLog:          errorLog,
	}, nil
}

// listen opens the listeners. Those for TLS speak HTTP/2 as well.
func (g *Gateway) listen(ctx context.Context, server *http.Server) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range listeners {
				err = errors.Join(err, l.Close())
			}
			listeners = nil
		}
	}()
	slots := make(chan struct{}, maxConnections)
	open := func(address string) (net.Listener, error) {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", address, err)
		}
		return &bounded{Listener: l, slots: slots, closed: make(chan struct{}), log: g.log}, nil
	}
	if g.cfg.Listen != "" {
		l, err := open(g.cfg.Listen)
		if err != nil {
			return listeners, err
		}
		listeners, g.plain = append(listeners, l), l.Addr()
	}
	if g.cfg.ListenTLS != "" && g.cfg.Cert != "" {
		pair, err := newKeyPair(g.cfg.Cert, g.cfg.Key, g.log)
		if err != nil {
			return listeners, err
		}
		l, err := open(g.cfg.ListenTLS)
		if err != nil {
			return listeners, err
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.current, NextProtos: []string{"h2", "http/1.1"}}
		listeners, g.secure = append(listeners, tls.NewListener(l, server.TLSConfig)), l.Addr()
	}
	return listeners, nil
}

// Ready is closed once Run listens.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// Addr is where Run serves HTTP, and AddrTLS where it serves HTTPS; nil when it
// does not. They are to be asked for after Ready.
func (g *Gateway) Addr() net.Addr { return g.plain }

// AddrTLS is where Run serves HTTPS; nil when it does not. See Addr.
func (g *Gateway) AddrTLS() net.Addr { return g.secure }

// bounded is a listener that accepts no more connections than there are slots.
type bounded struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
	log    *zap.Logger
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.slots <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.slots
		if !errors.Is(err, net.ErrClosed) {
			b.log.Warn("a connection cannot be accepted", zap.Error(err))
		}
		return nil, err
	}
	return &slotted{Conn: conn, leave: func() { <-b.slots }}, nil
}

// Close implements net.Listener.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// slotted is a connection that gives its slot back when it is closed.
type slotted struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close implements net.Conn.
func (s *slotted) Close() error {
	err := s.Conn.Close()
	s.once.Do(s.leave)
	return err
}
