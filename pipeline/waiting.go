package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
)

// Waiting says why events of a workspace can be neither delivered nor passed,
// whatever its destination does: they belong in another tier, and its topic
// does not take them. It clears by itself once the topic does.
type Waiting struct {
	Since  time.Time `json:"since"` // nothing was taken from then on
	Topic  string    `json:"topic"`
	Reason string    `json:"reason"`
	Remedy string    `json:"remedy"` // what to do about it, for a person
}

// String is all of it for a person, a sentence a line: what happened, what is
// safe, what to do.
func (w Waiting) String() string {
	return fmt.Sprintf("events wait since %s: nothing can be appended to %s (%s)\n"+
		"nothing is lost or passed: these users' events wait in Kafka, everybody else's flow\n%s",
		w.Since.UTC().Format(time.RFC3339), w.Topic, w.Reason, w.Remedy)
}

const (
	// unwritableAfter is for how long a topic may take nothing before it counts
	// as unwritable: Kafka moves a partition to another broker in less.
	unwritableAfter = 5 * time.Second
	// unwritableOver is how long after its last failure a topic is forgotten that
	// nobody has tried since: whoever waited for it went to another member.
	unwritableOver = time.Minute
	// lamentEvery is how often the same topic is complained about in the log.
	lamentEvery = time.Minute
)

// tiers is how a workspace appends to its streams' other tiers: it remembers
// which topics do not take what they are given, so that whoever asks why events
// wait can be told. It is safe for concurrent use.
type tiers struct {
	to     appender
	log    *zap.Logger
	inHand func() int // events of the workspace; without any, nothing waits

	mu     sync.Mutex
	number uint64           // of the last append; guarded by mu
	topics map[string]*tier // guarded by mu, as is all in them
}

// tier is what is known of one topic.
type tier struct {
	open           map[uint64]time.Time // appends without an answer: when each began
	since, last    time.Time            // of the failures since one was taken; zero: none
	reason, remedy string               // of the last failure
	logged         time.Time
}

// newTiers watches over a workspace's appends.
func newTiers(w *workspace, to appender) *tiers {
	t := &tiers{to: to, log: w.log, topics: map[string]*tier{}, inHand: func() int {
		records, _ := w.lanes.InHand(w.Name)
		return records
	}}
	w.metrics.all.auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "sluice_pipeline_unwritable",
		Help:        "1 while events wait because a topic beside the live one takes nothing.",
		ConstLabels: prometheus.Labels{"workspace": w.Name},
	}, func() float64 {
		if t.waiting(time.Now()) == nil {
			return 0
		}
		return 1
	})
	return t
}

// Append implements appender, and takes note of what becomes of it.
func (t *tiers) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	number := t.begin(r.Topic)
	t.to.Append(ctx, r, func(at partition.Position, err error) {
		switch {
		case err == nil:
			t.worked(r.Topic)
		case ctx.Err() != nil: // we ended it, so it says nothing of the topic
		case errors.Is(err, partition.ErrTooLarge) && len(r.Value) > 0 && strings.HasSuffix(r.Topic, DeadSuffix):
			// It is cut and tried again, and what comes of that counts.
		default:
			t.failed(r.Topic, err)
		}
		t.end(r.Topic, number)
		done(at, err)
	})
}

func (t *tiers) begin(topic string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.number++
	t.of(topic).open[t.number] = time.Now()
	return t.number
}

func (t *tiers) end(topic string, number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of(topic).open, number)
}

// of is what is known of a topic; mu is held.
func (t *tiers) of(topic string) *tier {
	one := t.topics[topic]
	if one == nil {
		one = &tier{open: map[uint64]time.Time{}}
		t.topics[topic] = one
	}
	return one
}

// failed notes that a topic did not take a record, which waits for another try.
func (t *tiers) failed(topic string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, now := t.of(topic), time.Now()
	if one.since.IsZero() {
		one.since = now
	}
	one.last = now
	one.reason, one.remedy = explain(topic, err)
	t.lament(topic, one, now)
}

