package rules

import (
	"fmt"
	"math/bits"
	"time"

	"sluice/pipeline/event"
)

// Spread gives each event a time of its own in a window. The zero Spread gives
// none.
type Spread struct {
	Over time.Duration // the window; 0: no spread
	By   By
}

// By is how the times in a window are chosen.
type By uint8

const (
	// Even places each event by where it stood first, so that those of a
	// partition fill the largest gaps one after another.
	Even By = iota
	// Random places each event by its key and id alone.
	Random
)

// String is what ParseBy reads.
func (b By) String() string {
	if b == Random {
		return "random"
	}
	return "even"
}

// ParseBy reads even or random.
func ParseBy(text string) (By, error) {
	for _, b := range [...]By{Even, Random} {
		if text == b.String() {
			return b, nil
		}
	}
	return Even, fmt.Errorf("must be even or random, have %q", text)
}

// Steps round a window, in units of 2^-64 of it.
const (
	// golden is the golden ratio's fraction, 0.618...: of all steps the one that
	// leaves the points of a row most even, however many there are.
	golden = 0x9E3779B97F4A7C15
	// plastic is 0.5698..., the inverse square of the plastic ratio. It sets the
	// rows of partitions apart so that together they are nearly as even.
	plastic = 0x91E10DA5C79E7B1D
)

// EvenFraction is where in a window, from 0 to below 1, an event belongs that
// stood first at origin. Whatever part of a topic the events come from, one
// partition or all, they lie evenly. It does not depend on how many partitions
// there are: one row over all of them, offset * partitions + partition, is not
// even for one partition alone when their number is near a whole number of
// golden turns, as 34 is, and changes when the topic grows.
func EvenFraction(origin event.Source) float64 {
	return fraction(uint64(origin.Offset)*golden + uint64(origin.Partition)*plastic) // #nosec G115 -- modulo 2^64 is meant
}

// RandomFraction is where in a window, from 0 to below 1, an event of that key
// and id belongs: the same in every process, without any regard to its place.
func RandomFraction(key []byte, id [16]byte) float64 { return fraction(hash(key, id)) }

func hash(key []byte, id [16]byte) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a, 64 bits
	h := uint64(offset)
	for _, c := range key {
		h = (h ^ uint64(c)) * prime
	}
	for _, c := range id {
		h = (h ^ uint64(c)) * prime
	}
	// MurmurHash3's finish: FNV leaves the high bits, which decide here, poor.
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// fraction is h / 2^64, of as many bits as a float64 holds, so never 1.
func fraction(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// share is the part of the window that goes before an event.
func (s Spread) share(e *event.Event) time.Duration {
	if s.Over <= 0 {
		return 0
	}
	if s.By == Random {
		return part(s.Over, RandomFraction(e.Key, e.EventID()))
	}
	return part(s.Over, EvenFraction(e.First()))
}

// Even tells whether the time of a judged event is one of an even spread.
func (s *Set) Even(e *event.Event) bool {
	if e.Spread > 0 {
		return true
	}
	if e.Lot == 0 || int(e.Lot) > len(s.rules) {
		return false
	}
	r := s.rules[e.Lot-1]
	over := r.spread
	if r.at != nil && e.DeliverAt.IsZero() {
		over = r.atSpread
	}
	return over.Over > 0 && over.By == Even
}

// lateAfter is how late an event is that missed its time in a window.
const lateAfter = 50 * time.Millisecond

// anew gives an event that missed its time in the window from begin on another
// one, in what is left of it: who was away for a while does not send all at
// once what was due meanwhile. Else the event keeps its time.
func (s *Set) anew(over Spread, e *event.Event, begin, due, now time.Time) time.Time {
	left := begin.Add(over.Over).Sub(now)
	if now.Sub(due) < lateAfter || left <= 0 {
		return due
	}
	if over.By == Random {
		h := hash(e.Key, e.EventID())
		return now.Add(part(left, fraction(bits.RotateLeft64(h, 32))))
	}
	// Those that were missed stood anywhere: only a row of their own is even.
	return now.Add(part(left, fraction(s.missed.Add(1)*golden)))
}

// part is a part of a time, f from 0 to below 1.
func part(of time.Duration, f float64) time.Duration {
	// In whole numbers: a float64 has no nanoseconds left at 90 days.
	high, low := bits.Mul64(uint64(of), uint64(f*(1<<53))) // #nosec G115 -- both are above 0
	return time.Duration(high<<11 | low>>53)               // #nosec G115 -- below of
}
