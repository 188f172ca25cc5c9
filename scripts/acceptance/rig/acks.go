package rig

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Ack is a record that Kafka acknowledged, and where it said that it stands.
type Ack struct {
	N         int64 // which of the records that were made, from the first given on
	Partition int32
	Offset    int64
}

// Steady appends records to a topic, about 2,000 a second, until ctx ends, and
// returns those that were acknowledged, whatever became of the others. make is
// given each record's number, from first on; the second result is the next one.
func (c *Cluster) Steady(ctx context.Context, topic string, first int64, make func(n int64) Raw) ([]Ack, int64, error) {
	// Of its own, for what is in flight at the end is given up with it.
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.brokers, ",")...), kgo.ProducerLinger(2*time.Millisecond))
	if err != nil {
		return nil, first, fmt.Errorf("connect to %s: %w", c.brokers, err)
	}
	defer client.Close()
	var mu sync.Mutex
	var acks []Ack
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	n := first
	for ctx.Err() == nil {
		for range 20 {
			raw, number := make(n), n
			client.TryProduce(context.WithoutCancel(ctx), &kgo.Record{Topic: topic, Key: raw.Key, Value: raw.Value}, func(r *kgo.Record, err error) {
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					acks = append(acks, Ack{number, r.Partition, r.Offset})
				}
			})
			n++
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	client.Close() // an answer that comes after this was not received
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(acks), n, nil
}
