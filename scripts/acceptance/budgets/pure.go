package budgets

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// chaos plays random faults against the shipped balancer, lease and pacer in
// virtual time: at no sampled instant may the shares of a workspace add up to
// more than one, and a thousand seeds must take less than a minute.
func (s budgets) chaos(ctx context.Context, r *suite.Result) error {
	const thousand = 1000
	seeds := s.pick(thousand, 10*thousand)
	if _, err := s.rig.GoTest(ctx, "-run=^$", "./partition"); err != nil { // building is not judged
		return err
	}
	tests, err := s.rig.GoTest(ctx, "-count=1", "-v", "-timeout=15m", "-run=^TestChaos$", "./partition",
		"-args", "-chaos.seeds="+strconv.Itoa(seeds))
	ran(r, tests, 1)
	told := last(regexp.MustCompile(`chaos: (\d+) seeds, (\d+) samples, (\d+) violations`), tests.Output)
	if told == nil {
		return fmt.Errorf("the chaos test told no count: %w", orNothing(err))
	}
	r.Equal("seeds", told[0], int64(seeds))
	r.AtLeast("samples", float64(told[1]), float64(100*seeds), "")
	r.Equal("violations", told[2], 0)
	if len(tests.Passed) > 0 {
		// Beside other work the clock says little. Seeds keep every core busy, so
		// what they took of the processor tells what the clock would say alone.
		alone := tests.CPU / time.Duration(runtime.NumCPU())
		took := min(alone, tests.Passed[len(tests.Passed)-1].Took) // a parent ends last
		r.AtMost("a thousand seeds", took.Seconds()*thousand/float64(seeds), time.Minute.Seconds(), " s")
	}
	return err
}

// ablations runs the directed schedules under which the promise breaks when a
// rule is left out. Each passes only when it saw the violation.
func (s budgets) ablations(ctx context.Context, r *suite.Result) error {
	tests, err := s.rig.GoTest(ctx, "-count=1", "-v", "-timeout=9m", "-run=^TestAblation", "./partition")
	passed := rig.Leaves(tests.Passed)
	ran(r, tests, 4)
	for _, rule := range []string{"quarantine", "launder", "generation", "heartbeat"} {
		seen := slices.ContainsFunc(passed, func(t rig.Test) bool { return strings.Contains(strings.ToLower(t.Name), rule) })
		r.Holds("without the rule of "+rule, seen, verb(seen), "breaks")
	}
	return err
}

func verb(seen bool) string {
	if seen {
		return "breaks"
	}
	return "was not seen to break"
}

// gcra runs the properties of the pacer: no second above the rate, for rates
// from 1 to 400, whatever the pauses, changes and hand-overs; all of it used.
func (s budgets) gcra(ctx context.Context, r *suite.Result) error {
	tests, err := s.rig.GoTest(ctx, "-count=1", "-v", "-timeout=9m", "-run=^(TestNoSecond|TestBacklogUses|TestDebtIsGCRA)", "./sink/budget")
	ran(r, tests, 3)
	for _, rule := range []string{"MoreThanTheRate", "WhateverChanges", "AcrossHandOvers", "BacklogUses"} {
		held := slices.ContainsFunc(tests.Passed, func(t rig.Test) bool { return strings.Contains(t.Name, rule) })
		r.Holds(rule, held, fmt.Sprint(held), "true")
	}
	return err
}

// ran holds a run of tests to so many that passed, subtests instead of their
// parents, and to none that failed or was left out.
func ran(r *suite.Result, tests rig.Tests, least int) {
	r.AtLeast("tests passed", float64(len(rig.Leaves(tests.Passed))), float64(least), "")
	r.Equal("failed", int64(len(tests.Failed)), 0)
	r.Equal("left out", int64(len(tests.Skipped)), 0)
}

// last returns the numbers of the expression's last match, nil when it has none.
func last(expression *regexp.Regexp, out string) []int64 {
	all := expression.FindAllStringSubmatch(out, -1)
	if all == nil {
		return nil
	}
	var numbers []int64
	for _, digits := range all[len(all)-1][1:] {
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return nil
		}
		numbers = append(numbers, n)
	}
	return numbers
}
