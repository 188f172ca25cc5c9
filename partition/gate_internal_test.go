package partition

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// gateBench is a gate at work over lanes, with a client that reaches nobody.
type gateBench struct {
	*tieredBench
	gate   *gate
	client *kgo.Client
}

// newGateBench runs a gate until end is called; it belongs in a bubble.
func newGateBench(fatal func(...any), cfg Config) (b *gateBench, end func()) {
	b = &gateBench{tieredBench: newTieredBench(true)}
	b.lease.renew(time.Now(), 10_000*time.Hour)
	var err error
	b.client, err = kgo.NewClient(kgo.Dialer(func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("nobody there")
	}))
	if err != nil {
		fatal(err)
	}
	b.gate = &gate{cfg: cfg, lanes: b.lanes, portion: portion{most: 64 << 10}}
	b.gate.portion.begin(b.client)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.gate.run(ctx, b.client)
	}()
	return b, func() {
		cancel()
		<-done
		b.lanes.stop()
		b.client.Close()
	}
}

// paused tells whether the client does not fetch a tier.
func (b *gateBench) paused(t Tier) bool {
	s := b.tiers[t]
	return pausedSet(b.client.PauseFetchPartitions(nil))[s.topic][s.id.Partition]
}

// soon is when the gate has turned after a change.
const soon = 2*gateEvery + time.Millisecond

// TestGateSleepersPauseTheirTierAlone has many records asleep on one tier and
// nothing on the others.
func TestGateSleepersPauseTheirTierAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		b, end := newGateBench(t.Fatal, cfg)
		defer end()
		for range sleepMost {
			if b.paused(Delay10m) {
				t.Fatal("paused with few asleep")
			}
			b.deferred(Delay10m, "a", time.Hour, 10*time.Minute)
		}
		time.Sleep(soon)
		for tier := range tiers {
			if have := b.paused(tier); have != (tier == Delay10m) {
				t.Errorf("%s: paused %v", tier, have)
			}
		}
		early := 2*cfg.FetchWait + earlyMargin
		time.Sleep(10*time.Minute - early - 2*soon)
		if !b.paused(Delay10m) {
			t.Error("read again long before the last of them wakes")
		}
		time.Sleep(2 * soon)
		if b.paused(Delay10m) {
			t.Error("not read again early enough before the last of them wakes")
		}
	})
}

// TestGateReadsOnWhenSleepersWake and few are left, at once.
func TestGateReadsOnWhenSleepersWake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, end := newGateBench(t.Fatal, DefaultConfig())
		defer end()
		const wake = 12*gateMost + gateMost/2 // when the gate does not look by itself
		for i := range 2 * sleepMost {
			b.deferred(Delay10m, "a", time.Hour, 10*time.Minute-time.Duration(i%8/7)*9*time.Minute) // an eighth wakes sooner
		}
		for i := range 2 * sleepMost {
			b.deferred(Delay6h, "a", 10*time.Hour, wake+time.Duration(i%16/15)*time.Hour) // a sixteenth wakes later
		}
		time.Sleep(wake + soon)
		if !b.paused(Delay10m) || b.paused(Delay6h) {
			t.Errorf("with %d asleep of %d paused %v, with %d of them %v", b.asleep(Delay10m), 2*sleepMost, b.paused(Delay10m), b.asleep(Delay6h), b.paused(Delay6h))
		}
	})
}

// TestGateReadsAWorkspaceAgainAfterItsStagger though nothing else happens.
func TestGateReadsAWorkspaceAgainAfterItsStagger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, end := newGateBench(t.Fatal, DefaultConfig())
		defer end()
		s := b.tiers[Live]
		s.stagger = 3 * gateMost / 2
		b.add(Live, "a", 0)
		b.lanes.Block("w", true, false)
		time.Sleep(soon)
		if !b.paused(Live) {
			t.Fatal("a workspace that takes nothing is fetched")
		}
		b.lanes.Block("w", false, false)
		time.Sleep(s.stagger - time.Millisecond)
		if !b.paused(Live) {
			t.Error("fetched before its turn")
		}
		time.Sleep(soon)
		if b.paused(Live) {
			t.Error("not fetched when its turn came")
		}
	})
}

