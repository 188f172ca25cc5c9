package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestExamplesParse takes every example of every command through the parser:
// the command must be there, its flags known and its arguments as many as it
// takes.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, line := range commandLines(c.Example) {
			if err := parses(line); err != nil {
				t.Errorf("%s: the example %q: %v", c.CommandPath(), line, err)
			}
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRoot(&shell{}))
}

// TestDocumentedCommandsParse does the same with what the README and the files
// for deployment tell people, and machines, to run.
func TestDocumentedCommandsParse(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, name := range []string{
		"README.md", "docker-compose.yml", "Dockerfile", "deploy/systemd/sluice.service", "deploy/sluice.example.yaml",
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range quoted(string(text)) {
			seen++
			if err := parses(line); err != nil {
				t.Errorf("%s: %q: %v", name, line, err)
			}
		}
	}
	if seen < 12 {
		t.Errorf("want the commands found, have %d", seen)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("`(?:\\./)?sluice ([a-z]+(?: [a-z]+)?)").FindAllStringSubmatch(string(readme), -1) {
		if _, _, err := newRoot(&shell{}).Find(strings.Fields(m[1])); err != nil {
			t.Errorf("README.md names sluice %s: %v", m[1], err)
		}
	}
}

func TestExampleParserSeesFaults(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"sluice prodcue a b":                "unknown command",
		"sluice run --nope":                 "unknown flag",
		"sluice produce events-us":          "accepts 2 arg",
		"sluice simulate --burst many":      "invalid argument",
		"sluice topics":                     "a command must follow",
		"sluice completion tcsh":            "invalid argument",
		"sluice route events-us 42 -o json": "",
	} {
		err := parses(line)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: want %q, have %v", line, want, err)
		}
	}
}

// quoted finds the command lines in a text: on a line of their own, or as a
// list of words, which leaves out the program where the image names it.
func quoted(text string) []string {
	var all []string
	own := regexp.MustCompile(`(?m)^(?: {4,}|ExecStart=/usr/bin/|# +(?:Check it with: +)?|    source <\()(?:\./)?(sluice [a-z].*)$`)
	for _, m := range own.FindAllStringSubmatch(text, -1) {
		all = append(all, commandLines(m[1])...)
	}
	container := regexp.MustCompile(`(?m)^[# ]+docker .*(?: tools| sluice) ([a-z]+ .*)$`)
	for _, m := range container.FindAllStringSubmatch(text, -1) {
		all = append(all, "sluice "+m[1])
	}
	list := regexp.MustCompile(`(?m)^ *(?:HEALTHCHECK .*CMD|CMD|command:|test:) \[(.*)\]`)
	for _, m := range list.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(strings.NewReplacer(`"`, "", ",", " ", "/usr/bin/sluice", "").Replace(m[1]))
		if len(words) > 0 && words[0] != "CMD" {
			all = append(all, "sluice "+strings.Join(words, " "))
		}
	}
	return all
}

// commandLines returns the calls of sluice in an example, without comments,
// pipes, and what stands before and after.
func commandLines(example string) []string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(example, "\\\n", " ")) {
		line, _, _ = strings.Cut(line, " #")
		for _, part := range regexp.MustCompile(` \| | && |<\(|\)$| > | < `).Split(strings.TrimSpace(line), -1) {
			if at := regexp.MustCompile(`^(?:[A-Z_]+=\S+ +)*(?:\./)?(sluice .*)`).FindStringSubmatch(part); at != nil {
				lines = append(lines, strings.TrimSpace(at[1]))
			}
		}
	}
	return lines
}

// parses tells whether a command line would begin to run.
func parses(line string) error {
	root := newRoot(&shell{out: io.Discard, err: io.Discard})
	words := regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(line, -1)
	for i, w := range words {
		words[i] = strings.Trim(w, `'"`)
	}
	cmd, rest, err := root.Find(words[1:])
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); errors.Is(err, pflag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if help, _ := cmd.Flags().GetBool("help"); help {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

func TestHelpTellsExitCodes(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"dev", "--help"}, {"config", "check", "--help"}} {
		if o := sluice(t, "", args...); o.code != exitDone || !strings.Contains(o.out, exitCodes) {
			t.Errorf("%v: want the exit codes, have %d\n%s", args, o.code, o.out)
		}
	}
}

func TestManualPages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pages")
	var have manual
	o := sluice(t, "", "man", dir, "-o", "json")
	if o.last(t, &have); o.code != exitDone || !slices.Contains(have.Pages, "sluice-config-check.1") || slices.Contains(have.Pages, "sluice-help.1") {
		t.Fatalf("have %d %v", o.code, have)
	}
	for _, name := range have.Pages {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range []string{".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH EXAMPLES", ".SH EXIT STATUS", ".SH SEE ALSO"} {
			if !strings.Contains(string(text), section) {
				t.Errorf("%s: want %s", name, section)
			}
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, ".") && !regexp.MustCompile(`^\.(TH|SH|nf|fi|B|BR)\b`).MatchString(line) {
				t.Errorf("%s: text became a request: %s", name, line)
			}
		}
	}
	if have := roff("a-b \\ c\n.d\n'e"); have != "a\\-b \\e c\n\\&.d\n\\&'e" {
		t.Errorf("roff: have %q", have)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for shell, want := range map[string]string{
		"bash": "__start_sluice", "zsh": "#compdef sluice", "fish": "complete -c sluice", "powershell": "Register-ArgumentCompleter",
	} {
		if o := sluice(t, "", "completion", shell); o.code != exitDone || !strings.Contains(o.out, want) {
			t.Errorf("%s: want %q, have %d\n%.200s", shell, want, o.code, o.out)
		}
	}
	config := configFor(t, "127.0.0.1:1")
	for _, tc := range []struct{ args, want string }{
		{"produce -c " + config, "purchases\nsplit\nhooked\n:4"},
		{"produce -c nowhere.yaml", ":4"},
		{"check -c " + config + " --stream", "purchases\nsplit\nhooked\n:4"},
		{"run --log-level", "debug\ninfo\nwarn\nerror\n:4"},
		{"simulate --region", "us\neu\n:4"},
		{"produce purchases in.csv --format", "ndjson\ncsv\n:4"},
		{"dev --data", ":16"},
		{"completion", "bash\nzsh\nfish\npowershell\n:4"},
	} {
		o := sluice(t, "", append(append([]string{"__complete"}, strings.Fields(tc.args)...), "")...)
		if strings.TrimSpace(o.out) != tc.want {
			t.Errorf("%s: want %q, have %q", tc.args, tc.want, o.out)
		}
	}
}
