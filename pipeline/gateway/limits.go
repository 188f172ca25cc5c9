package gateway

import (
	"container/list"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limited is the 429 of a limiter that has nothing left, with the time until
// it has; a nil limiter always has.
func limited(l *rate.Limiter, now time.Time) reply {
	if l == nil {
		return reply{}
	}
	r := l.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return reply{}
	}
	r.CancelAt(now)
	rp := metaError(http.StatusTooManyRequests, "too many requests")
	rp.retryAfter = max(wait, time.Second)
	return rp
}

// maxAddresses bounds the addresses that are told apart: about 2 MB.
const maxAddresses = 10_000

// addresses limits the requests of each client address. When there are too
// many, the one that was quiet longest is forgotten.
type addresses struct {
	perSecond float64

	mu    sync.Mutex // guards what follows
	known map[netip.Prefix]*list.Element
	used  list.List // of *address, by last use
}

// address is one that requests came from.
type address struct {
	prefix netip.Prefix
	limit  *rate.Limiter
}

func newAddresses(perSecond float64) *addresses {
	return &addresses{perSecond: perSecond, known: map[netip.Prefix]*list.Element{}}
}

// of returns the limiter of a peer's address; nil is no limit. An IPv6 host has
// a whole /64 to choose from, which counts as one.
func (a *addresses) of(peer string) *rate.Limiter {
	if a.perSecond <= 0 {
		return nil
	}
	prefix := prefixOf(peer)
	a.mu.Lock()
	defer a.mu.Unlock()
	if found := a.known[prefix]; found != nil {
		a.used.MoveToBack(found)
		return found.Value.(*address).limit //nolint:forcetypeassert // the list holds nothing else
	}
	if oldest := a.used.Front(); len(a.known) >= maxAddresses {
		delete(a.known, a.used.Remove(oldest).(*address).prefix) //nolint:forcetypeassert // as above
	}
	fresh := &address{prefix: prefix, limit: limiter(a.perSecond)}
	a.known[prefix] = a.used.PushBack(fresh)
	return fresh.limit
}

// prefixOf is the zero prefix for what is no address: all such share a limit.
func prefixOf(peer string) netip.Prefix {
	at, err := netip.ParseAddrPort(peer)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := at.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
