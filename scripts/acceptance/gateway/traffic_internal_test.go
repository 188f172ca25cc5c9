package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

func TestTrafficCarriesItsNumbers(t *testing.T) {
	t.Parallel()
	traffic := traffic{&rig.Door{Listen: "127.0.0.1:1"}}
	seen := map[int64]bool{}
	for n := range 200 {
		req, err := traffic.request(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(body) {
			t.Fatalf("request %d: want JSON, have %s", n, body)
		}
		for _, number := range numbers(n) {
			if seen[number] {
				t.Errorf("number %d stands in two requests", number)
			}
			seen[number] = true
		}
		if have, want := strings.Count(string(body), `"_n":`), len(numbers(n)); have != want {
			t.Errorf("request %d: want %d events, have %d", n, want, have)
		}
	}
}

// line runs one check that holds shots and arrivals to each other.
func line(t *testing.T, shots rig.Shots, arrivals []rig.Arrival) suite.Totals {
	t.Helper()
	totals, err := suite.Run(t.Context(), suite.Suite{Name: "x", Checks: []suite.Check{{
		Name: "c", What: "w",
		Run: func(_ context.Context, r *suite.Result) error {
			accountOf(arrivals).judge(r, shots)
			return nil
		},
	}}}, suite.Options{Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return totals
}

func TestAccountJudges(t *testing.T) {
	t.Parallel()
	shots := rig.Shots{{N: 0, Status: 200}, {N: 1, Status: 503}, {N: 9, Status: 200}}
	arrival := func(n int64, effect bool) rig.Arrival { return rig.Arrival{N: n, Status: 200, Effect: effect} }
	all := []rig.Arrival{arrival(1, true), arrival(28, true), arrival(29, true), arrival(30, true)}
	for _, c := range []struct {
		name     string
		arrivals []rig.Arrival
		want     int // checks that pass
	}{
		{"all", all, 1},
		{"all, and one that nobody was promised", append(slices.Clone(all), arrival(4, true)), 1},
		{"a repeat without effect", append(slices.Clone(all), arrival(1, false)), 1},
		{"one missing", all[:3], 0},
		{"one without effect", append(slices.Clone(all[:3]), arrival(30, false)), 0},
		{"one refused", append(slices.Clone(all[:3]), rig.Arrival{N: 30, Status: 400}), 0},
		{"one twice", append(slices.Clone(all), arrival(1, true)), 0},
		{"one twice that nobody was promised", append(slices.Clone(all), arrival(4, true), arrival(4, true)), 0},
	} {
		if have := line(t, shots, c.arrivals).Passed; have != c.want {
			t.Errorf("%s: want %d passed, have %d", c.name, c.want, have)
		}
	}
	if have := line(t, rig.Shots{{N: 0, Status: 503}}, nil).Passed; have != 0 {
		t.Error("nothing was promised, so nothing was shown: want it to fail")
	}
}

func TestWithoutRetryAfter(t *testing.T) {
	t.Parallel()
	shots := rig.Shots{{Status: 200}, {Status: 503, RetryAfter: "2"}, {Status: 503}, {Status: 503, RetryAfter: "soon"}, {Status: 503, RetryAfter: "0"}}
	if have := withoutRetryAfter(shots); have != 3 {
		t.Errorf("want 3, have %d", have)
	}
	if have := unanswered(shots, 200, 503); have != "" {
		t.Errorf("want none, have %s", have)
	}
	if have := unanswered(append(shots, rig.Shot{N: 7, Status: 500, Body: "oh"}), 200, 503); !strings.HasPrefix(have, "request 7: 500 oh") {
		t.Errorf("want the one that got 500, have %q", have)
	}
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	from := time.Unix(1_000, 0)
	at := func(s, status int) rig.Shot {
		return rig.Shot{Due: from.Add(time.Duration(s) * time.Second), Status: status}
	}
	if have := recovered(rig.Shots{at(-1, 503), at(0, 200), at(2, 503), at(3, 200)}, from); have != 2*time.Second {
		t.Errorf("want 2s, have %v", have)
	}
}

func TestCompareReports(t *testing.T) {
	t.Parallel()
	p := reports{&rig.Door{Listen: "127.0.0.1:1"}}
	hits := func(numbers ...int) []hit {
		var all []hit
		for _, n := range numbers {
			req, err := p.request(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, hit{method: req.Method, header: req.Header, body: reportBody(n)})
		}
		return all
	}
	altered := hits(0, 1, 2)
	altered[1].body = strings.Replace(altered[1].body, "Your", "your", 1)
	unsigned := hits(0, 1, 2)
	unsigned[2].header = http.Header{}
	for _, c := range []struct {
		name string
		hits []hit
		want [3]int64 // lost, doubled, altered
	}{
		{"all", hits(2, 0, 1), [3]int64{}},
		{"one lost", hits(0, 2), [3]int64{1, 0, 0}},
		{"one doubled", hits(0, 1, 1, 2), [3]int64{0, 1, 0}},
		{"one altered", altered, [3]int64{1, 0, 2}},
		{"one not signed", unsigned, [3]int64{0, 0, 1}},
	} {
		lost, doubled, wrong := compareReports(c.hits, 3)
		if have := [3]int64{lost, doubled, wrong}; have != c.want {
			t.Errorf("%s: want %v, have %v", c.name, c.want, have)
		}
	}
}

func TestEven(t *testing.T) {
	t.Parallel()
	steady := make(rig.Times, 1_000)
	for i := range steady {
		steady[i] = int64(i) * int64(10*time.Millisecond)
	}
	lumps := make(rig.Times, 1_000)
	for i := range lumps {
		lumps[i] = int64(i/50) * int64(500*time.Millisecond)
	}
	slow := make(rig.Times, 1_000)
	for i := range slow {
		slow[i] = int64(i) * int64(11*time.Millisecond)
	}
	for _, c := range []struct {
		name  string
		times rig.Times
		want  int
	}{{"even", steady, 1}, {"in lumps", lumps, 0}, {"too slow", slow, 0}, {"too few", steady[:50], 0}} {
		totals, err := suite.Run(t.Context(), suite.Suite{Name: "x", Checks: []suite.Check{{
			Name: "c", What: "w",
			Run: func(_ context.Context, r *suite.Result) error {
				gateway{&rig.Rig{Long: true}}.even(r, c.times, 100)
				return nil
			},
		}}}, suite.Options{Out: io.Discard})
		if err != nil || totals.Passed != c.want {
			t.Errorf("%s: want %d passed, have %+v, %v", c.name, c.want, totals, err)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	out := "ok    ./pipeline/gateway           FuzzBasicPair                        execs: 1234\nFOUND ./pipeline/gateway           FuzzV1Path\n--- FAIL: FuzzV1Path\nfuzz: 2 targets, 3s each, 1 with a finding\n"
	want := []fuzzTarget{{"ok", "FuzzBasicPair", "1234"}, {"FOUND", "FuzzV1Path", ""}}
	if have := targets(out); !slices.Equal(have, want) {
		t.Errorf("want %v, have %v", want, have)
	}
}
