package partition

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline/event"
)

func TestDelayFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		left time.Duration
		want Tier
		far  bool
	}{
		{-time.Hour, Live, false},
		{10 * time.Second, Live, false},
		{10*time.Second + 1, Delay10s, true},
		{10*time.Minute - 1, Delay10s, true},
		{10 * time.Minute, Delay10m, true},
		{6*time.Hour - 1, Delay10m, true},
		{6 * time.Hour, Delay6h, true},
		{90 * 24 * time.Hour, Delay6h, true},
	} {
		if have, far := DelayFor(tt.left); have != tt.want || far != tt.far {
			t.Errorf("due in %v: want %v, %v, have %v, %v", tt.left, tt.want, tt.far, have, far)
		}
	}
	for tier := range tiers {
		if have, err := ParseTier(tier.String()); err != nil || have != tier || tier.Delays() != (tier >= Delay10s) {
			t.Errorf("%s: have %s, %v, delays %v", tier, have, err, tier.Delays())
		}
	}
}

// deferred adds a deferred event to a tier, asleep for so long.
func (b *tieredBench) deferred(tier Tier, key string, due, wake time.Duration) *event.Event {
	e := new(event.Event)
	e.Load(event.Record{Topic: b.tiers[tier].topic, Offset: b.next[tier], Key: []byte(key), Value: []byte(`{}`), Time: time.Now()}, "c")
	e.Size, e.Due = 2, time.Now().Add(due)
	if wake > 0 {
		e.Wake = time.Now().Add(wake)
	}
	b.next[tier]++
	b.tiers[tier].add([]*event.Event{e}, 0, b.next[tier])
	return e
}

// asleep is how many records of a tier sleep in hand.
func (b *tieredBench) asleep(tier Tier) int {
	s := b.tiers[tier]
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.asleep
}

func TestDeferredWaitsUntilItIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newTieredBench(true)
		defer b.lanes.stop()
		b.deferred(Live, "a", 3*time.Second, 0)
		b.add(Live, "a", 0)
		got := b.take(9)
		if len(got.Picks) != 1 || got.Picks[0].Deferred() {
			t.Fatalf("%d taken, want the user's other event and no other", len(got.Picks))
		}
		start := time.Now()
		time.Sleep(3 * time.Second)
		if again := b.take(9); !again.Empty() {
			t.Fatal("a user is in two attempts")
		}
		b.lanes.Finish(got.Picks, Outcome{Kind: Delivered})
		<-b.lanes.Ready("w")
		due := b.take(9)
		if len(due.Picks) != 1 || !due.Picks[0].Deferred() || time.Since(start) != 3*time.Second {
			t.Fatalf("%d taken after %v, want the one that is due", len(due.Picks), time.Since(start))
		}
		b.add(Live, "a", 0)
		if again := b.take(9); !again.Empty() {
			t.Fatal("a user is in two attempts")
		}
		b.lanes.Finish(due.Picks, Outcome{Kind: Moved, Offset: 7}) // it failed
		if len(b.tiers[Held].captured.users) != 0 {
			t.Fatal("a deferred event has captured its user")
		}
		if last := b.take(9); len(last.Picks) != 1 || last.Picks[0].DelayTopic(Delay10m) != "s.delay-10m" || last.Picks[0].DelayTopic(Held) != "" {
			t.Fatalf("%d taken, want the user's next", len(last.Picks))
		}
	})
}

func TestDeferredGoesRoundTheDelays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newTieredBench(true)
		b.lease.renew(time.Now(), 1000*time.Hour)
		defer b.lanes.stop()
		for _, tt := range []struct {
			on, to    Tier
			due, wake time.Duration
		}{
			{Live, Delay6h, 50 * time.Hour, 0},
			{Delay6h, Delay10m, 7 * time.Hour, 6 * time.Hour},
			{Delay10m, Delay10s, 11 * time.Minute, 10 * time.Minute},
			{Delay10s, Delay10s, 25 * time.Second, 10 * time.Second},
			{Delay10s, Live, 19 * time.Second, 10 * time.Second},
			{Delay10s, Live, 4 * time.Second, 10 * time.Second}, // it sleeps no longer than until it is due
		} {
			b.deferred(tt.on, "a", tt.due, tt.wake)
			if sleeps := b.asleep(tt.on); sleeps != min(1, int(tt.wake)) {
				t.Fatalf("%s: %d sleep", tt.on, sleeps)
			}
			start := time.Now()
			<-b.lanes.Ready("w")
			got := b.take(9)
			for ; got.Empty(); got = b.take(9) {
				<-b.lanes.Ready("w")
			}
			want := tt.wake
			if tt.to == Live {
				want = tt.due
				if len(got.Picks) != 1 {
					t.Fatalf("%s, due in %v: not taken", tt.on, tt.due)
				}
			} else if to, _ := got.Moves[0].Target(); to != tt.to {
				t.Fatalf("%s, due in %v: goes to %s, want %s", tt.on, tt.due, to, tt.to)
			}
			if waited := time.Since(start); waited != want {
				t.Fatalf("%s, due in %v: waited %v, want %v", tt.on, tt.due, waited, want)
			}
			b.lanes.Finish(append(got.Picks, got.Moves...), Outcome{Kind: Delivered})
			if b.asleep(tt.on) != 0 {
				t.Fatalf("%s: who sleeps?", tt.on)
			}
		}
	})
}

