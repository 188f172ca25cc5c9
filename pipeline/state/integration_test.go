//go:build integration

package state_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/state"
)

// TestRealCompaction lets a real broker compact the topic, tail and all but the
// last segment, and reads what is left from the start and from the middle.
func TestRealCompaction(t *testing.T) {
	t.Parallel()
	brokers := os.Getenv("SLUICE_TEST_BROKERS")
	if brokers == "" {
		t.Fatal("SLUICE_TEST_BROKERS names no brokers; run `make integration`")
	}
	cfg := state.Config{Kafka: partition.DefaultConfig(), Topic: "it-" + ulid.Make().String()}
	cfg.Kafka.Brokers = strings.Split(brokers, ",")
	admin, err := partition.NewAdmin(cfg.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	open := func() *state.Store {
		s, err := state.Open(t.Context(), cfg, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	if err := admin.Create(t.Context(), partition.TopicSpec{Name: cfg.Topic, Partitions: 1, Replication: 1, Settings: map[string]string{
		"cleanup.policy": "compact", "delete.retention.ms": "0", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001",
	}}); err != nil {
		t.Fatal(err)
	}
	for range 100 { // the broker that leads it hears of it a little later
		if _, err = admin.Bounds(t.Context(), cfg.Topic); err == nil {
			break
		}
		<-time.After(50 * time.Millisecond)
	}
	winner, loser, behind := open(), open(), open()
	version := put(t, winner, "claim", "nobody")
	refresh(t, behind)
	refresh(t, loser)
	for n := range 20 {
		seen := version
		version = swap(t, winner, "claim", seen, fmt.Sprint(n))
		if _, err := loser.Swap(t.Context(), "claim", seen, job{"loser"}); err == nil {
			t.Fatal("want ErrChanged for the second")
		}
		<-time.After(20 * time.Millisecond)
	}
	want := []string{fmt.Sprintf("claim=19@%d", version)}
	waiting, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for before := count(t, cfg); ; {
		<-time.After(500 * time.Millisecond)
		put(t, winner, "~", "a new segment")
		if after := count(t, cfg); after < before/2 {
			t.Logf("%d records became %d", before, after)
			break
		}
		if waiting.Err() != nil {
			t.Fatal("the broker has not compacted the topic within a minute")
		}
	}
	for _, s := range []*state.Store{winner, loser, behind, open()} {
		refresh(t, s)
		if have := names(t, s); !slices.Equal(have[:1], want) {
			t.Errorf("want %v, have %v", want, have)
		}
	}
}

// count reads the topic from its start to its end.
func count(t *testing.T, cfg state.Config) int {
	t.Helper()
	f, err := partition.NewFollower(cfg.Kafka, cfg.Topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for next, end := int64(0), int64(1); next < end; next, end = f.Position() {
		records, err := f.Next(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		n += len(records)
	}
	return n
}
