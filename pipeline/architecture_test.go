package pipeline_test

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module   = "sluice"
	maxLines = 450
)

// mayImport is the house: one line for each package, naming those of ours that
// its code may import. A package without a line fails, and so does a line
// without a package. Tests may import what inTests adds, and any *test package.
func mayImport() map[string][]string {
	sinks := []string{"sink/customerio", "sink/webhook"}
	return map[string][]string{
		"pipeline/event":          {},
		"partition":               {"pipeline/event"},
		"partition/embedded":      {},
		"partition/partitiontest": {"partition", "partition/embedded", "pipeline/event"},
		"sink/budget":             {},
		"sink":                    {"pipeline/event"},
		"sink/customerio":         {"pipeline/event", "sink"},
		"sink/webhook":            {"pipeline/event", "sink"},
		"sink/simulator":          {"pipeline/event"},
		"sink/sinktest":           {"pipeline/event", "sink"},
		"pipeline/guard":          {"pipeline/event"},
		"pipeline/rules":          {"pipeline/event", "sink/budget"},
		"pipeline":                {"pipeline/event", "pipeline/guard", "pipeline/rules", "partition", "sink", "sink/budget"},
		"pipeline/producer":       {"pipeline/event", "partition"},
		"pipeline/gateway":        {"pipeline/event", "partition"},
		"pipeline/checker":        {"pipeline/event", "pipeline/producer", "sink/simulator"},
		"pipeline/sender":         {"partition", "pipeline", "pipeline/event", "pipeline/producer"},
		"pipeline/doctor":         {"partition", "pipeline/config", "pipeline/event", "pipeline/tiers", "sink", "sink/customerio", "sink/webhook"},
		"pipeline/tiers":          {"partition", "pipeline/config"},
		"pipeline/state":          {"partition", "pipeline/event"},
		"pipeline/deadletters":    {"partition", "pipeline/event", "pipeline/producer"},
		"pipeline/replay":         {"partition", "pipeline/event", "pipeline/state"},
		"pipeline/deferral":       {"pipeline/event", "pipeline/rules", "pipeline/state"},
		"pipeline/rehearsal":      {"partition", "pipeline/event", "pipeline/rules", "sink/budget"},
		"pipeline/config":         append([]string{"pipeline", "pipeline/event", "pipeline/gateway", "pipeline/guard", "pipeline/rules", "partition", "sink", "sink/budget"}, sinks...),
		"cmd/sluice":              {"*"},
		"scripts/data":            {},

		"scripts/acceptance":         {"scripts/acceptance/budgets", "scripts/acceptance/gateway", "scripts/acceptance/outages", "scripts/acceptance/rig", "scripts/acceptance/spine", "scripts/acceptance/spread", "scripts/acceptance/suite", "scripts/acceptance/ways"},
		"scripts/acceptance/suite":   {},
		"scripts/acceptance/chaos":   {"scripts/acceptance/rig", "scripts/acceptance/suite"},
		"scripts/chaos":              {"scripts/acceptance/chaos", "scripts/acceptance/rig"},
		"scripts/acceptance/rig":     {},
		"scripts/acceptance/spine":   {"scripts/acceptance/rig", "scripts/acceptance/suite"},
		"scripts/acceptance/budgets": {"scripts/acceptance/rig", "scripts/acceptance/suite"},
		"scripts/acceptance/ways":    {"scripts/acceptance/rig", "scripts/acceptance/suite", "scripts/kafka/authority"},
		"scripts/acceptance/gateway": {"scripts/acceptance/rig", "scripts/acceptance/suite", "scripts/kafka/authority", "scripts/sdk"},
		"scripts/acceptance/outages": {"partition", "pipeline/event", "scripts/acceptance/chaos", "scripts/acceptance/rig", "scripts/acceptance/suite"},
		"scripts/acceptance/spread":  {"scripts/acceptance/rig", "scripts/acceptance/suite"},
		"scripts/sdk":                {"scripts/acceptance/rig"},
		"scripts/bench":              {"scripts/acceptance/rig"},
		"scripts/bench/floor":        {},
		"scripts/bench/ref":          {},
		"scripts/bench/target":       {},

		"scripts/kafka/authority":    {},
		"scripts/kafka/certificates": {"scripts/kafka/authority"},
	}
}

