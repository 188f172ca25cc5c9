package budget

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// headroom keeps any one-second window of sends within the rate: a pacer that
// lets one request through at a time sends at most 1 + headroom·R in a second.
const headroom = 0.985

// Pacer spaces a workspace's attempts evenly and bounds the events in them. It
// is safe for concurrent use.
type Pacer struct {
	unlimited atomic.Bool

	mu       sync.Mutex // one grant at a time: what is seen is what is charged
	requests *rate.Limiter
	events   *rate.Limiter
	changed  chan struct{} // closed, and made anew, by Set; guarded by mu
}

// NewPacer makes a pacer for attempts of at most batch events. A window of one
// second holds at most Requests attempts and Events + batch events.
func NewPacer(cfg Config, batch int) *Pacer {
	p := &Pacer{
		requests: limiter(cfg.Requests*headroom, 1), events: limiter(cfg.Events, burst(cfg, batch)),
		changed: make(chan struct{}),
	}
	p.unlimited.Store(cfg.Requests <= 0 && cfg.Events <= 0)
	return p
}

// Set changes the budget at once, for those who wait already too. What was
// charged stays charged.
func (p *Pacer) Set(cfg Config, batch int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.requests = adjust(p.requests, limit(cfg.Requests*headroom), 1, now)
	p.events = adjust(p.events, limit(cfg.Events), burst(cfg, batch), now)
	p.unlimited.Store(cfg.Requests <= 0 && cfg.Events <= 0)
	close(p.changed)
	p.changed = make(chan struct{})
}

func burst(cfg Config, batch int) int { return max(1, min(batch, int(cfg.Events/10))) }

func limiter(r Rate, burst int) *rate.Limiter { return rate.NewLimiter(limit(r), burst) }

// adjust keeps what a limiter has charged, unless it charged nothing: an
// unlimited one has no count of tokens that could be carried over.
func adjust(l *rate.Limiter, to rate.Limit, burst int, now time.Time) *rate.Limiter {
	if l.Limit() == rate.Inf || to == rate.Inf {
		return rate.NewLimiter(to, burst)
	}
	l.SetLimitAt(now, to)
	l.SetBurstAt(now, burst)
	return l
}

func limit(r Rate) rate.Limit {
	if r <= 0 {
		return rate.Inf
	}
	return rate.Limit(r)
}

// Try makes an attempt if one may be sent now: fill is told how many events it
// may hold and returns how many it holds, which is charged; 0 charges nothing.
// When none may be sent, fill is not called and the wait for the next is
// returned.
func (p *Pacer) Try(fill func(room int) int) (wait time.Duration) {
	wait, _ = p.try(fill)
	return wait
}

// try is Try that also returns what is closed when the wait is of an old budget.
func (p *Pacer) try(fill func(room int) int) (wait time.Duration, changed <-chan struct{}) {
	if p.unlimited.Load() {
		fill(math.MaxInt)
		return 0, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if wait = max(untilOne(p.requests, now), untilOne(p.events, now)); wait > 0 {
		return wait, p.changed
	}
	if n := fill(allowed(p.events, now)); n > 0 {
		p.charge(n, time.Now()) // fill may have waited for a lock
	}
	return 0, nil
}

// Wait is Try that waits until an attempt may be sent. It fails only when ctx
// ends first.
func (p *Pacer) Wait(ctx context.Context, fill func(room int) int) error {
	for {
		wait, changed := p.try(fill)
		if wait == 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// charge takes one attempt of so many events off the budget. What exceeds it is
// owed: later attempts wait for it.
func (p *Pacer) charge(events int, now time.Time) {
	p.requests.ReserveN(now, 1)
	if p.events.Limit() == rate.Inf {
		return
	}
	for events > 0 {
		n := min(events, p.events.Burst())
		p.events.ReserveN(now, n)
		events -= n
	}
}

// untilOne is the time until a limiter has a whole token.
func untilOne(l *rate.Limiter, now time.Time) time.Duration {
	if l.Limit() == rate.Inf {
		return 0
	}
	missing := 1 - l.TokensAt(now)
	if missing <= 1e-9 {
		return 0
	}
	return time.Duration(math.Ceil(missing / float64(l.Limit()) * float64(time.Second)))
}

func allowed(l *rate.Limiter, now time.Time) int {
	if l.Limit() == rate.Inf {
		return math.MaxInt
	}
	return max(1, int(l.TokensAt(now)+1e-9))
}
