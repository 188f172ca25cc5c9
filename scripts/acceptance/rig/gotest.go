package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Tests is what `go test` told of the tests that it ran.
type Tests struct {
	Passed, Failed, Skipped []Test // without -v only what failed is named
	Packages                int    // that passed, or had nothing to run
	Races                   int    // reports of the race detector
	Output                  string // all of it

	// CPU is what the run took of the processor over all cores, building
	// included: other work on the machine moves it far less than the clock.
	CPU time.Duration
}

// Test is one test or subtest, as often as it ran.
type Test struct {
	Name string        // subtests after a slash
	Took time.Duration // hundredths of a second at best
}

// GoTest runs `go test` with these arguments in the project. Tests that fail
// are told and are an error too; so is a package that does not build. What was
// printed stays in a file of the rig's folder, which an error names.
func (r *Rig) GoTest(ctx context.Context, args ...string) (Tests, error) {
	cmd, stderr := program(ctx, "go", append([]string{"test"}, args...)...)
	cmd.Dir = r.Root
	out, err := cmd.Output()
	file := r.Path(r.Name("gotest") + ".txt")
	if kept := os.WriteFile(file, out, 0o644); kept != nil {
		return Tests{}, fmt.Errorf("keep the output of go test: %w", kept)
	}
	tests := ReadTests(string(out))
	if p := cmd.ProcessState; p != nil {
		tests.CPU = p.UserTime() + p.SystemTime()
	}
	if err != nil {
		return tests, fmt.Errorf("%w (%s)", stderr.explain(cmd, err), filepath.Base(file))
	}
	return tests, nil
}

// ReadTests reads what `go test` printed, with -v or without.
func ReadTests(out string) Tests {
	t := Tests{Output: out, Races: strings.Count(out, "WARNING: DATA RACE")}
	t.Packages = len(regexp.MustCompile(`(?m)^ok\s`).FindAllString(out, -1))
	for _, m := range regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (\S+) \((\d+\.\d+)s\)$`).FindAllStringSubmatch(out, -1) {
		seconds, _ := strconv.ParseFloat(m[3], 64) // digits by the expression
		test := Test{Name: m[2], Took: time.Duration(seconds * float64(time.Second))}
		switch m[1] {
		case "PASS":
			t.Passed = append(t.Passed, test)
		case "FAIL":
			t.Failed = append(t.Failed, test)
		case "SKIP":
			t.Skipped = append(t.Skipped, test)
		}
	}
	return t
}

// Leaves are the tests among these that have no subtests among them.
func Leaves(tests []Test) []Test {
	parents := map[string]bool{}
	for _, t := range tests {
		for i, c := range t.Name {
			if c == '/' {
				parents[t.Name[:i]] = true
			}
		}
	}
	var leaves []Test
	for _, t := range tests {
		if !parents[t.Name] {
			leaves = append(leaves, t)
		}
	}
	return leaves
}

// Benchmark is a line of `go test -bench`.
type Benchmark struct {
	Name    string  // without the number of cores; sub-benchmarks after a slash
	Ns      float64 // an operation
	Bytes   float64 // allocated an operation; 0 without -benchmem
	Allocs  float64 // an operation, likewise
	Metrics map[string]float64
}

// ReadBenchmarks reads every benchmark's line that `go test -bench` printed.
func ReadBenchmarks(out string) []Benchmark {
	var found []Benchmark
	for _, m := range regexp.MustCompile(`(?m)^(Benchmark\S*?)(?:-\d+)?[ \t]+\d+[ \t]+(\d.*)$`).FindAllStringSubmatch(out, -1) {
		b := Benchmark{Name: m[1], Metrics: map[string]float64{}}
		fields := strings.Fields(m[2])
		for i := 0; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				continue
			}
			switch unit := fields[i+1]; unit {
			case "ns/op":
				b.Ns = value
			case "B/op":
				b.Bytes = value
			case "allocs/op":
				b.Allocs = value
			default:
				b.Metrics[unit] = value
			}
		}
		found = append(found, b)
	}
	return found
}
