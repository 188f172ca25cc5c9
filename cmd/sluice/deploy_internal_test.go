package main

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/config"
)

func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestComposedConfigurationIsRight(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CIO_US_SITE_ID": "demo", "CIO_US_API_KEY": "demo", "HOSTNAME": "3f2a9c"}
	cfg, err := config.Parse(strings.NewReader(readRoot(t, "deploy/compose/sluice.yaml")), func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Kafka.AdminAddr != "3f2a9c:9091" || cfg.Listen.Metrics != ":9090" || cfg.Streams[0].Replication != 1 {
		t.Errorf("have %v", cfg)
	}
}

// instructions reads a Dockerfile: each instruction with its words, lines that
// go on joined, comments left out.
func instructions(text string) [][]string {
	var all [][]string
	text = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, "")
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if words := strings.Fields(line); len(words) > 0 {
			all = append(all, words)
		}
	}
	return all
}

func TestDockerfileMakesALockedDownImage(t *testing.T) {
	t.Parallel()
	all := instructions(readRoot(t, "Dockerfile"))
	last := map[string]string{} // of the final stage, by instruction
	var compile, copies string
	for _, words := range all {
		rest := strings.Join(words[1:], " ")
		switch words[0] {
		case "FROM":
			clear(last)
		case "RUN":
			compile += rest + "\n"
		case "COPY":
			copies += rest + "\n"
		}
		last[words[0]] = rest
	}
	for _, want := range []string{"CGO_ENABLED=0", "GOARCH=$TARGETARCH", "-trimpath", "-X main.stampedVersion=$VERSION", "./cmd/sluice"} {
		if !strings.Contains(compile, want) {
			t.Errorf("want the build to say %s, have\n%s", want, compile)
		}
	}
	if last["FROM"] != "scratch" || last["RUN"] != "" || !strings.Contains(copies, "/etc/ssl/certs/ca-certificates.crt") {
		t.Errorf("want a final stage from scratch with certificates and no RUN, have %v", last)
	}
	if user, _, _ := strings.Cut(last["USER"], ":"); !regexp.MustCompile(`^[1-9]\d*$`).MatchString(user) {
		t.Errorf("want a user by number, not root, have %q", last["USER"])
	}
	_, health, _ := strings.Cut(last["HEALTHCHECK"], "CMD ")
	for name, form := range map[string]string{"ENTRYPOINT": last["ENTRYPOINT"], "CMD": last["CMD"], "HEALTHCHECK": health} {
		var words []string // there is no shell to split them
		if err := json.Unmarshal([]byte(form), &words); err != nil || len(words) == 0 {
			t.Errorf("%s: want a list of words, have %q", name, form)
		}
	}
	if !strings.HasPrefix(health, `["/usr/bin/sluice", "health"`) || !strings.Contains(copies, "/usr/bin/sluice") {
		t.Errorf("want the binary asked for its health where it lies, have %q", health)
	}
}

// TestImageBuildSeesEveryPackage holds .dockerignore, which lets in only what it
// names, against what the program imports.
func TestImageBuildSeesEveryPackage(t *testing.T) {
	t.Parallel()
	var let []string
	for line := range strings.Lines(readRoot(t, ".dockerignore")) {
		if folder, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			let = append(let, folder)
		}
	}
	imports := map[string]bool{"cmd/sluice": true}
	for _, folder := range []string{"cmd", "partition", "pipeline", "sink", "scripts/data"} {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(name string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, imported := range file.Imports {
				path, _ := strconv.Unquote(imported.Path.Value)
				if ours, ok := strings.CutPrefix(path, "sluice/"); ok {
					imports[ours] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for ours := range imports {
		if !slices.ContainsFunc(let, func(folder string) bool { return ours == folder || strings.HasPrefix(ours, folder+"/") }) {
			t.Errorf("%s is imported, and .dockerignore keeps it out", ours)
		}
	}
}

// unit reads a systemd unit: the values of each key, in order.
func unit(text string) map[string][]string {
	keys := map[string][]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			keys[key] = append(keys[key], value)
		}
	}
	return keys
}

func TestServiceUnitIsHardened(t *testing.T) {
	t.Parallel()
	keys := unit(readRoot(t, "deploy/systemd/sluice.service"))
	for key, want := range map[string]string{
		"NoNewPrivileges": "yes", "DynamicUser": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
		"PrivateDevices": "yes", "MemoryDenyWriteExecute": "yes", "CapabilityBoundingSet": "", "RestrictNamespaces": "yes",
		"SystemCallArchitectures": "native", "KillSignal": "SIGTERM", "Restart": "on-failure", "RestartPreventExitStatus": strconv.Itoa(exitUsage),
	} {
		if have := keys[key]; !slices.Equal(have, []string{want}) {
			t.Errorf("%s: want %q, have %q", key, want, have)
		}
	}
	if have := keys["SystemCallFilter"]; len(have) != 2 || have[0] != "@system-service" || !strings.Contains(have[1], "@privileged") {
		t.Errorf("want system calls filtered, have %q", have)
	}
	stop, err := time.ParseDuration(strings.Join(keys["TimeoutStopSec"], ""))
	if err != nil || stop <= pipeline.DefaultDrain {
		t.Errorf("want TimeoutStopSec above the drain of %v, have %v, %v", pipeline.DefaultDrain, keys["TimeoutStopSec"], err)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not here: what it would say was not asked")
		return
	}
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", "../../deploy/systemd/sluice.service").CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: want an exposure of at most 2.0: %v\n%s", err, out)
	}
}
