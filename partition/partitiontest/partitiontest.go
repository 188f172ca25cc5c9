// Package partitiontest gives tests an in-process Kafka and a client for it.
package partitiontest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/partition"
	"sluice/pipeline/event"
)

// Cluster is a fake Kafka that ends with its test.
type Cluster struct {
	*kfake.Cluster
	Client *kgo.Client // to produce and to ask
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// New starts a one-node cluster with topics of so many partitions.
func New(t testing.TB, partitions int32, topics ...string) *Cluster {
	t.Helper()
	c := start(t, kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...))
	c.connect(t)
	return c
}

// NewVirtual is New for a synctest bubble: cluster and clients talk in memory,
// so that the bubble's time passes while they wait.
func NewVirtual(t testing.TB, partitions int32, topics ...string) *Cluster {
	t.Helper()
	network := new(kfake.VirtualNetwork)
	c := start(t, kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...), kfake.Ports(9092), kfake.ListenFn(network.Listen))
	c.dial = network.DialContext
	c.connect(t)
	return c
}

func start(t testing.TB, opts ...kfake.Opt) *Cluster {
	t.Helper()
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &Cluster{Cluster: c}
}

func (c *Cluster) connect(t testing.TB) {
	t.Helper()
	opts := []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if c.dial != nil {
		opts = append(opts, kgo.Dialer(c.dial))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	c.Client = cl
}

// Config is a member's configuration for this cluster, quick to rebalance.
func (c *Cluster) Config() partition.Config {
	cfg := partition.DefaultConfig()
	cfg.Brokers, cfg.Dial = c.ListenAddrs(), c.dial
	cfg.Group = "g"
	cfg.Heartbeat = 100 * time.Millisecond
	cfg.CommitEvery = 50 * time.Millisecond
	cfg.FetchWait = 50 * time.Millisecond
	return cfg
}

// Produce appends a record whose key decides its partition among n, and waits
// until it is acknowledged.
func (c *Cluster) Produce(t testing.TB, topic string, n int32, key, value string) {
	t.Helper()
	c.Append(t, event.Record{Topic: topic, Key: []byte(key), Value: []byte(value), Partition: partition.ShardOf([]byte(key), n)})
}

// Append appends a record to its partition as it is and waits until it is
// acknowledged.
func (c *Cluster) Append(t testing.TB, r event.Record) {
	t.Helper()
	rec := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Time}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	if err := c.Client.ProduceSync(context.Background(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// DeleteBefore deletes what a partition holds below an offset, as retention does.
func (c *Cluster) DeleteBefore(t testing.TB, topic string, p int32, offset int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: p, At: offset})
	deleted, err := kadm.NewClient(c.Client).DeleteRecords(context.Background(), offsets)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Read returns every record of a topic.
func (c *Cluster) Read(t testing.TB, topic string) []event.Record {
	t.Helper()
	admin, err := partition.NewAdmin(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	bounds, err := admin.Bounds(context.Background(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var all []event.Record
	for p, end := range bounds.End {
		r := partition.Range{Topic: topic, Partition: p, From: bounds.Start[p], To: end}
		if err := partition.ReadRange(context.Background(), c.Config(), r, func(r event.Record) error {
			all = append(all, r)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
