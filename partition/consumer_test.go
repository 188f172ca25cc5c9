package partition_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sunk is a destination that takes everything at once.
type sunk struct {
	mu    sync.Mutex
	seen  map[string][]string // values, by key
	total chan struct{}
}

func newSunk() *sunk { return &sunk{seen: map[string][]string{}, total: make(chan struct{}, 1<<16)} }

func (d *sunk) deliver(lanes *partition.Lanes, picks []partition.Pick) {
	d.mu.Lock()
	for _, p := range picks {
		d.seen[string(p.Event.Key)] = append(d.seen[string(p.Event.Key)], string(p.Event.Value))
	}
	d.mu.Unlock()
	n := len(picks)
	lanes.Finish(picks, partition.Outcome{Kind: partition.Delivered})
	for range n {
		d.total <- struct{}{}
	}
}

func (d *sunk) await(t *testing.T, n int) {
	t.Helper()
	patience := time.After(20 * time.Second)
	for i := range n {
		select {
		case <-d.total:
		case <-patience:
			t.Fatalf("%d of %d events came", i, n)
		}
	}
}

// member is a consumer whose events go straight to a destination.
type member struct {
	consumer *partition.Consumer
	stop     func()
}

func start(t *testing.T, cfg partition.Config, to *sunk) member {
	t.Helper()
	return startOn(t, cfg, "events", to)
}

func startOn(t *testing.T, cfg partition.Config, topic string, to *sunk) member {
	t.Helper()
	c, err := partition.NewConsumer(cfg, partition.Options{
		Streams: []partition.Stream{{Name: "events", Topic: topic, Routes: []partition.Route{{From: 0, To: 3, Workspace: "w"}}}},
		Prepare: func(_ string, e *event.Event) { e.PrepareObject() },
		Log:     zap.NewNop(), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx, time.Second); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-c.Lanes().Ready("w"):
			}
			for b := c.Lanes().Take("w", partition.Limit{Items: 10}); !b.Empty(); b = c.Lanes().Take("w", partition.Limit{Items: 10}) {
				to.deliver(c.Lanes(), b.Picks)
			}
		}
	})
	stop := sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return member{c, stop}
}

func TestConsumeInOrderOverRestarts(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 4, "events")
	dest := newSunk()
	for round := range 3 {
		for i := range 50 {
			kafka.Produce(t, "events", 4, fmt.Sprint("user-", i%7), fmt.Sprintf(`{"n":%d}`, round*50+i))
		}
		m := start(t, kafka.Config(), dest)
		dest.await(t, 50)
		m.stop()
	}
	total := 0
	for key, values := range dest.seen {
		last := -1
		for _, v := range values {
			var n int
			if _, err := fmt.Sscanf(v, `{"n":%d}`, &n); err != nil || n <= last {
				t.Errorf("%s: %s after %d", key, v, last)
			}
			last = n
		}
		total += len(values)
	}
	if total != 150 {
		t.Errorf("%d events came, want 150: each once over three clean restarts", total)
	}
}

func TestTwoMembersShareAndHandOver(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 4, "events")
	dest := newSunk()
	a := start(t, kafka.Config(), dest)
	for i := range 100 {
		kafka.Produce(t, "events", 4, fmt.Sprint("user-", i%13), fmt.Sprintf(`{"n":%d}`, i))
	}
	b := start(t, kafka.Config(), dest)
	dest.await(t, 100)
	for i := range 100 {
		kafka.Produce(t, "events", 4, fmt.Sprint("user-", i%13), fmt.Sprintf(`{"n":%d}`, 100+i))
	}
	a.stop()
	dest.await(t, 100)
	b.stop()
	select {
	case <-dest.total:
		t.Error("an event came twice")
	default:
	}
}

func TestRetentionGapStopsTheShard(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 4, "events")
	dest := newSunk()
	key := "user-1"
	p := partition.ShardOf([]byte(key), 4)
	for i := range 10 {
		kafka.Produce(t, "events", 4, key, fmt.Sprintf(`{"n":%d}`, i))
	}
	m := start(t, kafka.Config(), dest)
	dest.await(t, 10)
	m.stop()
	for i := range 10 {
		kafka.Produce(t, "events", 4, key, fmt.Sprintf(`{"n":%d}`, 10+i))
	}
	kafka.DeleteBefore(t, "events", p, 15)

	m = start(t, kafka.Config(), dest)
	stops := awaitStops(t, m.consumer, 1)
	if s := stops[0]; s.Shard != (partition.ShardID{Stream: "events", Partition: p}) || s.Watermark != 10 || s.LogStart != 15 {
		t.Fatalf("stopped with %+v", s)
	}
	if _, err := m.consumer.Resume(t.Context(), stops[0].Shard, 12); err == nil {
		t.Error("resumed at an offset that is not in the log")
	}
	done, err := m.consumer.Resume(t.Context(), stops[0].Shard, partition.AtLogStart)
	if err != nil || done.Offset != 15 || done.Missing != 5 {
		t.Fatalf("resume: %+v, %v", done, err)
	}
	dest.await(t, 5)
	if _, err := m.consumer.Resume(t.Context(), stops[0].Shard, partition.AtLogStart); !errors.Is(err, partition.ErrNotStopped) && !errors.Is(err, partition.ErrNotOwned) {
		t.Errorf("resume of a running shard: %v", err)
	}
}

// After a long outage many shards stand still: one call sets them all going,
// and the member joins the group anew once, not once a shard.
func TestResumeAll(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 4, "events")
	for p := range int32(4) {
		for range 5 {
			kafka.Append(t, event.Record{Topic: "events", Partition: p, Key: []byte("k"), Value: []byte("{}")})
		}
		if p != 2 {
			kafka.DeleteBefore(t, "events", p, int64(p)+1) // the group is new: it must not guess
		}
	}
	dest := newSunk()
	m := start(t, kafka.Config(), dest)
	dest.await(t, 5) // of partition 2
	awaitStops(t, m.consumer, 3)
	have := map[partition.ShardID]int64{}
	m.consumer.ResumeAll(t.Context(), "others", func(id partition.ShardID, _ partition.Resumed, _ error) { t.Errorf("%s was resumed", id) })
	m.consumer.ResumeAll(t.Context(), "events", func(id partition.ShardID, done partition.Resumed, err error) {
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		have[id] = done.Offset
	})
	want := map[partition.ShardID]int64{{Stream: "events", Partition: 0}: 1, {Stream: "events", Partition: 1}: 2, {Stream: "events", Partition: 3}: 4}
	if !maps.Equal(have, want) {
		t.Fatalf("have %v, want %v", have, want)
	}
	dest.await(t, 4+3+1)
	if stops := m.consumer.Stops(); len(stops) > 0 {
		t.Errorf("still stopped: %+v", stops)
	}
}

func awaitStops(t *testing.T, c *partition.Consumer, n int) []partition.Stop {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		<-tick.C
		if stops := c.Stops(); len(stops) >= n {
			return stops
		}
	}
	t.Fatalf("fewer than %d shards stopped", n)
	return nil
}
