package main

import (
	"hash/maphash"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// config is what POST /_cfg sets.
type config struct {
	LatencyMS float64 `json:"latency_ms"`     // fixed, or the median when P99MS is above it
	P99MS     float64 `json:"latency_p99_ms"` // of a lognormal latency
	Down      bool    `json:"down"`           // every request is answered 500
	FailUser  string  `json:"fail_user"`      // this user's requests are answered 500 …
	FailFor   float64 `json:"fail_for_s"`     // … for so long after the first arrival
}

const (
	shardCount = 128
	tick       = 10 * time.Millisecond
	ticks      = 1 << 16 // 11 minutes
)

// user is what is known of one user: which events came, and the latest.
type user struct {
	seen     []uint64 // bitset over seq
	latest   int64
	underWay int
}

type userShard struct {
	mu    sync.Mutex
	users map[string]*user
	_     [40]byte // one cache line each
}

// workspace counts what arrives under one name. It is safe for concurrent use.
type workspace struct {
	cfg   config
	sigma float64
	seed  maphash.Seed

	first, last                                  atomic.Int64 // unix ns, of the first arrival and the last acceptance
	requests, offered, accepted, unique          atomic.Int64
	duplicates, late, overlap, failed, malformed atomic.Int64
	inFlight, mostInFlight                       atomic.Int64
	shards                                       [shardCount]userShard
	perTick                                      []atomic.Uint32 // accepted
	delays                                       delays
}

func newWorkspace(c config) *workspace {
	w := &workspace{cfg: c, seed: maphash.MakeSeed(), perTick: make([]atomic.Uint32, ticks)}
	if c.P99MS > c.LatencyMS {
		w.sigma = math.Log(c.P99MS/c.LatencyMS) / 2.3263 // the 99 % point of a normal distribution
	}
	for i := range w.shards {
		w.shards[i].users = map[string]*user{}
	}
	return w
}

// handle counts a request, waits the latency and tells whether it was taken.
func (w *workspace) handle(events []arrival) bool {
	now := time.Now()
	w.first.CompareAndSwap(0, now.UnixNano())
	w.requests.Add(1)
	w.offered.Add(int64(len(events)))
	raise(&w.mostInFlight, w.inFlight.Add(1))
	defer w.inFlight.Add(-1)
	since := time.Duration(now.UnixNano() - w.first.Load())
	if w.fails(events, since) {
		w.failed.Add(1)
		w.wait()
		return false
	}
	for i := range events {
		w.count(&events[i], i == 0, now)
	}
	w.accepted.Add(int64(len(events)))
	w.perTick[min(max(int(since/tick), 0), ticks-1)].Add(uint32(len(events)))
	raise(&w.last, now.UnixNano())
	w.wait()
	if len(events) > 0 {
		s := w.shard(events[0].user)
		s.mu.Lock()
		s.users[string(events[0].user)].underWay--
		s.mu.Unlock()
	}
	return true
}

func (w *workspace) fails(events []arrival, since time.Duration) bool {
	if w.cfg.Down {
		return true
	}
	if w.cfg.FailUser == "" || since.Seconds() >= w.cfg.FailFor {
		return false
	}
	for i := range events {
		if string(events[i].user) == w.cfg.FailUser {
			return true
		}
	}
	return false
}

// count notes one accepted event; the first of a request also stands for it
// when requests of one user overlap.
func (w *workspace) count(a *arrival, first bool, now time.Time) {
	if a.sent > 0 {
		w.delays.add(now.UnixNano() - a.sent)
	}
	s := w.shard(a.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[string(a.user)]
	if u == nil {
		u = &user{latest: -1}
		s.users[string(a.user)] = u
	}
	word, bit := int(a.seq>>6), uint64(1)<<(a.seq&63)
	for len(u.seen) <= word {
		u.seen = append(u.seen, 0)
	}
	switch {
	case u.seen[word]&bit != 0:
		w.duplicates.Add(1)
	case a.seq < u.latest:
		w.late.Add(1)
		fallthrough
	default:
		u.seen[word] |= bit
		w.unique.Add(1)
		u.latest = max(u.latest, a.seq)
	}
	if first {
		if u.underWay > 0 {
			w.overlap.Add(1)
		}
		u.underWay++
	}
}

func (w *workspace) shard(user []byte) *userShard {
	return &w.shards[maphash.Bytes(w.seed, user)%shardCount]
}

func (w *workspace) wait() {
	ms := w.cfg.LatencyMS
	if w.sigma > 0 {
		ms *= math.Exp(w.sigma * rand.NormFloat64())
	}
	if ms > 0 {
		time.Sleep(time.Duration(ms * float64(time.Millisecond))) //nolint:forbidigo // the latency that is asked for
	}
}

// raise lifts v to at least to.
func raise(v *atomic.Int64, to int64) {
	for {
		have := v.Load()
		if to <= have || v.CompareAndSwap(have, to) {
			return
		}
	}
}
