package replay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
	"sluice/pipeline/replay"
	"sluice/pipeline/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	live       = "events"
	tier       = "events.replay"
	otherLive  = "spare"
	otherTier  = "spare.replay"
	stateTopic = "sluice.state"
	partitions = 3
)

// kafka is a real cluster as a replay uses it.
type kafka struct {
	*partition.Admin
	cfg      partition.Config
	appender *partition.Appender
}

func (k kafka) Read(ctx context.Context, r partition.Range, fn func(event.Record) error) error {
	return partition.ReadRange(ctx, k.cfg, r, fn)
}

func (k kafka) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	k.appender.Append(ctx, r, done)
}

// world is a cluster with two streams and what is wanted of them.
type world struct {
	*partitiontest.Cluster
	kafka kafka
	store *state.Store // the desk's
	deps  replay.Deps
	desk  *replay.Desk
	next  [partitions]int64
}

func newWorld(t *testing.T, c *partitiontest.Cluster) *world {
	t.Helper()
	w := &world{Cluster: c}
	admin, err := partition.NewAdmin(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	appender, err := partition.NewAppender(c.Config(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(appender.Close)
	w.kafka = kafka{admin, c.Config(), appender}
	if err := admin.Create(t.Context(), partition.TopicSpec{
		Name: stateTopic, Partitions: 1, Replication: 1, Settings: map[string]string{"cleanup.policy": "compact"},
	}); err != nil {
		t.Fatal(err)
	}
	w.store = w.open(t)
	w.deps = replay.Deps{
		Kafka: c.Config(), Group: "g", Store: w.store, Log: zap.NewNop(), Cluster: w.kafka,
		Streams: []replay.Stream{
			{Name: "events", Topic: live, ReplayTopic: tier, Partitions: partitions, Routes: []partition.Route{{From: 0, To: partitions - 1, Workspace: "acme"}}},
			{Name: "spare", Topic: otherLive, ReplayTopic: otherTier, Partitions: partitions, Routes: []partition.Route{{From: 0, To: partitions - 1, Workspace: "copy"}}},
		},
		Workspaces: []replay.Workspace{
			{Name: "acme", Kind: replay.KindCustomerio, Region: "eu", Rate: 80, EventRate: 1000, Batch: 100},
			{Name: "copy", Kind: replay.KindCustomerio, Region: "eu", Rate: 80, EventRate: 1000, Batch: 100},
			{Name: "abroad", Kind: replay.KindCustomerio, Region: "us", Rate: 80, EventRate: 1000, Batch: 100},
		},
	}
	w.desk = replay.NewDesk(w.deps)
	return w
}

func newPlainWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, partitiontest.New(t, partitions, live, tier, otherLive, otherTier))
}

// newVirtualWorld is newPlainWorld for a bubble.
func newVirtualWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, partitiontest.NewVirtual(t, partitions, live, tier, otherLive, otherTier))
}

func (w *world) open(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), state.Config{Kafka: w.Config(), Topic: stateTopic}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// write appends a record to the live topic, where its key says.
func (w *world) write(t *testing.T, key, value string, at time.Time) (number int32, offset int64) {
	t.Helper()
	number = partition.ShardOf([]byte(key), partitions)
	w.Append(t, event.Record{Topic: live, Partition: number, Key: []byte(key), Value: []byte(value), Time: at})
	offset = w.next[number]
	w.next[number]++
	return number, offset
}

func track(user string, n int) string {
	return fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":%q},"name":"bought","attributes":{"n":%d,"plan":"gold"}}`, user, n)
}

func identify(user string, n int) string {
	return fmt.Sprintf(`{"type":"person","action":"identify","identifiers":{"id":%q},"attributes":{"n":%d}}`, user, n)
}

func destroy(action, user string) string {
	return fmt.Sprintf(`{"type":"person","action":%q,"identifiers":{"id":%q}}`, action, user)
}

func merge(primary, secondary string) string {
	return fmt.Sprintf(`{"type":"person","action":"merge","primary":{"id":%q},"secondary":{"id":%q}}`, primary, secondary)
}

// settle commits the end of every partition of a topic, as members do that have
// delivered all of it.
func (w *world) settle(t *testing.T, topic string) {
	t.Helper()
	bounds, err := w.kafka.Bounds(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for number, end := range bounds.End {
		w.commit(t, topic, number, end)
	}
}

func (w *world) commit(t *testing.T, topic string, number int32, offset int64) {
	t.Helper()
	if err := w.kafka.SetOffset(t.Context(), "g", partition.ShardID{Stream: topic, Partition: number}, offset); err != nil {
		t.Fatal(err)
	}
}

// deliver settles what is on a replay tier again and again, until stop.
func (w *world) deliver(t *testing.T, topic string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			w.settle(t, topic)
			time.Sleep(200 * time.Millisecond) // in a synctest bubble
		}
	})
	return func() { cancel(); running.Wait() }
}

