//go:build integration

package partition_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
)

// real is a topic of its own on the cluster that SLUICE_TEST_BROKERS names.
type real struct {
	cfg   partition.Config
	admin *partition.Admin
	topic string
}

// newReal makes a topic of four partitions that goes with the test.
func newReal(t *testing.T) *real {
	t.Helper()
	brokers := os.Getenv("SLUICE_TEST_BROKERS")
	if brokers == "" {
		t.Fatal("SLUICE_TEST_BROKERS names no brokers; run `make integration`")
	}
	r := &real{cfg: partition.DefaultConfig(), topic: "it-" + ulid.Make().String()}
	r.cfg.Brokers, r.cfg.Group = strings.Split(brokers, ","), r.topic
	var err error
	if r.admin, err = partition.NewAdmin(r.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.admin.Close)
	spec := partition.TopicSpec{Name: r.topic, Partitions: 4, Replication: 3, Settings: map[string]string{"min.insync.replicas": "2"}}
	if _, err := r.apply(t, spec, false); err != nil {
		t.Fatal(err)
	}
	return r
}

// apply plans one topic and carries the plan out.
func (r *real) apply(t *testing.T, spec partition.TopicSpec, force bool) (partition.TopicPlan, error) {
	t.Helper()
	plan, err := r.admin.Plan(t.Context(), []partition.TopicSpec{spec}, force)
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.admin.Apply(t.Context(), plan)
	if err != nil {
		return partition.TopicPlan{}, err
	}
	return done[0], nil
}

func (r *real) append(t *testing.T, from, count, users int) {
	t.Helper()
	appender, err := partition.NewAppender(r.cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer appender.Close()
	faults := make(chan error, count)
	for i := from; i < from+count; i++ {
		key := []byte(fmt.Sprint("user-", i%users))
		record := event.Record{Topic: r.topic, Partition: -1, Key: key, Value: fmt.Appendf(nil, `{"n":%d}`, i)}
		appender.Append(t.Context(), record, func(at partition.Position, err error) {
			if err == nil && at.Partition != partition.ShardOf(key, 4) {
				err = fmt.Errorf("key %s went to partition %d", key, at.Partition)
			}
			faults <- err
		})
	}
	for range count {
		if err := <-faults; err != nil {
			t.Fatal(err)
		}
	}
}

// checkOrder fails unless every event came, and each user's in order, when
// repeats are left out.
func checkOrder(t *testing.T, dest *sunk, want int) {
	t.Helper()
	dest.mu.Lock()
	defer dest.mu.Unlock()
	distinct := 0
	for key, values := range dest.seen {
		seen, last := map[int]bool{}, -1
		for _, v := range values {
			var n int
			if _, err := fmt.Sscanf(v, `{"n":%d}`, &n); err != nil {
				t.Fatal(err)
			}
			if seen[n] {
				continue
			}
			if seen[n] = true; n < last {
				t.Errorf("%s: %d came after %d", key, n, last)
			}
			last = n
		}
		distinct += len(seen)
	}
	if distinct != want {
		t.Errorf("%d distinct events came, want %d", distinct, want)
	}
}

func TestRealHandOverRepeatsNothing(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	dest := newSunk()
	a := startOn(t, r.cfg, r.topic, dest)
	r.append(t, 0, 2000, 37)
	b := startOn(t, r.cfg, r.topic, dest)
	dest.await(t, 2000)
	r.append(t, 2000, 2000, 37)
	a.stop()
	dest.await(t, 2000)
	b.stop()
	checkOrder(t, dest, 4000)
	select {
	case <-dest.total:
		t.Error("an event came twice over clean hand-overs")
	default:
	}
	committed, err := r.admin.Committed(t.Context(), r.cfg.Group, r.topic)
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for p, c := range committed {
		if sum += c.Offset; !c.Released {
			t.Errorf("partition %d was not released", p)
		}
	}
	if sum != 4000 {
		t.Errorf("%d committed, want 4000", sum)
	}
}

// A member that disappears keeps its shards until the session ends; what it had
// settled and not committed may come again, and nothing else.
func TestRealTakeOver(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	dest := newSunk()
	r.append(t, 0, 1000, 23)
	a := startOn(t, r.cfg, r.topic, dest)
	dest.await(t, 1000)
	b := startOn(t, r.cfg, r.topic, dest)
	awaitJoined(t, b.consumer)
	a.stop()
	r.append(t, 1000, 1000, 23)
	dest.await(t, 1000)
	checkOrder(t, dest, 2000)
}

func awaitJoined(t *testing.T, c *partition.Consumer) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if <-tick.C; c.Joined() {
			return
		}
	}
	t.Fatal("the member did not join")
}

