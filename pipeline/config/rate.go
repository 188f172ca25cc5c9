package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"sluice/sink/budget"
)

// maxRate is above what any destination takes; more is a slip of the pen.
const maxRate = 1e6

const unlimited = "unlimited"

// ParseRate reads a rate as people say it: 80/s, 1500/min, 1/10s, 10000/h,
// 5/100ms, 86400/d, or "unlimited", which is a rate of 0. The error says what
// to write instead.
func ParseRate(text string) (budget.Rate, error) {
	text = strings.TrimSpace(text)
	if text == unlimited {
		return 0, nil
	}
	count, every, ok := strings.Cut(text, "/")
	if !ok {
		return 0, errors.New("a rate says how many in which time; write it as 80/s, 1500/min, 1/10s or unlimited")
	}
	number, err := parseCount(strings.TrimSpace(count))
	if err != nil {
		return 0, err
	}
	period, err := parsePeriod(strings.TrimSpace(every))
	if err != nil {
		return 0, err
	}
	rate := number / period.Seconds()
	switch {
	case number == 0:
		return 0, errors.New("a rate of 0 would stop everything; write unlimited for no limit, or take the workspace out of its streams")
	case rate > maxRate:
		return 0, fmt.Errorf("is above %d/s; write unlimited for no limit", int(maxRate))
	}
	return budget.Rate(rate), nil
}

// parseCount reads digits with an optional fraction: no sign, exponent, inf or
// nan, which strconv would take.
func parseCount(text string) (float64, error) {
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return 0, errors.New("the count before the / must be a plain number; write it as 80/s")
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(number, 0) {
		return 0, errors.New("the count before the / must be a plain number; write it as 80/s")
	}
	return number, nil
}

// parsePeriod reads the time after the slash: a unit, with an optional number
// before it.
func parsePeriod(text string) (time.Duration, error) {
	digits := len(text) - len(strings.TrimLeft(text, "0123456789.")) // "10s" has two
	unit, ok := periodUnit(strings.TrimSpace(text[digits:]))
	if !ok {
		return 0, errors.New("the time after the / must end in ms, s, min, h or d; write it as 80/s or 1/10s")
	}
	if digits == 0 {
		return unit, nil
	}
	number, err := strconv.ParseFloat(text[:digits], 64)
	if err != nil || number <= 0 || number*float64(unit) > float64(366*day) || number*float64(unit) < float64(time.Millisecond) {
		return 0, errors.New("the time after the / must be between 1ms and 366d; write it as 1/10s")
	}
	return time.Duration(number * float64(unit)), nil
}

func periodUnit(name string) (time.Duration, bool) {
	switch name {
	case "ms":
		return time.Millisecond, true
	case "s", "sec", "second":
		return time.Second, true
	case "m", "min", "minute":
		return time.Minute, true
	case "h", "hour":
		return time.Hour, true
	case "d", "day":
		return day, true
	default:
		return 0, false
	}
}

// FormatRate writes r as ParseRate reads it, in the shortest unit in which it
// is a whole number; what is whole in none is written as a time for one.
func FormatRate(r budget.Rate) string {
	if r <= 0 {
		return unlimited
	}
	for _, in := range []struct {
		name   string
		period time.Duration
	}{{"s", time.Second}, {"min", time.Minute}, {"h", time.Hour}, {"d", day}} {
		number := float64(r) * in.period.Seconds()
		if whole := math.Round(number); whole >= 1 && math.Abs(number-whole) < 1e-9*number {
			return strconv.FormatFloat(whole, 'f', -1, 64) + "/" + in.name
		}
	}
	return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/s"
}