func (w *world) plan(t *testing.T, s replay.Selection) replay.Plan {
	t.Helper()
	p, err := w.desk.Plan(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) start(t *testing.T, s replay.Selection) replay.Job {
	t.Helper()
	job, err := w.desk.Start(t.Context(), w.plan(t, s), "tester")
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func (w *world) status(t *testing.T, id string) replay.Status {
	t.Helper()
	s, err := w.desk.Status(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// await waits until a job's status is as wanted, for a minute of the bubble.
func (w *world) await(t *testing.T, id, what string, is func(replay.Status) bool) replay.Status {
	t.Helper()
	var s replay.Status
	for range 600 {
		if s = w.status(t, id); is(s) {
			return s
		}
		time.Sleep(100 * time.Millisecond) // in a synctest bubble
	}
	t.Fatalf("%s: have %+v", what, s)
	return s
}

func done(s replay.Status) bool { return s.State == replay.Done }

// copies are the places of the originals on a replay topic, by its partition, in
// order.
func (w *world) copies(t *testing.T, topic, job string) map[int32][]event.Source {
	t.Helper()
	all := map[int32][]event.Source{}
	var e event.Event
	for _, r := range w.Read(t, topic) {
		if e.LoadMoved(r, "cluster"); e.Replay == job {
			all[r.Partition] = append(all[r.Partition], e.Origin)
		}
	}
	return all
}

// member is one process with a runner.
type member struct {
	*replay.Runner
	stop func() // in good order
	dead *atomic.Bool
}

// member starts a runner over a cluster. Once dead is set nothing that it does
// reaches Kafka any more.
func (w *world) member(t *testing.T, name string, over func(replay.Cluster) replay.Cluster) member {
	t.Helper()
	store, dead := w.open(t), new(atomic.Bool)
	deps := w.deps
	deps.Store = mortalStore{store, dead}
	if over != nil {
		deps.Cluster = over(deps.Cluster)
	}
	deps.Cluster = mortal{deps.Cluster, dead}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = store.Run(ctx) })
	m := member{Runner: replay.NewRunner(deps, name), dead: dead}
	runs, end := context.WithCancel(ctx)
	var runner sync.WaitGroup
	runner.Go(func() {
		if err := m.Run(runs); err != nil {
			t.Error(err)
		}
	})
	m.stop = sync.OnceFunc(func() { end(); runner.Wait(); cancel(); running.Wait() })
	t.Cleanup(m.stop)
	return m
}

var errDead = errors.New("the process is dead")

// mortal is a Kafka of a process that may die.
type mortal struct {
	replay.Cluster
	dead *atomic.Bool
}

func (m mortal) Lag(ctx context.Context, group string, topics ...string) ([]partition.ShardLag, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.Cluster.Lag(ctx, group, topics...)
}

func (m mortal) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	if m.dead.Load() {
		go done(partition.Position{}, errDead)
		return
	}
	m.Cluster.Append(ctx, r, done)
}

// mortalStore is the state as a process sees it that may die.
type mortalStore struct {
	*state.Store
	dead *atomic.Bool
}

func (m mortalStore) Swap(ctx context.Context, key string, seen int64, body any) (int64, error) {
	if m.dead.Load() {
		return 0, errDead
	}
	return m.Store.Swap(ctx, key, seen, body)
}

func (m mortalStore) Audit(ctx context.Context, e state.Entry) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Store.Audit(ctx, e)
}

// meddled is a Kafka that tells of every append before it is made: what it
// returns is whether to write it, and whether to say so.
type meddled struct {
	replay.Cluster
	appending func(n int, r event.Record) (write, answer bool)
	count     *atomic.Int64
}

func (m meddled) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	write, answer := m.appending(int(m.count.Add(1)), r)
	switch {
	case write && answer:
		m.Cluster.Append(ctx, r, done)
	case write:
		m.Cluster.Append(ctx, r, func(at partition.Position, _ error) { done(at, errDead) })
	default:
		go done(partition.Position{}, errDead)
	}
}

func meddle(fn func(n int, r event.Record) (write, answer bool)) func(replay.Cluster) replay.Cluster {
	return func(c replay.Cluster) replay.Cluster {
		return meddled{Cluster: c, appending: fn, count: new(atomic.Int64)}
	}
}
