package suite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/scripts/acceptance/suite"
)

func checks() suite.Suite {
	return suite.Suite{Name: "sample", Checks: []suite.Check{
		{Name: "good", What: "all is well", Run: func(_ context.Context, r *suite.Result) error {
			r.Equal("lost", 0, 0)
			r.AtMost("latency", 2.5, 3, " ms")
			r.AtLeast("rate", 98, 95, "%")
			r.Holds("paused", true, "refused", "= refused")
			r.Note("events", "7")
			return nil
		}},
		{Name: "short", What: "misses its bar", Run: func(_ context.Context, r *suite.Result) error {
			r.Equal("lost", 1, 0)
			return nil
		}},
		{Name: "broken", What: "cannot be carried out", Run: func(_ context.Context, r *suite.Result) error {
			r.Equal("lost", 0, 0)
			return errors.New("start kafka: no java\nat all")
		}},
		{Name: "empty", What: "looks at nothing", Run: func(_ context.Context, r *suite.Result) error {
			r.Note("events", "7")
			return nil
		}},
		{Name: "away", What: "needs a tool", Run: func(_ context.Context, r *suite.Result) error {
			r.Skip("mvn is not installed")
			return nil
		}},
	}}
}

func TestRunPrintsOneLineACheck(t *testing.T) {
	t.Parallel()
	var out, objects bytes.Buffer
	totals, err := suite.Run(t.Context(), checks(), suite.Options{Out: &out, JSON: &objects})
	if err != nil {
		t.Fatal(err)
	}
	if want := (suite.Totals{Passed: 1, Failed: 3, Skipped: 1}); totals != want {
		t.Errorf("totals: want %+v, have %+v", want, totals)
	}
	have := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{
		"PASS  good          all is well: lost 0 (= 0), latency 2.50 ms (<= 3 ms), rate 98% (>= 95%), paused refused (= refused), events 7 [0.0 s]",
		"FAIL  short         misses its bar: **lost 1 (want = 0)** [0.0 s]",
		"FAIL  broken        cannot be carried out: lost 0 (= 0), start kafka: no java | at all [0.0 s]",
		"FAIL  empty         looks at nothing: events 7 [0.0 s]",
		"SKIP  away          needs a tool: mvn is not installed [0.0 s]",
		"sample: 1 passed, 3 failed, 1 skipped",
	}
	if len(have) != len(want) {
		t.Fatalf("want %d lines, have %d:\n%s", len(want), len(have), out.String())
	}
	for i := range want {
		if have[i] != want[i] {
			t.Errorf("line %d:\nwant %s\nhave %s", i, want[i], have[i])
		}
	}
	if n := strings.Count(objects.String(), "\n"); n != 5 {
		t.Errorf("want 5 objects, have %d", n)
	}
	var first struct {
		Check, State string
		Figures      []suite.Figure
	}
	if err := json.NewDecoder(&objects).Decode(&first); err != nil || first.Check != "good" || first.State != "PASS" || len(first.Figures) != 5 {
		t.Errorf("first object: %+v, %v", first, err)
	}
}

func TestRunOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	totals, err := suite.Run(t.Context(), checks(), suite.Options{Only: []string{"good", "away"}, Out: &out})
	if want := (suite.Totals{Passed: 1, Skipped: 1}); err != nil || totals != want {
		t.Errorf("want %+v, have %+v, %v", want, totals, err)
	}
	if _, err := suite.Run(t.Context(), checks(), suite.Options{Only: []string{"god"}, Out: &out}); err == nil || !strings.Contains(err.Error(), "good, short") {
		t.Errorf("an unknown name: want an error that lists the checks, have %v", err)
	}
}

func TestRunBoundsACheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := suite.Suite{Name: "slow", Checks: []suite.Check{{
			Name: "hang", What: "hangs", Limit: time.Minute,
			Run: func(ctx context.Context, _ *suite.Result) error {
				<-ctx.Done()
				return ctx.Err()
			},
		}}}
		var out bytes.Buffer
		totals, err := suite.Run(t.Context(), s, suite.Options{Out: &out})
		if err != nil || totals.Failed != 1 || !strings.Contains(out.String(), "not done after 1m0s") || !strings.Contains(out.String(), "[60.0 s]") {
			t.Errorf("want the check to fail after a minute, have %+v, %v:\n%s", totals, err, out.String())
		}
	})
}

func TestRunStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	totals, err := suite.Run(ctx, checks(), suite.Options{Out: &out})
	if want := (suite.Totals{Skipped: 5}); err != nil || totals != want {
		t.Errorf("want %+v, have %+v, %v", want, totals, err)
	}
}

func TestRunBeside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wait := func(d time.Duration) func(context.Context, *suite.Result) error {
			return func(_ context.Context, r *suite.Result) error {
				time.Sleep(d)
				r.Equal("lost", 0, 0)
				return nil
			}
		}
		s := suite.Suite{Name: "sample", Checks: []suite.Check{
			{Name: "alone", What: "w", Run: wait(5 * time.Second)},
			{Name: "slow", What: "w", Run: wait(9 * time.Second), Beside: "a"},
			{Name: "quick", What: "w", Run: wait(3 * time.Second), Beside: "a"},
			{Name: "other", What: "w", Run: wait(2 * time.Second), Beside: "b"},
			{Name: "late", What: "w", Run: wait(time.Second), Beside: "a"},
		}}
		var out bytes.Buffer
		began := time.Now()
		totals, err := suite.Run(t.Context(), s, suite.Options{Out: &out})
		if err != nil || totals.Passed != 5 {
			t.Errorf("want 5 passed, have %+v, %v", totals, err)
		}
		if have, want := time.Since(began), 17*time.Second; have != want {
			t.Errorf("want %v, as neighbours with one word run at the same time; have %v", want, have)
		}
		var order []string
		for line := range strings.Lines(out.String()) {
			if fields := strings.Fields(line); fields[0] == "PASS" {
				order = append(order, fields[1])
			}
		}
		if have, want := strings.Join(order, " "), "alone quick slow other late"; have != want {
			t.Errorf("want lines as checks end: %s, have %s", want, have)
		}
		// Chosen alone, those around it do not matter.
		began = time.Now()
		if _, err := suite.Run(t.Context(), s, suite.Options{Only: []string{"slow", "late"}, Out: &out}); err != nil || time.Since(began) != 9*time.Second {
			t.Errorf("want 9 s, have %v, %v", time.Since(began), err)
		}
	})
}
