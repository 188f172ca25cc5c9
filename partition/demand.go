package partition

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	// demandEvery is how often the demand is measured, demandOver the time that
	// it is averaged over, so that a shard's weight outlives its move.
	demandEvery = 5 * time.Second
	demandOver  = time.Minute
)

// demand is how many records of each workspace this member settles a second:
// what the balancer weighs a workspace by that has no rate. It is safe for
// concurrent use.
type demand struct {
	lanes *Lanes

	mu   sync.Mutex
	last map[string]int64   // settled so far
	rate map[string]float64 // a second
}

func newDemand(l *Lanes) *demand {
	return &demand{lanes: l, last: map[string]int64{}, rate: map[string]float64{}}
}

// run measures until ctx ends.
func (d *demand) run(ctx context.Context) {
	tick := time.NewTicker(demandEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.measure(demandEvery)
		}
	}
}

// measure takes in what was settled in the time since it was last called.
func (d *demand) measure(since time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	keep := math.Exp(-since.Seconds() / demandOver.Seconds())
	for name, q := range d.lanes.queues {
		q.mu.Lock()
		settled := q.settled
		q.mu.Unlock()
		now := float64(settled-d.last[name]) / since.Seconds()
		d.last[name] = settled
		d.rate[name] = keep*d.rate[name] + (1-keep)*now
	}
}

// of returns the demand of the workspaces that this member has shards of and
// whose rate is not set.
func (d *demand) of(loads []Load) map[string]float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	measured := map[string]float64{}
	for _, load := range loads {
		q := d.lanes.queues[load.Workspace]
		if load.Rate > 0 || q == nil {
			continue
		}
		q.mu.Lock()
		held := len(q.shards) > 0
		q.mu.Unlock()
		if held {
			measured[load.Workspace] = d.rate[load.Workspace]
		}
	}
	return measured
}
