package pipeline

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/budget"
)

// lanes is what a workspace needs of partition.Lanes.
type lanes interface {
	Ready(workspace string) <-chan struct{}
	Take(workspace string, limit partition.Limit) partition.Batch
	Finish(picks []partition.Pick, o partition.Outcome)
	Recycle(workspace string, b partition.Batch)
	Block(workspace string, blocked bool)
	InHand(workspace string) (records, flying int)
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
	hold     *hold
	slots    *slots
	attempts sync.WaitGroup
	mu       sync.Mutex // one change of settings, or of the breaker in use, at a time
	closed   bool       // guarded by mu

	// delivered counts attempts that delivered something: a failure counts
	// against a record only when others got through meanwhile.
	delivered atomic.Uint64
	counts    counts
}

// counts are for the queue report.
type counts struct{ completed, failed atomic.Int64 }

func newWorkspace(cfg Workspace, l lanes, a appender, log *zap.Logger, m *metrics) *workspace {
	w := &workspace{
		Name: cfg.Name, GiveUpAfter: cfg.GiveUpAfter, lanes: l, appender: a, log: log.With(zap.String("workspace", cfg.Name)),
		metrics: m.workspace(cfg.Name, event.Ops()), hold: newHold(), slots: newSlots(cfg.InFlight),
	}
	s := w.settings(cfg, nil)
	w.now.Store(s)
	w.pacer = budget.NewPacer(cfg.Budget, s.limits.Items)
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
	w.hold.setBreaker(to != sink.Closed)
	w.block()
}

// block tells the gate whether anything more should be fetched.
func (w *workspace) block() { w.lanes.Block(w.Name, w.hold.blocked()) }

// hold is why a workspace sends nothing for now, beside its breaker: the
// destination asked for a pause, or refuses us altogether. It is safe for
// concurrent use.
type hold struct {
	changed chan struct{} // capacity 1: what admit waits for may have changed

	mu      sync.Mutex
	until   time.Time // nothing is sent before
	refused bool      // one probe at a time, each after until
	probing bool      // a probe of a refusal is out
	breaker bool      // the breaker is not closed
}

// refusedProbe is how often a workspace that refuses us is asked again.
const refusedProbe = 30 * time.Second

func newHold() *hold { return &hold{changed: make(chan struct{}, 1)} }

func (h *hold) notify() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// admit tells whether an attempt may be sent now, and whether it is a probe of
// a refusal; if not, when to ask again (zero: when changed says so).
func (h *hold) admit() (ok, probe bool, again time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until.IsZero() && !h.refused { // the usual case asks no clock
		return true, false, time.Time{}
	}
	switch now := time.Now(); {
	case now.Before(h.until):
		return false, false, h.until
	case h.refused && h.probing:
		return false, false, time.Time{}
	case h.refused:
		h.probing = true
		return true, true, time.Time{}
	}
	h.until = time.Time{}
	return true, false, time.Time{}
}

// giveBack frees the place of a probe that said nothing about a refusal.
func (h *hold) giveBack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.probing = false
	h.notify()
}

// throttle pauses the workspace until then.
func (h *hold) throttle(until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until.After(h.until) {
		h.until = until
	}
}

// refuse notes a refusal and reports whether it is news.
func (h *hold) refuse(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := !h.refused
	h.refused, h.probing = true, false
	h.until = now.Add(refusedProbe)
	h.notify()
	return news
}

// probeNow lets a refused workspace be asked again at once.
func (h *hold) probeNow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused {
		h.until = time.Time{}
	}
	h.notify()
}

// accept notes that the destination knows us, and reports whether that is news.
func (h *hold) accept() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := h.refused
	if h.refused {
		h.refused, h.probing, h.until = false, false, time.Time{}
		h.notify()
	}
	return news
}

func (h *hold) setBreaker(open bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.breaker = open
	h.notify()
}

func (h *hold) blocked() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused || h.breaker
}

// isRefused tells whether the destination refuses this workspace.
func (h *hold) isRefused() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}
