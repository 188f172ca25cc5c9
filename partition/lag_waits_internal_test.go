package partition

import (
	"testing"
	"time"
)

func TestWaitsSayWhyNothingIsTaken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(b *tieredBench)
		want string // of the live tier
	}{
		"all is well":              {func(b *tieredBench) { b.tiers[Held].surveyed() }, ""},
		"who is held is not known": {func(*tieredBench) {}, WaitsForHeld},
		"who overflowed is not known": {func(b *tieredBench) {
			b.tiers[Held].surveyed()
			b.tiers[Overflow].captured.known = false
		}, WaitsForOverflow},
		"the held tier went away":   {func(b *tieredBench) { b.tiers[Held].surveyed(); b.tiers[Held].halt() }, WaitsForHeld},
		"no commit is accepted":     {func(b *tieredBench) { b.tiers[Held].surveyed(); b.lease.end() }, WaitsForLease},
		"its offset is not known":   {func(b *tieredBench) { b.tiers[Live].claim = claim{} }, WaitsForCommit},
		"its claim is not accepted": {func(b *tieredBench) { b.tiers[Live].phase = claiming }, WaitsForCommit},
		"it was another's":          {func(b *tieredBench) { b.tiers[Live].phase = quarantined }, WaitsForOwner},
		"it is handed over":         {func(b *tieredBench) { b.tiers[Live].halt() }, ""},
		"it is stopped": {func(b *tieredBench) {
			b.tiers[Live].claim, b.tiers[Live].stop = claim{}, &Stop{Shard: b.tiers[Live].id}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTieredBench(false)
			tt.do(b)
			have := ""
			waits := (&Consumer{lanes: b.lanes}).Waits()
			for i, w := range waits {
				if w.Shard == b.tiers[Live].id {
					have = w.For
				}
				if w.Until.IsZero() == (w.For == WaitsForOwner) {
					t.Errorf("want a time only for what ends at one, have %+v", w)
				}
				if i > 0 && compareShards(waits[i-1].Shard, w.Shard) >= 0 {
					t.Errorf("want them in order, have %+v", waits)
				}
			}
			if have != tt.want {
				t.Errorf("want %q, have %q", tt.want, have)
			}
		})
	}
}

func TestTierNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Tier{
		"": Live, "live": Live, "held": Held, "replay": Replay, "overflow": Overflow,
		"delay-10s": Delay10s, "delay-10m": Delay10m, "delay-6h": Delay6h,
	} {
		if have, err := ParseTier(name); err != nil || have != want {
			t.Errorf("%q: want %v, have %v, %v", name, want, have, err)
		}
	}
	for _, name := range []string{"dead", "Held", "1", " live"} {
		if have, err := ParseTier(name); err == nil {
			t.Errorf("%q: want an error, have %v", name, have)
		}
	}
}

// What a stopped shard logs can be typed as it is, but for where to go on.
func TestResumptionNamesTheTier(t *testing.T) {
	t.Parallel()
	for id, want := range map[ShardID]string{
		{Stream: "events", Partition: 3}:           "sluice shard resume events 3 --at start|OFFSET",
		{Stream: "events", Tier: Held}:             "sluice shard resume events 0 --at start|OFFSET --tier held",
		{Stream: "a", Partition: 47, Tier: Replay}: "sluice shard resume a 47 --at start|OFFSET --tier replay",
	} {
		if have := id.resumption(); have != want {
			t.Errorf("want %s, have %s", want, have)
		}
	}
}

// A resumed held shard is one whose log is read for who is on it: it is known
// where it stands.
func TestAHeldShardWithoutAnOffsetIsNotSurveyed(t *testing.T) {
	t.Parallel()
	b := newTieredBench(false)
	held := b.lanes.open(ShardID{Stream: "s", Tier: Held}, topicInfo{name: "s.held", partitions: 1}, "w")
	held.stop = &Stop{Shard: held.id, Watermark: -1, Since: time.Now()}
	if _, _, ok := held.unsettled(9); ok {
		t.Fatal("nobody knows where it begins")
	}
	if missing, err := b.lanes.resume(held, 4); err != nil || missing != 0 {
		t.Fatalf("have %d, %v", missing, err)
	}
	if from, to, ok := held.unsettled(9); !ok || from != 4 || to != 9 {
		t.Errorf("want 4 to 9 to be read, have %d to %d, %v", from, to, ok)
	}
}
