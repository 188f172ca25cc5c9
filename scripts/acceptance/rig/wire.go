package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Trouble is what a wire does to the traffic on a link. The zero value is none;
// several at once add up.
type Trouble struct {
	Cut   bool          // connections are reset, new ones as soon as they are made
	Stall bool          // nothing goes through and nobody is told; what waits arrives late
	Half  bool          // of what the server says next only the first half arrives, then the connection ends
	Delay time.Duration // before each piece of at most 32 KiB, one after the other: late, and narrow
}

// Wire stands between clients and servers like a Relay, and can do more to what
// passes, on each of its links by itself. It is safe for concurrent use.
type Wire struct {
	links []*link
	wg    sync.WaitGroup
	done  chan struct{} // closed by Close
	once  sync.Once
}

// link is one listener and the server behind it.
type link struct {
	wire     *Wire
	listener net.Listener
	server   string

	mu      sync.Mutex
	trouble Trouble               // guarded by mu
	changed chan struct{}         // guarded by mu: closed when trouble changes
	conns   map[net.Conn]struct{} // guarded by mu: both sides of each connection; nil once closed
}

// NewWire listens on addresses and passes each on to the server of the same
// place in the other list. It works until Close.
func NewWire(listen, servers []string) (*Wire, error) {
	if len(listen) != len(servers) {
		return nil, fmt.Errorf("wire %d addresses to %d servers", len(listen), len(servers))
	}
	w := &Wire{done: make(chan struct{})}
	for i, address := range listen {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("wire %s: %w", address, err), w.Close())
		}
		one := &link{wire: w, listener: l, server: servers[i], changed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
		w.links = append(w.links, one)
		w.wg.Go(one.accept)
	}
	return w, nil
}

// Addrs are where it listens, in the order that was given.
func (w *Wire) Addrs() []string {
	addrs := make([]string, len(w.links))
	for i, l := range w.links {
		addrs[i] = l.listener.Addr().String()
	}
	return addrs
}

// Set puts a link, by its place from 0 on, into trouble, in place of what it had.
func (w *Wire) Set(place int, t Trouble) { w.links[place].set(t) }

// SetAll is Set for every link.
func (w *Wire) SetAll(t Trouble) {
	for _, l := range w.links {
		l.set(t)
	}
}

// Close ends every connection and returns when nothing of it runs any more.
func (w *Wire) Close() error {
	w.once.Do(func() { close(w.done) })
	var errs []error
	for _, l := range w.links {
		if err := l.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
		l.reset(true)
	}
	w.wg.Wait()
	return errors.Join(errs...)
}

func (l *link) set(t Trouble) {
	l.mu.Lock()
	l.trouble = t
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	if t.Cut {
		l.reset(false)
	}
}

// reset ends the connections that there are; after the last time there are
// none.
func (l *link) reset(last bool) {
	l.mu.Lock()
	conns := l.conns
	l.conns = map[net.Conn]struct{}{}
	if last {
		l.conns = nil
	}
	l.mu.Unlock()
	for c := range conns {
		abort(c)
	}
}

// abort closes a connection so that the other side is told at once (RST), and
// nothing that was on its way arrives.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it may be closed already
	}
	_ = c.Close() // the same
}

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		if !l.keep(client) {
			continue
		}
		l.wire.wg.Go(func() { l.join(client) })
	}
}

// keep notes a connection; while the link is cut, or closed, it ends instead.
func (l *link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil || l.trouble.Cut {
		abort(c)
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *link) drop(c net.Conn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	_ = c.Close() // it may be closed already
}

// join carries one connection to its end: when a side ends, so does the other.
func (l *link) join(client net.Conn) {
	defer l.drop(client)
	if _, open := l.pass(); !open {
		return
	}
	upstream, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", l.server)
	if err != nil || !l.keep(upstream) {
		return
	}
	defer l.drop(upstream)
	ended := make(chan struct{}, 2)
	l.wire.wg.Go(func() {
		l.carry(client, upstream, false)
		ended <- struct{}{}
	})
	l.wire.wg.Go(func() {
		l.carry(upstream, client, true)
		ended <- struct{}{}
	})
	<-ended
	l.pass() // an end is not told through a stalled link either
}

// pass waits while the link is stalled and returns the trouble it has then; it
// is false once the wire is closed, when nothing may pass any more.
func (l *link) pass() (Trouble, bool) {
	for {
		l.mu.Lock()
		t, changed := l.trouble, l.changed
		l.mu.Unlock()
		if !t.Stall {
			return t, true
		}
		select {
		case <-changed:
		case <-l.wire.done:
			return t, false
		}
	}
}

// carry carries one direction; back is that of the answers.
func (l *link) carry(from, to net.Conn, back bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		t, open := l.pass()
		if !open {
			return
		}
		if n > 0 && t.Delay > 0 {
			l.wait(t.Delay)
		}
		if n > 0 && back && t.Half {
			_, _ = to.Write(buf[:n/2]) // what arrives of it arrives
			_ = to.Close()             // not reset: the half would be thrown away unread
			abort(from)
			return
		}
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

func (l *link) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.wire.done:
	}
}