func TestRecalled(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		on          Tier
		due, wake   time.Duration
		asked, gone time.Duration // recalled, and found out
	}{
		"when it is read": {Live, time.Hour, 0, 0, 0},
		"when it wakes":   {Delay10m, time.Hour, 10 * time.Minute, time.Minute, 10 * time.Minute},
		"when it is due":  {Live, 9 * time.Second, 0, time.Second, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newTieredBench(true)
				defer b.lanes.stop()
				start := time.Now()
				b.tiers[Live].queue.recall = func(workspace string, e *event.Event) bool {
					if workspace != "w" || time.Since(start) < tt.asked {
						return false
					}
					e.Fault = &event.Fault{Reason: "recalled"}
					return true
				}
				b.deferred(tt.on, "a", tt.due, tt.wake)
				time.Sleep(tt.gone)
				synctest.Wait()
				<-b.lanes.Ready("w")
				if got := b.take(9); len(got.Faults) != 1 || len(got.Picks)+len(got.Moves) != 0 {
					t.Errorf("%d faults, %d taken, %d moved", len(got.Faults), len(got.Picks), len(got.Moves))
				}
			})
		})
	}
}

// TestAStreamWithoutDelays keeps its deferred events in memory.
func TestAStreamWithoutDelays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newTieredBench(true)
		b.lease.renew(time.Now(), 1000*time.Hour)
		defer b.lanes.stop()
		topics := &b.tiers[Live].whole.topics
		topics[Delay6h] = ""
		if have := b.tiers[Live].whole.delayFor(7 * time.Hour); have != Delay10m {
			t.Errorf("goes to %s, want the longest there is", have)
		}
		topics[Delay10m], topics[Delay10s] = "", ""
		b.deferred(Live, "a", time.Hour, 0)
		if got := b.take(9); !got.Empty() {
			t.Fatal("taken before it is due")
		}
		time.Sleep(time.Hour)
		if got := b.take(9); len(got.Picks) != 1 {
			t.Fatal("not taken when it is due")
		}
	})
}

// TestGateLetsSleepersSleep in the log, but for a few.
func TestGateLetsSleepersSleep(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	defer b.lanes.stop()
	g := gate{cfg: DefaultConfig(), lanes: b.lanes}
	s := b.tiers[Delay10m]
	early := 2*g.cfg.FetchWait + earlyMargin
	for _, tt := range []struct {
		asleep     int
		wakes      time.Duration // the last of them
		paused, is bool
	}{
		{63, time.Hour, false, false},
		{64, time.Hour, false, true},
		{17, time.Hour, true, true},
		{15, time.Hour, true, false},
		{64, early + time.Minute, true, true},
		{64, early, true, false},
		{1000, early, false, false},
	} {
		last := time.Now().Add(tt.wakes)
		s.asleep, s.wakes = tt.asleep, last.UnixNano()
		have := g.wants(s, 1<<20, tt.paused, false)
		if have.pause != tt.is || have.dry {
			t.Errorf("%d asleep, paused %v: have %+v, want %v", tt.asleep, tt.paused, have, tt.is)
		}
		if have.pause && !have.until.Equal(last.Add(-early)) {
			t.Errorf("%d asleep, paused %v: asked again %v before the last wakes, want %v", tt.asleep, tt.paused, last.Sub(have.until), early)
		}
	}
}

// TestDelayedEventCapturesNobody: one that must not be sent at that hour leaves
// its user's order.
func TestDelayedEventCapturesNobody(t *testing.T) {
	t.Parallel()
	b := newTieredBench(true)
	b.add(Live, "a", 0)
	b.lanes.Finish(b.take(1).Picks, Outcome{Kind: Moved, Offset: 3, Delayed: true})
	b.add(Live, "a", 0)
	if got := b.take(1); len(got.Picks) != 1 {
		t.Errorf("%d taken, %d moved; want the next one taken", len(got.Picks), len(got.Moves))
	}
}

func TestSleepersAreNotBehind(t *testing.T) {
	t.Parallel()
	w := newWindow(10)
	for offset := int64(10); offset < 20; offset++ {
		w.see(offset)
	}
	w.settle(12)
	w.settle(17)
	for name, tt := range map[string]struct {
		from          int64 // who sleeps
		lag, deferred int64
	}{
		"none":             {-1, 18, 0},
		"some":             {15, 4, 14},
		"all":              {0, 0, 18},
		"those came since": {31, 18, 0},
	} {
		l := newShardLag("s.delay-10m", 0, 10, encodeMetadata(&w, false))
		l.End = 30
		if l.Lag() != 18 || l.Deferred() != 0 {
			t.Fatalf("before: have %d and %d", l.Lag(), l.Deferred())
		}
		if l.wakesBefore(tt.from); l.Lag() != tt.lag || l.Deferred() != tt.deferred {
			t.Errorf("%s: have %d behind and %d deferred, want %d and %d", name, l.Lag(), l.Deferred(), tt.lag, tt.deferred)
		}
	}
}
