package partition

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// gateEvery is how often the paused set is derived anew between polls while
	// something changes, and gateMost how often while nothing does.
	gateEvery = 25 * time.Millisecond
	gateMost  = 5 * time.Second
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

// bell tells the gate that something has changed which it derives from. It has a
// capacity of 1: one that has rung and was not heard yet rings no more. A nil one
// is heard by nobody.
type bell chan struct{}

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// run derives the set when the bell rings, when the time comes at which a shard
// is fetched again, and now and then.
func (g *gate) run(ctx context.Context, cl *kgo.Client) {
	turn := time.NewTimer(gateEvery)
	defer turn.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.lanes.stirred:
		case <-turn.C:
		}
		again := g.apply(cl, nil)
		turn.Reset(gateEvery)
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
		turn.Reset(min(time.Until(again), gateMost))
	}
}

// apply pauses and resumes what has to be, and returns when to do so again
// though nothing changes until then. Of the partitions in free the client holds
// nothing and asks for nothing just now.
func (g *gate) apply(cl *kgo.Client, free map[topicPartition]bool) (again time.Time) {
	current := pausedSet(cl.PauseFetchPartitions(nil))
	pause, resume := map[string][]int32{}, map[string][]int32{}
	owned := g.lanes.owned()
	share := g.cfg.MaxBytes / max(1, sharing(owned))
	now := time.Now()
	again = now.Add(gateMost)
	full, dry := false, false
	for _, s := range owned {
		held := current[s.topic][s.id.Partition]
		want := g.wants(s, share, held, free[topicPartition{s.topic, s.id.Partition}])
		dry = dry || want.dry
		if want.pause && !want.until.IsZero() && want.until.Before(again) {
			again = want.until
		}
		switch {
		case want.pause && !held:
			pause[s.topic] = append(pause[s.topic], s.id.Partition)
			full = full || !s.id.Tier.Delays() // what sleeps says nothing of how fast the rest goes
		case !want.pause && held:
			resume[s.topic] = append(resume[s.topic], s.id.Partition)
		}
	}
	if len(pause) > 0 {
		cl.PauseFetchPartitions(pause)
	}
	if full {
		g.portion.shrink(cl)
	}
	if len(resume) > 0 {
		cl.ResumeFetchPartitions(resume)
	}
	if dry {
		g.portion.grow(cl, now)
	}
	return again
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

// wish is what the gate wants of a shard.
type wish struct {
	pause bool
	until time.Time // it is asked again then at the latest; zero: when something changes
	dry   bool      // it is fetched and has little in hand although there is more of it
}

// wants tells whether a shard should be paused. A paused one stays so until it
// is down to a quarter of its marks: a pause throws away what the client has
// fetched of a shard, which should be little beside what is consumed until the
// next one. So a shard that is nearly full is paused only at a moment that costs
// nothing (free), and a full one at once. Of a delay tier little is read ahead
// that sleeps.
func (g *gate) wants(s *shard, shareBytes int, paused, free bool) wish {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	most, asleep := capacity{g.cfg.ShardRecords, max(shareBytes, minShareBytes)}, sleepMost
	switch {
	case paused:
		most, asleep = most.part(1, 4), sleepMost/4
	case free:
		most = most.part(4, 5)
	}
	now, w := time.Now(), wish{}
	back, early := s.queue.unblocked.Add(s.stagger), s.sleeps(asleep, g.cfg.FetchWait)
	switch {
	case s.stop != nil, s.phase == draining, s.records >= most.records, s.bytes >= most.bytes, s.win.full(),
		s.queue.records > 0 && s.queue.blocked && !s.queue.hungry:
		w.pause = true
	case s.queue.records > 0 && !s.queue.unblocked.IsZero() && now.Before(back): // its workspace came back only lately
		w.pause, w.until = true, back
	case now.Before(early):
		w.pause, w.until = true, early
	}
	s.paused = w.pause
	w.dry = !w.pause && s.phase == active && !s.id.Tier.Delays() && s.records < g.cfg.ShardRecords/8 && s.win.read < s.end
	return w
}

// capacity is how much a shard may hold.
type capacity struct{ records, bytes int }

func (c capacity) part(n, of int) capacity { return capacity{c.records * n / of, c.bytes * n / of} }

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
