package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"sluice/pipeline/event"
	"sluice/sink"
)

// ledger is a destination that several members deliver to, at which users come
// to fail and recover. It is safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	rnd     *rand.Rand      // guarded by mu, as is all below
	failing map[string]bool // by user
	bad     map[string]bool // events, user:n, that are rejected
	down    bool
	quick   bool                // answers at once
	first   map[string]int      // by event: its place among the first deliveries
	last    map[string]int      // by user: the highest number delivered
	twice   int                 // deliveries beyond an event's first
	breaks  map[string]string   // events that came after later ones of their user, and after which
	log     map[string][]string // by user: every answer
	begun   time.Time
}

func newLedger(seed uint64) *ledger {
	return &ledger{
		rnd: rand.New(rand.NewPCG(seed, 1)), failing: map[string]bool{}, bad: map[string]bool{},
		first: map[string]int{}, breaks: map[string]string{}, last: map[string]int{}, log: map[string][]string{}, begun: time.Now(),
	}
}

// answer is what the destination makes of a request.
func (l *ledger) answer(names, users []string, numbers []int, by string, places []string) (res sink.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		for i, u := range users {
			l.log[u] = append(l.log[u], fmt.Sprintf("%8.3f %s %s %s -> %v %d", time.Since(l.begun).Seconds(), by, names[i], places[i], res.Verdict, res.Status))
		}
	}()
	if l.down {
		return sink.Result{Verdict: sink.Unavailable, Status: 503}
	}
	for i, name := range names {
		switch {
		case l.failing[users[i]]:
			return sink.Result{Verdict: sink.Unavailable, Status: 500}
		case l.bad[name] && len(names) > 1:
			return sink.Result{Verdict: sink.Rejected, Status: 400, Split: true}
		case l.bad[name]:
			return sink.Result{Verdict: sink.Rejected, Status: 400}
		}
	}
	for i, name := range names {
		if _, seen := l.first[name]; seen {
			l.twice++
			continue
		}
		l.first[name] = len(l.first)
		if before, seen := l.last[users[i]]; seen && numbers[i] < before {
			l.breaks[name] = fmt.Sprintf("after %d", before)
			continue
		}
		l.last[users[i]] = numbers[i]
	}
	return sink.Result{Verdict: sink.Delivered, Status: 200}
}

// latency is how long a request takes on its way, and its answer.
func (l *ledger) latency() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.quick {
		return 2 * time.Millisecond
	}
	return time.Duration(1+l.rnd.IntN(40)) * time.Millisecond
}

// left are the events, of those that are not dead letters, without a delivery.
func (l *ledger) left(all []string, dead map[string]bool) (left []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range all {
		if _, seen := l.first[name]; !seen && !dead[name] {
			left = append(left, name)
		}
	}
	return left
}

// set changes the destination.
func (l *ledger) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// ledgerSink is one member's way to a ledger, until it dies.
type ledgerSink struct {
	*ledger
	dead <-chan struct{}
	by   string // the member
}

func (ledgerSink) Prepare(e *event.Event) {
	e.PrepareObject()
	e.Size = len(e.Value)
}

func (ledgerSink) Limits() sink.Limits { return sink.Limits{Items: 10, Bytes: 1 << 20} }

func (ledgerSink) Close() {}

// Deliver lets a request that is under way arrive even if its member dies or
// gives it up meanwhile; then nobody hears the answer.
func (s ledgerSink) Deliver(ctx context.Context, batch []*event.Event) sink.Result {
	select {
	case <-s.dead:
		return sink.Result{Verdict: sink.Interrupted}
	default:
	}
	var names, users, places []string
	var numbers []int
	for _, e := range batch {
		var n int
		_, _ = fmt.Sscanf(string(e.Value), `{"n":%d}`, &n)
		names, users, numbers = append(names, fmt.Sprintf("%s:%d", e.Key, n)), append(users, string(e.Key)), append(numbers, n)
		places = append(places, fmt.Sprintf("%v tries %d", e.Source, e.Tries))
	}
	time.Sleep(s.latency())
	r := s.answer(names, users, numbers, s.by, places)
	select {
	case <-time.After(s.latency()):
		return r
	case <-ctx.Done():
	case <-s.dead:
	}
	return sink.Result{Verdict: sink.Interrupted}
}
