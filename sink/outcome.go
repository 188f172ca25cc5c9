package sink

import (
	"errors"
	"fmt"
	"time"
)

// State is what a breaker lets through.
type State uint8

const (
	// Closed lets every attempt pass.
	Closed State = iota
	// Open lets none pass until ProbeAfter is over.
	Open
	// HalfOpen lets one probe pass at a time.
	HalfOpen
)

// String returns the word that /health and the metrics show.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	}
	return "unknown"
}

// Outcome is what an attempt tells the breaker.
type Outcome uint8

const (
	// Neutral is throttled, refused or interrupted. It counts nothing and gives a
	// probe's place back.
	Neutral Outcome = iota
	// Success says that the destination worked, whatever it thought of the event.
	Success
	// Failure says that it did not.
	Failure
	// Lost says that a connection was cut or could not be made. Of several attempts that
	// were under way when one was lost only the first counts, so that one lost
	// connection counts once.
	Lost
)

// OutcomeOf tells what a result means to a breaker.
func OutcomeOf(r Result) Outcome {
	switch r.Verdict {
	case Delivered:
		return Success
	case Rejected:
		if r.Status == 0 { // an address that was not even asked
			return Neutral
		}
		return Success
	case Unavailable:
		if r.Lost {
			return Lost
		}
		return Failure
	case Throttled, Refused, Interrupted:
		return Neutral
	}
	return Neutral
}

// BreakerConfig says when a destination counts as down.
type BreakerConfig struct {
	Failures     int           // consecutive ones that open the breaker
	Successes    int           // consecutive probes that close it
	ProbeAfter   time.Duration // how long it stays open before the first probe
	ProbeTimeout time.Duration // after which a probe that told nothing gives its place to the next
}

// DefaultBreakerConfig is the only place of defaults for breakers.
func DefaultBreakerConfig() BreakerConfig {
	return BreakerConfig{Failures: 5, Successes: 3, ProbeAfter: 30 * time.Second, ProbeTimeout: 30 * time.Second}
}

// Validate returns every fault, joined, each with its path.
func (c BreakerConfig) Validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	const most = 1 << 20
	must(c.Failures > 0 && c.Failures < most, "breaker.failures: must be 1 to %d, have %d", most, c.Failures)
	must(c.Successes > 0 && c.Successes < most, "breaker.successes: must be 1 to %d, have %d", most, c.Successes)
	must(c.ProbeAfter > 0, "breaker.probe_after: must be above 0, have %v", c.ProbeAfter)
	must(c.ProbeTimeout >= 0, "breaker.probe_timeout: must not be negative, have %v", c.ProbeTimeout)
	return errors.Join(faults...)
}
