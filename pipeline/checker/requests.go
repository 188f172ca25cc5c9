package checker

import (
	"fmt"
	"slices"
	"time"
)

// maxAttempts bounds a request's number, and so the memory that it asks for.
const maxAttempts = 1 << 30

// requests is when each HTTP request arrived.
type requests struct {
	seen  []uint64 // a bit for each attempt's number
	times []int64  // unix ns, one for each request
}

// add counts the arrival's request, once for all of its events.
func (r *requests) add(a Arrival) error {
	if a.Attempt < 1 || a.Attempt > maxAttempts {
		return fmt.Errorf("history: attempt %d is not within 1 and %d", a.Attempt, maxAttempts)
	}
	word, bit := int(a.Attempt/64), uint64(1)<<(a.Attempt%64)
	if word >= len(r.seen) {
		r.seen = append(r.seen, make([]uint64, word+1-len(r.seen))...)
	}
	if r.seen[word]&bit == 0 {
		r.seen[word] |= bit
		r.times = append(r.times, a.Time)
	}
	return nil
}

// fill writes what the report says of requests.
func (r *requests) fill(report *Report) {
	slices.Sort(r.times)
	report.Requests = len(r.times)
	report.MaxSecond = busiest(r.times, time.Second)
	report.MaxTenth = busiest(r.times, 100*time.Millisecond)
}

// busiest is the most times within any half-open window: t and t+window are
// not in one. The times are sorted.
func busiest(times []int64, window time.Duration) int {
	most, from := 0, 0
	for to, last := range times {
		for last-times[from] >= int64(window) {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}
