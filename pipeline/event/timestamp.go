package event

import (
	"math"
	"strconv"
)

// maxUnix is the last second that is written with ten digits, in the year
// 2286. What lies beyond is milliseconds or an error, not a time.
const maxUnix = 9_999_999_999

// Unix returns the timestamp that goes out, in whole seconds since 1970: the
// body's when it can be read as one, else the record's time. An outage thus
// moves no event in time.
func (e *Event) Unix() int64 {
	if e.body.timed {
		return e.body.unix
	}
	return min(max(e.Time.Unix(), 0), maxUnix)
}

// settleTimestamp reads the body's timestamp where the API takes one and notes
// what must happen to it.
func (e *Event) settleTimestamp() {
	if !e.Op.sendsTimestamp() {
		return
	}
	raw := e.Field(FieldTimestamp)
	if raw == nil {
		e.body.time = spliceInsert
		return
	}
	seconds, ok := unixOf(raw)
	if !ok {
		e.body.time = spliceReplace
		return
	}
	e.body.unix, e.body.timed = seconds, true
	if !wholeNumber(raw) {
		e.body.time = spliceReplace
	}
}

// unixOf reads a JSON value as seconds since 1970: a number or a string of
// one, a fraction floored. It reports false for anything else and for a time
// before 1970 or beyond maxUnix.
func unixOf(raw []byte) (int64, bool) {
	digits := raw
	if raw[0] == '"' {
		digits = text(raw)
	}
	if len(digits) == 0 || len(digits) > 32 {
		return 0, false
	}
	if wholeNumber(digits) {
		seconds, err := strconv.ParseInt(string(digits), 10, 64)
		return seconds, err == nil && seconds <= maxUnix
	}
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	seconds, err := strconv.ParseFloat(string(digits), 64)
	if err != nil {
		return 0, false
	}
	seconds = math.Floor(seconds)
	return int64(seconds), seconds >= 0 && seconds <= maxUnix
}
