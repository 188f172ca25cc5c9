package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/sink"
)

// Tries says how often an event is tried that keeps failing by itself, while
// others get through. The zero value tries it for ever where it is.
type Tries struct {
	InPlace int              // attempts that count, then it moves to the held tier; 0: it never does
	Held    int              // attempts that count there, then it is a dead letter
	Retry   sink.RetryConfig // the waits between these
	Most    time.Duration    // after its first failure it is a dead letter, whatever the count
}

// DefaultTries is the only place of its defaults.
func DefaultTries() Tries {
	return Tries{InPlace: 3, Held: 10, Retry: sink.RetryConfig{Base: time.Minute, Cap: 15 * time.Minute}, Most: 24 * time.Hour}
}

// Validate returns every fault, joined, each with its path.
func (t Tries) Validate() error {
	if t.InPlace == 0 {
		return nil
	}
	var faults []error
	if t.InPlace < 0 {
		faults = append(faults, fmt.Errorf("tries.in_place: must be above 0, have %d", t.InPlace))
	}
	if t.Held < 1 {
		faults = append(faults, fmt.Errorf("tries.held: must be above 0, have %d", t.Held))
	}
	if t.Most <= 0 {
		faults = append(faults, fmt.Errorf("tries.most: must be above 0, have %v", t.Most))
	}
	if err := t.Retry.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("tries.%w", err))
	}
	return errors.Join(faults...)
}

// fate is what becomes of an event after a failure that counted against it.
type fate uint8

const (
	again    fate = iota // it waits where it is
	aside                // it moves to the held tier
	later                // it is deferred again: it moves to a delay tier
	hopeless             // it is a dead letter
)

// judge says what becomes of an event after one more failure. On a tier beside
// live it has been tried in place already, or holds nobody up while it is.
func (t Tries) judge(pick partition.Pick, now time.Time) fate {
	if t.InPlace == 0 {
		return again
	}
	failures := pick.Attempts + 1
	if pick.Deferred() {
		failures += pick.Event.Tries // it moved between its tries
	}
	first := pick.Event.FirstTry
	if first.IsZero() {
		first = pick.First
	}
	spent := !first.IsZero() && now.Sub(first) >= t.Most
	switch tier := pick.Shard().Tier; {
	case tier == partition.Held:
		spent = spent || failures >= t.Held
	case pick.Deferred():
		if spent = spent || failures >= t.InPlace+t.Held; !spent && failures >= t.InPlace {
			return later
		}
	case tier == partition.Replay, tier == partition.Overflow:
		spent = spent || failures >= t.InPlace+t.Held
	default:
		if failures >= t.InPlace && pick.HeldTopic() != "" {
			return aside
		}
		return again
	}
	if spent {
		return hopeless
	}
	return again
}

// delay is how long an event waits that failed by itself.
func (t Tries) delay(pick partition.Pick, inPlace sink.RetryConfig) time.Duration {
	rnd, failures := rand.Float64(), pick.Attempts
	if pick.Deferred() {
		failures += pick.Event.Tries
	}
	switch tier := pick.Shard().Tier; {
	case t.InPlace == 0, failures < t.InPlace && tier != partition.Held, tier == partition.Live && !pick.Deferred():
		return inPlace.Delay(pick.Attempts, rnd)
	case tier == partition.Held:
		return t.Retry.Delay(failures, rnd)
	default:
		return t.Retry.Delay(failures-t.InPlace, rnd)
	}
}

// moveAgain is how long an event waits that could not be moved.
const moveAgain = 5 * time.Second

// follow moves to another tier what has to wait there: behind its users' events,
// for its class's budget, or until it is due.
func (w *workspace) follow(ctx context.Context, moves []partition.Pick) {
	for run := range partition.Runs(moves) {
		w.attempts.Go(func() { w.move(ctx, run) })
	}
}

// move appends a lane's events to another tier, one after the other: were a
// later one to arrive without an earlier one, that would come behind it. Each is
// settled when its copy is acknowledged; from where that fails the rest go back.
func (w *workspace) move(ctx context.Context, run []partition.Pick) {
	for i, pick := range run {
		if pick.Copied() {
			w.finish(run[i:i+1], partition.Outcome{Kind: partition.Moved})
			continue
		}
		to := w.moveOf(pick)
		if to.Topic == "" { // full by now
			w.finish(run[i:], partition.RetryAt(time.Now().Add(time.Second), false))
			return
		}
		at, err := w.append(ctx, event.Moved(pick.Event, to))
		if err != nil {
			w.finish(run[i:], partition.RetryAt(time.Now().Add(moveAgain), false))
			return
		}
		w.metrics.moved[targetOf(pick)].Inc()
		w.now.Load().overflowed(targetOf(pick), pick.Event)
		w.finish(run[i:i+1], partition.Outcome{Kind: partition.Moved, Offset: at.Offset})
	}
}

// moveOf says where a pick goes that has to move: to its target, or, when it is
// one that has failed too often, to the held tier.
func (w *workspace) moveOf(pick partition.Pick) event.Move {
	tier := targetOf(pick)
	_, topic := pick.Target()
	if tier == partition.Held {
		topic = pick.HeldTopic()
	}
	m := w.moveTo(pick, topic)
	switch {
	case tier.Delays():
		m.Due, m.Wake = pick.Event.Due, time.Now().Add(tier.Step())
	case pick.Deferred():
		m.Due = pick.Event.Due
	}
	return m
}

// targetOf is the tier that a pick has to move to.
func targetOf(pick partition.Pick) partition.Tier {
	if tier, _ := pick.Target(); tier != partition.Live {
		return tier
	}
	return partition.Held
}

// moveTo is a move of a pick with what is known of it.
func (w *workspace) moveTo(pick partition.Pick, topic string) event.Move {
	m := event.Move{
		Topic: topic, Partition: pick.Shard().Partition, Attempts: pick.Attempts, First: pick.First,
		Class: w.now.Load().className(pick.Event.Lot), Replay: pick.Event.Replay,
	}
	if pick.Deferred() {
		m.Attempts += pick.Event.Tries
	}
	if !pick.Event.FirstTry.IsZero() {
		m.First = pick.Event.FirstTry
	}
	return m
}

// append writes a record and waits for its acknowledgement.
func (w *workspace) append(ctx context.Context, r event.Record) (at partition.Position, err error) {
	done := make(chan struct{})
	w.appender.Append(ctx, r, func(p partition.Position, e error) {
		at, err = p, e
		close(done)
	})
	<-done
	return at, err
}

// reasonCancelled is the fault of an event whose replay was cancelled: it is
// dropped instead of set aside.
const reasonCancelled = "replay_cancelled"

// cancelled tells whether an event is of a replay that is not wanted any more.
func (p *Pipeline) cancelled(e *event.Event) bool {
	return e.Replay != "" && p.cfg.Cancelled != nil && p.cfg.Cancelled(e.Replay)
}
