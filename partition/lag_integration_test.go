//go:build integration

package partition_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/partition"
)

// sums adds up what several shards lag and have settled.
func sums(lags []partition.ShardLag) (lag, settled int64) {
	for _, l := range lags {
		lag += l.Lag()
		settled += l.Next() + l.Settled()
	}
	return lag, settled
}

func (r *real) lags(t *testing.T) []partition.ShardLag {
	t.Helper()
	lags, err := r.admin.Lag(t.Context(), r.cfg.Group, r.topic)
	if err != nil || len(lags) != 4 {
		t.Fatalf("have %+v, %v", lags, err)
	}
	return lags
}

// A group through its life: nobody knows it, it runs, it has stopped, it is set
// back and runs again.
func TestRealGroupIsSeenAndSetBack(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	began := time.Now()
	r.append(t, 0, 400, 37)
	lags := r.lags(t)
	if err := r.admin.FindOldest(t.Context(), lags); err != nil {
		t.Fatal(err)
	}
	for _, l := range lags {
		if l.Watermark != -1 || l.Halted() != "" || l.Lag() > 0 && l.Oldest.Before(began.Add(-time.Second)) {
			t.Errorf("have %+v", l)
		}
	}
	if lag, _ := sums(lags); lag != 400 {
		t.Errorf("want all of it to lag, have %d", lag)
	}
	if g, err := r.admin.Group(t.Context(), r.cfg.Group); err != nil || g.Exists() {
		t.Errorf("have %+v, %v", g, err)
	}

	dest := newSunk()
	cfg := r.cfg
	cfg.Instance, cfg.Region, cfg.AdminAddr = "eu-a", "eu", "10.0.0.1:9091"
	m := startOn(t, cfg, r.topic, dest)
	dest.await(t, 400)
	r.checkRunning(t, lags)
	m.stop()

	g, err := r.admin.Group(t.Context(), r.cfg.Group)
	if err != nil || g.State != "Empty" || len(g.Members) != 0 {
		t.Errorf("have %+v, %v", g, err)
	}
	r.append(t, 400, 100, 37)
	lags = r.lags(t)
	if lag, settled := sums(lags); lag != 100 || settled != 400 {
		t.Errorf("have %d behind, %d settled", lag, settled)
	}
	r.setBack(t, lags, began)
	again := newSunk()
	startOn(t, r.cfg, r.topic, again)
	again.await(t, 500)
}

// checkRunning looks at the group while its one member owns everything: the
// cluster itself must refuse a commit from outside.
func (r *real) checkRunning(t *testing.T, lags []partition.ShardLag) {
	t.Helper()
	g, err := r.admin.Group(t.Context(), r.cfg.Group)
	if err != nil || len(g.Members) != 1 || !g.Settled() {
		t.Fatalf("have %+v, %v", g, err)
	}
	if o, ok := g.Owner(r.topic, 3); !ok || o.Instance != "eu-a" || o.Told.Region != "eu" || o.Host == "" || !o.Owns(r.topic, 3) {
		t.Errorf("have %+v", o)
	}
	all, err := r.admin.Groups(t.Context())
	if err != nil || !slices.ContainsFunc(all, func(g partition.GroupLag) bool { return g.Name == r.cfg.Group && g.Protocol == "sluice" }) {
		t.Errorf("have %+v, %v", all, err)
	}
	if _, err := r.admin.SetOffsets(t.Context(), r.cfg.Group, []partition.Move{{ShardLag: lags[0]}}); !errors.Is(err, partition.ErrGroupActive) {
		t.Errorf("have %v", err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.cfg.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: r.topic, LeaderEpoch: -1})
	if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), r.cfg.Group, offsets); !errors.Is(err, kerr.UnknownMemberID) {
		t.Errorf("a commit from outside under a running member: want it refused, have %v", err)
	}
}

// setBack moves every shard to where a time is that all events are later than.
func (r *real) setBack(t *testing.T, lags []partition.ShardLag, at time.Time) {
	t.Helper()
	offsets, err := r.admin.OffsetsAt(t.Context(), r.topic, at.Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var moves []partition.Move
	again := int64(0)
	for _, l := range lags {
		m, err := l.Move(offsets[l.Partition])
		if err != nil {
			t.Fatal(err)
		}
		again += m.Again
		moves = append(moves, m)
	}
	if refused, err := r.admin.SetOffsets(t.Context(), r.cfg.Group, moves); err != nil || len(refused) > 0 || again != 400 {
		t.Errorf("have %d again, %v, %v", again, refused, err)
	}
	ends, err := r.admin.OffsetsAt(t.Context(), r.topic, time.Now().Add(time.Hour))
	for _, l := range lags {
		if err != nil || ends[l.Partition] != l.End {
			t.Errorf("want a time to come to be the end, %d, have %d, %v", l.End, ends[l.Partition], err)
		}
	}
	for _, l := range r.lags(t) {
		if l.Watermark != 0 || l.Ours {
			t.Errorf("have %+v", l)
		}
	}
}
