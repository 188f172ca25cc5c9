package partition

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// gateEvery is how often the paused set is derived anew between polls.
	gateEvery = 25 * time.Millisecond
	// restEvery and restMost are how a poll waits while what is not paused is
	// half full on the whole: a pause throws away what the client has fetched,
	// so a member at full speed had better read a little later than pause.
	restEvery = time.Millisecond
	restMost  = 25 * time.Millisecond
)

// gate is back-pressure: it pauses the partitions of shards that hold as much
// as they may, are stopped, or whose workspace takes nothing, and no others.
// The set is derived from the lanes at each turn and never remembered.
type gate struct {
	cfg     Config
	lanes   *Lanes
	portion portion
}

func (g *gate) run(ctx context.Context, cl *kgo.Client) {
	tick := time.NewTicker(gateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.apply(cl, nil)
		}
	}
}

// apply pauses and resumes what has to be. Of the partitions in free the client
// holds nothing and asks for nothing just now.
func (g *gate) apply(cl *kgo.Client, free map[topicPartition]bool) {
	current := pausedSet(cl.PauseFetchPartitions(nil))
	pause, resume := map[string][]int32{}, map[string][]int32{}
	owned := g.lanes.owned()
	share := g.cfg.MaxBytes / max(1, sharing(owned))
	full, dry := false, false
	for _, s := range owned {
		held := current[s.topic][s.id.Partition]
		want, runsDry := g.wants(s, share, held, free[topicPartition{s.topic, s.id.Partition}])
		dry = dry || runsDry
		switch {
		case want && !held:
			pause[s.topic] = append(pause[s.topic], s.id.Partition)
			full = true
		case !want && held:
			resume[s.topic] = append(resume[s.topic], s.id.Partition)
		}
	}
	if full {
		cl.PauseFetchPartitions(pause)
		g.portion.shrink(cl)
	}
	if len(resume) > 0 {
		cl.ResumeFetchPartitions(resume)
	}
	if dry {
		g.portion.grow(cl, time.Now())
	}
}

// rest waits, for a bounded time, while the shards that are not paused hold half
// of what they may on average.
func (g *gate) rest(ctx context.Context) {
	if !g.busy() {
		return
	}
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	for range int(restMost / restEvery) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !g.busy() {
				return
			}
		}
	}
}

// topicPartition names a partition as the client does.
type topicPartition struct {
	topic     string
	partition int32
}

// free returns the partitions that may be paused at no cost after a poll of so
// many records at most. A poll empties what it holds of a broker one partition
// after the other, and only when all is taken is more asked for: where it ended
// in the middle, the partitions before that are.
func free(polled kgo.Fetches, most int) map[topicPartition]bool {
	if len(polled) == 0 || polled.NumRecords() < most {
		return nil
	}
	empty := map[topicPartition]bool{}
	var last topicPartition
	for _, t := range polled[len(polled)-1].Topics {
		for _, p := range t.Partitions {
			last = topicPartition{t.Topic, p.Partition}
			empty[last] = true
		}
	}
	delete(empty, last)
	return empty
}

// busy tells whether the shards that are not paused are half full on average.
func (g *gate) busy() bool {
	records, bytes, flowing := 0, 0, 0
	owned := g.lanes.owned()
	for _, s := range owned {
		s.queue.mu.Lock()
		if !s.paused && s.counts() {
			records, bytes, flowing = records+s.records, bytes+s.bytes, flowing+1
		}
		s.queue.mu.Unlock()
	}
	share := max(g.cfg.MaxBytes/max(1, sharing(owned)), minShareBytes)
	return flowing > 0 && (records >= flowing*g.cfg.ShardRecords/2 || bytes >= flowing*share/2)
}

// counts tells whether the shard has a part of what all may hold: a tier beside
// live only while there is something on it.
func (s *shard) counts() bool { return s.id.Tier == Live || s.records > 0 || s.win.read < s.end }

// sharing is among how many shards that is divided.
func sharing(owned []*shard) int {
	n := 0
	for _, s := range owned {
		s.queue.mu.Lock()
		if s.counts() {
			n++
		}
		s.queue.mu.Unlock()
	}
	return n
}

// minShareBytes is what a shard may hold however many there are.
const minShareBytes = 64 << 10

// wants tells whether a shard should be paused. A paused one stays so until it
// is down to a quarter of its marks: a pause throws away what the client has
// fetched of a shard, which should be little beside what is consumed until the
// next one. So a shard that is nearly full is paused only at a moment that costs
// nothing (free), and a full one at once. A shard that is fetched and has little
// in hand although there is more of it runs dry.
func (g *gate) wants(s *shard, shareBytes int, paused, free bool) (pause, dry bool) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	most := capacity{g.cfg.ShardRecords, max(shareBytes, minShareBytes)}
	switch {
	case paused:
		most = most.part(1, 4)
	case free:
		most = most.part(4, 5)
	}
	s.paused = s.stop != nil || s.queue.records > 0 && s.queue.shut(s.stagger) || s.phase == draining ||
		s.records >= most.records || s.bytes >= most.bytes || s.win.full()
	return s.paused, !s.paused && s.phase == active && s.records < g.cfg.ShardRecords/8 && s.win.read < s.end
}

// capacity is how much a shard may hold.
type capacity struct{ records, bytes int }

func (c capacity) part(n, of int) capacity { return capacity{c.records * n / of, c.bytes * n / of} }

// shut tells whether the workspace takes nothing, or came back only lately.
func (q *queue) shut(stagger time.Duration) bool {
	return q.blocked && !q.hungry || !q.unblocked.IsZero() && time.Since(q.unblocked) < stagger
}

func pausedSet(paused map[string][]int32) map[string]map[int32]bool {
	set := make(map[string]map[int32]bool, len(paused))
	for topic, partitions := range paused {
		set[topic] = make(map[int32]bool, len(partitions))
		for _, p := range partitions {
			set[topic][p] = true
		}
	}
	return set
}
