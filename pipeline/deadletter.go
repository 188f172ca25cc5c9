package pipeline

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/sink"
)

// appender is what dead letters need of partition.Appender.
type appender interface {
	Append(ctx context.Context, r event.Record, done func(partition.Position, error))
}

// verdictFaulted is the verdict of an event that no destination was asked about.
const verdictFaulted = "faulted"

// deadLetterAgain is how long a dead letter that could not be written waits.
const deadLetterAgain = 5 * time.Second

// faulted is the death of an event that cannot be sent at all.
func faulted(f *event.Fault) event.Death {
	return event.Death{Verdict: verdictFaulted, Reason: f.Reason, Detail: f.Detail}
}

// rejected is the death of an event that the destination would not take.
func rejected(status int, reason string) event.Death {
	return event.Death{Verdict: sink.Rejected.String(), Reason: "rejected", Detail: reason, Status: status}
}

// deadLetter sets an event aside for a person. It is settled, and its lane free,
// only when the dead letter is acknowledged. When ctx ends first it is put back.
func (w *workspace) deadLetter(ctx context.Context, pick partition.Pick, d event.Death) {
	now := time.Now()
	d.Topic, d.Workspace = pick.LiveTopic()+DeadSuffix, w.Name
	d.Attempts, d.First, d.Last = pick.Attempts+pick.Event.Tries, pick.First, now
	if !pick.Event.FirstTry.IsZero() {
		d.First = pick.Event.FirstTry
	}
	if d.Status > 0 {
		d.Attempts++
	}
	if d.First.IsZero() {
		d.First = now
	}
	w.bury(ctx, pick, event.DeadLetter(pick.Event, d), d)
}

// bury appends a dead letter and settles its event once that is acknowledged.
func (w *workspace) bury(ctx context.Context, pick partition.Pick, r event.Record, d event.Death) {
	r.Partition = -1
	w.appender.Append(ctx, r, func(_ partition.Position, err error) {
		switch {
		case err == nil:
			w.metrics.deadLetter(d.Reason)
			w.log.Warn("dead letter", zap.String("reason", d.Reason), zap.Stringer("source", pick.Event.Source), zap.Int("status", d.Status))
			w.finish([]partition.Pick{pick}, partition.Outcome{Kind: partition.DeadLettered})
		case errors.Is(err, partition.ErrTooLarge) && len(r.Value) > 0:
			go w.bury(ctx, pick, cut(r), d) // not from within the appender's own callback
		default: // its lane waits; tiers tells whoever asks why
			w.putBack(pick, time.Now().Add(deadLetterAgain), false)
		}
	})
}

// headerCut says that a dead letter's value was too large to be kept, and how
// large it was; the source still holds it until its retention ends.
const headerCut = "sluice-cut"

// cut is a dead letter without its value, which its topic would not take.
func cut(r event.Record) event.Record {
	r.Headers = append(r.Headers, event.Header{Key: headerCut, Value: []byte(strconv.Itoa(len(r.Value)))})
	r.Value = nil
	return r
}
