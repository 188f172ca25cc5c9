package budgets

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// Bars of the cycle. Time is judged only against itself on the same machine;
// allocations are exact anywhere, and pooled events make them few.
const (
	cycleAllocs = 4   // an event, at most
	cycleGrowth = 3.0 // what an event costs at 1,000 workspaces, in that at one
)

// cycle measures what an event costs to take, to be granted and to settle, at
// 1, 100 and 1,000 workspaces.
func (s budgets) cycle(ctx context.Context, r *suite.Result) error {
	tests, err := s.rig.GoTest(ctx, "-count=3", "-timeout=9m", "-run=^$", "-bench=^BenchmarkCycle", "-benchmem",
		fmt.Sprintf("-benchtime=%dms", s.pick(200, 2000)), "./pipeline")
	if err != nil {
		return err
	}
	best := fastest(rig.ReadBenchmarks(tests.Output))
	for _, workspaces := range []int{1, 100, 1000} {
		b, ok := best[workspaces]
		if !ok {
			return fmt.Errorf("no BenchmarkCycle at %d workspaces", workspaces)
		}
		r.Note(fmt.Sprintf("at %d workspaces", workspaces), fmt.Sprintf("%.0f ns and %.0f B an event", b.Ns, b.Bytes))
		r.AtMost(fmt.Sprintf("allocations at %d", workspaces), b.Allocs, cycleAllocs, "")
	}
	r.AtMost("1,000 workspaces cost", best[1000].Ns/best[1].Ns, cycleGrowth, " times one")
	return nil
}

// fastest takes, for each number of workspaces, the quickest of its runs: other
// work on the machine only ever slows one down.
func fastest(benchmarks []rig.Benchmark) map[int]rig.Benchmark {
	best := map[int]rig.Benchmark{}
	for _, b := range benchmarks {
		workspaces, ok := workspacesOf(b.Name)
		if !ok || b.Ns <= 0 {
			continue
		}
		if before, seen := best[workspaces]; !seen || b.Ns < before.Ns {
			best[workspaces] = b
		}
	}
	return best
}

// workspacesOf reads the number in a sub-benchmark's name.
func workspacesOf(name string) (int, bool) {
	_, sub, ok := strings.Cut(name, "/")
	digits := regexp.MustCompile(`\d+`).FindString(strings.ReplaceAll(sub, ",", ""))
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil
}

// orNothing is err, or what to say when there is none.
func orNothing(err error) error {
	if err == nil {
		return errors.New("it passed")
	}
	return err
}
