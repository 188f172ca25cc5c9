// Package deadletters looks after what was set aside for a person: the records
// of a stream's dead topic. It lists, filters, counts, shows and exports them,
// puts them back on the live topic (redrive) and acknowledges those that nobody
// needs (drop).
//
// The dead topic is a log, so nothing in it changes: a letter that is handled
// gets a mark, one more record of the same partition. A partition then tells
// its whole story in one order, a mark outlives the letters that it speaks of
// (retention deletes from the front), marks of two people never overwrite each
// other, and no further topic, store or right is needed. Marks carry the header
// sluice-mark, by which other readers of the topic tell them from letters.
//
// Before letters of a partition are touched a claim names them, and where the
// live topic ended; after it a mark closes the claim. Whoever comes upon a
// claim that was left open waits until its lease is over, looks on the live
// topic which of its letters arrived (each carries a header that names the
// claim), and settles those. So a redrive that is killed at any point and run
// again puts no letter back twice and forgets none.
package deadletters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
)

// Kafka is what is needed of a cluster; *Cluster is one. Append calls done
// exactly once, from any goroutine, and takes a Partition as it is given.
type Kafka interface {
	Bounds(ctx context.Context, topic string) (partition.Bounds, error)
	Read(ctx context.Context, r partition.Range, fn func(event.Record) error) error
	Append(ctx context.Context, r event.Record, done func(partition.Position, error))
}

// Cluster is a Kafka cluster as this package uses it. It is safe for
// concurrent use.
type Cluster struct {
	cfg      partition.Config
	admin    *partition.Admin
	appender *partition.Appender
}

// NewCluster makes a Cluster; nothing is sent before the first call.
func NewCluster(cfg partition.Config, log *zap.Logger) (*Cluster, error) {
	admin, err := partition.NewAdmin(cfg)
	if err != nil {
		return nil, err
	}
	appender, err := partition.NewAppender(cfg, log)
	if err != nil {
		admin.Close()
		return nil, err
	}
	return &Cluster{cfg: cfg, admin: admin, appender: appender}, nil
}

// Bounds implements Kafka.
func (c *Cluster) Bounds(ctx context.Context, topic string) (partition.Bounds, error) {
	return c.admin.Bounds(ctx, topic)
}

// Read implements Kafka.
func (c *Cluster) Read(ctx context.Context, r partition.Range, fn func(event.Record) error) error {
	return partition.ReadRange(ctx, c.cfg, r, fn)
}

// Append implements Kafka.
func (c *Cluster) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	c.appender.Append(ctx, r, done)
}

// Close ends the Cluster; appends that are under way fail.
func (c *Cluster) Close() {
	c.appender.Close()
	c.admin.Close()
}

// Box is the dead letters of one stream. It remembers nothing between two
// calls and is safe for concurrent use.
type Box struct {
	kafka      Kafka
	live, dead string
}

// Open returns the box of the stream with these live and dead topics. Kafka is
// not asked.
func Open(k Kafka, live, dead string) *Box { return &Box{kafka: k, live: live, dead: dead} }

// ErrNone says that no dead letter stands where it was looked for.
var ErrNone = errors.New("no such dead letter")

// stretch is what one partition of the dead topic held when it was asked.
type stretch struct {
	partition  int32
	start, end int64
}

// stretches are the partitions that hold anything, in order.
func (b *Box) stretches(ctx context.Context) ([]stretch, error) {
	bounds, err := b.kafka.Bounds(ctx, b.dead)
	if err != nil {
		return nil, fmt.Errorf("find the dead letters: %w", err)
	}
	var all []stretch
	for _, p := range slices.Sorted(maps.Keys(bounds.End)) {
		if s := (stretch{p, bounds.Start[p], bounds.End[p]}); s.start < s.end {
			all = append(all, s)
		}
	}
	return all, nil
}

// read calls fn for each record of the dead topic from one offset up to another.
func (b *Box) read(ctx context.Context, s stretch, fn func(event.Record) error) error {
	return b.kafka.Read(ctx, partition.Range{Topic: b.dead, Partition: s.partition, From: s.start, To: s.end}, fn)
}

// append puts a record down and waits until all in-sync replicas have it, at
// most until ctx ends.
func (b *Box) append(ctx context.Context, r event.Record) (int64, error) {
	type answer struct {
		at  partition.Position
		err error
	}
	answered := make(chan answer, 1)
	b.kafka.Append(ctx, r, func(at partition.Position, err error) { answered <- answer{at, err} })
	select {
	case a := <-answered:
		return a.at.Offset, a.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}