// inTests is what a package's tests may import beyond its own line.
func inTests() map[string][]string {
	return map[string][]string{
		"partition":          {"partition/embedded", "scripts/kafka/authority", "sink/budget"},
		"pipeline":           {"partition/embedded", "pipeline/checker", "pipeline/producer", "sink/customerio", "sink/simulator", "sink/webhook"},
		"pipeline/doctor":    {"sink/simulator"},
		"pipeline/config":    {"scripts/kafka/authority"},
		"pipeline/gateway":   {"partition/embedded", "pipeline", "sink", "sink/budget", "sink/customerio", "sink/simulator", "sink/webhook"},
		"pipeline/rehearsal": {"pipeline", "sink"},
		"pipeline/producer":  {"sink/customerio", "sink/simulator"},
		"pipeline/sender":    {"pipeline/checker", "sink", "sink/budget", "sink/customerio", "sink/simulator"},
		"sink/customerio":    {"sink/simulator"},
		"sink/simulator":     {"sink", "sink/customerio"},
	}
}

// knownTo pins a library to the packages that may know it: changing the
// library then means changing those. Tests are held to it as well.
func knownTo() map[string][]string {
	return map[string][]string{
		// Beside the product, the reference of the benchmark and the checks that
		// must not take the product's word for what stands in Kafka.
		"github.com/twmb/franz-go":            {"partition", "partition/embedded", "partition/partitiontest", "scripts/acceptance/rig", "scripts/bench", "scripts/bench/floor", "scripts/bench/ref"},
		"github.com/sony/gobreaker":           {"sink"},
		"github.com/prometheus/client_golang": {"partition", "pipeline", "pipeline/gateway", "cmd/sluice"},
		"github.com/go-json-experiment":       {"pipeline/event", "pipeline/gateway", "pipeline/producer", "sink/customerio", "sink/simulator", "sink/webhook"},
		"github.com/oklog/ulid":               {"pipeline/event", "partition", "partition/embedded", "pipeline", "pipeline/gateway", "pipeline/producer", "pipeline/replay", "pipeline/deferral", "cmd/sluice", "pipeline/state", "sink", "sink/customerio", "sink/webhook", "sink/simulator", "sink/sinktest"},
		"github.com/tidwall/gjson":            {"pipeline/rules"},
		"github.com/spf13/cobra":              {"cmd/sluice"},
		"go.yaml.in/yaml":                     {"pipeline/config"},
		"golang.org/x/term":                   {"cmd/sluice"},
		"golang.org/x/time":                   {"pipeline/gateway", "scripts/bench/ref"},
		"github.com/stretchr/testify":         {},
		"log":                                 {},
		"log/slog":                            {},
		"github.com/redis/go-redis":           {},
		// Kafka is the only store.
		"database/sql": {},
	}
}

func topFolders() []string {
	return []string{"cmd", "deploy", "docs", "partition", "pipeline", "scripts", "sink"}
}

// source is what the rules look at in one Go file.
type source struct {
	path    string // slash-separated, from the root
	imports []string
	lines   int
	doc     bool // has a package comment
}

func (s source) pkg() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func TestArchitecture(t *testing.T) {
	t.Parallel()
	sources := readTree(t, "..")
	for _, fault := range faults(sources, mayImport(), inTests(), knownTo()) {
		t.Error(fault)
	}
}

func TestArchitectureNamesEveryFault(t *testing.T) {
	t.Parallel()
	may := map[string][]string{"a": {"b"}, "b": {}, "c": {"*"}, "b/btest": {}, "gone": {}}
	tests := map[string][]string{"b": {"c"}}
	known := map[string][]string{"example.com/lib": {"a"}, "log": {}}
	cases := []struct {
		name string
		file source
		want string
	}{
		{"allowed", source{path: "a/x.go", imports: []string{"sluice/b", "example.com/lib/v2", "log/slog", "fmt"}}, ""},
		{"any", source{path: "c/x.go", imports: []string{"sluice/a", "sluice/b"}}, ""},
		{"own test", source{path: "b/x_test.go", imports: []string{"sluice/b", "sluice/c", "sluice/b/btest"}}, ""},
		{"against the direction", source{path: "b/x.go", imports: []string{"sluice/a"}}, "b/x.go: imports sluice/a"},
		{"only in tests", source{path: "b/x.go", imports: []string{"sluice/c"}}, "b/x.go: imports sluice/c"},
		{"test against the direction", source{path: "b/x_test.go", imports: []string{"sluice/a"}}, "b/x_test.go: imports sluice/a"},
		{"no line", source{path: "new/x.go"}, "new: has no line in mayImport"},
		{"library", source{path: "b/x.go", imports: []string{"example.com/lib"}}, "b/x.go: imports example.com/lib"},
		{"forbidden", source{path: "a/x.go", imports: []string{"log"}}, "a/x.go: imports log"},
		{"test package in code", source{path: "c/x.go", imports: []string{"sluice/b/btest"}}, "c/x.go: imports sluice/b/btest outside tests"},
		{"too long", source{path: "a/x.go", lines: 451}, "a/x.go: has 451 lines"},
		{"vague name", source{path: "c/util/x.go"}, "c/util: is no noun"},
	}
	base := []source{{path: "a/doc.go", doc: true}, {path: "b/doc.go", doc: true}, {path: "c/doc.go", doc: true}, {path: "b/btest/doc.go", doc: true}, {path: "gone/doc.go", doc: true}}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			have := faults(append(slices.Clone(base), tc.file), may, tests, known)
			if tc.want == "" && len(have) > 0 {
				t.Errorf("want no fault, have %q", have)
			}
			if tc.want != "" && !slices.ContainsFunc(have, func(f string) bool { return strings.HasPrefix(f, tc.want) }) {
				t.Errorf("want a fault that begins %q, have %q", tc.want, have)
			}
		})
	}
	t.Run("whole tree", func(t *testing.T) {
		t.Parallel()
		want := []string{"b/btest: has no package comment", "gone: has a line in mayImport and no Go file"}
		if have := faults([]source{base[0], base[1], base[2], {path: "b/btest/doc.go"}}, may, tests, known); !slices.Equal(have, want) {
			t.Errorf("want %q, have %q", want, have)
		}
	})
}

