package pipeline_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/budget"
)

const (
	fleetWorkspaces = 60
	fleetMembers    = 12
	fleetParts      = 8
	// fleetPhase is how long each phase is looked at, and fleetBacklog for how
	// long the events last at the full rate: longer than all phases together.
	fleetPhase   = 12 * time.Second
	fleetBacklog = 90 * time.Second
)

// fleet is many workspaces on many members of one group, in a bubble.
type fleet struct {
	t       *testing.T
	kafka   *partitiontest.Cluster
	admin   *partition.Admin
	books   map[string]*book  // by workspace; the streams have the same names
	members map[string]func() // stops one
	split   int               // workspaces that were found on more than one member
}

// owners says which member has a partition of a stream.
type owners map[partition.ShardID]string

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, books: map[string]*book{}, members: map[string]func(){}}
	for i := range fleetWorkspaces {
		b := &book{name: fmt.Sprintf("w%02d", i), rate: 10}
		if i%2 == 1 {
			b.rate = 100
		}
		b.seen = make([]int, int(b.rate*fleetBacklog.Seconds()))
		f.books[b.name] = b
	}
	f.kafka = partitiontest.NewVirtual(t, fleetParts, f.names()...)
	var err error
	if f.admin, err = partition.NewAdmin(f.kafka.Config()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.admin.Close)
	return f
}

func (f *fleet) names() []string { return slices.Sorted(maps.Keys(f.books)) }

