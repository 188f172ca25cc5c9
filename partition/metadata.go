package partition

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// A commit's metadata is text, at most 4,096 characters (the broker's default
// limit): a version, one letter for who holds the shard, and base64 of
//
//	uvarint  highest offset dispatched + 1 - watermark (0: nothing above it)
//	uvarint  number of records in retry, and for each, by offset:
//	         uvarint offset - watermark, uvarint attempts, uvarint first failure (unix ms)
//	byte     form of the settled set above the watermark: 0 none, 1 runs, 2 bits
//	runs:    uvarint lengths, alternately open and settled, from the watermark on
//	bits:    one bit an offset from the watermark on, least significant first
const (
	metadataVersion = '1'
	metadataLimit   = 4096

	holderOwned    = 'o'
	holderReleased = 'r'

	formNone = 0
	formRuns = 1
	formBits = 2
)

// maxPayload is the number of bytes whose base64 fits beside the two letters.
const maxPayload = (metadataLimit - 2) / 4 * 3

var errMetadata = errors.New("commit metadata is not sluice's")

// encodeMetadata describes w for a commit. When the settled set does not fit,
// which full's bounds make all but impossible, its upper end is left out: a
// crash then repeats more, and loses nothing.
func encodeMetadata(w *window, released bool) string {
	payload := make([]byte, 0, 64)
	payload = binary.AppendUvarint(payload, uint64(max(0, w.high+1-w.base)))
	payload = appendRetries(payload, w)
	payload = appendSettled(payload, w)
	holder := byte(holderOwned)
	if released {
		holder = holderReleased
	}
	text := make([]byte, 0, 2+base64.RawURLEncoding.EncodedLen(len(payload)))
	text = append(text, metadataVersion, holder)
	return string(base64.RawURLEncoding.AppendEncode(text, payload))
}

func appendRetries(b []byte, w *window) []byte {
	offsets := make([]int64, 0, len(w.retries))
	for offset := range w.retries {
		offsets = append(offsets, offset)
	}
	if len(offsets) > maxRetries { // those that tried most have the most to lose
		slices.SortFunc(offsets, func(a, b int64) int {
			return cmp.Or(cmp.Compare(w.retries[b].attempts, w.retries[a].attempts), cmp.Compare(a, b))
		})
		offsets = offsets[:maxRetries]
	}
	slices.Sort(offsets)
	b = binary.AppendUvarint(b, uint64(len(offsets)))
	for _, offset := range offsets {
		r := w.retries[offset]
		b = binary.AppendUvarint(b, uint64(offset-w.base)) //nolint:gosec // open offsets are at or above base
		b = binary.AppendUvarint(b, uint64(r.attempts))    //nolint:gosec // a count
		b = binary.AppendUvarint(b, uint64(max(0, r.first.UnixMilli())))
	}
	return b
}

func appendSettled(b []byte, w *window) []byte {
	form := len(b)
	b = append(b, formRuns)
	bitBytes := int(w.span()+7) / 8
	fits := true
	for length := range w.runs {
		b = binary.AppendUvarint(b, uint64(length)) //nolint:gosec // not negative
		if len(b) > maxPayload {
			fits = false
			break
		}
	}
	switch runBytes := len(b) - form - 1; {
	case runBytes == 0:
		b[form] = formNone
	case (!fits || bitBytes < runBytes) && form+1+bitBytes <= maxPayload:
		b = appendBits(append(b[:form], formBits), w, bitBytes)
	case !fits: // keep whole runs only
		b = b[:form+1]
		for length := range w.runs {
			grown := binary.AppendUvarint(b, uint64(length)) //nolint:gosec // not negative
			if len(grown) > maxPayload {
				break
			}
			b = grown
		}
	}
	return b
}

func appendBits(b []byte, w *window, n int) []byte {
	shift := uint((w.base - w.origin) & 63)
	first := int((w.base - w.origin) >> 6)
	for i := 0; n > 0; i++ {
		word := w.wordAt(first+i) >> shift
		if shift > 0 {
			word |= w.wordAt(first+i+1) << (64 - shift)
		}
		for j := 0; j < 8 && n > 0; j, n = j+1, n-1 {
			b = append(b, byte(word>>(8*j))) //nolint:gosec // the low byte, on purpose
		}
	}
	return b
}

func (w *window) wordAt(i int) uint64 {
	if i >= len(w.words) {
		return 0
	}
	return w.words[i]
}

// decodeMetadata rebuilds the window that a commit at base described and tells
// whether its holder had released the shard. Metadata of another program, of a
// later version or damaged gives errMetadata: the watermark alone still holds.
func decodeMetadata(base int64, text string) (window, bool, error) {
	w := newWindow(base)
	if len(text) < 2 || text[0] != metadataVersion || !strings.ContainsRune("or", rune(text[1])) {
		return w, false, errMetadata
	}
	payload, err := base64.RawURLEncoding.DecodeString(text[2:])
	if err != nil {
		return w, false, fmt.Errorf("%w: %w", errMetadata, err)
	}
	r := reader{rest: payload}
	if n := r.uvarint(maxLongSpan * 2); n > 0 {
		w.high = base + n - 1
	}
	for range r.uvarint(maxRetries) {
		offset, attempts, first := r.uvarint(maxLongSpan*2), r.uvarint(1<<30), r.uvarint(1<<50)
		if !r.bad {
			w.remember(base+offset, retry{attempts: int(attempts), first: time.UnixMilli(first)})
		}
	}
	r.settled(&w)
	if r.bad {
		return newWindow(base), false, errMetadata
	}
	return w, text[1] == holderReleased, nil
}

// reader takes bounded numbers off a payload; bad sticks.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) uvarint(limit int64) int64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad || n <= 0 || v > uint64(limit) { //nolint:gosec // a positive constant
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return int64(v) //nolint:gosec // at most limit
}

func (r *reader) settled(w *window) {
	if r.bad || len(r.rest) == 0 {
		r.bad = true
		return
	}
	form := r.rest[0]
	r.rest = r.rest[1:]
	base := w.base
	switch form {
	case formNone:
	case formRuns:
		at := base
		for done := false; len(r.rest) > 0 && !r.bad; done = !done {
			length := r.uvarint(maxLongSpan * 2)
			if at += length; at-base > maxLongSpan*2 {
				r.bad = true
			} else if done {
				w.restore(at-length, at)
			}
		}
	case formBits:
		for i, b := range r.rest {
			for ; b != 0; b &= b - 1 {
				at := base + int64(i)*8 + int64(bits.TrailingZeros8(b))
				w.restore(at, at+1)
			}
		}
	default:
		r.bad = true
	}
}
