package rig

import (
	"slices"
	"time"
)

// Times are moments in unix nanoseconds, in order.
type Times []int64

// NewTimes sorts a copy of moments.
func NewTimes(moments []int64) Times {
	t := slices.Clone(moments)
	slices.Sort(t)
	return t
}

// Busiest is the largest number of moments in any half-open window of that
// length.
func (t Times) Busiest(window time.Duration) int {
	best, from := 0, 0
	for i, at := range t {
		for at-t[from] >= int64(window) {
			from++
		}
		best = max(best, i-from+1)
	}
	return best
}

// Between are the moments from the first instant on, and before the second.
func (t Times) Between(from, to time.Time) Times {
	low, _ := slices.BinarySearch(t, from.UnixNano())
	high, _ := slices.BinarySearch(t, max(from.UnixNano(), to.UnixNano()))
	return t[low:high]
}

// Rate is how many a second there are from one instant to another.
func (t Times) Rate(from, to time.Time) float64 {
	if !to.After(from) {
		return 0
	}
	return float64(len(t.Between(from, to))) / to.Sub(from).Seconds()
}

// Silence is the longest time without a moment between two instants, the ends
// counted in.
func (t Times) Silence(from, to time.Time) time.Duration {
	longest, last := int64(0), from.UnixNano()
	for _, at := range t.Between(from, to) {
		longest, last = max(longest, at-last), at
	}
	return time.Duration(max(longest, to.UnixNano()-last))
}

// Back is how long after a fault the moments came at that rate (a second) again:
// when the first span of that length begins that holds as many as the rate
// makes of it and after which, until an instant, they never cease for a third of
// it. So what goes on for a while after the fault is not taken for being back.
// It is false when there is no such span by then.
func (t Times) Back(fault, until time.Time, rate float64, span time.Duration) (time.Duration, bool) {
	from := fault.UnixNano()
	low, _ := slices.BinarySearch(t, from)
	high, _ := slices.BinarySearch(t, until.UnixNano())
	last := from
	for i := low; i < high; i++ {
		if t[i]-last >= int64(span/3) {
			low = i
		}
		last = t[i]
	}
	if until.UnixNano()-last >= int64(span/3) {
		return 0, false
	}
	need := max(1, int(rate*span.Seconds()))
	for i := low; i+need <= high; i++ {
		if t[i+need-1]-t[i] < int64(span) {
			return time.Duration(t[i] - from), true
		}
	}
	return 0, false
}