// TestGateHearsOfEveryChange: whatever is done to the lanes, soon afterwards the
// paused set is as they are, long before the gate would look by itself.
func TestGateHearsOfEveryChange(t *testing.T) {
	t.Parallel()
	if 4*soon > gateMost/10 {
		t.Fatal("the gate looks so often that nothing is shown")
	}
	rapid.Check(t, func(rt *rapid.T) {
		changes := rapid.SliceOfN(rapid.Custom(drawChange), 1, 60).Draw(rt, "changes")
		fault := ""
		synctest.Test(t, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.ShardRecords = 16
			b, end := newGateBench(t.Fatal, cfg)
			defer end()
			var out []Pick
			for i, c := range changes {
				out = b.change(c, out)
				time.Sleep(soon)
				if fault = b.differs(); fault != "" {
					fault = fmt.Sprintf("after change %d, %+v: %s", i, c, fault)
					return
				}
			}
		})
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

// change is one thing that happens to lanes.
type change struct {
	what    string
	tier    Tier
	n       int // records
	wake    time.Duration
	outcome Outcome
	blocked bool
	hungry  bool
}

func drawChange(rt *rapid.T) change {
	return change{
		what:    rapid.SampledFrom([]string{"add", "sleep", "sleep", "take", "finish", "finish all", "block", "halt", "close", "reopen", "reopen", "pass", "pass"}).Draw(rt, "what"),
		tier:    Tier(rapid.IntRange(0, int(tiers)-1).Draw(rt, "tier")),
		n:       rapid.IntRange(1, 80).Draw(rt, "n"),
		wake:    rapid.SampledFrom([]time.Duration{time.Second, 3 * time.Second, 10 * time.Second, 10 * time.Minute}).Draw(rt, "wake"),
		outcome: rapid.SampledFrom([]Outcome{{Kind: Delivered}, {Kind: Moved}, {Kind: Dropped}, {Kind: Retry}}).Draw(rt, "outcome"),
		blocked: rapid.Bool().Draw(rt, "blocked"),
		hungry:  rapid.Bool().Draw(rt, "hungry"),
	}
}

// change does one thing to the lanes and returns what is in attempts then.
func (b *gateBench) change(c change, out []Pick) []Pick {
	switch c.what {
	case "add":
		for i := range c.n {
			b.add(c.tier, fmt.Sprint(i%7), 0)
		}
	case "sleep":
		for range c.n {
			b.deferred(Delay10m, "a", time.Hour, c.wake)
		}
	case "take":
		got := b.take(c.n)
		return append(append(out, got.Picks...), got.Moves...)
	case "finish", "finish all":
		n := min(c.n, len(out))
		if c.what == "finish all" {
			got := b.take(1000)
			out = append(append(out, got.Picks...), got.Moves...)
			n = len(out)
		}
		if c.outcome.Kind == Retry {
			c.outcome.At = time.Now().Add(c.wake)
		}
		b.lanes.Finish(out[:n], c.outcome)
		return out[n:]
	case "block":
		b.lanes.Block("w", c.blocked, c.hungry)
	case "halt":
		b.tiers[c.tier].halt()
	case "close":
		s := b.tiers[c.tier]
		b.lanes.close(s)
		b.client.ResumeFetchPartitions(map[string][]int32{s.topic: {s.id.Partition}})
	case "reopen":
		b.reopen(min(c.wake, time.Minute))
	case "pass":
		time.Sleep(c.wake)
	}
	return out
}

// reopen begins new assignments of all that is closed.
func (b *gateBench) reopen(stagger time.Duration) {
	for t := range tiers {
		if b.tiers[t].phaseNow() != closed {
			continue
		}
		b.next[t] = 0
		b.open(t, newWindow(0))
		s := b.tiers[t]
		s.queue.mu.Lock()
		s.stagger = stagger // it is random
		s.queue.mu.Unlock()
		if t.captures() {
			b.tiers[t].surveyed()
		}
	}
}

// differs names a shard that is paused though it should not be, or the other way
// round, and stays so: the time for it may have come just now.
func (b *gateBench) differs() string {
	first := b.wrong()
	if len(first) == 0 {
		return ""
	}
	time.Sleep(soon)
	for s, what := range b.wrong() {
		if first[s] != "" {
			return what
		}
	}
	return ""
}

// wrong is what the gate would pause or resume now.
func (b *gateBench) wrong() map[*shard]string {
	wrong := map[*shard]string{}
	owned := b.lanes.owned()
	share := b.gate.cfg.MaxBytes / max(1, sharing(owned))
	current := pausedSet(b.client.PauseFetchPartitions(nil))
	for _, s := range owned {
		held := current[s.topic][s.id.Partition]
		if want := b.gate.wants(s, share, held, false); want.pause != held {
			wrong[s] = fmt.Sprintf("%s: %d records, %d asleep, paused %v, want %+v", s.id, s.records, s.asleep, held, want)
		}
	}
	return wrong
}
