package pipeline

import (
	"sync"
	"sync/atomic"
	"time"
)

// hold is why a workspace sends nothing for now, beside its breaker: the
// destination asked for a pause, or refuses us altogether. It is safe for
// concurrent use.
type hold struct {
	changed chan struct{} // capacity 1: what admit waits for may have changed
	version atomic.Uint64 // counts what made it stricter; written under mu

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

// admit tells whether an attempt may be sent now, under which version of the
// hold, and whether it is a probe of a refusal; if not, when to ask again (zero:
// when changed says so).
func (h *hold) admit() (p permit, again time.Time, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.version = h.version.Load()
	if h.until.IsZero() && !h.refused { // the usual case asks no clock
		return p, time.Time{}, true
	}
	switch now := time.Now(); {
	case now.Before(h.until):
		return p, h.until, false
	case h.refused && h.probing:
		return p, time.Time{}, false
	case h.refused:
		h.probing, p.probe = true, true
		return p, time.Time{}, true
	}
	h.until = time.Time{}
	return p, time.Time{}, true
}

// allows tells whether nothing has become stricter since a permit was given:
// whoever waited for the budget with it may have to ask again.
func (h *hold) allows(p permit) bool { return p.version == h.version.Load() }

// giveBack frees the place of a probe that said nothing about a refusal.
func (h *hold) giveBack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.probing = false
	h.notify()
}

// throttle pauses the workspace until then, and reports whether it was not
// paused already.
func (h *hold) throttle(now, until time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := !now.Before(h.until)
	if until.After(h.until) {
		h.until = until
		h.version.Add(1)
	}
	return news
}

// refuse notes a refusal and reports whether it is news.
func (h *hold) refuse(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := !h.refused
	h.refused, h.probing = true, false
	h.until = now.Add(refusedProbe)
	if news {
		h.version.Add(1)
	}
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
	if open && !h.breaker {
		h.version.Add(1)
	}
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
