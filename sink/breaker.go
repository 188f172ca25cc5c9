package sink

import (
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Health is what /health shows of a breaker.
type Health struct {
	State       State
	Failures    int       // consecutive ones, failed probes included; 0 again once closed
	LastFailure time.Time // zero when there was none
}

// Breaker keeps attempts away from a destination that is down, and lets one
// probe at a time find out whether it is back. It is safe for concurrent use.
type Breaker struct {
	cfg      BreakerConfig
	onChange func(from, to State)

	mu        sync.Mutex // guards all below; gobreaker is called only under it
	machine   *gobreaker.TwoStepCircuitBreaker[struct{}]
	health    Health
	probeAt   time.Time // of the open state: when the first probe may go
	probe     *ticket   // the one that is out
	passes    uint64    // given so far
	lostMark  uint64    // passes given when a Lost last counted
	epoch     uint64    // changes of state; an outcome of an older one counts nothing
	changes   []change  // not yet told
	notifying bool      // a goroutine is telling them, in order
}

type change struct{ from, to State }

// ticket is the shared part of a Pass. Breaker.mu guards it.
type ticket struct {
	number  uint64
	epoch   uint64
	isProbe bool
	until   time.Time // of a probe: when its place is free again
	report  func(error)
}

// Pass is permission for one attempt. Its zero value reports to nobody.
type Pass struct {
	breaker *Breaker
	ticket  *ticket
}

// errFailure and errNeutral are how an outcome is told to gobreaker.
var (
	errFailure = errors.New("failure")
	errNeutral = errors.New("neutral")
)

// NewBreaker returns a closed breaker. A field of cfg that is not above 0 has
// its default. OnChange, when not nil, is told every change of state, in order
// and one at a time, with no lock held: it may call the breaker.
func NewBreaker(cfg BreakerConfig, onChange func(from, to State)) *Breaker {
	def := DefaultBreakerConfig()
	if cfg.Failures <= 0 {
		cfg.Failures = def.Failures
	}
	if cfg.Successes <= 0 {
		cfg.Successes = def.Successes
	}
	if cfg.ProbeAfter <= 0 {
		cfg.ProbeAfter = def.ProbeAfter
	}
	if cfg.ProbeTimeout <= 0 {
		cfg.ProbeTimeout = def.ProbeTimeout
	}
	b := &Breaker{cfg: cfg, onChange: onChange}
	b.machine = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   uint32(min(cfg.Successes, 1<<20)), //nolint:gosec // bounded on both sides
		Timeout:       cfg.ProbeAfter,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return int64(c.ConsecutiveFailures) >= int64(cfg.Failures) },
		IsExcluded:    func(err error) bool { return errors.Is(err, errNeutral) },
		OnStateChange: func(_ string, _, to gobreaker.State) { b.changed(to) },
	})
	return b
}

// Allow asks for one attempt. It is refused while the breaker is open, and
// while another probe is out. A pass must be Done; a probe's that never is
// gives its place up after ProbeTimeout.
func (b *Breaker) Allow() (Pass, bool) {
	b.mu.Lock()
	defer b.unlock()
	now := time.Now()
	if b.probe != nil {
		if now.Before(b.probe.until) {
			return Pass{}, false
		}
		b.settle(b.probe, Neutral, now)
	}
	report, err := b.machine.Allow()
	if err != nil {
		return Pass{}, false
	}
	b.passes++
	t := &ticket{number: b.passes, epoch: b.epoch, report: report, isProbe: b.health.State == HalfOpen}
	if t.isProbe {
		t.until = now.Add(b.cfg.ProbeTimeout)
		b.probe = t
	}
	return Pass{b, t}, true
}

// Probe reports whether this attempt finds out if the destination is back: it
// should carry one event.
func (p Pass) Probe() bool { return p.ticket != nil && p.ticket.isProbe }

// Done tells what came of the attempt. Only the first call counts.
func (p Pass) Done(o Outcome) {
	if p.breaker == nil {
		return
	}
	p.breaker.mu.Lock()
	defer p.breaker.unlock()
	p.breaker.settle(p.ticket, o, time.Now())
}

// settle reports an outcome once. Callers hold b.mu.
func (b *Breaker) settle(t *ticket, o Outcome, now time.Time) {
	if t.report == nil {
		return
	}
	report := t.report
	t.report = nil
	if b.probe == t {
		b.probe = nil
	}
	if t.epoch != b.epoch {
		return // gobreaker would ignore it too
	}
	// A probe is alone, so its loss is never one that was counted before.
	if o == Lost && !t.isProbe && t.number <= b.lostMark {
		o = Neutral
	}
	switch o {
	case Success:
		if b.health.State == Closed {
			b.health.Failures = 0
		}
		report(nil)
	case Lost, Failure:
		if o == Lost {
			b.lostMark = b.passes
		}
		b.health.Failures++
		b.health.LastFailure = now
		report(errFailure)
	case Neutral:
		report(errNeutral)
	}
}

// NextProbe returns when Allow is worth asking again: zero while the breaker
// is closed, a time in the past while a probe may go at once, and the latest
// time at which its place frees while one is out.
func (b *Breaker) NextProbe() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.health.State == Closed:
		return time.Time{}
	case b.probe != nil:
		return b.probe.until
	}
	return b.probeAt
}

// Health returns the state as of the last attempt; it changes nothing.
func (b *Breaker) Health() Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.health
}

// changed runs under b.mu and gobreaker's own mutex, so it only takes notes.
func (b *Breaker) changed(to gobreaker.State) {
	from := b.health.State
	b.epoch++
	switch to {
	case gobreaker.StateClosed:
		b.health.State = Closed
		b.health.Failures = 0
	case gobreaker.StateOpen:
		b.health.State = Open
		// gobreaker lets a probe go only after the time, not at it.
		b.probeAt = time.Now().Add(b.cfg.ProbeAfter + time.Nanosecond)
	case gobreaker.StateHalfOpen:
		b.health.State = HalfOpen
	}
	if b.onChange != nil {
		b.changes = append(b.changes, change{from, b.health.State})
	}
}

// unlock releases b.mu and tells what changed. While one goroutine tells, others
// leave their changes to it, so that the order holds and onChange may call back.
func (b *Breaker) unlock() {
	if b.notifying {
		b.mu.Unlock()
		return
	}
	b.notifying = true
	for len(b.changes) > 0 {
		next := b.changes[0]
		b.changes = b.changes[1:]
		b.mu.Unlock()
		b.onChange(next.from, next.to)
		b.mu.Lock()
	}
	b.notifying = false
	b.mu.Unlock()
}
