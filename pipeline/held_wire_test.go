package pipeline_test

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// errCut is what a member finds whose wire was cut.
var errCut = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// wire is one member's way to Kafka. Cut, the member is as good as dead to the
// group; frozen, what it says and hears comes late. It is safe for concurrent
// use.
type wire struct {
	dial dialFunc

	mu    sync.Mutex
	cut   bool                  // guarded by mu
	flows chan struct{}         // closed while not frozen; guarded by mu
	conns map[net.Conn]struct{} // guarded by mu
}

func newWire(dial dialFunc) *wire {
	w := &wire{dial: dial, flows: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(w.flows)
	return w
}

// Dial implements partition.Config's.
func (w *wire) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := w.pass(); err != nil {
		return nil, err
	}
	c, err := w.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		_ = c.Close()
		return nil, errCut
	}
	w.conns[c] = struct{}{}
	return wired{c, w}, nil
}

// pass waits while the wire is frozen.
func (w *wire) pass() error {
	w.mu.Lock()
	flows := w.flows
	w.mu.Unlock()
	<-flows
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return errCut
	}
	return nil
}

func (w *wire) freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.flows:
		w.flows = make(chan struct{})
	default: // it is
	}
}

func (w *wire) thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.flows:
	default:
		close(w.flows)
	}
}

// sever cuts the wire for good.
func (w *wire) sever() {
	w.mu.Lock()
	w.cut = true
	for c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.thaw()
}

// wired is a connection over the wire.
type wired struct {
	net.Conn
	wire *wire
}

func (c wired) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if cut := c.wire.pass(); cut != nil {
		return 0, cut
	}
	return n, err
}

func (c wired) Write(b []byte) (int, error) {
	if err := c.wire.pass(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c wired) Close() error {
	c.wire.mu.Lock()
	delete(c.wire.conns, c.Conn)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}
