package budgets

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/scripts/acceptance/rig"
)

func TestLast(t *testing.T) {
	t.Parallel()
	expression := regexp.MustCompile(`chaos: (\d+) seeds, (\d+) violations`)
	cases := []struct {
		name, out string
		want      []int64
	}{
		{"none", "ok sluice/partition", nil},
		{"one", "    x_test.go:1: chaos: 10 seeds, 0 violations\n", []int64{10, 0}},
		{"the later one", "chaos: 10 seeds, 0 violations\nchaos: 1000 seeds, 3 violations\n", []int64{1000, 3}},
		{"beyond any count", "chaos: 99999999999999999999 seeds, 0 violations\n", nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if have := last(expression, tc.out); !slices.Equal(have, tc.want) {
				t.Errorf("want %v, have %v", tc.want, have)
			}
		})
	}
}

func TestFastest(t *testing.T) {
	t.Parallel()
	have := fastest([]rig.Benchmark{
		{Name: "BenchmarkCycle/1_workspaces", Ns: 500},
		{Name: "BenchmarkCycle/1_workspaces", Ns: 400},
		{Name: "BenchmarkCycle/workspaces=1,000", Ns: 900},
		{Name: "BenchmarkCycle", Ns: 1},
		{Name: "BenchmarkCycle/100"},
	})
	if len(have) != 2 || have[1].Ns != 400 || have[1000].Ns != 900 {
		t.Errorf("want 400 ns at 1 and 900 ns at 1,000, have %+v", have)
	}
}

// The check judges figures that a test in another folder prints: both must
// speak of the same ones.
func TestFleetFiguresAreToldByTheTest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../pipeline/fleet_test.go")
	if err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`f\.at(Most|Least)\("(\w+)"`).FindAllStringSubmatch(string(text), -1)
	bars := fleetBars()
	if len(told) != len(bars) {
		t.Errorf("the test tells %d figures, the check has bars for %d", len(told), len(bars))
	}
	for _, b := range bars {
		if !slices.ContainsFunc(told, func(m []string) bool { return m[2] == b.figure && (m[1] == "Most") == b.most }) {
			t.Errorf("the test tells no %s of that direction", b.figure)
		}
		if strings.TrimSpace(b.name) == "" {
			t.Errorf("%s has no name", b.figure)
		}
	}
}
