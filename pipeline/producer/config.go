package producer

import (
	"errors"
	"fmt"
	"time"
)

// Policy is what becomes of an event that finds the buffer full.
type Policy uint8

const (
	// Block makes the call wait for room, at most until its context ends.
	Block Policy = iota
	// Drop refuses the event at once with ErrFull, and counts it.
	Drop
)

// Config says where a Producer writes and how it buffers.
type Config struct {
	// Topic is the stream's live topic. It is left empty where Regions decide.
	Topic string
	// Regions maps the name of each region to the live topic of its stream. An
	// event of any other region, or of none, is refused: there is no default.
	Regions map[string]string
	// RegionField is the attribute of an event or of a person that names the
	// region. Empty: only In does. Calls without attributes need In always.
	RegionField string
	// Form is what the destination of the stream is sent: Entity lets every
	// method but Send be used, Object those and Send.
	Form Form

	BatchEvents  int           // events handed over together at most
	BatchWait    time.Duration // how long an event of Async waits for others at most
	Concurrency  int           // batches that may await their acknowledgement at once
	BufferEvents int           // events between being taken and their outcome at most
	BufferBytes  int           // the memory of these at most, about
	WhenFull     Policy        // of either bound
}

// leastBuffer holds the largest single call.
const leastBuffer = 1 << 20

// DefaultConfig is batches of 100 events or one second, ten at once, and a
// buffer of 10,000 events or 32 MiB that blocks when full. The topic, or the
// regions, are the caller's to set.
func DefaultConfig() Config {
	return Config{
		BatchEvents: 100, BatchWait: time.Second, Concurrency: 10,
		BufferEvents: 10_000, BufferBytes: 32 << 20, WhenFull: Block,
	}
}

// Validate returns every fault, joined, each with its path.
func (c Config) Validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	must(c.Topic != "" || len(c.Regions) > 0, "producer.topic: must not be empty, unless there are regions")
	must(c.Topic == "" || len(c.Regions) == 0, "producer.topic: must be empty where regions decide")
	must(c.RegionField == "" || len(c.Regions) > 0, "producer.region_field: has no regions to choose from")
	for region, topic := range c.Regions {
		must(region != "" && topic != "", "producer.regions: must map names to topics, neither empty, have %q: %q", region, topic)
	}
	must(c.Form <= Object, "producer.form: must be Entity or Object, have %d", c.Form)
	must(c.BatchEvents > 0, "producer.batch_events: must be above 0, have %d", c.BatchEvents)
	must(c.BatchWait > 0, "producer.batch_wait: must be above 0, have %v", c.BatchWait)
	must(c.Concurrency > 0, "producer.concurrency: must be above 0, have %d", c.Concurrency)
	must(c.BufferEvents > 0, "producer.buffer_events: must be above 0, have %d", c.BufferEvents)
	must(c.BufferBytes >= leastBuffer, "producer.buffer_bytes: must be at least %d, have %d", leastBuffer, c.BufferBytes)
	must(c.WhenFull <= Drop, "producer.when_full: must be Block or Drop, have %d", c.WhenFull)
	return errors.Join(faults...)
}
