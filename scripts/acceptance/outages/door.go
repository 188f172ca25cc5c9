package outages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
)

// door stands before a destination and can be shut: then nothing listens there,
// and whoever was inside is thrown out. It is safe for concurrent use.
type door struct {
	URL string // of the destination, through it

	addr, to string

	mu     sync.Mutex
	listen net.Listener          // guarded by mu; nil while shut
	inside map[net.Conn]struct{} // guarded by mu
	conns  sync.WaitGroup
}

// newDoor opens one before the destination at that URL.
func newDoor(destination string) (*door, error) {
	u, err := url.Parse(destination)
	if err != nil {
		return nil, fmt.Errorf("open a door: %w", err)
	}
	d := &door{to: u.Host, addr: "127.0.0.1:0", inside: map[net.Conn]struct{}{}}
	if err := d.open(); err != nil {
		return nil, err
	}
	d.URL = "http://" + d.addr
	return d, nil
}

// open listens, on the same address each time.
func (d *door) open() error {
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		return fmt.Errorf("open a door: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listen, d.addr = l, l.Addr().String()
	d.conns.Go(func() { d.serve(l) })
	return nil
}

func (d *door) serve(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		d.conns.Go(func() { d.carry(in) })
	}
}

// carry copies both ways until one side ends.
func (d *door) carry(in net.Conn) {
	out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", d.to) // ended by end
	if err != nil {
		_ = in.Close()
		return
	}
	d.mu.Lock()
	shut := d.listen == nil
	d.inside[in], d.inside[out] = struct{}{}, struct{}{}
	d.mu.Unlock()
	end := sync.OnceFunc(func() { _, _ = in.Close(), out.Close() })
	if shut {
		end()
	}
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(out, in); end() })
	both.Go(func() { _, _ = io.Copy(in, out); end() })
	both.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inside, in)
	delete(d.inside, out)
}

// shut has connections refused, and cuts those that there are.
func (d *door) shut() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listen == nil {
		return errors.New("shut a door: it is shut")
	}
	err := d.listen.Close()
	d.listen = nil
	for c := range d.inside {
		_ = c.Close()
	}
	return err
}

// close shuts it for good.
func (d *door) close() {
	d.mu.Lock()
	open := d.listen != nil
	d.mu.Unlock()
	if open {
		_ = d.shut()
	}
	d.conns.Wait()
}
