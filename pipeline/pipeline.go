// Package pipeline joins the parts: it takes events from the lanes of
// partition, gives them to a workspace's sink as the budget grants it, and turns
// what an attempt came to into what becomes of each event.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/guard"
	"sluice/pipeline/rules"
	"sluice/sink"
	"sluice/sink/budget"
)

// What makes the topics of a stream's other tiers of its live one, and that of
// its dead letters.
const (
	HeldSuffix   = ".held"
	ReplaySuffix = ".replay"
	DeadSuffix   = ".dead"
)

// Workspace is one destination account.
type Workspace struct {
	Name       string
	Region     string
	Sink       sink.Sink
	Budget     budget.Config
	BatchItems int // events of one attempt; the sink may allow fewer

	// InFlight is how many attempts may be in flight to begin with, in one
	// member, and MaxInFlight how many at most: in between, what comes of
	// attempts decides. 0 is InFlight: then there may be fewer, and never more.
	InFlight    int
	MaxInFlight int

	Breaker sink.BreakerConfig
	Retry   sink.RetryConfig

	// Dedup says which repeats are dropped instead of sent; the zero value none.
	Dedup guard.Rules

	// Tries says how often an event is tried that keeps failing by itself.
	Tries Tries

	// Rules put events into classes and say when they may be sent; nil: there are
	// none.
	Rules *rules.Set

	// GiveUpAfter is how long after its first failure an event is tried that
	// fails by itself, while others get through; then it is a dead letter. 0 is
	// for ever.
	GiveUpAfter time.Duration
}

// faults returns what is wrong, each fault with its path.
func (w Workspace) faults(at string) []error {
	var faults []error
	if w.Name == "" || w.Sink == nil {
		faults = append(faults, fmt.Errorf("%s: must have a name and a sink", at))
	}
	if w.InFlight < 1 {
		faults = append(faults, fmt.Errorf("%s.in_flight: must be above 0, have %d", at, w.InFlight))
	}
	if w.MaxInFlight != 0 && w.MaxInFlight < w.InFlight {
		faults = append(faults, fmt.Errorf("%s.max_in_flight: must be at least in_flight (%d), have %d", at, w.InFlight, w.MaxInFlight))
	}
	if w.BatchItems < 1 {
		faults = append(faults, fmt.Errorf("%s.max_batch_items: must be above 0, have %d", at, w.BatchItems))
	}
	if err := w.Tries.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", at, err))
	}
	if err := w.Dedup.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", at, err))
	}
	return faults
}

// Config is what a Pipeline is made of.
type Config struct {
	Kafka      partition.Config
	Workspaces []Workspace
	Streams    []partition.Stream
	Drain      time.Duration // bound on the wait for attempts in flight at the end

	// Cancelled tells whether a replay was cancelled: what is left of it is
	// dropped. It is asked for every event on a replay tier, and must be cheap;
	// nil for never.
	Cancelled func(replay string) bool
	// Recalled tells whether a deferred event of a stream, by the name of its class,
	// is not wanted any more: it is dropped. It is asked under a lock for every event
	// that is deferred, when it is read, wakes and is due, and must be cheap; nil for
	// never.
	Recalled func(stream, class string, e *event.Event) bool
}

// DefaultInFlight, DefaultMaxInFlight and DefaultBatchItems are a workspace's
// defaults; DefaultDrain is a pipeline's.
const (
	DefaultInFlight    = 15
	DefaultMaxInFlight = 256
	DefaultBatchItems  = 100
	DefaultDrain       = 30 * time.Second
)

// mostInFlight is MaxInFlight, or what stands for it.
func (w Workspace) mostInFlight() int { return max(w.InFlight, w.MaxInFlight) }

// load is what the balancer must know of the workspace.
func (w Workspace) load() partition.Load {
	return partition.Load{Workspace: w.Name, Region: w.Region, Rate: float64(w.Budget.Requests)}
}

// Validate returns every fault, joined.
func (c Config) Validate() error {
	var faults []error
	known := map[string]bool{}
	for i, w := range c.Workspaces {
		at := fmt.Sprintf("workspaces[%d]", i)
		faults = append(faults, w.faults(at)...)
		if known[w.Name] {
			faults = append(faults, fmt.Errorf("%s: the name %q is taken", at, w.Name))
		}
		known[w.Name] = true
	}
	if len(c.Streams) == 0 {
		faults = append(faults, errors.New("streams: must have at least one"))
	}
	for i, s := range c.Streams {
		for j, r := range s.Routes {
			if !known[r.Workspace] {
				faults = append(faults, fmt.Errorf("streams[%d].routes[%d]: workspace %q is not defined", i, j, r.Workspace))
			}
		}
	}
	if c.Drain <= 0 {
		faults = append(faults, fmt.Errorf("drain: must be above 0, have %v", c.Drain))
	}
	return errors.Join(append(faults, c.Kafka.Validate())...)
}

