package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Relay stands between clients and servers and can be cut as a network is:
// while it is, nothing goes through, in either direction, and nobody is told.
// Connections stay, new ones are taken and silent, and what was on its way when
// it was cut arrives, late, when it is healed. It is safe for concurrent use.
type Relay struct {
	listeners []net.Listener
	wg        sync.WaitGroup

	mu     sync.Mutex
	open   chan struct{}         // guarded by mu: closed while traffic may pass
	cut    bool                  // guarded by mu
	closed bool                  // guarded by mu
	conns  map[net.Conn]struct{} // guarded by mu: both sides of each connection
}

// NewRelay listens on addresses and passes each on to the server of the same
// place in the other list. It works until Close.
func NewRelay(listen, servers []string) (*Relay, error) {
	if len(listen) != len(servers) {
		return nil, fmt.Errorf("relay %d addresses to %d servers", len(listen), len(servers))
	}
	r := &Relay{open: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(r.open)
	for i, address := range listen {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("relay %s: %w", address, err), r.Close())
		}
		r.listeners = append(r.listeners, l)
		r.wg.Go(func() { r.accept(l, servers[i]) })
	}
	return r, nil
}

// Relay passes connections to the brokers on, from where they are advertised
// to the clients that Kafka.Relayed tells. The rig's Close ends it.
func (r *Rig) Relay(k *Kafka) (*Relay, error) {
	relay, err := NewRelay(strings.Split(k.Printed["RELAYED"], ","), strings.Split(k.Printed["RELAY_TO"], ","))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.relays = append(r.relays, relay)
	return relay, nil
}

// Addrs are where it listens, in the order that was given.
func (r *Relay) Addrs() []string {
	addrs := make([]string, len(r.listeners))
	for i, l := range r.listeners {
		addrs[i] = l.Addr().String()
	}
	return addrs
}

// Cut stops all traffic until Heal.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.cut && !r.closed {
		r.cut, r.open = true, make(chan struct{})
	}
}

// Heal lets traffic pass again.
func (r *Relay) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut {
		r.cut = false
		close(r.open)
	}
}

// Close ends every connection and returns when nothing of it runs any more.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	conns := make([]net.Conn, 0, len(r.conns))
	for c := range r.conns {
		conns = append(conns, c)
	}
	r.mu.Unlock()
	var errs []error
	for _, l := range r.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, c := range conns {
		_ = c.Close() // the other side may have closed it
	}
	r.Heal() // whoever waits at the cut finds its connection closed
	r.wg.Wait()
	return errors.Join(errs...)
}

func (r *Relay) accept(l net.Listener, server string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		if !r.keep(client) {
			continue
		}
		r.wg.Go(func() { r.join(client, server) })
	}
}

// keep notes a connection for Close; a relay that is closed ends it.
func (r *Relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = c.Close()
		return false
	}
	r.conns[c] = struct{}{}
	return true
}

func (r *Relay) drop(c net.Conn) {
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
	_ = c.Close()
}

// join carries one connection to its end: when a side ends, so does the other.
func (r *Relay) join(client net.Conn, server string) {
	defer r.drop(client)
	r.pass()
	upstream, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", server)
	if err != nil || !r.keep(upstream) {
		return
	}
	defer r.drop(upstream)
	done := make(chan struct{}, 2)
	for _, way := range [2][2]net.Conn{{client, upstream}, {upstream, client}} {
		r.wg.Go(func() {
			r.carry(way[0], way[1])
			done <- struct{}{}
		})
	}
	<-done
	r.pass() // an end is not told through a cut either
}

// pass waits while the relay is cut.
func (r *Relay) pass() {
	r.mu.Lock()
	open := r.open
	r.mu.Unlock()
	<-open
}

func (r *Relay) carry(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		r.pass()
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}
