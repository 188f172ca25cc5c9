package deadletters_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/deadletters"
	"sluice/pipeline/event"
)

const (
	live       = "events"
	dead       = "events.dead"
	partitions = 4
)

// world is a cluster with a live and a dead topic, and what its box does.
type world struct {
	*partitiontest.Cluster
	cluster *deadletters.Cluster
	box     *deadletters.Box
	died    int64 // the source offset of the next letter
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldOf(t, partitiontest.New(t, partitions, live, dead))
}

// newVirtualWorld is newWorld for a bubble: its time passes while everybody
// waits.
func newVirtualWorld(t *testing.T) *world {
	t.Helper()
	return worldOf(t, partitiontest.NewVirtual(t, partitions, live, dead))
}

func worldOf(t *testing.T, c *partitiontest.Cluster) *world {
	t.Helper()
	w := &world{Cluster: c}
	var err error
	if w.cluster, err = deadletters.NewCluster(w.Config(), zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cluster.Close)
	w.box = deadletters.Open(w.cluster, live, dead)
	return w
}

// born is when the events of the tests happened.
func born() time.Time { return time.Now().Add(-time.Hour).Truncate(time.Millisecond) }

// die writes a dead letter as a member does, from a record of the live topic
// that is nowhere else.
func (w *world) die(t *testing.T, key, value string, d event.Death, headers ...event.Header) {
	t.Helper()
	w.died++
	w.dieAt(t, w.died, event.Record{Key: bytesOf(key), Value: bytesOf(value), Headers: headers}, d)
}

func (w *world) dieAt(t *testing.T, offset int64, r event.Record, d event.Death) {
	t.Helper()
	r.Topic, r.Offset = live, offset
	if r.Time.IsZero() {
		r.Time = born()
	}
	var e event.Event
	e.Load(r, "cluster")
	d.Topic = dead
	if d.Reason == "" {
		d.Reason = "rejected"
	}
	if d.Workspace == "" {
		d.Workspace = "acme"
	}
	if d.Last.IsZero() {
		d.Last = time.Now()
	}
	letter := event.DeadLetter(&e, d)
	letter.Partition = partition.ShardOf(r.Key, partitions)
	w.Append(t, letter)
}

// bytesOf has nil for "-".
func bytesOf(s string) []byte {
	if s == "-" {
		return nil
	}
	return []byte(s)
}

func (w *world) handle(t *testing.T, o deadletters.Order) deadletters.Counts {
	t.Helper()
	c, err := w.box.Handle(t.Context(), ordered(o))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ordered(o deadletters.Order) deadletters.Order {
	o.By = "tester"
	return o
}

func (w *world) pending(t *testing.T) int {
	t.Helper()
	s, err := w.box.Summarise(t.Context(), deadletters.Filter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s.Pending
}

// sequence is the values of the live topic by key, in order.
func (w *world) sequence(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, r := range w.Read(t, live) {
		all[string(r.Key)] = append(all[string(r.Key)], string(r.Value))
	}
	return all
}

// faulty is a Kafka whose appends can be made to fail.
type faulty struct {
	deadletters.Kafka
	mu    sync.Mutex
	count int
	// fail says what becomes of the nth append: an error before it is written,
	// lost, after which the answer is an error though it was written, or nil.
	fail func(n int, r event.Record) error
}

var errLost = errors.New("written, but the answer is lost")

func (f *faulty) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	f.mu.Lock()
	f.count++
	err := f.fail(f.count, r)
	f.mu.Unlock()
	switch {
	case err == nil:
		f.Kafka.Append(ctx, r, done)
	case errors.Is(err, errLost):
		f.Kafka.Append(ctx, r, func(at partition.Position, _ error) { done(at, err) })
	default:
		go done(partition.Position{}, err)
	}
}

func headersOf(r event.Record) string {
	var all []string
	for _, h := range r.Headers {
		all = append(all, fmt.Sprintf("%s=%s", h.Key, h.Value))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
