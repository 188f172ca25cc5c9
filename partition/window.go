package partition

import (
	"math/bits"
	"time"
)

const (
	// maxSpan is the widest stretch of offsets whose settled set fits the
	// commit's metadata whatever its pattern (one bit an offset).
	maxSpan = 16384
	// maxLongSpan bounds a window whose head does not settle. Beyond maxSpan
	// the settled set is written as runs, which fit as long as few records
	// are open.
	maxLongSpan = 1 << 20
	// maxLongOpen is how many open records a window wider than maxSpan takes.
	maxLongOpen = 1024
	// maxRetries is how many records in retry a commit remembers.
	maxRetries = 64
)

// retry is what is remembered of a record that failed and was counted.
type retry struct {
	attempts int
	first    time.Time
}

// window tracks which offsets of one partition are settled. Offsets below base
// are; of base..next-1 the bits tell. Offsets up to read-1 were read in this
// assignment; those from read to next-1 are known only from an earlier owner's
// commit. The zero window is empty at offset 0. Not safe for concurrent use.
type window struct {
	base, read, next int64
	origin           int64    // offset of the first bit of words, a multiple of 64
	words            []uint64 // bit set: settled
	open             int      // read and not settled: the records in hand
	high             int64    // highest offset dispatched; -1 when none was
	retries          map[int64]retry
}

func newWindow(base int64) window {
	return window{base: base, read: base, next: base, origin: base &^ 63, high: -1}
}

// span is the width in offsets of what the commit must describe.
func (w *window) span() int64 { return w.next - w.base }

// full tells whether no further records should be taken in: what is held must
// always be describable in a commit.
func (w *window) full() bool {
	span := w.span()
	return span >= maxSpan && w.open >= maxLongOpen || span >= maxLongSpan
}

// obstructed tells whether nearly all of a window that is nearly as wide as its
// settled set can be described, whatever its pattern, is settled: a few records
// keep the watermark from it.
func (w *window) obstructed() bool {
	span := w.span()
	return span > maxSpan*9/10 && int64(w.open) <= span/50
}

// see notes that offset was read and reports whether its record is to be held:
// not when it was read before or is settled. Offsets that the log skipped
// (compaction, transaction markers, aborted records) count as settled.
func (w *window) see(offset int64) bool {
	if offset < w.read {
		return false
	}
	gap := max(w.read, w.base)
	w.read = offset + 1
	w.next = max(w.next, w.read)
	w.grow()
	for ; gap < offset; gap++ {
		w.set(gap)
	}
	fresh := !w.settled(offset)
	if fresh {
		w.open++
	}
	w.advance()
	return fresh
}

// settled tells whether offset needs no attempt any more.
func (w *window) settled(offset int64) bool {
	return offset < w.base || offset < w.next && w.bit(offset)
}

// settle marks an open offset as settled and reports whether it was open.
func (w *window) settle(offset int64) bool {
	if offset >= w.read || w.settled(offset) {
		return false
	}
	w.set(offset)
	w.open--
	delete(w.retries, offset)
	w.advance()
	return true
}

// fail counts a failed attempt of an open offset.
func (w *window) fail(offset int64, now time.Time) {
	r := w.retries[offset]
	if r.attempts == 0 {
		r.first = now
	}
	r.attempts++
	w.remember(offset, r)
}

func (w *window) bit(offset int64) bool {
	i := offset - w.origin
	return w.words[i>>6]&(1<<(i&63)) != 0
}

func (w *window) set(offset int64) {
	i := offset - w.origin
	w.words[i>>6] |= 1 << (i & 63)
}

// grow makes room for every bit below next, dropping words below base first.
func (w *window) grow() {
	need := int((w.next-w.origin)>>6) + 1
	if need <= len(w.words) {
		return
	}
	if drop := int((w.base - w.origin) >> 6); drop > 0 && need > cap(w.words) {
		kept := copy(w.words, w.words[min(drop, len(w.words)):])
		clear(w.words[kept:])
		w.words = w.words[:kept]
		w.origin += int64(drop) << 6
		need -= drop
	}
	for len(w.words) < need {
		w.words = append(w.words, 0)
	}
}

// advance moves base over everything settled.
func (w *window) advance() {
	for w.base < w.next {
		i := w.base - w.origin
		run := bits.TrailingZeros64(^(w.words[i>>6] >> (i & 63)))
		run = min(run, 64-int(i&63))
		if run == 0 {
			return
		}
		w.base = min(w.base+int64(run), w.next)
	}
}

// runs calls yield with the lengths of alternating open and settled runs from
// base on, beginning with an open one, and ending with the last settled one.
func (w *window) runs(yield func(length int64, settled bool) bool) {
	for at := w.base; at < w.next; {
		done := w.bit(at)
		end := w.runEnd(at, done)
		if end == w.next && !done {
			return
		}
		if !yield(end-at, done) {
			return
		}
		at = end
	}
}

// runEnd is the first offset after at whose state differs from done.
func (w *window) runEnd(at int64, done bool) int64 {
	for at < w.next {
		i := at - w.origin
		word := w.words[i>>6] >> (i & 63)
		if done {
			word = ^word
		}
		if word != 0 {
			if step := int64(bits.TrailingZeros64(word)); step < 64-(i&63) {
				return min(at+step, w.next)
			}
		}
		at += 64 - (i & 63)
	}
	return w.next
}

// skip gives up the offsets up to to-1 that were not read: retention took them.
// It returns how many of them were not settled.
func (w *window) skip(to int64) int64 {
	missing := int64(0)
	from := max(w.read, w.base)
	if w.open == 0 && to >= w.next { // a gap may be wide; nothing below it needs bits
		for at := from; at < w.next; at++ {
			if !w.bit(at) {
				missing++
			}
		}
		missing += to - max(from, w.next)
		*w = newWindow(to)
		return missing
	}
	w.next = max(w.next, to)
	w.grow()
	for at := from; at < to; at++ {
		if !w.bit(at) {
			missing++
			w.set(at)
		}
		delete(w.retries, at)
	}
	w.read = max(w.read, to)
	w.advance()
	return missing
}

// restore marks from..to-1 as settled, as an earlier owner recorded them.
func (w *window) restore(from, to int64) {
	w.next = max(w.next, to)
	w.grow()
	for at := max(from, w.base); at < to; at++ {
		w.set(at)
	}
	w.advance()
}

// merge adds what another window of the same partition knows to be settled.
// Both are facts, so the union is one.
func (w *window) merge(other *window) {
	if other.base > w.base {
		w.restore(w.base, other.base)
	}
	at := other.base
	for length, done := range other.runs {
		if done && at+length > w.base {
			w.restore(at, at+length)
		}
		at += length
	}
	for offset, r := range other.retries {
		if !w.settled(offset) && r.attempts > w.retries[offset].attempts {
			w.remember(offset, r)
		}
	}
	w.high = max(w.high, other.high)
}

func (w *window) remember(offset int64, r retry) {
	if w.retries == nil {
		w.retries = map[int64]retry{}
	}
	w.retries[offset] = r
}
