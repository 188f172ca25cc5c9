package producer

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// afterSeconds is where unix seconds end to be plausible (the year 5138) and
// milliseconds begin.
const afterSeconds = 1e11

var (
	errTimestamp = errors.New("timestamp: must be unix seconds, RFC 3339 or YYYY-MM-DD")
	errMillis    = errors.New("timestamp: too large for unix seconds; divide milliseconds by 1000")
	errAncient   = errors.New("timestamp: before 1970")
)

// parseTime reads a moment as people write it, to whole unix seconds. A day
// without a time begins at midnight UTC; a fraction of a second is dropped.
func parseTime(text string) (int64, error) {
	if strings.Trim(text, "0123456789.") == "" {
		switch seconds, err := strconv.ParseFloat(text, 64); {
		case err != nil:
			return 0, errTimestamp
		case seconds >= afterSeconds:
			return 0, errMillis
		default:
			return int64(seconds), nil
		}
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			if t.Unix() < 0 {
				return 0, errAncient
			}
			return t.Unix(), nil
		}
	}
	return 0, errTimestamp
}
