package sink

import "net/http"

// Verdict is what an attempt's outcome means for an event. The set is closed.
type Verdict uint8

const (
	// Delivered says that the destination took the event; it is settled.
	Delivered Verdict = iota + 1
	// Throttled is a 429. It costs budget, never an attempt.
	Throttled
	// Unavailable is a 408, 425 or 5xx, a timeout, a cut, a TLS or DNS fault.
	Unavailable
	// Refused is a 401, 403, 404, 405, 407, 421 or 3xx: a wrong region or host.
	// The workspace is misconfigured, not the event.
	Refused
	// Rejected says that the event itself is at fault; it becomes a dead letter.
	Rejected
	// Interrupted says that we stopped the attempt. Nothing is counted.
	Interrupted
)

// Verdicts returns the whole set, so that metrics can be made for each.
func Verdicts() []Verdict {
	return []Verdict{Delivered, Throttled, Unavailable, Refused, Rejected, Interrupted}
}

// String returns the verdict's word, as metrics, headers and pages show it;
// "none" for a value outside the set.
func (v Verdict) String() string {
	switch v {
	case Delivered:
		return "delivered"
	case Throttled:
		return "throttled"
	case Unavailable:
		return "unavailable"
	case Refused:
		return "refused"
	case Rejected:
		return "rejected"
	case Interrupted:
		return "interrupted"
	}
	return "none"
}

// Classify alone turns the outcome of an exchange into a verdict. Status is 0
// when no status line came; err is nil when the answer came whole. A status
// that is no success stands even when the rest of its answer was lost; a
// success that was cut short is an unknown outcome, hence Unavailable.
func Classify(status int, err error) Verdict {
	cause := CauseOf(err)
	switch {
	case cause == CauseStopped:
		return Interrupted
	case cause == CauseBlocked:
		// Only a host that an event's own data named is ever blocked.
		return Rejected
	case status == 0, err != nil && status/100 == 2:
		return Unavailable
	}
	return ofStatus(status)
}

// ofStatus knows every status that a final answer can carry. A 1xx as a final
// answer (a switch of protocols that nobody asked for) is no API at all, so it
// is refused; numbers outside HTTP's classes say nothing about the event.
func ofStatus(status int) Verdict {
	switch status {
	case http.StatusTooManyRequests:
		return Throttled
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return Unavailable
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusMisdirectedRequest:
		return Refused
	}
	switch status / 100 {
	case 2:
		return Delivered
	case 1, 3:
		return Refused
	case 4:
		return Rejected
	}
	return Unavailable
}
