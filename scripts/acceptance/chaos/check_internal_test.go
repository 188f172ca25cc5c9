package chaos

import (
	"context"
	"strings"
	"testing"

	"sluice/scripts/acceptance/suite"
)

// TestCheckJudges: the sums are held to their bars, and a breach that has no sum
// fails the check too.
func TestCheckJudges(t *testing.T) {
	t.Parallel()
	good := func(seed uint64) Report {
		return Report{Seed: seed, Faults: map[string]int{"kill": 4, "down": 6}, Workspaces: []Account{
			{Acknowledged: 3_000, Delivered: 3_000, Duplicates: 5, Bound: 9}, {Acknowledged: 2_000, Delivered: 2_000, Stall: 2},
		}}
	}
	for name, c := range map[string]struct {
		spoil func(*Report)
		want  string
	}{
		"all well":           {func(*Report) {}, "PASS"},
		"lost":               {func(r *Report) { r.Workspaces[1].Lost = 1 }, "**lost 1 (want = 0)**"},
		"order":              {func(r *Report) { r.Workspaces[1].OrderBreaks = 2 }, "**order breaks 2 (want = 0)**"},
		"double":             {func(r *Report) { r.Workspaces[0].DoubleEffects = 2 }, "**double effects 2 (want = 0)**"},
		"too many twice":     {func(r *Report) { r.Workspaces[0].Duplicates = 30 }, "**duplicates 35 (want <= 18)**"},
		"hardly any traffic": {func(r *Report) { r.Workspaces[0].Acknowledged = 1 }, "**acknowledged 7001"},
		"hardly any faults":  {func(r *Report) { r.Faults = nil }, "**faults 10"},
		"something else":     {func(r *Report) { r.Breaches = []string{"it burns"} }, "**seed 2 it burns (want no breach)**"},
	} {
		reports := []Report{good(1), good(2)}
		c.spoil(&reports[1])
		var out strings.Builder
		list := suite.Suite{Name: "s", Checks: []suite.Check{{Name: "c", Run: func(_ context.Context, r *suite.Result) error {
			judge(r, reports)
			return nil
		}}}}
		if _, err := suite.Run(t.Context(), list, suite.Options{Out: &out}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), c.want) || strings.HasPrefix(out.String(), "PASS") != (name == "all well") {
			t.Errorf("%s: want %q, have %s", name, c.want, out.String())
		}
	}
}

func TestRunRefusesWhatIsTooShort(t *testing.T) {
	t.Parallel()
	if _, err := Run(t.Context(), nil, Options{Minutes: 0.4}); err == nil || !strings.Contains(err.Error(), "30s") {
		t.Errorf("want it said that 30s are the least, have %v", err)
	}
}