// TestArchitectureFolders keeps the folder listing what a newcomer reads first.
func TestArchitectureFolders(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topFolders(), e.Name()) {
			t.Errorf("folder %s: want one of %v, or a new name there with its reason", e.Name(), topFolders())
		}
	}
}

// faults applies every rule and returns what is broken, sorted.
func faults(sources []source, may, tests, known map[string][]string) []string {
	var found []string
	fault := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	documented := map[string]bool{}
	seen := map[string]bool{}
	for _, s := range sources {
		pkg := s.pkg()
		seen[pkg] = true
		documented[pkg] = documented[pkg] || s.doc && !s.isTest()
		if s.lines > maxLines {
			fault("%s: has %d lines, above %d", s.path, s.lines, maxLines)
		}
		for _, imported := range s.imports {
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
				if reason := refuse(s, ours, may, tests); reason != "" {
					fault("%s: imports %s%s", s.path, imported, reason)
				}
			} else if lib := pinned(imported, known); lib != "" && !slices.Contains(known[lib], pkg) {
				fault("%s: imports %s, which only %v may know", s.path, imported, known[lib])
			}
		}
	}
	for pkg := range seen {
		if _, ok := may[pkg]; !ok {
			fault("%s: has no line in mayImport", pkg)
		}
		if slices.Contains([]string{"util", "utils", "common", "types", "helpers", "misc"}, path.Base(pkg)) {
			fault("%s: is no noun of the domain", pkg)
		}
		if !documented[pkg] {
			fault("%s: has no package comment", pkg)
		}
	}
	for pkg := range may {
		if !seen[pkg] {
			fault("%s: has a line in mayImport and no Go file", pkg)
		}
	}
	slices.Sort(found)
	return found
}

// refuse says why s may not import ours, or "".
func refuse(s source, ours string, may, tests map[string][]string) string {
	pkg := s.pkg()
	testPackage := strings.HasSuffix(path.Base(ours), "test")
	switch {
	case testPackage && !s.isTest() && !strings.HasSuffix(path.Base(pkg), "test"):
		return " outside tests"
	case s.isTest() && (testPackage || ours == pkg || slices.Contains(tests[pkg], ours)):
		return ""
	case slices.Contains(may[pkg], "*") || slices.Contains(may[pkg], ours):
		return ""
	}
	return ", which its line in mayImport does not name"
}

// pinned returns the longest pin that covers an import, or "". A pin covers
// its sub-packages, except that a standard-library pin covers itself alone.
func pinned(imported string, known map[string][]string) string {
	var hits []string
	for lib := range known {
		if imported == lib || strings.Contains(lib, ".") && strings.HasPrefix(imported, lib+"/") {
			hits = append(hits, lib)
		}
	}
	if len(hits) == 0 {
		return ""
	}
	return slices.MaxFunc(hits, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}

// readTree reads the imports of every Go file below root, whatever its build
// tags, leaving out hidden folders, test data and modules of their own.
func readTree(t *testing.T, root string) []source {
	t.Helper()
	var sources []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(name, "go.mod"))
			if name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || nested == nil) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		s, err := readSource(root, name)
		sources = append(sources, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) == 0 {
		t.Fatalf("no Go file below %s", root)
	}
	return sources
}

func readSource(root, name string) (source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return source{}, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return source{}, err
	}
	rel, err := filepath.Rel(root, name)
	s := source{path: filepath.ToSlash(rel), lines: bytes.Count(text, []byte("\n")), doc: hasDoc(file)}
	for _, imp := range file.Imports {
		unquoted, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return s, err
		}
		s.imports = append(s.imports, unquoted)
	}
	return s, err
}

func hasDoc(file *ast.File) bool { return file.Doc != nil && len(file.Doc.Text()) > 20 }
