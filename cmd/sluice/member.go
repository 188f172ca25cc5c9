package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"sluice/partition"
	"sluice/pipeline"
	"sluice/pipeline/config"
	"sluice/sink"
	"sluice/sink/customerio"
	"sluice/sink/webhook"
)

// newSink makes a workspace's sink. A new API is one case here.
func newSink(w config.Workspace, log *zap.Logger) (sink.Sink, error) {
	switch w.Kind {
	case config.Customerio:
		return customerio.New(w.Customerio, log)
	case config.Webhook:
		return webhook.New(w.Webhook, log)
	}
	return nil, fmt.Errorf("workspace %s: no sink of kind %q", w.Name, w.Kind)
}

// member is one process in its roles with its listeners, ready to run.
type member struct {
	pipeline *pipeline.Pipeline // nil: it delivers nothing
	operator *operator          // beside the pipeline
	door     *door              // nil: it has no gateway
	registry *prometheus.Registry
	log      *zap.Logger
	probes   net.Listener // nil: none
	actions  net.Listener // nil: none
}

// newMember listens and builds; nothing is read before run.
func newMember(ctx context.Context, cfg config.Config, plays roles, log *zap.Logger) (made *member, err error) {
	m := &member{registry: prometheus.NewRegistry(), log: log}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if m.probes, err = listen(ctx, cfg.Listen.Metrics, "listen.metrics"); err != nil {
		return nil, err
	}
	if m.actions, err = listen(ctx, cfg.Listen.Actions, "listen.actions"); err != nil {
		return nil, err
	}
	if plays.gateway {
		if m.door, err = newDoor(cfg, log, m.registry); err != nil {
			return nil, err
		}
	}
	if plays.deliver {
		if m.pipeline, err = m.newPipeline(cfg); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// newPipeline builds the pipeline that joins the group.
func (m *member) newPipeline(cfg config.Config) (*pipeline.Pipeline, error) {
	kafka := cfg.Kafka
	if m.actions != nil && (kafka.AdminAddr == "" || kafka.AdminAddr == cfg.Listen.Actions) { // port 0 is known only now
		kafka.AdminAddr = m.actions.Addr().String()
	}
	m.operator = newOperator(cfg, m.log)
	joined := pipeline.Config{Kafka: kafka, Drain: cfg.Drain, Cancelled: m.operator.cancelled, Recalled: m.operator.book.Recalled}
	for _, w := range cfg.Workspaces {
		s, err := newSink(w, m.log)
		if err != nil {
			return nil, fmt.Errorf("workspace %s: %w", w.Name, err)
		}
		joined.Workspaces = append(joined.Workspaces, pipelineWorkspace(w, s))
	}
	for _, s := range cfg.Streams {
		joined.Streams = append(joined.Streams, partitionStream(s))
	}
	return pipeline.New(joined, m.log, m.registry)
}

// pipelineWorkspace is w with its sink; nil: the one that runs.
func pipelineWorkspace(w config.Workspace, s sink.Sink) pipeline.Workspace {
	return pipeline.Workspace{
		Name: w.Name, Region: w.Region, Sink: s, Budget: w.Budget,
		InFlight: w.InFlight, MaxInFlight: w.MaxInFlight, BatchItems: w.BatchItems, Breaker: w.Breaker, Retry: w.Retry,
		Tries: w.Tries, Dedup: w.Dedup, Rules: w.RuleSet(),
	}
}

func partitionStream(s config.Stream) partition.Stream {
	routes := make([]partition.Route, len(s.Routes))
	for i, r := range s.Routes {
		routes[i] = partition.Route(r)
	}
	return partition.Stream{
		Name: s.Name, Topic: s.Topic, Held: s.HeldTopic(), Replay: s.ReplayTopic(), Overflow: s.OverflowTopic(), Delays: s.DelayTopics(),
		OrderByClass: s.OrderByClass, Routes: routes,
	}
}

func listen(ctx context.Context, addr, key string) (net.Listener, error) {
	if addr == "" {
		return nil, nil //nolint:nilnil // no address, no listener
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: listen on %s: %w; set another address, or \"\" for none", key, addr, err)
	}
	return l, nil
}

func (m *member) close() {
	for _, l := range []net.Listener{m.probes, m.actions} {
		if l != nil {
			_ = l.Close()
		}
	}
	if m.door != nil {
		m.door.release()
	}
}

// run plays the member's roles until ctx ends, the requests under way have and
// the drain is over; probes and metrics answer all the while.
func (m *member) run(ctx context.Context) error {
	public := http.NewServeMux()
	public.Handle("/", m.probed())
	public.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	stop := m.serve(m.probes, public, "probes and metrics")
	defer stop()
	private := http.NewServeMux()
	if m.pipeline != nil {
		private.Handle("/", m.pipeline.Actions())
	}
	private.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	private.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	private.HandleFunc("GET /debug/pprof/", pprof.Index)
	stopActions := m.serve(m.actions, private, "actions")
	defer stopActions()
	return m.play(ctx)
}

// play stops in order: first the gateway takes nothing more and lets its
// requests end, then the pipeline drains. Either one's end is the other's.
func (m *member) play(ctx context.Context) error {
	switch {
	case m.door == nil:
		return m.operator.run(ctx, m.pipeline.Run)
	case m.pipeline == nil:
		return m.door.run(ctx)
	}
	taking, stopTaking := context.WithCancel(ctx)
	defer stopTaking()
	delivering, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error {
		defer stopDelivering()
		return m.door.run(taking)
	})
	g.Go(func() error {
		defer stopTaking()
		return m.operator.run(delivering, m.pipeline.Run)
	})
	return g.Wait()
}

// probed answers /livez, /readyz and /health. Ready means that the member can
// do all that its roles are: it has joined the group, and its gateway, which
// listens, has found Kafka.
func (m *member) probed() http.Handler {
	if m.door == nil {
		return m.pipeline.Probes()
	}
	say := func(rw http.ResponseWriter, status int, body string) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body+"\n") // the client is gone; there is nobody to tell
	}
	var rest http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez", "/readyz":
			say(rw, http.StatusOK, `"ok"`)
		case "/health": // of workspaces, of which it asks none
			say(rw, http.StatusOK, "{}")
		default:
			http.NotFound(rw, r)
		}
	})
	if m.pipeline != nil {
		rest = m.pipeline.Probes()
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", rest)
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, r *http.Request) {
		if why := m.door.waits(); why != "" {
			say(rw, http.StatusServiceUnavailable, strconv.Quote(why))
			return
		}
		if m.pipeline != nil {
			// Not delivering some events is no reason to take in none.
			if joined, waits := m.pipeline.Ready(); joined && waits != "" {
				say(rw, http.StatusOK, strconv.Quote(waits))
				return
			}
		}
		rest.ServeHTTP(rw, r)
	})
	return mux
}

// Bounds on what a client of the two listeners may do.
const (
	headerTime  = 5 * time.Second
	requestTime = 30 * time.Second
	closeTime   = 2 * time.Second
)

// serve answers on a listener until the returned function is called.
func (m *member) serve(l net.Listener, h http.Handler, what string) (stop func()) {
	if l == nil {
		return func() {}
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: requestTime, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("listener ended", zap.String("what", what), zap.Error(err))
		}
	}()
	m.log.Info("listening", zap.String("what", what), zap.Stringer("address", l.Addr()))
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		_ = server.Shutdown(ctx) // what does not end in time is cut
		_ = server.Close()
		<-done
	}
}
