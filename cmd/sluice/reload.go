package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline"
	"sluice/pipeline/config"
	"sluice/sink"
)

// lookEvery is how often the configuration's files are looked at. A change is
// taken when it has stayed for that long: a file may be half written.
const lookEvery = 2 * time.Second

// reloader keeps a member at what its configuration says. One goroutine uses
// it.
type reloader struct {
	load    func() (config.Config, sources, error)
	read    func(path string) ([]byte, error)
	member  *member
	level   *zap.AtomicLevel // nil: a flag has set it for good
	log     *zap.Logger
	metrics reloadMetrics

	running config.Config // what the member does, which may be behind its file
	seen    sources       // what running, or the last faulty file, was made of
}

// reloadMetrics tell whether members run what their files say.
type reloadMetrics struct {
	reloads *prometheus.CounterVec
	waiting prometheus.Gauge
}

// The results of a reload.
const (
	resultApplied = "applied"
	resultFaulty  = "faulty"
)

func newReloadMetrics(r prometheus.Registerer) reloadMetrics {
	auto := promauto.With(r)
	m := reloadMetrics{
		reloads: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_config_reloads_total", Help: "Times that the configuration was read again, by result.",
		}, []string{"result"}),
		waiting: auto.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_config_waiting_keys", Help: "Keys of the configuration that were changed and need a restart to apply.",
		}),
	}
	m.reloads.WithLabelValues(resultApplied)
	m.reloads.WithLabelValues(resultFaulty)
	return m
}

// watch reloads at each signal, and when a file has changed, until ctx ends.
func (r *reloader) watch(ctx context.Context, hangups <-chan os.Signal) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := r.seen
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			r.reload()
		case <-tick.C:
			now := r.seen.now(r.read)
			if !now.equal(r.seen) && now.equal(last) {
				r.reload()
			}
			last = now
		}
	}
}

// reload reads the configuration again and applies what can change live. When
// anything is wrong with it nothing changes.
func (r *reloader) reload() {
	before := r.seen.now(r.read)
	next, made, err := r.load()
	r.seen = made
	if err != nil {
		// The files that the running configuration names still count: mending one
		// of them may mend this.
		maps.Copy(before, made)
		r.seen = before
		r.metrics.reloads.WithLabelValues(resultFaulty).Inc()
		for _, fault := range faultsOf(err) {
			r.log.Error("the configuration is faulty and not reloaded; nothing has changed", zap.String("fault", fault))
		}
		return
	}
	running, changes := r.running.Reload(next)
	if err := r.member.reload(r.running, running); err != nil {
		r.metrics.reloads.WithLabelValues(resultFaulty).Inc()
		r.log.Error("the configuration is not reloaded; nothing has changed", zap.Error(err))
		return
	}
	r.running = running
	r.setLevel(running.LogLevel)
	r.metrics.reloads.WithLabelValues(resultApplied).Inc()
	r.tell(changes)
}

func (r *reloader) setLevel(text string) {
	if r.level == nil {
		return
	}
	if level, err := zapcore.ParseLevel(text); err == nil { // it was judged with the file
		r.level.SetLevel(level)
	}
}

// tell logs each change, and never a value: it may be a secret.
func (r *reloader) tell(changes []config.Change) {
	waiting := 0
	for _, c := range changes {
		switch {
		case !c.Live:
			waiting++
			r.log.Warn("changed in the configuration, but this member goes on as before: restart to apply", zap.String("key", c.Path))
		case c.Path == "log_level" && r.level == nil:
			r.log.Info("changed in the configuration, but --log-level wins", zap.String("key", c.Path))
		default:
			r.log.Info("changed in the configuration and applied", zap.String("key", c.Path))
		}
	}
	r.metrics.waiting.Set(float64(waiting))
	r.log.Info("configuration reloaded", zap.Int("applied", len(changes)-waiting), zap.Int("waiting_for_restart", waiting))
}

func faultsOf(err error) []string {
	faults, ok := errors.AsType[*config.Error](err)
	if !ok {
		return []string{err.Error()}
	}
	all := make([]string, len(faults.List))
	for i, f := range faults.List {
		all[i] = (&config.Error{File: faults.File, List: []config.Fault{f}}).Error()
	}
	return all
}

// reload gives the gateway and the pipeline what differs between two
// configurations of the same workspaces, and asks refused workspaces again in
// any case. What one of them does not take, neither does.
func (m *member) reload(running, next config.Config) error {
	reopened := m.door != nil && !running.SameGateway(next)
	if reopened {
		if err := m.door.gateway.Reload(*next.Gateway); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	if m.pipeline == nil {
		return nil
	}
	err := m.reloadWorkspaces(running, next)
	if err != nil && reopened {
		err = errors.Join(err, m.door.gateway.Reload(*running.Gateway))
	}
	return err
}

func (m *member) reloadWorkspaces(running, next config.Config) (err error) {
	var changed []pipeline.Workspace
	defer func() {
		if err == nil {
			return
		}
		for _, w := range changed {
			if w.Sink != nil {
				w.Sink.Close()
			}
		}
	}()
	for _, w := range next.Workspaces {
		was, ok := running.Workspace(w.Name)
		if !ok || was.Same(w) {
			continue
		}
		var s sink.Sink
		if !was.SameSink(w) {
			if s, err = newSink(w, m.log); err != nil {
				return fmt.Errorf("workspace %s: %w", w.Name, err)
			}
		}
		changed = append(changed, pipelineWorkspace(w, s))
	}
	return m.pipeline.Reload(changed)
}
