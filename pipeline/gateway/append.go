package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
)

// landing is what becomes of the records of one request.
type landing struct {
	hold  *hold
	pulse *pulse
	log   *zap.Logger
	done  chan struct{} // closed by the last record

	mu    sync.Mutex // guards what follows; written by the appender's goroutines
	left  int
	err   error // the first one that is not the record's own fault
	large []int // records that their topic does not take
}

// settle takes the outcome of record i.
func (l *landing) settle(i int, err error) {
	l.mu.Lock()
	switch {
	case errors.Is(err, partition.ErrTooLarge):
		l.large = append(l.large, i)
	case err != nil && l.err == nil:
		l.err = err
	}
	l.left--
	last := l.left == 0
	l.mu.Unlock()
	l.hold.leave()
	if err == nil && l.pulse.failing.Load() != 0 { // also when nobody waits for it any more
		l.pulse.beat(nil, time.Now(), l.log)
	}
	if last {
		close(l.done)
	}
}

// wait waits for the last record, or until ctx ends.
func (l *landing) wait(ctx context.Context) error {
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
	}
	select {
	case <-l.done: // both at once: what is known counts
		return l.err
	default:
		return fmt.Errorf("wait for Kafka: %w", ctx.Err())
	}
}

// append appends the records in their order and waits until all in-sync
// replicas have every one. It waits no longer than the exchange's patience, and
// for a client that has gone as well: what has been taken in is not dropped.
// It returns the records that are too large for their topic; a reply says that
// the others could not be stored, or that nobody knows.
func (x *exchange) append(records []event.Record) (tooLarge []int, refused reply) {
	if len(records) == 0 {
		return nil, reply{}
	}
	patience := x.patience
	if x.g.pulse.failingFor(time.Now()) > patience { // whoever is told soon comes again no later
		patience /= 10
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), patience)
	defer cancel()
	l := &landing{hold: x.hold, pulse: &x.g.pulse, log: x.g.log, done: make(chan struct{}), left: len(records)}
	for i := range records {
		x.hold.users.Add(1)
		x.g.appender.Append(ctx, records[i], func(_ partition.Position, err error) { l.settle(i, err) })
	}
	err := l.wait(ctx)
	x.g.pulse.beat(err, time.Now(), x.g.log)
	if err != nil {
		return nil, x.g.busy()
	}
	// The appender finds them in any order.
	slices.Sort(l.large)
	return l.large, reply{}
}

// pulse remembers since when nothing could be appended.
type pulse struct {
	failing  atomic.Int64 // unix nanoseconds; 0 while all is well
	reported atomic.Int64 // the same, of the last line in the log
	refused  atomic.Int64 // requests since then
}

// reportEvery is how often an outage is logged, however many requests meet it.
const reportEvery = 10 * time.Second

// beat takes the outcome of one request's records.
func (p *pulse) beat(err error, now time.Time, log *zap.Logger) {
	since := p.failing.Load()
	if err == nil {
		// Where one stream of several fails, every request would be a turn.
		if since != 0 && p.failing.CompareAndSwap(since, 0) && now.UnixNano()-since >= int64(time.Second) {
			log.Info("Kafka takes records again", zap.Duration("after", now.Sub(time.Unix(0, since))), zap.Int64("requests", p.refused.Swap(0)))
		}
		return
	}
	p.failing.CompareAndSwap(0, now.UnixNano())
	p.refused.Add(1)
	last := p.reported.Load()
	if now.UnixNano()-last >= int64(reportEvery) && p.reported.CompareAndSwap(last, now.UnixNano()) {
		log.Warn("Kafka takes no records: callers are told to come again", zap.Int64("requests", p.refused.Swap(0)), zap.Error(err))
	}
}

// failingFor is how long nothing has gone through.
func (p *pulse) failingFor(now time.Time) time.Duration {
	since := p.failing.Load()
	if since == 0 {
		return 0
	}
	return now.Sub(time.Unix(0, since))
}

const (
	leastWait  = time.Second
	waitSpread = 2 * time.Second
	mostWait   = 30 * time.Second
)

// wait is when to come again: in one to three seconds, and the later and the
// more spread the longer nothing has gone through, so that the first good
// moment is not met by everybody at once.
func (p *pulse) wait(now time.Time) time.Duration {
	least, spread := leastWait, waitSpread
	if failing := p.failingFor(now); failing > 0 {
		least += min(failing/20, mostWait/3)
		spread += min(failing/10, mostWait/2)
	}
	return least + rand.N(spread)
}

// busy is the answer to what cannot be taken just now.
func (g *Gateway) busy() reply {
	rp := metaError(http.StatusServiceUnavailable, "the request cannot be stored just now; send it again")
	rp.retryAfter = g.pulse.wait(time.Now()).Round(time.Second)
	return rp
}
