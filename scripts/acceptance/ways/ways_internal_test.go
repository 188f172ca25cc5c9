package ways

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUserKeys(t *testing.T) {
	t.Parallel()
	keys := userKeys(10_000)
	if !slices.Equal(keys, userKeys(10_000)) {
		t.Error("want the same keys each time")
	}
	seen := map[string]bool{}
	wide, long := 0, 0
	for _, key := range keys {
		if seen[key] || key == "" || strings.ContainsAny(key, "\r\n\x00") || !utf8.ValidString(key) {
			t.Errorf("want a new key that a file of lines and an argument can hold, have %q", key)
		}
		seen[key] = true
		if utf8.RuneCountInString(key) < len(key) {
			wide++
		}
		if len(key) > 1_000 {
			long++
		}
	}
	if wide < 3_000 || long < 100 {
		t.Errorf("want thousands of keys beyond ASCII and hundreds above 1,000 bytes, have %d and %d", wide, long)
	}
}

// TestWrongFiles: each mistake changes the right file, in a line that the file
// has once, and is blamed on a line that is there.
func TestWrongFiles(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, w := range wrongFiles() {
		text, line := w.file(rightFile)
		at := w.at
		if at == "" {
			at, _, _ = strings.Cut(w.with, "\n")
		}
		lines := strings.Split(text, "\n")
		if strings.Count(rightFile, w.line+"\n") != 1 || text == rightFile || line > len(lines) || lines[line-1] != at {
			t.Errorf("%s: want the fault in line %q, have line %d of\n%s", w.name, at, line, text)
		}
		if names[w.name] || w.remedy == "" {
			t.Errorf("%s: want a name of its own and a remedy", w.name)
		}
		names[w.name] = true
	}
}

func TestLeaks(t *testing.T) {
	t.Parallel()
	basic := base64.StdEncoding.EncodeToString([]byte(siteID + ":" + apiKey))
	cases := []struct {
		name, text string
		want       bool
	}{
		{"clean", "workspace shop of " + siteID + " is refused: 401 [redacted]", false},
		{"plain", "api_key: " + apiKey, true},
		{"basic", "Authorization: Basic " + basic, true},
		{"query", "https://h/?key=k3y-Zq%2B8%2FvT%3D%3D", true},
		{"JSON", `{"error":"t0ken-9d\u0026b1 \u003cx\u003e"}`, true},
		{"quoted", `bad value "p4ss-%w0rd\"7!"`, true},
	}
	for _, tc := range cases {
		if have := leaks(tc.text); len(have) > 0 != tc.want {
			t.Errorf("%s: want a leak %t, have %q", tc.name, tc.want, have)
		}
	}
}

func TestReadme(t *testing.T) {
	t.Parallel()
	r := parseReadme("# x\n\n    make no\n\n## One\n\nType `make run` or\n`make\ntest`, not `makefile`.\n\n    ./sluice run  # all of it\n\n" +
		"1. This:\n\n   ```sh\n   go build -o sluice\n   ```\n\n   ```yaml\n   a:\n     b: c\n   ```\n\n## Two\n\n    make two\n")
	want := []string{"./sluice run", "go build -o sluice", "make run", "make test"}
	if have := r.commands("One"); !slices.Equal(have, want) {
		t.Errorf("want %q, have %q", want, have)
	}
	if have := r.blocks("One"); len(have) != 2 || have[1] != (block{"yaml", "a:\n  b: c\n"}) {
		t.Errorf("want the yaml without its indentation, have %q", have)
	}
}

// TestExamplesReadme: what the checks type is what the README of the examples
// tells people to type.
func TestExamplesReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []language{node(), python(), java()} {
		for _, command := range append(slices.Clone(l.install), l.produce+" localhost:9092 events-us 42") {
			if !strings.Contains(string(text), "\n    "+command+"\n") {
				t.Errorf("%s: want the line %q in the README", l.name, command)
			}
		}
	}
}

// TestMissing: a runtime that is not here is told, with what would be right.
func TestMissing(t *testing.T) {
	t.Parallel()
	have := language{needs: []need{{"a shell", []string{"sh", "-c", "true"}}, {"Cobol 85", []string{"no-such-cobol"}}}}.missing(t.Context())
	if !strings.HasPrefix(have, "Cobol 85 is not installed (no-such-cobol: ") {
		t.Errorf("want it told that Cobol is missing, have %q", have)
	}
	if have := (language{needs: []need{{"a shell", []string{"sh", "-c", "true"}}}}).missing(t.Context()); have != "" {
		t.Errorf("want nothing missing, have %q", have)
	}
}

func TestForgetful(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "python"))); err != nil {
		t.Fatal(err)
	}
	name, err := forgetful(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || strings.Contains(string(text), `"partitioner"`) || !strings.Contains(string(text), `"bootstrap.servers"`) {
		t.Errorf("want the example without its partitioner, have %v\n%s", err, text)
	}
}
