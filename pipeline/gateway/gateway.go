// Package gateway is the door for events that come by HTTP: Customer.io's Track
// API, as every client library of it speaks it, and webhooks. A request is
// answered 200 only when every record made of it has been acknowledged by all
// in-sync replicas; whatever cannot be taken just now is answered 503 with
// Retry-After, so that nothing is dropped without a word.
//
// The way of a request: route on the escaped path, credentials, rate limit,
// bounded body, decode, region rule, ids, append, answer. Memory is bounded
// over all requests, and what a client can make the gateway do before it has
// shown credentials is next to nothing.
package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Gateway takes events by HTTP and appends them to streams. Its methods are
// safe for concurrent use.
type Gateway struct {
	cfg       Config // as New had it
	streams   map[string]Stream
	access    atomic.Pointer[access]
	reloading sync.Mutex // one Reload at a time
	ids       *memory
	appender  Appender
	metrics   *metrics
	log       *zap.Logger
	room      room
	pulse     pulse
	unpackers sync.Pool // of *gzip.Reader
	jsonType  []string  // the header's value; never changed

	ready         chan struct{} // closed by Run once it listens
	plain, secure net.Addr      // written by Run before ready is closed
}

// New makes a Gateway for the streams given, whose records go to a. It listens
// only in Run. It returns every fault of cfg, joined.
func New(cfg Config, streams []Stream, a Appender, log *zap.Logger, m prometheus.Registerer) (*Gateway, error) {
	known := map[string]Stream{}
	for _, s := range streams {
		known[s.Name] = s
	}
	callers, err := newAccess(cfg, known)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		cfg: cfg, streams: known, appender: a, ids: newMemory(),
		log:      log.Named("gateway"),
		room:     room{limit: int64(cfg.InFlightBytes)},
		jsonType: []string{"application/json; charset=utf-8"},
		ready:    make(chan struct{}),
	}
	g.access.Store(callers)
	m.MustRegister(callers.webhooks)
	g.metrics = newMetrics(m, &g.room, known)
	return g, nil
}

// validateStreams returns every stream that is named and not there.
func (c Config) validateStreams(known map[string]Stream) error {
	var faults []error
	must := func(path, name string) {
		if _, ok := known[name]; !ok {
			faults = append(faults, fmt.Errorf("%s: there is no stream %q", path, name))
		}
	}
	for i, cred := range c.Credentials {
		if cred.Region == nil {
			must(fmt.Sprintf("gateway.credentials[%d].stream", i), cred.Stream)
			continue
		}
		for _, value := range slices.Sorted(maps.Keys(cred.Region.Streams)) {
			must(fmt.Sprintf("gateway.credentials[%d].region.streams.%s", i, value), cred.Region.Streams[value])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Open)) {
		must("gateway.open."+name, c.Open[name])
	}
	return errors.Join(faults...)
}

// Handler serves requests. It is for whoever listens by other means than Run,
// who then bounds the time that heads and bodies may take.
func (g *Gateway) Handler() http.Handler { return http.HandlerFunc(g.serve) }

// route finds the endpoint of a request; nil when there is none.
func route(method, path string) (e *endpoint, args []string) {
	if e, args = v2Endpoint(method, path); e != nil {
		return e, args
	}
	return v1Endpoint(method, path)
}

// nowhere is the answer to a path, or a method of it, that no endpoint has.
func nowhere(path string) reply {
	var allow []string
	for _, method := range [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if e, _ := route(method, path); e != nil {
			allow = append(allow, method)
		}
	}
	if allow == nil {
		return metaError(http.StatusNotFound, "there is no such endpoint")
	}
	rp := metaError(http.StatusMethodNotAllowed, "the endpoint does not take this method")
	rp.allow = strings.Join(allow, ", ")
	return rp
}
