package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// stopGrace is how long a stopping server waits for slow answers.
const stopGrace = 5 * time.Second

// Serve answers on listener until ctx ends, over HTTP/1.1 and over HTTP/2
// without TLS. It closes the listener, and when it returns every request has
// ended: hung ones are cut at once, slow ones when they take more than five
// seconds more. It returns nil when ctx ended it.
func (s *Simulator) Serve(ctx context.Context, listener net.Listener) error {
	base, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	server := s.server(base, ctx.Done())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	err := shutDown(base, server)
	if err != nil {
		abandon()
		err = shutDown(context.WithoutCancel(base), server)
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", listener.Addr(), errors.Join(err, server.Close()))
	}
	return nil
}

// server returns the HTTP server, whose requests live as long as base. It has
// no write timeout: a hung request hangs until its client leaves.
func (s *Simulator) server(base context.Context, stopping <-chan struct{}) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.serve(exchange{w: w, r: r, stopping: stopping})
		}),
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 20,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          zap.NewStdLog(s.log),
	}
}

func shutDown(ctx context.Context, server *http.Server) error {
	grace, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	return server.Shutdown(grace)
}
