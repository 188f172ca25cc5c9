package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"sluice/scripts/acceptance/rig"
)

// destination is a backend of somebody's own: it answers at once and keeps all
// that it was sent.
type destination struct {
	url    string
	server *http.Server
	served chan error

	mu   sync.Mutex
	hits []hit // guarded by mu
}

// hit is one request that arrived.
type hit struct {
	at     time.Time
	method string
	header http.Header
	body   string
}

// listen starts a destination, which works until close.
func listen() (*destination, error) {
	l, err := freeListener()
	if err != nil {
		return nil, err
	}
	d := &destination{url: "http://" + l.Addr().String() + "/hooks", served: make(chan error, 1)}
	d.server = &http.Server{Handler: http.HandlerFunc(d.take), ReadHeaderTimeout: 10 * time.Second}
	go func() { d.served <- d.server.Serve(l) }()
	return d, nil
}

func (d *destination) take(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "cut", http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	d.hits = append(d.hits, hit{at, r.Method, r.Header.Clone(), string(body)})
	d.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

// all is what arrived until now, in order.
func (d *destination) all() []hit {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.hits)
}

// times are when requests arrived.
func times(hits []hit) rig.Times {
	moments := make([]int64, len(hits))
	for i, h := range hits {
		moments[i] = h.at.UnixNano()
	}
	return rig.NewTimes(moments)
}

func (d *destination) close() error {
	err := d.server.Close()
	if served := <-d.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("close the backend: %w", err)
	}
	return nil
}
