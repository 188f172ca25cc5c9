package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

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

// member is one pipeline with its listeners, ready to run.
type member struct {
	pipeline *pipeline.Pipeline
	registry *prometheus.Registry
	log      *zap.Logger
	probes   net.Listener // nil: none
	actions  net.Listener // nil: none
}

// newMember listens and builds; nothing is read before run.
func newMember(ctx context.Context, cfg config.Config, log *zap.Logger) (*member, error) {
	m := &member{registry: prometheus.NewRegistry(), log: log}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var err error
	if m.probes, err = listen(ctx, cfg.Listen.Metrics, "listen.metrics"); err != nil {
		return nil, err
	}
	if m.actions, err = listen(ctx, cfg.Listen.Actions, "listen.actions"); err != nil {
		m.close()
		return nil, err
	}
	kafka := cfg.Kafka
	if m.actions != nil && (kafka.AdminAddr == "" || kafka.AdminAddr == cfg.Listen.Actions) { // port 0 is known only now
		kafka.AdminAddr = m.actions.Addr().String()
	}
	joined := pipeline.Config{Kafka: kafka, Drain: cfg.Drain}
	for _, w := range cfg.Workspaces {
		s, err := newSink(w, log)
		if err != nil {
			m.close()
			return nil, fmt.Errorf("workspace %s: %w", w.Name, err)
		}
		joined.Workspaces = append(joined.Workspaces, pipelineWorkspace(w, s))
	}
	for _, s := range cfg.Streams {
		joined.Streams = append(joined.Streams, partitionStream(s))
	}
	if m.pipeline, err = pipeline.New(joined, log, m.registry); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// pipelineWorkspace is w with its sink; nil: the one that runs.
func pipelineWorkspace(w config.Workspace, s sink.Sink) pipeline.Workspace {
	return pipeline.Workspace{
		Name: w.Name, Region: w.Region, Sink: s, Budget: w.Budget,
		InFlight: w.InFlight, MaxInFlight: w.MaxInFlight, BatchItems: w.BatchItems, Breaker: w.Breaker, Retry: w.Retry,
	}
}

func partitionStream(s config.Stream) partition.Stream {
	routes := make([]partition.Route, len(s.Routes))
	for i, r := range s.Routes {
		routes[i] = partition.Route(r)
	}
	return partition.Stream{Name: s.Name, Topic: s.Topic, Routes: routes}
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
}

// run delivers until ctx ends and the drain is over; probes and metrics answer
// all the while.
func (m *member) run(ctx context.Context) error {
	public := http.NewServeMux()
	public.Handle("/", m.pipeline.Probes())
	public.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	stop := m.serve(m.probes, public, "probes and metrics")
	defer stop()
	private := http.NewServeMux()
	private.Handle("/", m.pipeline.Actions())
	private.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	private.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	private.HandleFunc("GET /debug/pprof/", pprof.Index)
	stopActions := m.serve(m.actions, private, "actions")
	defer stopActions()
	return m.pipeline.Run(ctx)
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
