package outages

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/scripts/acceptance/rig"
)

// produced is when each event of the traffic came onto the live topic, by its
// number.
func (st *stage) produced(ctx context.Context) (map[int64]time.Time, error) {
	cfg := partition.DefaultConfig()
	cfg.Brokers = strings.Split(st.kafka.Brokers, ",")
	var mu sync.Mutex
	times := map[int64]time.Time{} // guarded by mu
	var g errgroup.Group
	for p := range int32(partitions) {
		g.Go(func() error {
			end, err := st.kafka.End(ctx, st.stream, p)
			if err != nil {
				return err
			}
			return partition.ReadRange(ctx, cfg, partition.Range{Topic: st.stream, Partition: p, To: end}, func(r event.Record) error {
				var body struct {
					Attributes struct {
						N int64 `json:"_n"`
					} `json:"attributes"`
				}
				if json.Unmarshal(r.Value, &body) != nil || body.Attributes.N == 0 {
					return nil // none of the traffic's
				}
				mu.Lock()
				defer mu.Unlock()
				times[body.Attributes.N] = r.Time
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("read when events were produced: %w", err)
	}
	return times, nil
}

// delays are how long events took from the topic to their acceptance.
type delays []time.Duration

// delays are those of the events that were produced in a span and that the
// caller counts.
func (st *stage) delays(produced map[int64]time.Time, from, to time.Time, counts func(rig.Arrival) bool) delays {
	var all delays
	seen := map[int64]bool{}
	for _, a := range st.seen {
		at, known := produced[a.N]
		if !known || !a.Accepted() || seen[a.N] || !counts(a) {
			continue
		}
		seen[a.N] = true
		if !at.Before(from) && at.Before(to) {
			all = append(all, time.Unix(0, a.Time).Sub(at))
		}
	}
	slices.Sort(all)
	return all
}

// quantile is what that share of them did not exceed; 0 of none.
func (d delays) quantile(share float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[max(0, min(len(d), int(math.Ceil(share*float64(len(d)))))-1)]
}

// String tells the usual quantiles, for a report.
func (d delays) String() string {
	return fmt.Sprintf("p50 %v, p99 %v of %d", d.quantile(0.5).Round(time.Millisecond), d.quantile(0.99).Round(time.Millisecond), len(d))
}