// Pipeline is one member: it delivers the shards that its group gives it.
type Pipeline struct {
	cfg        Config
	log        *zap.Logger
	consumer   *partition.Consumer
	appender   *partition.Appender
	workspaces map[string]*workspace
	order      []*workspace     // as configured
	places     map[string]place // by topic
	reloading  sync.Mutex       // one Reload at a time
}

// New checks its arguments and starts nothing. The sinks are closed by Run.
func New(cfg Config, log *zap.Logger, metrics prometheus.Registerer) (*Pipeline, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Pipeline{cfg: cfg, log: log.Named("pipeline"), workspaces: map[string]*workspace{}, places: placesOf(cfg.Streams)}
	loads := make([]partition.Load, len(cfg.Workspaces))
	for i, w := range cfg.Workspaces {
		loads[i] = w.load()
	}
	consumer, err := partition.NewConsumer(cfg.Kafka, partition.Options{
		Streams: cfg.Streams, Prepare: p.prepare, Workspaces: loads, Granted: p.granted, Recall: p.recall, Log: log, Metrics: metrics,
	})
	if err != nil {
		return nil, err
	}
	p.consumer = consumer
	if p.appender, err = partition.NewAppender(cfg.Kafka, log); err != nil {
		return nil, err
	}
	m := newMetrics(metrics)
	for _, w := range cfg.Workspaces {
		ws := newWorkspace(w, workspaceParts{lanes: p.consumer.Lanes(), appender: p.appender, log: p.log, metrics: m, lease: cfg.Kafka.Lease, places: p.places})
		p.workspaces[w.Name] = ws
		p.order = append(p.order, ws)
	}
	return p, nil
}

// prepare fits an event to its workspace's destination.
func (p *Pipeline) prepare(workspace string, e *event.Event) {
	if p.cancelled(e) {
		e.Fault = &event.Fault{Reason: reasonCancelled}
		return
	}
	w := p.workspaces[workspace]
	s := w.now.Load()
	s.door.Prepare(e)
	if s.rules.Concerns(e) {
		w.rule(s, e, p.places[e.Source.Topic], time.Now())
	}
	if e.Tries > 0 && e.Due.IsZero() {
		e.NotBefore = time.Now().Add(s.tries.Retry.Delay(0, rand.Float64()))
	}
}

// granted hands a share on to its pacer, and tells the guard that shards moved.
// It is called under a lock of partition, so it waits for nothing.
func (p *Pipeline) granted(g partition.Grant) {
	if w := p.workspaces[g.Workspace]; w != nil {
		w.pacer.SetShare(g.Owned, g.Total)
		w.guard.Reassigned(g.Owned == g.Total || !p.shared(g.Workspace))
	}
}

// Run delivers until ctx ends, then stops taking, lets attempts in flight end
// for at most the drain time, commits and leaves the group. When it returns
// every goroutine that it started has ended.
func (p *Pipeline) Run(ctx context.Context) error {
	delivery, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	intake, stop := context.WithCancel(ctx)
	defer stop()
	var dispatchers sync.WaitGroup
	for _, w := range p.order {
		dispatchers.Go(func() { w.dispatch(intake, delivery) })
	}
	dispatchers.Go(func() { p.report(intake) })

	err := p.consumer.Run(ctx, p.cfg.Drain) // ends when drained
	stop()
	abandon()
	dispatchers.Wait()
	p.appender.Close()
	for _, w := range p.order {
		w.attempts.Wait()
		w.close()
	}
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	p.log.Info("stopped", zap.Object("balance", balanceOf(p.consumer.Lanes().Tallies())))
	return nil
}

// Balance sums what became of the events read, over every shard this process held.
func (p *Pipeline) Balance() Balance { return balanceOf(p.consumer.Lanes().Tallies()) }

// Consumer is the group member, for status and for operators' actions.
func (p *Pipeline) Consumer() *partition.Consumer { return p.consumer }
