package main

import (
	"strings"
	"testing"

	"sluice/scripts/acceptance/chaos"
)

// TestTell: one breach fails them all, and says how to have it again.
func TestTell(t *testing.T) {
	t.Parallel()
	good, bad := chaos.Report{Seed: 3, Seconds: 60}, chaos.Report{Seed: 4, Seconds: 60, Breaches: []string{"it broke"}, Log: "/the/log"}
	for _, c := range []struct {
		reports []chaos.Report
		code    int
		wants   []string
	}{
		{[]chaos.Report{good}, 0, []string{"chaos: 1 of 1 runs held"}},
		{[]chaos.Report{good, bad}, 1, []string{"BREACH it broke", "/the/log", "make chaos SEED=4 MINUTES=1", "chaos: 1 of 2 runs held"}},
	} {
		var out strings.Builder
		if have := tell(&out, c.reports); have != c.code {
			t.Errorf("want exit code %d, have %d", c.code, have)
		}
		for _, want := range c.wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("want %q in\n%s", want, out.String())
			}
		}
	}
}
