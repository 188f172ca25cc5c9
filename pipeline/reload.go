package pipeline

import (
	"errors"
	"fmt"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/rules"
	"sluice/sink"
)

// settings are what a reload may change of a workspace. They are replaced as a
// whole, never changed.
type settings struct {
	door    *door
	limits  sink.Limits
	breaker *sink.Breaker
	trips   sink.BreakerConfig // of breaker
	retry   sink.RetryConfig
	tries   Tries
	load    partition.Load
	called  bool // some operations have a budget of their own
	rules   *rules.Set
	classes []string       // names, by number; none where there are no rules
	tallies []classMetrics // of classes
}

// Reload applies new settings to running workspaces: budget, attempts in
// flight, batch size, breaker, retries, guards, rules and, when one is given, the sink, which
// takes the next attempts; those in flight end on the old one, which is closed
// then. A lower budget counts at once, a higher one a lease later: by then no
// other member sends by the old one that has not read the new. A workspace without a Sink keeps its own, one that is not named keeps
// everything. Each workspace that is refused is asked again at once.
//
// All of it is applied or, when the error is not nil, none; then the new sinks
// are still the caller's. Name, Region and GiveUpAfter do not change. It is safe
// for concurrent use, also while Run ends.
func (p *Pipeline) Reload(workspaces []Workspace) error {
	var faults []error
	for i, next := range workspaces {
		at := fmt.Sprintf("workspaces[%d]", i)
		w, ok := p.workspaces[next.Name]
		if !ok {
			faults = append(faults, fmt.Errorf("%s: workspace %q does not run here; restart to add it", at, next.Name))
			continue
		}
		if next.Sink == nil {
			next.Sink = w.now.Load().door
		}
		faults = append(faults, next.faults(at)...)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	p.reloading.Lock()
	defer p.reloading.Unlock()
	for _, next := range workspaces {
		p.workspaces[next.Name].reload(next)
	}
	p.consumer.SetLoads(p.loads())
	for _, w := range p.order {
		w.hold.probeNow()
	}
	return nil
}

// loads is what the balancer must know of the workspaces as they are now.
func (p *Pipeline) loads() []partition.Load {
	all := make([]partition.Load, len(p.order))
	for i, w := range p.order {
		all[i] = w.now.Load().load
	}
	return all
}

// reload replaces the workspace's settings.
func (w *workspace) reload(next Workspace) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		if next.Sink != nil {
			next.Sink.Close()
		}
		return
	}
	old := w.now.Load()
	s := w.settings(next, old)
	w.lanes.Classes(w.Name, classesOf(next.Rules)) // before anything is judged by the new rules
	w.now.Store(s)
	w.metrics.forget(old.classes, s.classes)
	w.slots.set(next.InFlight, next.mostInFlight())
	w.pacer.Set(next.budget(), s.limits.Items, w.lease)
	w.guard.Set(next.Dedup)
	if s.breaker != old.breaker {
		w.metrics.breaker(sink.Closed)
		w.probes.forget()
		w.hold.setBreaker(false)
		w.block()
	}
	if s.door != old.door {
		w.guard.Forget() // what the old one has says nothing about the new one
		old.door.leave()
	}
	w.log.Info("settings reloaded", zap.Bool("new_sink", s.door != old.door), zap.Bool("new_breaker", s.breaker != old.breaker))
}

// settings are cfg's, with what need not be made anew of old. A breaker that
// judged another sink, or by other rules, begins anew.
func (w *workspace) settings(cfg Workspace, old *settings) *settings {
	s := &settings{retry: cfg.Retry, tries: cfg.Tries, trips: cfg.Breaker, load: cfg.load(), called: len(cfg.Budget.Calls) > 0, rules: cfg.Rules}
	if s.rules == nil {
		s.rules = rules.None()
	} else {
		for _, c := range s.rules.Classes() {
			s.classes = append(s.classes, c.Name)
		}
		s.tallies = w.metrics.classes(s.classes)
	}
	if cfg.Sink != nil {
		s.door = newDoor(cfg.Sink)
	} else {
		s.door = old.door
	}
	if old != nil && s.door == old.door && s.trips == old.trips {
		s.breaker = old.breaker
	} else {
		s.breaker = w.newBreaker(cfg.Breaker)
	}
	s.limits = s.door.Limits()
	s.limits.Items = min(s.limits.Items, cfg.BatchItems)
	return s
}

// newBreaker returns a breaker that is heard only while it is in use.
func (w *workspace) newBreaker(cfg sink.BreakerConfig) *sink.Breaker {
	var b *sink.Breaker
	b = sink.NewBreaker(cfg, func(from, to sink.State) { w.breakerChanged(b, from, to) })
	return b
}

// uses tells whether attempts go through d now.
func (w *workspace) uses(d *door) bool { return w.now.Load().door == d }

// enter begins an attempt through the sink that is in use now. None begins
// once the workspace is closed.
func (w *workspace) enter() *door {
	for {
		// One that was replaced meanwhile may be closed already: then there is
		// another.
		if d := w.now.Load().door; d.enter() {
			return d
		}
	}
}

// close lets the sink go. Attempts must have ended.
func (w *workspace) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		w.now.Load().door.leave()
	}
}
