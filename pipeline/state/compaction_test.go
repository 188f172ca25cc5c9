package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/zap"

	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
	"sluice/pipeline/state"
)

// TestLoserNeverPushesOutTheWinner: compaction keeps the last record of each
// Kafka key, and a Swap that lost stands after the one that won. Were both under
// the document's key, the winner would be gone with the next compaction, and who
// reads from the start would believe the loser.
func TestLoserNeverPushesOutTheWinner(t *testing.T) {
	t.Parallel()
	f := newFixture(t, partitiontest.New(t, 1))
	winner := f.open(t)
	put(t, winner, "claim", "nobody")
	loser := f.open(t)
	seen, _ := winner.Get("claim")
	version := swap(t, winner, "claim", seen.Version, "winner")
	if _, err := loser.Swap(t.Context(), "claim", seen.Version, job{"loser"}); err == nil {
		t.Fatal("want ErrChanged for the second")
	}
	compact(t, f, winner)
	want := []string{fmt.Sprintf("claim=winner@%d", version)}
	if have := names(t, f.open(t)); !slices.Equal(have, want) {
		t.Errorf("compacted: want %v, have %v", want, have)
	}
	// The next version is made of the winner's, whose record is removed.
	version = swap(t, winner, "claim", version, "winner again")
	compact(t, f, winner)
	want = []string{fmt.Sprintf("claim=winner again@%d", version)}
	if have := names(t, f.open(t)); !slices.Equal(have, want) {
		t.Errorf("compacted again: want %v, have %v", want, have)
	}
	if left := values(t, f.Cluster, topic); !slices.Equal(left, []string{`{"name":"nobody"}`, `{"name":"winner again"}`}) {
		t.Errorf("want what was replaced or lost removed, have %v", left)
	}
}

// compact compacts all that is written so far: a log's last batch is left alone,
// so it makes one of a document that is gone.
func compact(t *testing.T, f fixture, s *state.Store) {
	t.Helper()
	if err := s.Delete(t.Context(), "~"); err != nil {
		t.Fatal(err)
	}
	f.Compact()
}

// TestStartMayBeMissing: somebody deleted the oldest records.
func TestStartMayBeMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, partitiontest.New(t, 1))
	s := f.open(t)
	put(t, s, "a", "1")
	first := put(t, s, "b", "1")
	second := swap(t, s, "b", first, "2")
	f.DeleteBefore(t, topic, 0, first) // the Put's record included
	want := []string{fmt.Sprintf("b=2@%d", second)}
	if have := names(t, f.open(t)); !slices.Equal(have, want) {
		t.Errorf("want what is left, %v, have %v", want, have)
	}
}

// world writes the same records to two topics, of which one is compacted now and
// then. Its writers see any recent version, and die before they clean up.
type world struct {
	fixture
	rand  *rand.Rand
	whole *state.Store
	seen  map[string][]int64 // accepted versions, deletions included
	swaps []string           // Kafka keys of Swaps in the log
	count int64
}

const wholeTopic = "whole"

func (w *world) append(t *testing.T, r event.Record) {
	t.Helper()
	for _, name := range []string{topic, wholeTopic} {
		r.Topic = name
		w.Append(t, r)
	}
	w.count++
}

// step writes one record of some kind and learns from the whole log what it did.
func (w *world) step(t *testing.T) {
	t.Helper()
	key := []string{"a", "b"}[w.rand.IntN(2)]
	body := fmt.Appendf(nil, `{"name":"%d"}`, w.count)
	switch pick := w.rand.IntN(20); {
	case pick < 1:
		w.append(t, event.Record{Key: []byte(key), Value: body})
	case pick < 2:
		w.append(t, event.Record{Key: []byte(key), Value: []byte("null")})
		w.seen[key] = append(w.seen[key], w.count) // List does not show it
	case pick < 11 && len(w.swaps) > 0:
		w.clean(t)
	default:
		unique := fmt.Sprintf("%s\x00%d", key, w.count)
		recent := append([]int64{0}, w.seen[key]...)
		from := max(len(recent)-3, 0)
		if len(w.seen[key]) > 0 {
			from = max(from, 1) // once there is anything, nobody sees nothing
		}
		seen := recent[from+w.rand.IntN(len(recent)-from)]
		w.swaps = append(w.swaps, unique)
		w.append(t, event.Record{Key: []byte(unique), Value: body, Headers: []event.Header{{Key: "sluice-seen", Value: fmt.Append(nil, seen)}}})
	}
	refresh(t, w.whole)
	if d, ok := w.whole.Get(key); ok && d.Version == w.count {
		w.seen[key] = append(w.seen[key], d.Version)
	}
}

// clean removes one Swap's record that is no document now.
func (w *world) clean(t *testing.T) {
	t.Helper()
	at := w.rand.IntN(len(w.swaps))
	for _, d := range w.whole.List("") {
		number := fmt.Sprintf("%s\x00%d", d.Key, d.Version-1)
		if number == w.swaps[at] {
			return
		}
	}
	w.append(t, event.Record{Key: []byte(w.swaps[at])})
	w.swaps = slices.Delete(w.swaps, at, at+1)
}

// TestCompactionChangesNoDocument is the rule that every reader relies on:
// whatever compaction has removed, the log's end means the same.
func TestCompactionChangesNoDocument(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &world{
				fixture: newFixture(t, partitiontest.New(t, 1, wholeTopic)),
				rand:    rand.New(rand.NewPCG(seed, 7)), seen: map[string][]int64{},
			}
			var err error
			if w.whole, err = state.Open(t.Context(), state.Config{Kafka: w.Config(), Topic: wholeTopic}, zap.NewNop()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(w.whole.Close)
			follower := w.open(t) // reads the compacted topic now and then
			for range 20 {
				for range 1 + w.rand.IntN(4) {
					w.step(t)
				}
				want := names(t, w.whole)
				if w.rand.IntN(2) == 0 {
					w.Compact()
				}
				if have := names(t, w.open(t)); !slices.Equal(have, want) {
					t.Fatalf("after %d records, opened anew: want %v, have %v", w.count, want, have)
				}
				if w.rand.IntN(3) == 0 {
					refresh(t, follower)
					if have := names(t, follower); !slices.Equal(have, want) {
						t.Fatalf("after %d records, followed: want %v, have %v", w.count, want, have)
					}
				}
			}
			if whole, compacted := len(values(t, w.Cluster, wholeTopic)), len(values(t, w.Cluster, topic)); compacted >= whole {
				t.Errorf("want compaction to have removed some of %d records, have %d", whole, compacted)
			}
		})
	}
}

// values are what stands in the compacted log, without deletions.
func values(t *testing.T, c *partitiontest.Cluster, topic string) []string {
	t.Helper()
	var all []string
	for _, r := range c.Read(t, topic) {
		if r.Value != nil && string(r.Value) != "null" {
			all = append(all, string(r.Value))
		}
	}
	return all
}
