package partition

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	chaosSeeds = flag.Int("chaos.seeds", fewSeeds, "how many seeds TestChaos runs")
	chaosSeed  = flag.Uint64("chaos.seed", 0, "the one seed that TestChaos replays; 0: many")
)

// The scenario: eight members, two workspaces of 100 a second, the first over
// two streams, and one of 300 that is split in three. A calm start, a fault
// every four seconds, and time to recover.
const (
	calmUntil   = 6 * time.Second
	faultsUntil = 70 * time.Second
	recoverTill = 90 * time.Second
	faultEvery  = 4 * time.Second
	fleetSize   = 8
	mostBad     = 3 // seeds that are reported in full
)

func scenario() []realm {
	return []realm{{100, []int32{4, 2}}, {100, []int32{6}}, {300, []int32{12}}}
}

// outcome is what one seed came to.
type outcome struct {
	seed        uint64
	samples     int
	violations  int
	reports     []string
	utilisation float64 // of what the pacers may send, over the whole run
}

// chaos runs one seed to its end.
func chaos(seed uint64) *world {
	w := newWorld(seed, shippedRules(), scenario())
	for i := range fleetSize {
		instance := ""
		if i%2 == 0 {
			instance = fmt.Sprintf("i%d", i)
		}
		w.after(w.between(0, 500*time.Millisecond), func() { w.start(instance) })
	}
	w.after(0, w.witness.watch)
	w.at(calmUntil, w.struck)
	w.at(faultsUntil, w.heal)
	w.run(recoverTill)
	return w
}

// judge sums a run up, and adds what only its end can tell: that the traffic is back.
func judge(seed uint64, w *world) outcome {
	const last = 3 * time.Second
	sum, rate := 0.0, 0.0
	for _, sp := range w.spaces {
		have, want := sp.sentBetween(recoverTill-last, recoverTill), 0.95*paceShare*sp.rate*last.Seconds()
		if float64(have) < want {
			w.witness.violated("progress", "workspace %s: %d sends in the last %v, want %.0f: %s", sp.name, have, last, want, w.witness.owners(sp))
		}
		sum += float64(len(sp.marks))
		rate += paceShare * sp.rate
	}
	return outcome{
		seed: seed, samples: w.witness.samples, violations: w.witness.violations, reports: w.witness.reports,
		utilisation: sum / rate / recoverTill.Seconds(),
	}
}

// struck lets faults happen until it is time to recover.
func (w *world) struck() {
	if w.now < faultsUntil {
		w.strike()
		w.after(time.Duration(w.dice.ExpFloat64()*float64(faultEvery)), w.struck)
	}
}

// heal ends every fault that still lasts.
func (w *world) heal() {
	w.witness.note("everything heals")
	w.stormUntil, w.slowness = 0, 0
	for _, p := range w.processes {
		p.cut, p.deposed = false, false
		if p.frozen {
			p.thaw()
		}
	}
}

// TestChaos runs the fleet through random faults: the budget holds at every
// instant whatever fails, and the traffic comes back.
func TestChaos(t *testing.T) {
	t.Parallel()
	first, count := uint64(1), *chaosSeeds
	if *chaosSeed != 0 {
		first, count = *chaosSeed, 1
	}
	seeds := make(chan uint64)
	outcomes := make(chan outcome)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range seeds {
				outcomes <- judge(seed, chaos(seed))
			}
		})
	}
	go func() {
		for i := range count {
			seeds <- first + uint64(i)
		}
		close(seeds)
		workers.Wait()
		close(outcomes)
	}()
	samples, violations, bad, utilisation := 0, 0, 0, 0.0
	for o := range outcomes {
		samples += o.samples
		violations += o.violations
		utilisation += o.utilisation / float64(count)
		if o.utilisation < 0.35 {
			t.Errorf("seed %d: %.0f %% of the budget was used: this fleet hardly sends", o.seed, 100*o.utilisation)
		}
		if o.violations > 0 {
			bad++
		}
		for _, report := range o.reports {
			if bad <= mostBad {
				t.Errorf("seed %d (replay with -chaos.seed=%d)\n%s", o.seed, o.seed, report)
			}
		}
	}
	if bad > 0 {
		t.Errorf("%d violations in %d of %d seeds", violations, bad, count)
	}
	if utilisation < 0.7 && count >= 20 {
		t.Errorf("%.0f %% of the budget was used over all seeds, want 70 %%", 100*utilisation)
	}
	t.Logf("utilisation %.1f %%", 100*utilisation)
	fmt.Printf("chaos: %d seeds, %d samples, %d violations\n", count, samples, violations)
}

// TestOneSeedIsOneRun keeps a seed worth printing: it leads to the same run
// again, to the nanosecond.
func TestOneSeedIsOneRun(t *testing.T) {
	t.Parallel()
	first, second := chaos(4711), chaos(4711)
	if first.witness.history != second.witness.history {
		t.Error("the second run of a seed has another history than the first")
	}
	for i, sp := range first.spaces {
		if !slices.Equal(sp.marks, second.spaces[i].marks) {
			t.Errorf("workspace %s: the second run of a seed sends at other times than the first", sp.name)
		}
	}
}
