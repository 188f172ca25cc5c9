package spine

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// concurrent are the packages whose tests are repeated under the race detector:
// in the short form not the pipeline's, which make race has just run.
func (s spine) concurrent() []string {
	if s.rig.Long {
		return []string{"./partition/...", "./pipeline/...", "./sink/..."}
	}
	return []string{"./partition/...", "./sink/..."}
}

// race repeats the tests under the race detector: 50 times in the full form.
func (s spine) race(ctx context.Context, r *suite.Result) error {
	times := s.pick(1, 50)
	tests, err := s.rig.GoTest(ctx, append([]string{"-race", "-count=" + strconv.Itoa(times), "-timeout=80m"}, s.concurrent()...)...)
	r.Equal("times", int64(times), int64(s.pick(1, 50)))
	r.Equal("data races", int64(tests.Races), 0)
	r.Equal("failed tests", int64(len(tests.Failed)), 0)
	r.AtLeast("packages", float64(tests.Packages), float64(s.pick(5, 8)), "")
	return err
}

// leaks looks for packages that start goroutines and whose tests do not count
// what is left of them with goleak.
func (s spine) leaks(_ context.Context, r *suite.Result) error {
	starts, counts := map[string]bool{}, map[string]bool{}
	for _, top := range []string{"partition", "pipeline", "sink"} {
		err := filepath.WalkDir(filepath.Join(s.rig.Root, top), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(filepath.Dir(name), "test") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			dir := filepath.Dir(name)
			if strings.HasSuffix(name, "_test.go") {
				counts[dir] = counts[dir] || slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"go.uber.org/goleak"` })
			} else {
				starts[dir] = starts[dir] || startsGoroutines(file)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the tree: %w", err)
		}
	}
	without, with := []string{}, 0
	for dir := range starts {
		if !starts[dir] {
			continue
		}
		if counts[dir] {
			with++
			continue
		}
		rel, err := filepath.Rel(s.rig.Root, dir)
		if err != nil {
			return fmt.Errorf("name %s: %w", dir, err)
		}
		without = append(without, rel)
	}
	slices.Sort(without)
	r.AtLeast("packages that count", float64(with), 1, "")
	r.Holds("packages that do not", len(without) == 0, fmt.Sprintf("%d %v", len(without), without), "= 0")
	return nil
}

func startsGoroutines(file *ast.File) bool {
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.SelectorExpr:
			found = found || n.Sel.Name == "Go" // of an errgroup or a WaitGroup
		}
		return !found
	})
	return found
}

// fuzz runs every fuzz target: a minute each in the full form.
func (s spine) fuzz(ctx context.Context, r *suite.Result) error {
	each := fmt.Sprintf("%ds", s.pick(1, 60))
	out, err := rig.Command(ctx, s.rig.Root, nil, filepath.Join(s.rig.Root, "scripts", "fuzz"), each)
	counts := regexp.MustCompile(`fuzz: (\d+) targets, .*, (\d+) with a finding`).FindStringSubmatch(out)
	if counts == nil {
		return fmt.Errorf("fuzz told no count: %w", err)
	}
	targets, _ := strconv.Atoi(counts[1]) // digits by the expression
	findings, _ := strconv.Atoi(counts[2])
	r.AtLeast("targets", float64(targets), 5, "")
	r.Equal("findings", int64(findings), 0)
	r.Note("each", each)
	return err
}

// micro runs the micro-benchmarks once, to see that each of the named ones is
// there and works; `make bench` measures them.
func (s spine) micro(ctx context.Context, r *suite.Result) error {
	out, err := rig.Command(ctx, s.rig.Root, nil, filepath.Join(s.rig.Root, "scripts", "bench", "micro"), "-short")
	measured := rig.ReadBenchmarks(out)
	for _, what := range []string{"decode", "splice", "shard", "take", "encode", "pack"} {
		i := slices.IndexFunc(measured, func(b rig.Benchmark) bool { return strings.Contains(strings.ToLower(b.Name), what) })
		if i < 0 {
			r.Holds(what, false, "no benchmark of that name", "one")
			continue
		}
		r.Holds(what, true, fmt.Sprintf("%.4g ns/op", measured[i].Ns), "measured")
	}
	return err
}
