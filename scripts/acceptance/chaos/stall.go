package chaos

import (
	"context"
	"slices"
	"time"

	"sluice/scripts/acceptance/rig"
)

// sample is how many events a topic held at an instant.
type sample struct {
	at    int64 // unix ns
	count int64
}

// watch samples how much was produced to each stream, once a second until ctx
// ends. Of a partition that has no leader then, it is what was seen last.
func (s *stage) watch(ctx context.Context) [][]sample {
	samples := make([][]sample, len(s.config.Streams))
	seen := make([][partitions]int64, len(s.config.Streams))
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for i, stream := range s.config.Streams {
			asking, cancel := context.WithTimeout(ctx, 2*time.Second)
			at := time.Now()
			ends, _ := s.kafka.Ends(asking, stream.Name) // in trouble there may be none
			cancel()
			var count int64
			for p := range seen[i] {
				seen[i][p] = max(seen[i][p], ends[int32(p)])
				count += seen[i][p]
			}
			samples[i] = append(samples[i], sample{at.UnixNano(), count})
		}
		select {
		case <-ctx.Done():
			return samples
		case <-tick.C:
		}
	}
}

// stall is the longest time without a first taking while there was something to
// take: from the taking before, or from when more was seen to be produced than
// was taken, to the taking after. dead is how many were set aside; the end is
// when nothing was left.
func stall(firsts []int64, samples []sample, dead int64, end time.Time) time.Duration {
	times := append(slices.Sorted(slices.Values(firsts)), end.UnixNano())
	var longest int64
	for i := 1; i < len(times); i++ {
		from, to := times[i-1], times[i]
		if to-from <= longest {
			continue
		}
		at, _ := slices.BinarySearchFunc(samples, from, func(s sample, t int64) int { return int(s.at - t) })
		for ; at < len(samples) && samples[at].at < to; at++ {
			if samples[at].count > int64(i)+dead {
				longest = max(longest, to-max(from, samples[max(at-1, 0)].at))
				break
			}
		}
	}
	return time.Duration(longest)
}

// busiest is the largest number of moments in any second.
func busiest(moments []int64) int { return rig.NewTimes(moments).Busiest(time.Second) }
