package gateway

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	firstRead  = 4 << 10  // of a body whose length is not known
	atOnce     = 64 << 10 // a length that is believed before the bytes are there
	slowBody   = 5 * time.Second
	gunzipSize = 48 << 10 // what a decompressor holds
	// overhead is what a request takes beside its body and what is made of it.
	overhead = 2 << 10
)

// room is the memory that all requests share.
type room struct {
	limit int64
	used  atomic.Int64
}

func (r *room) take(n int64) bool {
	if r.used.Add(n) <= r.limit {
		return true
	}
	r.used.Add(-n)
	return false
}

// hold is one request's part of the room. The handler and each record under
// way hold it; the last one gives it back.
type hold struct {
	room  *room
	taken int64 // by the handler alone, before it appends
	users atomic.Int32
}

func (r *room) enter() *hold {
	h := &hold{room: r}
	h.users.Store(1)
	return h
}

func (h *hold) take(n int64) bool {
	if !h.room.take(n) {
		return false
	}
	h.taken += n
	return true
}

func (h *hold) leave() {
	if h.users.Add(-1) == 0 {
		h.room.used.Add(-h.taken)
	}
}

// errFull says that the room is taken.
var errFull = errors.New("no room for the request")

// read returns the body, decompressed, of at most maxBytes bytes. When it
// cannot, the reply says what to answer. The bytes stay valid until the
// exchange and all that it appends are over. It may be called once.
func (x *exchange) read(maxBytes int) (body []byte, refused reply) {
	// What is made of a body is about as large as the body.
	if !x.hold.take(overhead) {
		return nil, x.g.busy()
	}
	packed, known := compressed(x.r)
	switch {
	case !known:
		return nil, metaError(http.StatusUnsupportedMediaType, "Content-Encoding must be gzip or absent")
	case x.r.Body == nil || x.r.Body == http.NoBody:
		return nil, reply{}
	case x.r.ContentLength > int64(maxBytes):
		return nil, x.tooLarge(maxBytes)
	}
	var err error
	if packed {
		body, err = x.unpack(maxBytes)
	} else {
		body, err = x.slurp(x.r.Body, int(x.r.ContentLength), maxBytes)
	}
	switch {
	case err != nil:
		return nil, x.unreadable(err)
	case len(body) > maxBytes:
		return nil, x.tooLarge(maxBytes)
	}
	if time.Since(x.started) > slowBody {
		// The time for the body must not end the wait for Kafka. A connection
		// that has no deadline needs none taken away.
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Time{})
	}
	return body, reply{}
}

// compressed tells whether the body is gzip, and whether the encoding is one
// that is known at all.
func compressed(r *http.Request) (packed, known bool) {
	lines := r.Header["Content-Encoding"]
	if len(lines) == 0 {
		return false, true
	}
	switch strings.ToLower(strings.TrimSpace(strings.Join(lines, ","))) {
	case "", "identity":
		return false, true
	case "gzip", "x-gzip":
		return true, true
	default:
		return false, false
	}
}

// slurp reads a body, one byte beyond maxBytes at most. Room is taken as the
// bytes come, so that a stated length costs nothing.
func (x *exchange) slurp(from io.Reader, length, maxBytes int) ([]byte, error) {
	size := min(firstRead, maxBytes+1)
	if length >= 0 {
		size = min(length, atOnce) + 1
	}
	b, err := x.grow(nil, size)
	if err != nil {
		return nil, err
	}
	for {
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, err
		case len(b) > maxBytes:
			return b, nil
		case len(b) == cap(b):
			if b, err = x.grow(b, min(2*cap(b), maxBytes+1)); err != nil {
				return nil, err
			}
		}
	}
}

// grow gives b at least that capacity, and takes the room for it and for what
// will be made of it.
func (x *exchange) grow(b []byte, size int) ([]byte, error) {
	if !x.hold.take(2 * int64(size-cap(b))) {
		return nil, errFull
	}
	grown := make([]byte, len(b), size)
	copy(grown, b)
	return grown, nil
}

// unpack reads a gzip body. Both sides are bounded, so that a bomb is cut off
// at the first byte too many.
func (x *exchange) unpack(maxBytes int) ([]byte, error) {
	if !x.hold.room.take(gunzipSize) {
		return nil, errFull
	}
	defer x.hold.room.used.Add(-gunzipSize)
	packed := io.LimitReader(x.r.Body, int64(maxBytes)+1)
	unpacker, ok := x.g.unpackers.Get().(*gzip.Reader)
	if !ok {
		unpacker = new(gzip.Reader)
	}
	defer x.g.unpackers.Put(unpacker)
	if err := unpacker.Reset(packed); err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	body, err := x.slurp(unpacker, -1, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return body, nil
}

func (x *exchange) tooLarge(maxBytes int) reply {
	return x.refuse(fault{reason: reasonInvalid, field: "body", message: fmt.Sprintf("body is larger than %d bytes", maxBytes)})
}

// unreadable says what to answer when a body did not come whole.
func (x *exchange) unreadable(err error) reply {
	switch {
	case errors.Is(err, errFull):
		return x.g.busy()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return metaError(http.StatusRequestTimeout, "the body took too long")
	default:
		return x.refuse(fault{reason: reasonInvalid, field: "body", message: "body is cut short, or not the gzip that it says it is"})
	}
}
