package sink

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// MaxRetryAfter caps what a destination may ask for: a wrong clock or a typing
// error at the other end must not stop a workspace for a day.
const MaxRetryAfter = time.Hour

// RetryConfig says how long an event waits between its attempts.
type RetryConfig struct {
	Base time.Duration // the most that the first retry waits
	Cap  time.Duration // the most that any retry waits
}

// DefaultRetryConfig is the only place of defaults for retries: full
// jitter from 1 s up to 15 min.
func DefaultRetryConfig() RetryConfig {
	return RetryConfig{Base: time.Second, Cap: 15 * time.Minute}
}

// Validate returns every fault, joined, each with its path.
func (c RetryConfig) Validate() error {
	var faults []error
	if c.Base <= 0 {
		faults = append(faults, fmt.Errorf("retry.base: must be above 0, have %v", c.Base))
	}
	if c.Cap < c.Base {
		faults = append(faults, fmt.Errorf("retry.cap: must be at least the base (%v), have %v", c.Base, c.Cap))
	}
	return errors.Join(faults...)
}

// Delay returns how long to wait before the next attempt, by full jitter: a
// share rnd (0 up to 1, drawn by the caller) of Base doubled attempt times,
// at most Cap. Attempt counts the failures before this one, from 0. The result
// is never negative and never above Cap, whatever is asked.
func (c RetryConfig) Delay(attempt int, rnd float64) time.Duration {
	limit := max(c.Cap, 0)
	const enough = 64 // doublings take any duration past any other
	ceiling := math.Ldexp(float64(max(c.Base, 0)), min(max(attempt, 0), enough))
	if ceiling > float64(limit) {
		ceiling = float64(limit)
	}
	if !(rnd > 0) {
		return 0
	}
	delay := min(rnd, 1) * ceiling
	if delay >= float64(limit) { // at the top of the range the conversion would wrap
		return limit
	}
	return time.Duration(delay)
}

// RetryAfter reads the Retry-After header in both its forms (RFC 9110,
// section 10.2.3): whole seconds, or an HTTP date. A date is measured against
// the answer's own Date when it has one, so that a destination's wrong clock
// cancels out, else against now. What cannot be read, or lies in the past, is
// 0; nothing exceeds MaxRetryAfter.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, ok := wholeSeconds(value); ok {
		return seconds
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}

// wholeSeconds reads digits and nothing else; a number of any length is capped
// rather than overflowing.
func wholeSeconds(value string) (time.Duration, bool) {
	const most = int(MaxRetryAfter / time.Second)
	seconds := 0
	for i := range len(value) {
		digit := value[i] - '0'
		if digit > 9 {
			return 0, false
		}
		seconds = min(seconds*10+int(digit), most)
	}
	return time.Duration(seconds) * time.Second, true
}