func TestRealRangeReadsWhatWasAppended(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	r.append(t, 0, 500, 11)
	bounds, err := r.admin.Bounds(t.Context(), r.topic)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for p, end := range bounds.End {
		next := int64(0)
		if err := partition.ReadRange(context.Background(), r.cfg, partition.Range{Topic: r.topic, Partition: p, To: end}, func(rec event.Record) error {
			if rec.Offset != next {
				t.Errorf("partition %d: offset %d, want %d", p, rec.Offset, next)
			}
			next++
			read++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if read != 500 {
		t.Errorf("%d records read, want 500", read)
	}
}

func TestRealTopicsAreAppliedOnce(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	spec := partition.TopicSpec{Name: r.topic, Partitions: 4, Replication: 3, Settings: map[string]string{
		"min.insync.replicas": "2", "cleanup.policy": "delete", "retention.ms": "3600000",
	}}
	if done, err := r.apply(t, spec, false); err != nil || done.Action() != partition.Change {
		t.Fatalf("first: %v, %v", done, err)
	}
	if done, err := r.apply(t, spec, false); err != nil || done.Action() != partition.Keep {
		t.Fatalf("again: %v, %v", done, err)
	}
	for name, change := range map[string]func(*partition.TopicSpec){
		"partition count": func(s *partition.TopicSpec) { s.Partitions = 8 },
		"compaction":      func(s *partition.TopicSpec) { s.Settings = map[string]string{"cleanup.policy": "compact"} },
	} {
		bad := spec
		change(&bad)
		if _, err := r.apply(t, bad, true); !errors.Is(err, partition.ErrRefused) {
			t.Errorf("%s: want a refusal, have %v", name, err)
		}
	}
}

func TestRealClusterTellsItsVersionAndTime(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	cluster, err := r.admin.Cluster(t.Context())
	if err != nil || len(cluster.Brokers) != 3 {
		t.Fatalf("have %+v, %v", cluster, err)
	}
	for _, b := range cluster.Brokers {
		if b.Err != nil || b.Old || !strings.Contains(b.Version, "v4.") {
			t.Errorf("have %+v", b)
		}
	}
	at, within, err := r.admin.Clock(t.Context())
	if err != nil || time.Until(at).Abs() > within+100*time.Millisecond {
		t.Errorf("want this machine's own time, have %v off within %v, %v", time.Until(at), within, err)
	}
}

func TestRealTailReadsTheNewest(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	r.append(t, 0, 500, 11)
	bounds, err := r.admin.Bounds(t.Context(), r.topic)
	if err != nil {
		t.Fatal(err)
	}
	read := map[int32][]int64{}
	if err := r.admin.Tail(t.Context(), []string{r.topic}, 7, func(rec event.Record) { read[rec.Partition] = append(read[rec.Partition], rec.Offset) }); err != nil {
		t.Fatal(err)
	}
	for p, end := range bounds.End {
		if want := min(7, end); int64(len(read[p])) != want || want > 0 && read[p][0] != end-want {
			t.Errorf("partition %d: want the last %d before %d, have %v", p, want, end, read[p])
		}
	}
}
