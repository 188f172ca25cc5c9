package simulator

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Latency is how long an answer takes: always Median when P99 is 0 or the
// same, else log-normal with that median and 99th percentile.
type Latency struct{ Median, P99 time.Duration }

// ParseLatency reads "20ms" or "lognormal:20ms,200ms" (median, 99th
// percentile). An empty string is no latency.
func ParseLatency(text string) (Latency, error) {
	wrong := fmt.Errorf("latency %q: must be like 20ms or lognormal:20ms,200ms", text)
	shape, spread := strings.CutPrefix(text, "lognormal:")
	if !spread {
		median, err := parseDuration(text)
		if err != nil {
			return Latency{}, wrong
		}
		return Latency{Median: median, P99: median}, nil
	}
	left, right, _ := strings.Cut(shape, ",")
	median, err1 := parseDuration(strings.TrimSpace(left))
	p99, err2 := parseDuration(strings.TrimSpace(right))
	if errors.Join(err1, err2) != nil || median == 0 || p99 < median {
		return Latency{}, wrong
	}
	return Latency{Median: median, P99: p99}, nil
}

// String is the form that ParseLatency reads.
func (l Latency) String() string {
	if l.P99 == 0 || l.P99 == l.Median {
		return l.Median.String()
	}
	return "lognormal:" + l.Median.String() + "," + l.P99.String()
}

// at returns the latency that stands at a point of the normal distribution.
func (l Latency) at(normal float64) time.Duration {
	if l.P99 <= l.Median || l.Median == 0 {
		return l.Median
	}
	const z99 = 2.3263478740408408 // the normal distribution's 99th percentile
	sigma := math.Log(float64(l.P99)/float64(l.Median)) / z99
	return time.Duration(float64(l.Median) * math.Exp(sigma*normal))
}

// Limit is a number of requests a second; 0 is unlimited.
type Limit float64

const maxLimit = 1e9

// ParseLimit reads "100/s", "1500/min", "1/10s", "10000/h" or "unlimited". An
// empty string and 0 are unlimited.
func ParseLimit(text string) (Limit, error) {
	if text == "" || text == "0" || text == "unlimited" {
		return 0, nil
	}
	wrong := fmt.Errorf("limit %q: must be like 100/s, 1500/min, 1/10s or unlimited", text)
	left, right, found := strings.Cut(text, "/")
	count, err := strconv.ParseFloat(strings.TrimSpace(left), 64)
	per, ok := parsePeriod(strings.TrimSpace(right))
	rate := count / per.Seconds()
	if err != nil || !found || !ok || !(rate >= 0 && rate <= maxLimit) {
		return 0, wrong
	}
	return Limit(rate), nil
}

// parsePeriod reads what a rate is counted over: a unit, or a duration.
func parsePeriod(text string) (time.Duration, bool) {
	switch text {
	case "s", "sec", "second":
		return time.Second, true
	case "m", "min", "minute":
		return time.Minute, true
	case "h", "hour":
		return time.Hour, true
	}
	per, err := time.ParseDuration(text)
	return per, err == nil && per > 0
}

// String is the form that ParseLimit reads.
func (l Limit) String() string {
	if l == 0 {
		return "unlimited"
	}
	return strconv.FormatFloat(float64(l), 'g', -1, 64) + "/s"
}

// Share is a part of the whole, from 0 to 1.
type Share float64

// ParseShare reads "1%" or "0.01". An empty string is none.
func ParseShare(text string) (Share, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		value /= 100
	}
	if err != nil || !(value >= 0 && value <= 1) {
		return 0, fmt.Errorf("share %q: must be like 1%% or 0.01, and at most 100%%", text)
	}
	return Share(value), nil
}

// String is the form that ParseShare reads.
func (s Share) String() string {
	return strconv.FormatFloat(float64(s)*100, 'g', 12, 64) + "%"
}

// OnLimit is what happens to a request above the limit.
type OnLimit string

const (
	// Answer429 refuses it, with Retry-After: as the documentation of other
	// APIs would have it.
	Answer429 OnLimit = "429"
	// Degrade answers 200, later and later, and loses the events: as
	// Customer.io's staff describe a flooded account.
	Degrade OnLimit = "degrade"
)

// ParseOnLimit reads "429" or "degrade". An empty string is 429.
func ParseOnLimit(text string) (OnLimit, error) {
	switch OnLimit(text) {
	case "", Answer429:
		return Answer429, nil
	case Degrade:
		return Degrade, nil
	}
	return "", fmt.Errorf("on_limit %q: must be 429 or degrade", text)
}

// parseDuration reads a duration that is not negative; an empty string is 0.
func parseDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("duration %q: must be like 20ms or 60s", text)
	}
	return d, nil
}
