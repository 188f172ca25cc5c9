package partition

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline/event"
)

// Time is the test's, so any will do.
func at(seconds float64) time.Time {
	return time.Unix(1_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestClaimWaitsForWhoeverDidNotRelease(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		released bool
		accepted float64 // when our commit was
		then     float64
		want     phase
	}{
		{"released: at once", true, 0.1, 0.1, active},
		{"not released: not at once", false, 0.1, 0.1, quarantined},
		{"not released: not when the lease ends by our clock", false, 0.1, 3.0, quarantined},
		{"not released: after the margin", false, 0.1, 3.06, active},
		{"claimed only after the quarantine", false, 5, 5, active},
		{"released, not claimed yet", true, 9, 1, claiming},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var c claim
			c.load(tt.released, at(0), 3*time.Second)
			if tt.accepted <= tt.then {
				c.accepted(at(tt.accepted))
			}
			c.pass(at(tt.then))
			if c.phase != tt.want {
				t.Errorf("want phase %d, have %d", tt.want, c.phase)
			}
		})
	}
}

func TestClaimReleasesOnlyWhatItMayVouchFor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		loaded   bool
		released bool
		at       float64
		flying   int
		want     bool
	}{
		{"all ended", true, true, 1, 0, true},
		{"an attempt is under way", true, true, 1, 1, false},
		{"in quarantine: the owner before may still send", true, false, 1, 0, false},
		{"after quarantine", true, false, 3.1, 0, true},
		{"never loaded", false, false, 9, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var c claim
			if tt.loaded {
				c.load(tt.released, at(0), 3*time.Second)
				c.accepted(at(0.1))
			}
			if c.releases(at(tt.at), tt.flying) {
				t.Error("released while it may be taken from")
			}
			c.drain()
			if have := c.releases(at(tt.at), tt.flying); have != tt.want {
				t.Errorf("want %v, have %v", tt.want, have)
			}
		})
	}
}

// The share follows what may be taken from: in quarantine nothing counts yet,
// and what drains counts no more.
func TestShareFollowsTheClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLease()
		l.renew(time.Now(), time.Hour)
		var told []int
		lanes := newLanes(lanesConfig{
			workspaces: []string{"w"}, lease: l, length: 3 * time.Second, commitNow: func() {},
			granted: func(g Grant) { told = append(told, g.Owned) },
		})
		lanes.count(func(_ string, usable int) (int, int) { return usable, 8 })
		open := func(n int32, released bool) *shard {
			s := lanes.open(ShardID{Stream: "s", Partition: n}, topicInfo{name: "s", partitions: 8}, "w")
			lanes.load(s, newWindow(0), released)
			s.claimed()
			return s
		}
		clean, unclean := open(0, true), open(1, false)
		b := &bench{lanes: lanes, lease: l}
		b.read(unclean, 0, "a")
		if have := lanes.Share("w"); have != (Grant{"w", 1, 8}) {
			t.Errorf("in quarantine: have %+v, want 1 of 8", have)
		}
		if batch := lanes.Take("w", Limit{Items: 1}); !batch.Empty() {
			t.Error("taken from a shard in quarantine")
		}
		time.Sleep(quarantine(3*time.Second) + time.Millisecond)
		<-lanes.Ready("w")
		if have := lanes.Share("w"); have != (Grant{"w", 2, 8}) {
			t.Errorf("after it: have %+v, want 2 of 8", have)
		}
		if batch := lanes.Take("w", Limit{Items: 1}); batch.Empty() {
			t.Error("nothing taken after the quarantine")
		}
		clean.halt()
		lanes.close(unclean)
		if want := []int{0, 1, 2, 1, 0}; len(told) != len(want) || lanes.Share("w").Owned != 0 {
			t.Errorf("told %v, want %v", told, want)
		}
		lanes.stop()
	})
}

// Whoever begins an attempt asks for the tenure; it outlasts the lease by a
// second, and a lease that comes back brings another.
func TestTenureOutlastsTheLeaseByASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLease()
		lanes := newLanes(lanesConfig{workspaces: []string{"w"}, lease: l, commitNow: func() {}})
		if lanes.Tenure("w").Err() == nil {
			t.Fatal("a tenure before the first lease")
		}
		renew := func() { l.renew(time.Now(), 3*time.Second); l.extend(time.Now()) }
		renew()
		first := lanes.Tenure("w")
		time.Sleep(2 * time.Second)
		renew()
		time.Sleep(3900 * time.Millisecond)
		if first.Err() != nil || lanes.Leased() {
			t.Fatal("the tenure ended early, or the lease did not end")
		}
		time.Sleep(200 * time.Millisecond)
		if first.Err() == nil {
			t.Fatal("the tenure did not end")
		}
		renew()
		second := lanes.Tenure("w")
		if second.Err() != nil {
			t.Fatal("a new lease brought no tenure")
		}
		l.end() // the group gave us up, and takes us again at once
		renew()
		third := lanes.Tenure("w")
		time.Sleep(tenureGrace + time.Millisecond)
		if second.Err() == nil || third.Err() != nil {
			t.Fatal("what was in flight under the old lease goes on, or nothing may under the new one")
		}
		lanes.queues["w"].cut()
		fourth := lanes.Tenure("w")
		if third.Err() == nil || fourth.Err() != nil || fourth != lanes.Tenure("w") {
			t.Fatal("a workspace that left keeps its attempts, or one that came back gets none")
		}
		lanes.stop()
		if fourth.Err() == nil {
			t.Fatal("the tenure outlives the lanes")
		}
	})
}

// Many attempts begin at once: none may end another's time by asking.
func TestTenureIsOneForAllThatAskAtOnce(t *testing.T) {
	t.Parallel()
	for range 200 {
		b := newBench()
		b.lease.extend(time.Now())
		var askers sync.WaitGroup
		begin := make(chan struct{})
		given := make(chan context.Context, 8)
		for range cap(given) {
			askers.Go(func() {
				<-begin
				given <- b.lanes.Tenure("w")
			})
		}
		first := b.lanes.Tenure("w")
		b.lanes.queues["w"].cut()
		close(begin)
		askers.Wait()
		close(given)
		for ctx := range given {
			if ctx.Err() != nil {
				t.Fatal("an attempt that had just begun was ended")
			}
		}
		if first.Err() == nil {
			t.Fatal("what was cut goes on")
		}
		b.lanes.stop()
	}
}

func TestShutOperationsWaitAndOthersGo(t *testing.T) {
	t.Parallel()
	b := newBench()
	s := b.shard(0)
	b.read(s, 0, "a", "a", "b", "c")
	for lane, op := range map[string]uint8{"a": 3, "b": 4, "c": 3} {
		for it := s.lanes[s.queue.hash([]byte(lane))].head; it != nil; it = it.next {
			it.event.Op = event.Op(op)
		}
	}
	s.lanes[s.queue.hash([]byte("a"))].head.next.event.Op = event.Op(4)
	for _, step := range []struct {
		shut uint64
		want string
	}{{1 << 3, "0/2 "}, {1 << 3, ""}, {1 << 4, "0/0 0/3 "}} {
		if have := offsets(b.lanes.Take("w", Limit{Items: 10, Shut: step.shut})); have != step.want {
			t.Fatalf("shut %b: have %q, want %q", step.shut, have, step.want)
		}
	}
}
