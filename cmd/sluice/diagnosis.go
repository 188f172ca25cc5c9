package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

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

// unchanged is what a question to Kafka leaves behind.
const unchanged = "nothing was changed"

// unreachedError says that Kafka cannot be reached, or was not waited for, and what
// the command leaves behind. Where to look next is added when it is printed.
type unreachedError struct {
	what, remains string
	stopped       bool // by who started it: nothing is wrong
	err           error
}

func (e *unreachedError) Error() string { return e.what + "\n" + e.remains }
func (e *unreachedError) Unwrap() error { return e.err }

// unreached puts an error of brokers that cannot be reached into words, for all
// commands alike; any other error stays as it is, also one that has a diagnosis.
// Late is the time within which no answer came, 0 when it was not up. Nothing was
// changed, unless the error is an unsureError.
func unreached(cfg partition.Config, err error, late time.Duration) error {
	if _, told := errors.AsType[*unreachedError](err); err == nil || told {
		return err
	}
	if what, _ := partition.Diagnose(err); what != "" {
		return err
	}
	if _, elsewhere := errors.AsType[*url.Error](err); elsewhere { // a member or a simulator was asked
		return err
	}
	e := &unreachedError{what: "stopped before it was done", remains: unchanged, err: err}
	if e.stopped = late == 0 && errors.Is(err, context.Canceled); !e.stopped {
		cause := partition.Contact(err)
		switch {
		case cause == "" && late == 0:
			return err
		case cause == "":
			cause = fmt.Sprintf("no answer within %v", late)
			if !errors.Is(err, context.DeadlineExceeded) {
				cause += fmt.Sprintf(" but %q", strings.Join(strings.Fields(err.Error()), " "))
			}
		}
		e.what = fmt.Sprintf("Kafka cannot be reached: %s (kafka.brokers: %s)", cause, few(cfg.Brokers, 3))
	}
	if unsure, ok := errors.AsType[*unsureError](err); ok {
		e.remains = unsure.remains
	}
	return e
}

// unreachedAfter is unreached for an error that came after something was done,
// of which remains says what is left.
func unreachedAfter(cfg partition.Config, err error, remains string) error {
	worded := unreached(cfg, err, 0)
	if away, ok := errors.AsType[*unreachedError](worded); ok {
		away.remains = remains
	}
	return worded
}

// brief is what happened, in one line, for who tries again anyway.
func brief(err error) string {
	what, _, _ := strings.Cut(diagnosed(err).Error(), "\n")
	return what
}

// unsureError is an error of a deed that Kafka may have taken all the same.
type unsureError struct {
	remains string
	err     error
}

func (e *unsureError) Error() string { return e.err.Error() + "; " + e.remains }
func (e *unsureError) Unwrap() error { return e.err }

// unsure adds to a deed's error that it may be done, and the command that tells.
func unsure(err error, look string) error {
	if err == nil {
		return nil
	}
	return &unsureError{"whether it was done is not known: look with " + look, err}
}

// lost is unsure for an error of whatever Kafka may have answered and we have not
// heard; what it has refused is not done.
func lost(err error, look string) error {
	if partition.Contact(err) == "" && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return err
	}
	return unsure(err, look)
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
