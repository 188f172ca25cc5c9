// Package producer brings events into a stream: from a file, by Run, or from a
// Go application, by a Producer. Both make the record form (the user as the
// key, JSON as the value) and hand it to an Appender in the order given, so that
// Kafka holds each user's events in that order.
//
// An application makes one Producer, on a *partition.Appender, when it starts,
// and calls it from anywhere:
//
//	p, err := producer.New(appender, config)
//	…
//	err = p.Track(ctx, producer.ID("42"), "purchase", map[string]any{"total": 12.5})
//
// A call waits until Kafka has the event; [Producer.Async] does not, and tells
// later. What Customer.io would never take is an error at once ([ErrInvalid]).
//
// From a file, an event that cannot be read or appended never stops the others:
// it is counted and reported with its reason.
package producer

import (
	"context"

	"sluice/partition"
	"sluice/pipeline/event"
)

// Appender puts records into Kafka; *partition.Appender is one. Append returns
// before the record is acknowledged and calls done exactly once, from any
// goroutine; records given for one key in some order are kept in that order.
// The record's bytes stay untouched until done. Flush waits until every record
// given so far is done, or ctx ends.
type Appender interface {
	Append(ctx context.Context, r event.Record, done func(partition.Position, error))
	Flush(ctx context.Context) error
}

// Form is what a stream's destination is sent.
type Form uint8

const (
	// Entity is for Customer.io: the short form becomes a Track v2 entity, an
	// entity stays as it is, byte for byte.
	Entity Form = iota
	// Object is for every other destination: any JSON object, as it is.
	Object
)

// byKey sends a record to the partition that its key decides.
const byKey = -1
