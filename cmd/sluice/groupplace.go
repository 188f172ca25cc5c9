package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
)

// place is where a reset goes. At most one of its fields is set; none is the end.
type place struct {
	start  bool
	offset int64     // -1: none
	at     time.Time // zero: none
}

// parsePlace reads --to. The error says what to write instead.
func parsePlace(text string, now time.Time) (place, error) {
	p := place{offset: -1}
	switch text {
	case "":
		return p, errors.New("--to is needed: start, end, an offset, or a time such as 2026-11-22T14:00:00Z or 2h for two hours ago")
	case "start":
		p.start = true
		return p, nil
	case "end":
		return p, nil
	}
	if offset, err := strconv.ParseInt(text, 10, 64); err == nil && offset >= 0 {
		p.offset = offset
		return p, nil
	}
	if ago, err := config.ParseDuration(text); err == nil {
		p.at = now.Add(-ago)
		return p, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return p, fmt.Errorf("--to must be start, end, an offset, or a time such as 2026-11-22T14:00:00Z or 2h for two hours ago, have %q", text)
	case at.After(now):
		return p, fmt.Errorf("--to %s is yet to come; write end to skip all there is", text)
	}
	p.at = at
	return p, nil
}

// in is the place in one partition. What was found for a time may lie before
// the log by now, or after the end that is known of it.
func (p place) in(l partition.ShardLag, at map[int32]int64) int64 {
	switch {
	case p.start:
		return l.Start
	case p.offset >= 0:
		return p.offset
	case !p.at.IsZero():
		return min(max(at[l.Partition], l.Start), l.End)
	}
	return l.End
}

// parsePartitions reads --partition: numbers and ranges of them, below n. None
// is all of them.
func parsePartitions(texts []string, n int32) ([]int32, error) {
	var numbers []int32
	if len(texts) == 0 {
		for p := range n {
			numbers = append(numbers, p)
		}
	}
	for _, text := range texts {
		low, high, ranged := strings.Cut(strings.TrimSpace(text), "-")
		if !ranged {
			high = low
		}
		from, errFrom := strconv.ParseInt(low, 10, 32)
		to, errTo := strconv.ParseInt(high, 10, 32)
		if errFrom != nil || errTo != nil || from < 0 || to < from || to >= int64(n) {
			return nil, fmt.Errorf("--partition takes 0 to %d, as 3 or 0-5, have %q", n-1, text)
		}
		for p := from; p <= to; p++ {
			numbers = append(numbers, int32(p)) //nolint:gosec // below n
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}
