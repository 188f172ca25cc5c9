package spread

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/scripts/acceptance/rig"
)

// backend is an endpoint of the user's own, which webhooks are put through to.
// It answers at once and remembers what it was asked.
type backend struct {
	url    string
	server *http.Server
	served chan error
	away   atomic.Bool // it answers 503

	mu   sync.Mutex
	hits []hit // guarded by mu
}

// hit is one request that arrived.
type hit struct {
	at     time.Time
	kind   string // what its sender calls it
	body   string
	status int // of the answer
}

// openBackend starts a backend, which works until close.
func openBackend() (*backend, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	b := &backend{url: "http://" + l.Addr().String() + "/hooks", served: make(chan error, 1)}
	b.server = &http.Server{Handler: http.HandlerFunc(b.take), ReadHeaderTimeout: 10 * time.Second}
	go func() { b.served <- b.server.Serve(l) }()
	return b, nil
}

func (b *backend) take(w http.ResponseWriter, r *http.Request) {
	h := hit{at: time.Now(), kind: r.Header.Get(hookKind), status: http.StatusOK}
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil || signHook(string(body)) != r.Header.Get(hookSignature):
		h.status = http.StatusBadRequest
	case b.away.Load():
		h.status = http.StatusServiceUnavailable
	}
	h.body = string(body)
	b.mu.Lock()
	b.hits = append(b.hits, h)
	b.mu.Unlock()
	w.WriteHeader(h.status)
}

// all is what arrived until now, in order.
func (b *backend) all() hits {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.hits)
}

func (b *backend) close() error {
	err := b.server.Close()
	if served := <-b.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("close the backend: %w", err)
	}
	return nil
}

// hits are in the order in which they arrived.
type hits []hit

// of are those of a kind.
func (h hits) of(kind string) hits {
	return slices.DeleteFunc(slices.Clone(h), func(one hit) bool { return one.kind != kind })
}

// since are those from an instant on.
func (h hits) since(at time.Time) hits {
	return slices.DeleteFunc(slices.Clone(h), func(one hit) bool { return one.at.Before(at) })
}

// again are those whose body came before.
func (h hits) again() hits {
	var repeats hits
	known := map[string]bool{}
	for _, one := range h {
		if known[one.body] {
			repeats = append(repeats, one)
		}
		known[one.body] = true
	}
	return repeats
}

// accepted is how often each body was taken.
func (h hits) accepted() map[string]int {
	times := map[string]int{}
	for _, one := range h {
		if one.status == http.StatusOK {
			times[one.body]++
		}
	}
	return times
}

func (h hits) times() rig.Times {
	moments := make([]int64, len(h))
	for i, one := range h {
		moments[i] = one.at.UnixNano()
	}
	return rig.NewTimes(moments)
}