// worked notes that a topic took a record: who waits for it need not any more.
func (t *tiers) worked(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.of(topic)
	if !one.logged.IsZero() {
		t.log.Info("the topic takes records again", zap.String("topic", topic))
	}
	one.since, one.last, one.logged = time.Time{}, time.Time{}, time.Time{}
}

// lament logs that a topic takes nothing, once a minute at most; mu is held.
func (t *tiers) lament(topic string, one *tier, now time.Time) {
	if now.Sub(one.logged) < lamentEvery {
		return
	}
	one.logged = now
	t.log.Error("nothing can be appended to this topic: what belongs there waits, and nothing passes it",
		zap.String("topic", topic), zap.String("what", one.reason), zap.String("remedy", one.remedy))
}

// waiting says why events of the workspace wait, nil when none do for that. Of
// several topics it is the one that took nothing for longest.
func (t *tiers) waiting(now time.Time) *Waiting {
	if t.inHand() == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var worst *Waiting
	for topic, one := range t.topics {
		if w := t.look(topic, one, now); w != nil && (worst == nil || w.Since.Before(worst.Since)) {
			worst = w
		}
	}
	return worst
}

// look judges one topic; mu is held.
func (t *tiers) look(topic string, one *tier, now time.Time) *Waiting {
	oldest := now
	for _, began := range one.open {
		if began.Before(oldest) {
			oldest = began
		}
	}
	silent := now.Sub(oldest) > unwritableAfter
	switch {
	case one.since.IsZero() && !silent:
		return nil
	case one.since.IsZero():
		one.reason, one.remedy = unanswered(topic)
		t.lament(topic, one, now)
		return &Waiting{Since: oldest, Topic: topic, Reason: one.reason, Remedy: one.remedy}
	case len(one.open) == 0 && now.Sub(one.last) > unwritableOver:
		one.since = time.Time{}
		return nil
	}
	return &Waiting{Since: one.since, Topic: topic, Reason: one.reason, Remedy: one.remedy}
}

// explain says what an error of an append means and what to do about it.
func explain(topic string, err error) (reason, remedy string) {
	if what, remedy := partition.Diagnose(err); what != "" {
		return what, remedy + "; see what it is about: sluice topics acls"
	}
	if errors.Is(err, partition.ErrTooLarge) {
		return "what belongs there is larger than it takes", "raise max.message.bytes of " + topic + "; see what it should be: sluice topics check"
	}
	return strings.TrimPrefix(err.Error(), "append to "+topic+": "),
		"see what is wrong with it: sluice topics check; make what is missing: sluice topics apply"
}

// unanswered is explain for an append that Kafka leaves without an answer.
func unanswered(topic string) (reason, remedy string) {
	return "Kafka has not answered for more than " + unwritableAfter.String(),
		"see that " + topic + " has a leader and enough replicas in sync, and that its brokers can be reached: sluice topics check"
}

// waiting says why events of the workspace wait beside what its destination
// does; nil: none do.
func (w *workspace) waiting(now time.Time) *Waiting {
	if t, ok := w.appender.(*tiers); ok {
		return t.waiting(now)
	}
	return nil
}

// unwritable says, a line each and indented, which workspaces have waited too
// long for a topic to be called ready; empty: none.
func (p *Pipeline) unwritable(now time.Time) string {
	const most = 3
	var told []string
	n := 0
	for _, w := range p.order {
		why := w.waiting(now)
		if why == nil || now.Sub(why.Since) <= unwritableAfter {
			continue
		}
		if n++; n <= most {
			told = append(told, "workspace "+w.Name+": "+why.String())
		}
	}
	if n > most {
		told = append(told, fmt.Sprintf("and %d more workspaces: see /health", n-most))
	}
	return strings.Join(told, "\n")
}

// Waiting says of each workspace whose events wait for a topic beside the live
// one why they do; it is empty when none do. It is safe for concurrent use.
func (p *Pipeline) Waiting() map[string]Waiting {
	all, now := map[string]Waiting{}, time.Now()
	for _, w := range p.order {
		if why := w.waiting(now); why != nil {
			all[w.Name] = *why
		}
	}
	return all
}