// fill gives every workspace its backlog.
func (f *fleet) fill() {
	f.t.Helper()
	appender, err := partition.NewAppender(f.kafka.Config(), zap.NewNop())
	if err != nil {
		f.t.Fatal(err)
	}
	defer appender.Close()
	for name, b := range f.books {
		for n := range b.seen {
			r := event.Record{Topic: name, Partition: -1, Key: fmt.Append(nil, "u", n%bookUsers), Value: numbered(n)}
			appender.Append(f.t.Context(), r, func(_ partition.Position, err error) {
				if err != nil {
					f.t.Error(err)
				}
			})
		}
	}
	if err := appender.Flush(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// start runs one more member, with the timings of the product.
func (f *fleet) start(name string) {
	f.t.Helper()
	virtual := f.kafka.Config()
	cfg := pipeline.Config{Kafka: partition.DefaultConfig(), Drain: 5 * time.Second}
	cfg.Kafka.Brokers, cfg.Kafka.Dial, cfg.Kafka.Group, cfg.Kafka.AdminAddr = virtual.Brokers, virtual.Dial, virtual.Group, name
	for _, workspace := range f.names() {
		b := f.books[workspace]
		cfg.Workspaces = append(cfg.Workspaces, pipeline.Workspace{
			Name: workspace, Sink: bookSink{b, name}, Budget: budget.Config{Requests: budget.Rate(b.rate)},
			InFlight: pipeline.DefaultInFlight, BatchItems: 1,
			Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
		})
		cfg.Streams = append(cfg.Streams, partition.Stream{
			Name: workspace, Topic: workspace, Routes: []partition.Route{{From: 0, To: fleetParts - 1, Workspace: workspace}},
		})
	}
	p, err := pipeline.New(cfg, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			f.t.Errorf("run %s: %v", name, err)
		}
	}()
	f.members[name] = sync.OnceFunc(func() { cancel(); <-done })
	f.t.Cleanup(f.members[name])
}

// look asks the group who has what.
func (f *fleet) look() owners {
	f.t.Helper()
	have := owners{}
	for _, topic := range f.names() {
		found, _, err := f.admin.Owners(f.t.Context(), f.kafka.Config().Group, topic)
		if err != nil {
			f.t.Fatal(err)
		}
		for p, member := range found {
			have[partition.ShardID{Stream: topic, Partition: p}] = member
		}
	}
	return have
}

// settle waits until so many members have all partitions among them and
// nothing has moved for a while.
func (f *fleet) settle(members int) owners {
	f.t.Helper()
	const calm, patience = 4 * time.Second, 2 * time.Minute
	begun, since, last := time.Now(), time.Now(), owners{}
	for {
		have := f.look()
		if !maps.Equal(have, last) {
			since, last = time.Now(), have
		}
		whole := len(have) == fleetWorkspaces*fleetParts && len(loads(f.books, have)) == members
		switch {
		case whole && time.Since(since) >= calm:
			f.split += split(have)
			return have
		case time.Since(begun) > patience:
			f.t.Fatalf("after %v %d members have %d of %d partitions, want %d members and all", patience, len(loads(f.books, have)), len(have), fleetWorkspaces*fleetParts, members)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// loads sums, for each member, the rates of what it has of each workspace.
func loads(books map[string]*book, have owners) map[string]float64 {
	sums := map[string]float64{}
	for shard, member := range have {
		sums[member] += books[shard.Stream].rate / fleetParts
	}
	return sums
}

// spread is the largest load over the mean of all members'.
func (f *fleet) spread(have owners) float64 {
	largest, sum, sums := 0.0, 0.0, loads(f.books, have)
	for _, load := range sums {
		largest, sum = max(largest, load), sum+load
	}
	return largest / (sum / float64(len(sums)))
}

// split counts the workspaces that more than one member has a part of.
func split(have owners) int {
	first, parted := map[string]string{}, map[string]bool{}
	for shard, member := range have {
		if other, seen := first[shard.Stream]; seen && other != member {
			parted[shard.Stream] = true
		}
		first[shard.Stream] = member
	}
	return len(parted)
}

// moved counts the partitions that changed hands, and names their workspaces.
func moved(before, after owners) (count int, touched map[string]bool) {
	touched = map[string]bool{}
	for shard, member := range after {
		if before[shard] != member {
			count++
			touched[shard.Stream] = true
		}
	}
	return count, touched
}

// lowest is the least use of any workspace from a time on, but for those left out.
func (f *fleet) lowest(from time.Time, without map[string]bool) float64 {
	least, to := math.Inf(1), time.Now()
	for name, b := range f.books {
		if !without[name] {
			least = min(least, b.use(from, to))
		}
	}
	return least
}

func (f *fleet) longestSilence(from time.Time) time.Duration {
	longest := time.Duration(0)
	for _, b := range f.books {
		longest = max(longest, b.silence(from, time.Now()))
	}
	return longest
}

func (f *fleet) duplicates() int {
	sum := 0
	for _, b := range f.books {
		twice, _ := b.wrong()
		sum += twice
	}
	return sum
}

// atMost and atLeast hold a figure to its bar and tell it, in the form that the
// acceptance check reads.
func (f *fleet) atMost(name string, have, bar float64) {
	f.t.Helper()
	f.t.Logf("fleet: %s=%.4f", name, have)
	if !(have <= bar) {
		f.t.Errorf("%s: have %.4f, want at most %.4f", name, have, bar)
	}
}

func (f *fleet) atLeast(name string, have, bar float64) {
	f.t.Helper()
	f.t.Logf("fleet: %s=%.4f", name, have)
	if !(have >= bar) {
		f.t.Errorf("%s: have %.4f, want at least %.4f", name, have, bar)
	}
}

// sleepUntil ends a phase that began then.
func sleepUntil(begun time.Time) { time.Sleep(time.Until(begun.Add(fleetPhase))) }

// Sixty workspaces, half of them at 10 a second and half at 100, on twelve
// members: each uses its budget and none exceeds it, the members share the load,
// and one that comes or goes disturbs only what has to move.
func TestFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		f := newFleet(t)
		f.fill()
		for i := range fleetMembers {
			f.start(fmt.Sprintf("m%02d", i))
		}
		before := f.settle(fleetMembers)
		f.calm(before)
		before = f.join(before)
		f.leave(before)
		fullest, late, dry := 0.0, 0, 0
		for _, b := range f.books {
			_, behind := b.wrong()
			fullest, late = max(fullest, b.fullest()), late+behind
			if b.left() == 0 {
				dry++
			}
			for _, line := range b.told(begun, 3) {
				t.Log(line)
			}
		}
		f.atMost("fullest_second", fullest, 1)
		f.atMost("split_workspaces", float64(f.split), 0)
		f.atMost("order_breaks", float64(late), 0)
		f.atMost("ran_dry", float64(dry), 0) // what has nothing to send shows nothing
	})
}

// calm looks at a fleet in which nothing changes.
func (f *fleet) calm(have owners) {
	begun := time.Now()
	sleepUntil(begun)
	f.atLeast("utilisation_lowest", f.lowest(begun, nil), .97)
	f.atMost("load_spread", f.spread(have), 1.3)
	f.atMost("duplicates", float64(f.duplicates()), 0)
}

// join adds a member: little moves, and only that pauses, for a moment.
func (f *fleet) join(before owners) owners {
	begun, doubles := time.Now(), f.duplicates()
	f.start("joined")
	after := f.settle(fleetMembers + 1)
	sleepUntil(begun)
	count, touched := moved(before, after)
	f.atMost("join_moved", float64(count)/float64(len(after)), .1)
	f.atMost("join_duplicates", float64(f.duplicates()-doubles), 0)
	f.atMost("join_silence_seconds", f.longestSilence(begun).Seconds(), 2)
	f.atLeast("join_utilisation_of_others", f.lowest(begun, touched), .97)
	f.atMost("join_load_spread", f.spread(after), 1.3)
	return after
}

// leave stops a member: what was its own moves and nothing else.
func (f *fleet) leave(before owners) {
	const gone = "m03"
	begun, doubles := time.Now(), f.duplicates()
	f.members[gone]()
	after := f.settle(fleetMembers)
	sleepUntil(begun)
	count, touched := moved(before, after)
	for shard, member := range before {
		if member == gone && after[shard] != gone {
			count--
		}
	}
	f.atMost("leave_moved_of_others", float64(count), 0)
	f.atMost("leave_duplicates", float64(f.duplicates()-doubles), 0)
	f.atMost("leave_silence_seconds", f.longestSilence(begun).Seconds(), 2)
	f.atLeast("leave_utilisation_of_others", f.lowest(begun, touched), .97)
}
