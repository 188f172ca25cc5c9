package gateway

import (
	"container/list"
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// How long a request is remembered, and how many: about 40 MB when full.
const (
	remember    = 5 * time.Minute
	maxAttempts = 1 << 17
	maxTwins    = 64 // attempts that look the same
	maxAnswered = 8  // of these, such as were answered well
	ulidSize    = ulid.EncodedSize
)

// fingerprint tells requests apart: credential, method, path, query and body.
type fingerprint [2]uint64

// memory gives events their ids and times at the door. A request that looks
// like an earlier one is a genuine repeat, and gets new ones, unless the earlier
// one's answer was an error or could not be written, or the request itself says
// that it is a retry: then it gets the same, so that its events count once. An
// earlier request is taken up once: of two that failed, two retries get the ids
// of one each.
type memory struct {
	seeds [2]maphash.Seed

	mu       sync.Mutex // guards what follows
	twins    map[fingerprint]*twins
	used     list.List // of *twins, by last use
	attempts int       // over all twins
	serial   uint64
}

// twins are requests that look the same.
type twins struct {
	print    fingerprint
	attempts []attempt // the order of their arrival
	used     time.Time
	owed     int           // retries whose attempt a new event may have taken
	place    *list.Element // in memory.used
}

// attempt is what one request was given, and what became of it.
type attempt struct {
	serial uint64 // of the request that has it now
	base   ulid.ULID
	at     time.Time
	gone   <-chan struct{} // closed when the client of a request under way has left
	state  attemptState
	landed bool // was answered well once
}

type attemptState uint8

const (
	underWay attemptState = iota
	failed                // an error was answered, or nothing
	answered
)

// ticket is a request's claim on its ids. The zero ticket claims none.
type ticket struct {
	print  fingerprint
	serial uint64
	base   ulid.ULID
	at     time.Time // the time of the events
}

func newMemory() *memory {
	return &memory{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, twins: map[fingerprint]*twins{}}
}

// open gives a request its ids. Gone is closed when its client leaves.
func (m *memory) open(print fingerprint, retry bool, gone <-chan struct{}, now time.Time) ticket {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(now)
	m.serial++
	t := m.twins[print]
	if t == nil {
		t = &twins{print: print}
		m.twins[print], t.place = t, m.used.PushBack(t)
	}
	t.used = now
	m.used.MoveToBack(t.place)
	a := t.take(retry, now)
	if a == nil {
		a = m.add(t, attempt{base: newULID(now), at: now})
	}
	a.serial, a.gone, a.state = m.serial, gone, underWay
	return ticket{print: print, serial: a.serial, base: a.base, at: a.at}
}

// take finds the attempt that a request repeats, nil when it is one of its own.
// Requests that look the same are as good as each other: what counts is that
// there are as many ids as events. One that does not say that it is a retry may
// be a new event that takes up what an earlier one has left; then the earlier
// one's retry, which does say so, finds nothing of its own and is owed new ids.
func (t *twins) take(retry bool, now time.Time) *attempt {
	var left, done, open *attempt
	opened := 0
	for i := range t.attempts {
		a := &t.attempts[i]
		switch {
		case now.Sub(a.at) > remember:
		case a.state == answered:
			done = a
		case a.state == failed || hasGone(a.gone):
			if left == nil || a.state == failed {
				left = a
			}
		default:
			open = a
			opened++
		}
	}
	switch {
	case left != nil:
		if !retry {
			t.owed++
		}
		return left
	case !retry:
		return nil
	case t.owed > 0:
		t.owed--
		return nil
	case done != nil:
		return done
	case opened == 1:
		// Its client may have given up without our having heard of it.
		return open
	default:
		return nil
	}
}

func hasGone(gone <-chan struct{}) bool {
	select {
	case <-gone:
		return true
	default:
		return false
	}
}

// settle says whether the request of a ticket was answered well.
func (m *memory) settle(k ticket, well bool) {
	if k.serial == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.twins[k.print]
	if t == nil {
		return
	}
	count := 0
	for i := range t.attempts {
		a := &t.attempts[i]
		if a.base == k.base {
			// This holds even if a retry has the attempt by now.
			a.landed = a.landed || well
			if a.serial == k.serial {
				a.state, a.gone = failed, nil
			}
			// What was answered well once is no failure for a genuine repeat to
			// take up, even if the answer to its retry was lost.
			if a.landed && a.state == failed {
				a.state = answered
			}
		}
		if a.state == answered {
			count++
		}
	}
	if count > maxAnswered {
		m.drop(t, answered)
	}
}

// add appends an attempt. Where there are too many of a kind, the oldest that
// is over makes place, best one that was answered well.
func (m *memory) add(t *twins, a attempt) *attempt {
	if len(t.attempts) >= maxTwins && !m.drop(t, answered) && !m.drop(t, failed) {
		m.drop(t, underWay)
	}
	t.attempts = append(t.attempts, a)
	m.attempts++
	for m.attempts > maxAttempts && m.oldest() != t {
		m.remove(m.oldest())
	}
	return &t.attempts[len(t.attempts)-1]
}

// drop forgets the oldest attempt of a state.
func (m *memory) drop(t *twins, state attemptState) bool {
	for i := range t.attempts {
		if t.attempts[i].state == state {
			t.attempts = append(t.attempts[:i], t.attempts[i+1:]...)
			m.attempts--
			return true
		}
	}
	return false
}

// forget removes what has not been used for long.
func (m *memory) forget(now time.Time) {
	for t := m.oldest(); t != nil && now.Sub(t.used) > remember; t = m.oldest() {
		m.remove(t)
	}
}

func (m *memory) remove(t *twins) {
	m.attempts -= len(t.attempts)
	delete(m.twins, t.print)
	m.used.Remove(t.place)
}

// oldest are the twins that were used longest ago; nil: there are none.
func (m *memory) oldest() *twins {
	if front := m.used.Front(); front != nil {
		return front.Value.(*twins) //nolint:forcetypeassert // the list holds nothing else
	}
	return nil
}

// appendID appends the id of the event that stands at index in its request.
func (k ticket) appendID(dst []byte, index int) []byte {
	id := k.base
	low := binary.BigEndian.Uint64(id[8:])
	sum := low + uint64(index) //nolint:gosec // an index is not negative
	binary.BigEndian.PutUint64(id[8:], sum)
	if sum < low {
		binary.BigEndian.PutUint16(id[6:], binary.BigEndian.Uint16(id[6:])+1)
	}
	from := len(dst)
	dst = append(dst, "00000000000000000000000000"...)
	// The only error is a destination of another length.
	_ = id.MarshalTextTo(dst[from:])
	return dst
}

// fingerprint is over all that makes a request the same.
func (x *exchange) fingerprint(who *caller, body []byte) fingerprint {
	type seen struct {
		caller      string
		method, uri string
		body        uint64
	}
	var print fingerprint
	for i, seed := range x.g.ids.seeds {
		print[i] = maphash.Comparable(seed, seen{who.siteID, x.r.Method, x.r.URL.RequestURI(), maphash.Bytes(seed, body)})
	}
	return print
}

// retried reports whether a request says that it is a retry.
func retried(r *http.Request) bool {
	count := r.Header["X-Retry-Count"]
	return len(count) == 1 && count[0] != "" && count[0] != "0"
}

// needsMemory reports whether an item takes its id or its time from the door.
func needsMemory(items []item) bool {
	for i := range items {
		if items[i].named || items[i].stamp {
			return true
		}
	}
	return false
}

func fillRandom(b []byte) {
	var space [16]byte
	binary.BigEndian.PutUint64(space[:], rand.Uint64())
	binary.BigEndian.PutUint64(space[8:], rand.Uint64())
	copy(b, space[:])
}
