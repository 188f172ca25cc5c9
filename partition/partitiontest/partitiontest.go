// Package partitiontest gives tests an in-process Kafka and a client for it.
package partitiontest

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/partition"
)

// Cluster is a fake Kafka that ends with its test.
type Cluster struct {
	*kfake.Cluster
	Client *kgo.Client // to produce and to ask
}

// New starts a one-node cluster with topics of so many partitions.
func New(t testing.TB, partitions int32, topics ...string) *Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &Cluster{Cluster: c, Client: cl}
}

// Config is a member's configuration for this cluster, quick to rebalance.
func (c *Cluster) Config() partition.Config {
	cfg := partition.DefaultConfig()
	cfg.Brokers = c.ListenAddrs()
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
	r := &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value), Partition: partition.ShardOf([]byte(key), n)}
	if err := c.Client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
