package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
)

// rememberedHooks is how many ids one webhook remembers at least: 8 MB at most.
const rememberedHooks = 100_000

// id is the record's id of the first place that names the webhook. It is the
// same at any time and in any process: a ULID as it is, all else hashed with
// the webhook's name, for two senders may count alike.
func (h *hook) id(r *http.Request, body []byte) (ulid.ULID, bool) {
	for _, p := range h.ids {
		value := p.find(r, body)
		if value == "" {
			continue
		}
		if id, err := ulid.ParseStrict(value); err == nil && !id.IsZero() {
			return id, true
		}
		b := binary.BigEndian.AppendUint64(nil, uint64(len(h.name)))
		b = append(append(b, h.name...), value...)
		sum := sha256.Sum256(b)
		return ulid.ULID(sum[:16]), true
	}
	return ulid.ULID{}, false
}

// repeats knows which webhooks are stored and which are being stored. Of what
// is stored it remembers the last so many, and up to twice as many.
type repeats struct {
	most int

	mu            sync.Mutex // guards what follows
	recent, older map[ulid.ULID]struct{}
	underWay      map[ulid.ULID]chan struct{} // closed when settled; as many as there are requests
}

func newRepeats(most int) *repeats {
	return &repeats{most: most, recent: map[ulid.ULID]struct{}{}, underWay: map[ulid.ULID]chan struct{}{}}
}

// errUnderWay says that another request with the same webhook did not end.
var errUnderWay = errors.New("the same webhook is being stored")

// claim reports whether the caller is to store the webhook of that id, and must
// then settle it; false means that it is stored. While another request stores
// it, claim waits to see what comes of that, for so long at most.
func (r *repeats) claim(id ulid.ULID, patience time.Duration) (bool, error) {
	var over <-chan time.Time
	for {
		first, other := r.look(id)
		if other == nil {
			return first, nil
		}
		if over == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-other:
		case <-over:
			return false, errUnderWay
		}
	}
}

// look claims id when nobody has it; other is of the request that does.
func (r *repeats) look(id ulid.ULID) (first bool, other <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.recent[id]; ok {
		return false, nil
	}
	if _, ok := r.older[id]; ok {
		return false, nil
	}
	if settled, ok := r.underWay[id]; ok {
		return false, settled
	}
	r.underWay[id] = make(chan struct{})
	return true, nil
}

// settle ends a claim.
func (r *repeats) settle(id ulid.ULID, stored bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.underWay[id])
	delete(r.underWay, id)
	if !stored {
		return
	}
	if len(r.recent) >= r.most {
		r.older, r.recent = r.recent, make(map[ulid.ULID]struct{}, r.most)
	}
	r.recent[id] = struct{}{}
}

// complainEvery is how often the same is said.
const complainEvery = 10 * time.Second

// sampled lets something be said now and then. It is safe for concurrent use.
type sampled struct{ last, missed atomic.Int64 } // unix nanoseconds; how often nothing was said since

func (s *sampled) now(at time.Time) (missed int64, say bool) {
	last, now := s.last.Load(), at.UnixNano()
	if last != 0 && now-last < int64(complainEvery) || !s.last.CompareAndSwap(last, now) {
		s.missed.Add(1)
		return 0, false
	}
	return s.missed.Swap(0), true
}
