package rig

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Cluster asks Kafka itself, by a client of its own, so that no check takes the
// product's word for what stands there. It is safe for concurrent use.
type Cluster struct {
	brokers string
	client  *kgo.Client
	admin   *kadm.Client
}

// Connect makes a client; nothing is asked yet.
func Connect(brokers string) (*Cluster, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", brokers, err)
	}
	return &Cluster{brokers: brokers, client: client, admin: kadm.NewClient(client)}, nil
}

// Close ends the client's connections.
func (c *Cluster) Close() { c.client.Close() }

// CreateTopic makes a topic with the cluster's own replication.
func (c *Cluster) CreateTopic(ctx context.Context, topic string, partitions int32) error {
	if _, err := c.admin.CreateTopic(ctx, partitions, -1, nil, topic); err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	return nil
}

// Partitions is how many a topic has.
func (c *Cluster) Partitions(ctx context.Context, topic string) (int, error) {
	topics, err := c.admin.ListTopics(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	return len(topics[topic].Partitions), topics[topic].Err
}

// Raw is a record as some other producer would write it: a nil key or value is
// no key, and a tombstone.
type Raw struct {
	Key, Value []byte
}

// Produce appends records, waiting for all replicas, and returns when the last
// is acknowledged. The default partitioner places them.
func (c *Cluster) Produce(ctx context.Context, topic string, raws []Raw) error {
	records := make([]*kgo.Record, len(raws))
	for i, r := range raws {
		records[i] = &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value}
	}
	if err := c.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("produce to %s: %w", topic, err)
	}
	return nil
}

// Record is one record read back, with its headers as text.
type Record struct {
	Partition  int32
	Offset     int64
	Key, Value []byte
	Headers    map[string]string
}

// ReadAll reads a topic from its start to the end that it has now.
func (c *Cluster) ReadAll(ctx context.Context, topic string) ([]Record, error) {
	starts, ends, err := c.bounds(ctx, topic)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]kgo.Offset{}
	left := int64(0)
	for partition, end := range ends {
		if start := starts[partition]; end > start {
			offsets[partition] = kgo.NewOffset().At(start)
			left += end - start
		}
	}
	if left == 0 {
		return nil, nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.brokers, ",")...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", topic, err)
	}
	defer client.Close()
	var records []Record
	for int64(len(records)) < left {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return records, fmt.Errorf("read %s, %d of %d records: %w", topic, len(records), left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			records = append(records, Record{r.Partition, r.Offset, r.Key, r.Value, headers})
		})
	}
	return records, nil
}

// Count is how many records a topic holds; 0 when it does not exist.
func (c *Cluster) Count(ctx context.Context, topic string) (int64, error) {
	starts, ends, err := c.bounds(ctx, topic)
	if err != nil {
		return 0, err
	}
	var n int64
	for partition, end := range ends {
		n += end - starts[partition]
	}
	return n, nil
}

func (c *Cluster) bounds(ctx context.Context, topic string) (starts, ends map[int32]int64, err error) {
	listed := [2]map[int32]int64{{}, {}}
	for i, list := range []func(context.Context, ...string) (kadm.ListedOffsets, error){c.admin.ListStartOffsets, c.admin.ListEndOffsets} {
		offsets, err := list(ctx, topic)
		if err != nil {
			return nil, nil, fmt.Errorf("list the offsets of %s: %w", topic, err)
		}
		offsets.Each(func(o kadm.ListedOffset) {
			if o.Err == nil {
				listed[i][o.Partition] = o.Offset
			}
		})
	}
	return listed[0], listed[1], nil
}

// DeleteBefore removes a partition's records below offset, as retention does.
func (c *Cluster) DeleteBefore(ctx context.Context, topic string, partition int32, offset int64) error {
	var offsets kadm.Offsets
	offsets.AddOffset(topic, partition, offset, -1)
	answer, err := c.admin.DeleteRecords(ctx, offsets)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		return fmt.Errorf("delete records of %s/%d below %d: %w", topic, partition, offset, err)
	}
	return nil
}

// End is the end of one partition.
func (c *Cluster) End(ctx context.Context, topic string, partition int32) (int64, error) {
	_, ends, err := c.bounds(ctx, topic)
	if err != nil {
		return 0, err
	}
	return ends[partition], nil
}
