package budgets

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

func taken(user string, n, seq int64) rig.Arrival {
	return rig.Arrival{Workspace: "w", User: user, N: n, Seq: seq, Status: 200, Attempt: n}
}

func TestGaps(t *testing.T) {
	t.Parallel()
	refused := taken("a", 2, 2)
	refused.Status = 503
	cases := []struct {
		name     string
		arrivals []rig.Arrival
		want     int64
	}{
		{"none", nil, 0},
		{"users apart", []rig.Arrival{taken("a", 1, 1), taken("b", 2, 1), taken("a", 3, 2)}, 0},
		{"one passed over", []rig.Arrival{taken("a", 1, 1), taken("a", 5, 3)}, 1},
		{"the first two passed over", []rig.Arrival{taken("a", 5, 3)}, 2},
		{"a duplicate fills no gap", []rig.Arrival{taken("a", 1, 1), taken("a", 1, 1), taken("a", 5, 3)}, 1},
		{"a refusal fills no gap", []rig.Arrival{taken("a", 1, 1), refused, taken("a", 5, 3)}, 1},
		{"late fills it", []rig.Arrival{taken("a", 5, 3), taken("a", 1, 1), taken("a", 2, 2)}, 0},
	}
	for _, tc := range cases {
		if have := gaps(tc.arrivals); have != tc.want {
			t.Errorf("%s: want %d, have %d", tc.name, tc.want, have)
		}
	}
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	over := func(attempt int64) rig.Arrival { return rig.Arrival{Attempt: attempt, Status: 429} }
	arrivals := []rig.Arrival{taken("a", 1, 1), over(2), over(2), over(2), taken("a", 3, 2), over(4)}
	if have := throttled(arrivals); have != 2 {
		t.Errorf("want 2 requests, whatever they held, have %d", have)
	}
}

func TestFarMost(t *testing.T) {
	t.Parallel()
	for rate, want := range map[int]float64{10: 12, 100: 105, 3_000: 3_150} {
		if have := farMost(rate); have != want {
			t.Errorf("%d: want %v, have %v", rate, want, have)
		}
	}
}

// passes runs a function as a check of its own and tells whether its bars were met.
func passes(t *testing.T, run func(r *suite.Result)) bool {
	t.Helper()
	var out bytes.Buffer
	totals, err := suite.Run(t.Context(), suite.Suite{Name: "sample", Checks: []suite.Check{{
		Name: "sample", What: "w", Run: func(_ context.Context, r *suite.Result) error { run(r); return nil },
	}}}, suite.Options{Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	return totals.Passed == 1
}

func TestAmplified(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		from, to reading
		want     bool
	}{
		{"what the client holds is in both", reading{30_000, 10_000}, reading{80_000, 60_000}, true},
		{"a little again", reading{0, 0}, reading{54_000, 50_000}, true},
		{"too much again", reading{0, 0}, reading{56_000, 50_000}, false},
		{"too few to tell", reading{0, 0}, reading{1_000, 1_000}, false},
		{"no such metric", reading{0, 0}, reading{0, 50_000}, false},
	}
	for _, tc := range cases {
		if have := passes(t, func(r *suite.Result) { amplified(r, tc.from, tc.to) }); have != tc.want {
			t.Errorf("%s: want %t, have %t", tc.name, tc.want, have)
		}
	}
}

func TestFirstDelivery(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	const lines = `{"msg":"attempt","verdict":"unavailable","sent":1000000000,"took":0.1}
{"msg":"attempt","verdict":"delivered","sent":2000000000,"took":0.5}
{"msg":"attempt","verdict":"delivered","sent":2100000000,"took":0.1}
`
	m := &rig.Member{Process: &rig.Process{Name: "run-1", Log: log}}
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := firstDelivery(m); err == nil {
		t.Error("nothing delivered: want an error")
	}
	if err := os.WriteFile(log, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	if have, err := firstDelivery(m); err != nil || have.UnixNano() != 2_200_000_000 {
		t.Errorf("want the earliest end of one that was delivered, 2.2 s, have %v, %v", have, err)
	}
}

// TestViews: a stage tells workspaces apart, and acceptances from arrivals.
func TestViews(t *testing.T) {
	t.Parallel()
	w, other := workspace{"w", 10}, workspace{"other", 10}
	down := taken("a", 3, 2)
	down.Status = 503
	st := &stage{seen: []rig.Arrival{taken("a", 1, 1), {Workspace: "other", Status: 200}, down}}
	if have := [4]int{len(st.arrivals(w)), len(st.accepted(w)), len(st.arrivals(other)), len(st.accepted(other))}; have != [4]int{2, 1, 1, 1} {
		t.Errorf("want 2 arrivals of w, 1 accepted, and 1 and 1 of the other, have %v", have)
	}
}

// TestSuite: each check has a name of its own, and in the long form none runs
// beside another.
func TestSuite(t *testing.T) {
	t.Parallel()
	for _, long := range []bool{false, true} {
		names := map[string]bool{}
		var words []string
		for _, c := range Suite(&rig.Rig{Long: long}).Checks {
			if names[c.Name] || c.What == "" || c.Run == nil {
				t.Errorf("check %q: want a name of its own, what it looks at, and a function", c.Name)
			}
			names[c.Name] = true
			if c.Beside != "" {
				words = append(words, c.Beside)
			}
			// The death of a broker shakes every group of the cluster.
			if c.Name == "coordinator" && c.Beside != "" {
				t.Errorf("want the coordinator killed alone, have it beside %q", c.Beside)
			}
		}
		if long != (len(words) == 0) {
			t.Errorf("long %t: have checks beside each other: %v", long, words)
		}
	}
	if have := (budgets{&rig.Rig{Long: true}}).seconds(2, 5); have != 5*time.Second {
		t.Errorf("want the long time, have %v", have)
	}
}
