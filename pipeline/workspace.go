package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/guard"
	"sluice/sink"
	"sluice/sink/budget"
)

// lanes is what a workspace needs of partition.Lanes.
type lanes interface {
	Ready(workspace string) <-chan struct{}
	Take(workspace string, limit partition.Limit) partition.Batch
	Classes(workspace string, classes []partition.Class)
	Finish(picks []partition.Pick, o partition.Outcome)
	Recycle(workspace string, b partition.Batch)
	Block(workspace string, blocked, hungry bool)
	InHand(workspace string) (records, flying int)
	Leased() bool
	Tenure(workspace string) context.Context
}

// workspace is one destination account at work.
type workspace struct {
	Name        string
	GiveUpAfter time.Duration
	now         atomic.Pointer[settings] // stored under mu, read by anybody

	lanes    lanes
	appender appender
	log      *zap.Logger
	metrics  *workspaceMetrics
	pacer    *budget.Pacer
	lease    time.Duration // of Kafka's share; a higher rate counts after it
	hold     *hold
	probes   probes
	spells   spells
	slots    *slots
	packing  packing
	guard    *guard.Guard
	attempts sync.WaitGroup

	places map[string]place // by topic; never changed

	// sent is when an attempt was made last, and from silent until until none was,
	// the last time that this took long (unix ns).
	sent, silent, until atomic.Int64
	evener              evener

	passedOver chan struct{} // capacity 1: lanes may be waiting for their operation's budget

	mu     sync.Mutex // one change of settings, or of the breaker in use, at a time
	closed bool       // guarded by mu

	// delivered counts attempts that delivered something: a failure counts
	// against a record only when others got through meanwhile.
	delivered atomic.Uint64
	flying    atomic.Int64 // attempts in flight
	counts    counts
}

// counts are for the queue report.
type counts struct{ completed, failed atomic.Int64 }

// workspaceParts is what a workspace works with.
type workspaceParts struct {
	lanes    lanes
	appender appender
	log      *zap.Logger
	metrics  *metrics
	lease    time.Duration // for how long somebody else may still send by an old budget
	places   map[string]place
}

func newWorkspace(cfg Workspace, p workspaceParts) *workspace {
	w := &workspace{
		Name: cfg.Name, GiveUpAfter: cfg.GiveUpAfter, places: p.places, lanes: p.lanes, appender: p.appender, lease: p.lease,
		log:     p.log.With(zap.String("workspace", cfg.Name)),
		metrics: p.metrics.workspace(cfg.Name, event.Ops()),
		hold:    newHold(), slots: newSlots(cfg.InFlight, cfg.mostInFlight()), guard: guard.New(cfg.Dedup), passedOver: make(chan struct{}, 1),
	}
	w.sent.Store(time.Now().UnixNano())
	s := w.settings(cfg, nil)
	w.now.Store(s)
	w.lanes.Classes(w.Name, classesOf(cfg.Rules))
	w.pacer = budget.NewPacer(cfg.budget(), budget.Options{Batch: s.limits.Items})
	w.appender = newTiers(w, p.appender)
	p.metrics.watch(w)
	return w
}

// breakerChanged is called in order, outside the breaker's lock.
func (w *workspace) breakerChanged(b *sink.Breaker, from, to sink.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now.Load().breaker != b { // attempts of before a reload still end
		return
	}
	w.log.Warn("breaker", zap.Stringer("from", from), zap.Stringer("to", to))
	w.metrics.breaker(to)
	if to == sink.Closed {
		w.probes.forget()
	}
	w.hold.setBreaker(to != sink.Closed)
	w.block()
}

// block tells the gate whether anything more should be fetched: not while the
// workspace takes nothing, unless new events are needed to find out whether it
// does.
func (w *workspace) block() { w.lanes.Block(w.Name, w.hold.blocked(), w.probes.starving()) }
