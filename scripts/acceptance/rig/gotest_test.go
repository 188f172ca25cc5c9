package rig_test

import (
	"reflect"
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
)

func TestReadTests(t *testing.T) {
	t.Parallel()
	const out = `=== RUN   TestChaos
    chaos_internal_test.go:12: --- PASS: TestQuoted (0.00s) is only talk
--- PASS: TestChaos (41.25s)
=== RUN   TestAblation
    --- PASS: TestAblation/no_quarantine (0.50s)
    --- FAIL: TestAblation/heartbeat (0.00s)
--- FAIL: TestAblation (0.50s)
--- SKIP: TestReal (0.00s)
WARNING: DATA RACE
FAIL
FAIL	sluice/partition	42.000s
ok  	sluice/sink	0.010s
ok  	sluice/sink/budget	(cached) [no tests to run]
`
	have := rig.ReadTests(out)
	want := rig.Tests{
		Passed:   []rig.Test{{Name: "TestChaos", Took: 41250 * time.Millisecond}, {Name: "TestAblation/no_quarantine", Took: 500 * time.Millisecond}},
		Failed:   []rig.Test{{Name: "TestAblation/heartbeat"}, {Name: "TestAblation", Took: 500 * time.Millisecond}},
		Skipped:  []rig.Test{{Name: "TestReal"}},
		Packages: 2, Races: 1, Output: out,
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("want %+v\nhave %+v", want, have)
	}
	if have := rig.ReadTests(""); have.Packages != 0 || have.Passed != nil {
		t.Errorf("nothing was printed, have %+v", have)
	}
}

func TestLeaves(t *testing.T) {
	t.Parallel()
	have := rig.Leaves([]rig.Test{{Name: "TestA"}, {Name: "TestA/x/y"}, {Name: "TestA/x"}, {Name: "TestAB"}})
	if want := []rig.Test{{Name: "TestA/x/y"}, {Name: "TestAB"}}; !reflect.DeepEqual(have, want) {
		t.Errorf("want %+v, have %+v", want, have)
	}
}

func TestReadBenchmarks(t *testing.T) {
	t.Parallel()
	have := rig.ReadBenchmarks(`goos: linux
BenchmarkCycle
BenchmarkCycle/workspaces=1-2         	 1000000	      1042 ns/op	      12 B/op	       0 allocs/op
BenchmarkCycle/workspaces=1000-2   	  500000	      2000.5 ns/op	  3.50 events/attempt	     120 B/op	       3 allocs/op
BenchmarkPlain 	     100	       7.25 ns/op
BenchmarkBroken-2 	 --- FAIL: BenchmarkBroken
PASS
`)
	want := []rig.Benchmark{
		{Name: "BenchmarkCycle/workspaces=1", Ns: 1042, Bytes: 12, Metrics: map[string]float64{}},
		{Name: "BenchmarkCycle/workspaces=1000", Ns: 2000.5, Bytes: 120, Allocs: 3, Metrics: map[string]float64{"events/attempt": 3.5}},
		{Name: "BenchmarkPlain", Ns: 7.25, Metrics: map[string]float64{}},
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("want %+v\nhave %+v", want, have)
	}
}
