package deferral_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"sluice/partition/partitiontest"
	"sluice/pipeline/deferral"
	"sluice/pipeline/event"
	"sluice/pipeline/rules"
	"sluice/pipeline/state"
)

func loaded(t *testing.T, user string, at time.Time) *event.Event {
	t.Helper()
	e := new(event.Event)
	e.Load(event.Record{Topic: "s", Key: []byte(user), Value: []byte(`{}`), Time: at}, "c")
	return e
}

func TestBook(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var b deferral.Book
	b.Set([]deferral.Recall{
		{Stream: "s", User: "1", Before: noon},
		{Stream: "s", User: "1", Before: noon.Add(-time.Hour)}, // says less
		{Stream: "s", Rule: "digest", Before: noon},
		{Stream: "s", User: "2", Rule: "news", Before: noon},
		{Stream: "t", User: "3", Before: noon},
		{Stream: "v", Rule: rules.DefaultClass, Before: noon},
		{Stream: "w", User: "4", Rule: rules.DefaultClass, Before: noon},
	})
	for _, tc := range []struct {
		stream, rule, user string
		at                 time.Time
		want               bool
	}{
		{"s", "default", "1", noon.Add(-time.Second), true},
		{"s", "default", "1", noon, false}, // came after it
		{"s", "digest", "9", noon.Add(-time.Second), true},
		{"s", "digest", "9", noon.Add(time.Second), false},
		{"s", "news", "2", noon.Add(-time.Second), true},
		{"s", "news", "9", noon.Add(-time.Second), false},
		{"s", "default", "2", noon.Add(-time.Second), false},
		{"s", "default", "3", noon.Add(-time.Second), false}, // of another stream
		{"t", "default", "3", noon.Add(-time.Second), true},
		{"u", "default", "1", noon.Add(-time.Second), false},
		{"v", "default", "1", noon.Add(-time.Second), true}, // by their headers
		{"v", "", "1", noon.Add(-time.Second), true},        // in a workspace without rules
		{"v", "digest", "1", noon.Add(-time.Second), false},
		{"w", "", "4", noon.Add(-time.Second), true},
		{"w", "", "5", noon.Add(-time.Second), false},
	} {
		if have := b.Recalled(tc.stream, tc.rule, loaded(t, tc.user, tc.at)); have != tc.want {
			t.Errorf("%s of user %s by %s at %v: want %v, have %v", tc.stream, tc.user, tc.rule, tc.at, tc.want, have)
		}
	}
	b.Set(nil)
	if b.Recalled("s", "digest", loaded(t, "1", noon.Add(-time.Second))) {
		t.Error("want nothing recalled by an empty book")
	}
}

func TestRecallNamesWhatItMeans(t *testing.T) {
	t.Parallel()
	err := deferral.Recall{}.Validate()
	for _, want := range []string{"stream: must be named", "user, rule: one of them must be named", "before: must be a time"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}

// TestRecallsAreKept follows recalls from one process to another, until they
// are withdrawn or over.
func TestRecallsAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kafka := partitiontest.NewVirtual(t, 1, "sluice.state")
		open := func() *state.Store {
			store, err := state.Open(t.Context(), state.Config{Kafka: kafka.Config(), Topic: "sluice.state"}, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(store.Close)
			return store
		}
		add := func(store *state.Store, r deferral.Recall) deferral.Recall {
			t.Helper()
			r.Stream, r.By = "s", "ann"
			if r.Before.IsZero() {
				r.Before = time.Now()
			}
			kept, err := deferral.Add(t.Context(), store, r)
			if err != nil {
				t.Fatal(err)
			}
			return kept
		}
		one := open()
		first := add(one, deferral.Recall{User: "1", Why: "asked to be left alone"})
		before := time.Now().Add(-time.Minute)
		other := open()
		var b deferral.Book
		b.Take(other, zap.NewNop())
		if !b.Recalled("s", "default", loaded(t, "1", before)) {
			t.Error("want the recall known to another process")
		}
		if ok, err := deferral.Withdraw(t.Context(), one, first.ID, "bob"); !ok || err != nil {
			t.Errorf("withdraw: %v, %v", ok, err)
		}
		if ok, err := deferral.Withdraw(t.Context(), one, first.ID, "bob"); ok || err != nil {
			t.Errorf("withdraw what is withdrawn: %v, %v", ok, err)
		}
		add(one, deferral.Recall{Rule: "digest", Before: time.Now().Add(time.Minute - rules.MaxAhead)})
		if kept, err := deferral.List(one); err != nil || len(kept) != 1 {
			t.Errorf("want it kept until it is over, have %v, %v", kept, err)
		}
		time.Sleep(2 * time.Minute)
		add(one, deferral.Recall{Rule: "news"})
		left, err := deferral.List(one)
		if err != nil || len(left) != 1 || left[0].Rule != "news" {
			t.Errorf("want the one that is not over, have %v, %v", left, err)
		}
		if err := other.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Take(other, zap.NewNop())
		if b.Recalled("s", "default", loaded(t, "1", before)) {
			t.Error("want nothing left of what was withdrawn")
		}
		trail := other.List(state.AuditPrefix)
		if len(trail) != 4 || !strings.Contains(string(trail[0].Body), "asked to be left alone") || !strings.Contains(string(trail[1].Body), "bob") {
			t.Errorf("want a line for each, have %v", trail)
		}
	})
}

// TestUnreadableRecallIsNamed by a version that writes them otherwise.
func TestUnreadableRecallIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kafka := partitiontest.NewVirtual(t, 1, "sluice.state")
		store, err := state.Open(t.Context(), state.Config{Kafka: kafka.Config(), Topic: "sluice.state"}, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if _, err := store.Put(t.Context(), "recall/x", []int{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := deferral.Add(t.Context(), store, deferral.Recall{Stream: "s", User: "1", Before: time.Now()}); err != nil {
			t.Fatal(err)
		}
		recalls, err := deferral.List(store)
		if len(recalls) != 1 || err == nil || !strings.Contains(err.Error(), "recall x") {
			t.Errorf("have %v, %v", recalls, err)
		}
	})
}
