package budget

import (
	"context"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// headroom keeps any one-second window of sends within the rate: a pacer that
// lets one request through at a time sends at most 1 + headroom·R in a second.
const headroom = 0.985

// Pacer spaces a workspace's attempts evenly and bounds the events in them. It
// serves one dispatcher; it is not meant for several waiters at once.
type Pacer struct {
	requests *rate.Limiter
	events   *rate.Limiter
}

// NewPacer makes a pacer for attempts of at most batch events. A window of one
// second holds at most Requests attempts and Events + batch events.
func NewPacer(cfg Config, batch int) *Pacer {
	burst := max(1, min(batch, int(cfg.Events/10)))
	return &Pacer{requests: limiter(cfg.Requests*headroom, 1), events: limiter(cfg.Events, burst)}
}

func limiter(r Rate, burst int) *rate.Limiter {
	if r <= 0 {
		return rate.NewLimiter(rate.Inf, burst)
	}
	return rate.NewLimiter(rate.Limit(r), burst)
}

// Wait blocks until an attempt may be sent, and returns how many events it may
// hold. Nothing is charged yet. It fails only when ctx ends.
func (p *Pacer) Wait(ctx context.Context) (int, error) {
	if p.unlimited() {
		return math.MaxInt, nil
	}
	for {
		now := time.Now()
		wait := max(untilOne(p.requests, now), untilOne(p.events, now))
		if wait <= 0 {
			return allowed(p.events, now), nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return 0, ctx.Err()
		case <-timer.C:
		}
	}
}

// Charge takes one attempt of so many events off the budget, whatever becomes
// of it. What exceeds the budget is owed: later attempts wait for it.
func (p *Pacer) Charge(events int) {
	if p.unlimited() {
		return
	}
	now := time.Now()
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

func (p *Pacer) unlimited() bool {
	return p.requests.Limit() == rate.Inf && p.events.Limit() == rate.Inf
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
