package partition_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
)

// put appends events to a topic that came there so long ago.
func put(t *testing.T, kafka *partitiontest.Cluster, topic string, p int32, ago ...time.Duration) {
	t.Helper()
	for _, d := range ago {
		kafka.Append(t, event.Record{Topic: topic, Partition: p, Key: []byte("a"), Value: []byte("{}"), Time: time.Now().Add(-d)})
	}
}

// TestFindDeferredTellsWhoWaits asks a broker: what was put on a delay tier less
// than a step ago sleeps, what was put there before is behind once it had the time
// to be due.
func TestFindDeferredTellsWhoWaits(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 3, "events", "events.delay-10m")
	a := adminOf(t, kafka.Config())
	put(t, kafka, "events.delay-10m", 0, time.Hour, 11*time.Minute, 10*time.Minute+2*time.Second, 9*time.Minute, time.Second)
	put(t, kafka, "events.delay-10m", 1, 2*time.Hour, time.Hour)
	put(t, kafka, "events.delay-10m", 2, time.Minute)
	put(t, kafka, "events", 0, time.Second)

	lags := lagOf(t, a, "events", "events.delay-10m")
	steps := map[string]time.Duration{"events.delay-10m": partition.Delay10m.Step(), "nowhere": time.Second}
	if err := a.FindDeferred(t.Context(), lags, steps); err != nil {
		t.Fatal(err)
	}
	want := map[string][][2]int64{"events": {{1, 0}, {0, 0}, {0, 0}}, "events.delay-10m": {{2, 3}, {2, 0}, {0, 1}}}
	for _, l := range lags {
		if w := want[l.Topic][l.Partition]; l.Lag() != w[0] || l.Deferred() != w[1] {
			t.Errorf("%s/%d: %d behind and %d deferred, want %d and %d", l.Topic, l.Partition, l.Lag(), l.Deferred(), w[0], w[1])
		}
	}
}

// deferred appends an event to the delay tier of ten minutes that is due so much
// later than now.
func deferred(t *testing.T, kafka *partitiontest.Cluster, p int32, due ...time.Duration) {
	t.Helper()
	now := time.Now()
	for i, d := range due {
		var e event.Event
		e.Load(event.Record{Topic: "events", Partition: p, Offset: int64(i), Key: []byte("a"), Value: []byte("{}"), Time: now}, "c")
		kafka.Append(t, event.Moved(&e, event.Move{Topic: "events.delay-10m", Partition: p, Due: now.Add(d), Wake: now.Add(partition.Delay10m.Step())}))
	}
}

// TestFindDueTellsWhoIsNext: the first that wakes need not be the first that is
// due, and of many only some are looked at.
func TestFindDueTellsWhoIsNext(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 5, "events", "events.delay-10m")
	a := adminOf(t, kafka.Config())
	now := time.Now()
	deferred(t, kafka, 0, 3*time.Hour, 40*time.Minute, 20*time.Minute, 2*time.Hour)
	put(t, kafka, "events.delay-10m", 1, time.Hour) // is late, and waits for nothing
	var many []time.Duration
	for range 600 {
		many = append(many, time.Hour)
	}
	deferred(t, kafka, 2, append(many, 30*time.Minute)...)
	put(t, kafka, "events.delay-10m", 3, time.Second) // says nothing of its time
	deferred(t, kafka, 4, 10*time.Minute)             // due as it wakes: nothing is before it
	deferred(t, kafka, 4, many...)

	lags := lagOf(t, a, "events.delay-10m")
	if err := a.FindDue(t.Context(), lags); err != nil || !lags[0].NextDue.IsZero() {
		t.Errorf("want nothing found before it is known what is deferred, have %v, %v", lags[0].NextDue, err)
	}
	if err := a.FindDeferred(t.Context(), lags, map[string]time.Duration{"events.delay-10m": partition.Delay10m.Step()}); err != nil {
		t.Fatal(err)
	}
	if err := a.FindDue(t.Context(), lags); err != nil {
		t.Fatal(err)
	}
	for p, want := range []struct {
		due  time.Duration // 0: none
		sure bool
	}{{20 * time.Minute, true}, {0, false}, {time.Hour, false}, {0, true}, {10 * time.Minute, true}} {
		l := lags[p]
		if l.NextDue.IsZero() != (want.due == 0) || want.due != 0 && (l.NextDue.Sub(now)-want.due).Abs() > 10*time.Second || l.NextDueSure != want.sure {
			t.Errorf("partition %d: want %v, %v, have %v, %v", p, want.due, want.sure, l.NextDue.Sub(now), l.NextDueSure)
		}
	}
}

// TestGroupsTellDeferredFromLag: over all topics of a group, delay tiers are known
// by their names, if the live topic is there too.
func TestGroupsTellDeferredFromLag(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 1, "events", "events.delay-10s", "other.delay-10s")
	a := adminOf(t, kafka.Config())
	put(t, kafka, "events", 0, time.Hour)
	put(t, kafka, "events.delay-10s", 0, time.Hour, time.Minute, time.Second)
	put(t, kafka, "other.delay-10s", 0, time.Second) // no stream of that name is known: it is somebody's live topic
	for _, topic := range []string{"events", "events.delay-10s", "other.delay-10s"} {
		if err := a.SetOffset(t.Context(), "g", partition.ShardID{Stream: topic}, 0); err != nil {
			t.Fatal(err)
		}
	}
	groups, err := a.Groups(t.Context(), "g")
	if err != nil || len(groups) != 1 {
		t.Fatalf("have %+v, %v", groups, err)
	}
	want := []partition.TopicLag{{Topic: "events", Lag: 1}, {Topic: "events.delay-10s", Lag: 2, Deferred: 1}, {Topic: "other.delay-10s", Lag: 1}}
	if have := groups[0].Topics; fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("want %+v\nhave %+v", want, have)
	}
}

func TestTierOfATopic(t *testing.T) {
	t.Parallel()
	known := func(live string) bool { return live == "a" || live == "a.held" }
	for topic, want := range map[string]partition.Tier{
		"a": partition.Live, "a.held": partition.Held, "a.replay": partition.Replay, "a.overflow": partition.Overflow,
		"a.delay-10s": partition.Delay10s, "a.delay-10m": partition.Delay10m, "a.delay-6h": partition.Delay6h,
		"a.held.held": partition.Held, "b.held": partition.Live, "a.dead": partition.Live, "a.live": partition.Live, "": partition.Live, ".held": partition.Live,
	} {
		if have := partition.TierOf(topic, known); have != want {
			t.Errorf("%s: want %v, have %v", topic, want, have)
		}
	}
}
