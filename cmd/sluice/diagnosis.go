package main

import (
	"context"
	"fmt"
	"strings"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// diagnosedError is an error in the words of its diagnosis, on one line.
type diagnosedError struct {
	text string
	err  error
}

func (e *diagnosedError) Error() string { return e.text }
func (e *diagnosedError) Unwrap() error { return e.err }

// diagnosed puts before an error what stands between us and Kafka, and what to
// do about it, when that is known.
func diagnosed(err error) error {
	what, remedy := partition.Diagnose(err)
	if what == "" {
		return err
	}
	return &diagnosedError{fmt.Sprintf("%s; %s (%s)", what, remedy, strings.Join(strings.Fields(err.Error()), " ")), err}
}

// stopping ends a command at the first append that Kafka refuses for a reason
// that does not pass: every later one would meet the same.
type stopping struct {
	producer.Appender
	stop context.CancelCauseFunc
}

// Append implements producer.Appender.
func (s stopping) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	s.Appender.Append(ctx, r, func(at partition.Position, err error) {
		if what, _ := partition.Diagnose(err); what != "" {
			s.stop(err)
		}
		done(at, err)
	})
}
