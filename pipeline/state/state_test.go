package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
	"sluice/pipeline/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "sluice.state"

// job stands for any document.
type job struct {
	Name string `json:"name"`
}

// fixture is a cluster with a compacted state topic, in a bubble or not.
type fixture struct {
	*partitiontest.Cluster
}

func newFixture(t *testing.T, c *partitiontest.Cluster) fixture {
	t.Helper()
	admin, err := partition.NewAdmin(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.Create(t.Context(), partition.TopicSpec{
		Name: topic, Partitions: 1, Replication: 1,
		// Tombstones go with the next compaction.
		Settings: map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "0"},
	}); err != nil {
		t.Fatal(err)
	}
	return fixture{c}
}

func (f fixture) open(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), state.Config{Kafka: f.Config(), Topic: topic}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func put(t *testing.T, s *state.Store, key, name string) int64 {
	t.Helper()
	version, err := s.Put(t.Context(), key, job{name})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func swap(t *testing.T, s *state.Store, key string, seen int64, name string) int64 {
	t.Helper()
	version, err := s.Swap(t.Context(), key, seen, job{name})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func refresh(t *testing.T, s *state.Store) {
	t.Helper()
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// names is what a Store holds, for comparing: key=name@version.
func names(t *testing.T, s *state.Store) []string {
	t.Helper()
	var all []string
	for _, d := range s.List("") {
		var j job
		if err := json.Unmarshal(d.Body, &j); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s=%s@%d", d.Key, j.Name, d.Version))
	}
	return all
}

func TestDocumentsOutliveTheirStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t, partitiontest.New(t, 1))
	s := f.open(t)
	if d, ok := s.Get("jobs/1"); ok {
		t.Errorf("an empty topic: want nothing, have %+v", d)
	}
	first := put(t, s, "jobs/1", "a")
	if first < 1 {
		t.Errorf("want versions from 1 on, for 0 means absent, have %d", first)
	}
	put(t, s, "jobs/2", "b")
	put(t, s, "pauses/acme", "c")
	second := swap(t, s, "jobs/1", first, "a2")
	if d, ok := s.Get("jobs/1"); !ok || d.Version != second || string(d.Body) != `{"name":"a2"}` || d.Time.IsZero() || d.Key != "jobs/1" {
		t.Errorf("want what was written at once, have %+v, %v", d, ok)
	}
	if err := s.Delete(t.Context(), "jobs/2"); err != nil {
		t.Fatal(err)
	}
	later := f.open(t)
	if have, want := names(t, later), names(t, s); !slices.Equal(have, want) || len(want) != 2 {
		t.Errorf("opened later: want the same two, %v, have %v", want, have)
	}
	if jobs := later.List("jobs/"); len(jobs) != 1 || jobs[0].Key != "jobs/1" {
		t.Errorf("by prefix: want jobs/1, have %+v", jobs)
	}
}

func TestSwapRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, partitiontest.New(t, 1))
	s, other := f.open(t), f.open(t)
	version := put(t, s, "k", "a")
	for _, tc := range []struct {
		name string
		key  string
		seen int64
	}{{"an older version", "k", version - 1}, {"absent, but it is there", "k", 0}, {"a version of what is not there", "none", version}} {
		if _, err := s.Swap(t.Context(), tc.key, tc.seen, job{"x"}); !errors.Is(err, state.ErrChanged) {
			t.Errorf("%s: want ErrChanged, have %v", tc.name, err)
		}
	}
	// The other has not read on, so its Swap goes into the log, and loses there.
	if _, err := other.Swap(t.Context(), "k", 0, job{"late"}); !errors.Is(err, state.ErrChanged) {
		t.Errorf("a Swap of what was not seen: want ErrChanged, have %v", err)
	}
	if have, want := names(t, other), names(t, s); !slices.Equal(have, want) {
		t.Errorf("after losing: want %v, have %v", want, have)
	}
	// What is deleted and seen so may be made again, once.
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Swap(t.Context(), "k", version, job{"late"}); !errors.Is(err, state.ErrChanged) {
		t.Errorf("a Swap of what was deleted meanwhile: want ErrChanged, have %v", err)
	}
	swap(t, s, "k", 0, "again")
	if _, err := other.Swap(t.Context(), "k", 0, job{"too"}); !errors.Is(err, state.ErrChanged) {
		t.Errorf("made again by two: want ErrChanged for the second, have %v", err)
	}
}

// TestSwapsRace lets stores take one document from each other: of those that saw
// the same version one succeeds, and all agree on which.
func TestSwapsRace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, partitiontest.New(t, 1))
	stores := []*state.Store{f.open(t), f.open(t), f.open(t)}
	running, stop := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() { _ = stores[2].Run(running) }) // one of them reads all the while
	defer following.Wait()
	defer stop()
	seen := int64(0)
	for round := range 12 {
		for _, s := range stores {
			refresh(t, s)
		}
		versions := make([]int64, len(stores))
		var racing sync.WaitGroup
		for i, s := range stores {
			racing.Go(func() {
				version, err := s.Swap(t.Context(), "claim", seen, job{fmt.Sprintf("%d by %d", round, i)})
				if err != nil && !errors.Is(err, state.ErrChanged) {
					t.Error(err)
				}
				versions[i] = version
			})
		}
		racing.Wait()
		won, winner := 0, 0
		for i, v := range versions {
			if v != 0 {
				won, winner, seen = won+1, i, v
			}
		}
		if won != 1 {
			t.Fatalf("round %d: want one that wins, have versions %v", round, versions)
		}
		want := []string{fmt.Sprintf("claim=%d by %d@%d", round, winner, seen)}
		for i, s := range append(slices.Clone(stores), f.open(t)) {
			refresh(t, s)
			if have := names(t, s); !slices.Equal(have, want) {
				t.Fatalf("round %d, store %d: want %v, have %v", round, i, want, have)
			}
		}
		f.Compact()
	}
}

func TestChangedTellsOfOthersWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, partitiontest.NewVirtual(t, 1))
		follower, writer := f.open(t), f.open(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- follower.Run(ctx) }()
		for n := range 3 {
			changed := follower.Changed()
			name := fmt.Sprint(n)
			put(t, writer, "k", name)
			<-changed
			if d, ok := follower.Get("k"); !ok || string(d.Body) != fmt.Sprintf(`{"name":%q}`, name) {
				t.Errorf("want %s, have %s", name, d.Body)
			}
		}
		// A store that runs takes part in its own writes, without a second reader.
		if seen := put(t, follower, "own", "x"); seen == 0 {
			t.Error("want a version")
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: want nil at the end, have %v", err)
		}
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, partitiontest.New(t, 1))
	s := f.open(t)
	long := strings.Repeat("x", state.MaxBody)
	for name, tc := range map[string]struct {
		key  string
		body any
		want string
	}{
		"over the limit":  {"k", long, "262146 bytes, and 262144 are the most"},
		"no document":     {"k", nil, "Delete removes"},
		"not to be coded": {"k", func() {}, "encode k"},
		"empty key":       {"", job{}, "1 to 400 bytes"},
		"long key":        {strings.Repeat("k", 401), job{}, "1 to 400 bytes"},
		"zero in the key": {"a\x00b", job{}, "none of them zero"},
	} {
		if _, err := s.Put(t.Context(), tc.key, tc.body); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: want %q, have %v", name, tc.want, err)
		}
		if _, err := s.Swap(t.Context(), tc.key, 0, tc.body); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s, swapped: want %q, have %v", name, tc.want, err)
		}
	}
	if _, err := s.Put(t.Context(), "k", long); !errors.Is(err, state.ErrTooLarge) {
		t.Errorf("over the limit: want ErrTooLarge, have %v", err)
	}
	if version, err := s.Put(t.Context(), "k", long[:state.MaxBody-2]); err != nil || version == 0 {
		t.Errorf("at the limit: want it taken, have %v", err)
	}
}

func TestMissingTopicSaysWhatToDo(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1, "other")
	_, err := state.Open(t.Context(), state.Config{Kafka: c.Config(), Topic: topic}, zap.NewNop())
	if !errors.Is(err, state.ErrNoTopic) || !strings.Contains(err.Error(), "topic sluice.state") || !strings.Contains(err.Error(), "sluice topics apply") {
		t.Errorf("want the topic and the command, have %v", err)
	}
}

func TestAuditIsInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, partitiontest.New(t, 1))
	s := f.open(t)
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, e := range []state.Entry{
		{By: "eve@host", Action: "pause", What: "job 2", At: noon.Add(time.Minute)},
		{By: "adam@host", Action: "start", What: "job 1", At: noon, Detail: map[string]string{"stream": "events"}},
		{By: "eve@host", Action: "cancel", What: "job 2"},
	} {
		if err := s.Audit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var have []string
	for _, d := range f.open(t).List(state.AuditPrefix) {
		var e state.Entry
		if err := json.Unmarshal(d.Body, &e); err != nil {
			t.Fatal(err)
		}
		have = append(have, e.Action)
		if e.Action == "cancel" && time.Since(e.At).Abs() > time.Hour {
			t.Errorf("no time: want now, have %v", e.At)
		}
	}
	if want := []string{"start", "pause", "cancel"}; !slices.Equal(have, want) {
		t.Errorf("want %v, have %v", want, have)
	}
}

func TestForeignRecordsAreIgnored(t *testing.T) {
	t.Parallel()
	f := newFixture(t, partitiontest.New(t, 1))
	put(t, f.open(t), "k", "a")
	for _, r := range []event.Record{
		{Key: []byte("k"), Value: []byte("{not json")},
		{Key: []byte("\x00x"), Value: []byte(`{}`)},
		{Key: []byte("k\x00x"), Value: []byte(`{"name":"no header"}`)},
		{Key: []byte("k\x00y"), Value: []byte(`{"name":"bad"}`), Headers: []event.Header{{Key: "sluice-seen", Value: []byte("-1")}}},
	} {
		r.Topic = topic
		f.Append(t, r)
	}
	if have := names(t, f.open(t)); !slices.Equal(have, []string{"k=a@1"}) {
		t.Errorf("want the document as it was, have %v", have)
	}
	f.Append(t, event.Record{Topic: topic, Key: []byte("k")}) // somebody's own tombstone
	if have := names(t, f.open(t)); len(have) != 0 {
		t.Errorf("a tombstone by other hands: want it deleted, have %v", have)
	}
}
