package main

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"sluice/pipeline/config"
	"sluice/pipeline/replay"
)

// replaying is the configuration that selections are read with.
func replaying(t *testing.T) (*shell, config.Config, config.Stream) {
	t.Helper()
	sh := &shell{configPath: configFor(t, "127.0.0.1:1"), read: readSecret, lookup: func(string) (string, bool) { return testKey, true }}
	cfg, stream, err := sh.stream("purchases")
	if err != nil {
		t.Fatal(err)
	}
	return sh, cfg, stream
}

// chosen reads words as a shell hands them over.
func chosen(t *testing.T, words ...string) (replay.Selection, replayTarget, error) {
	t.Helper()
	sh, cfg, stream := replaying(t)
	var f selectionFlags
	cmd := &cobra.Command{}
	f.register(sh, cmd)
	if err := cmd.ParseFlags(words); err != nil {
		t.Fatal(err)
	}
	return f.selection(sh, cfg, stream)
}

func TestSelection(t *testing.T) {
	t.Parallel()
	at := func(hour, minute int) time.Time { return time.Date(2026, 1, 21, hour, minute, 0, 0, time.UTC) }
	for _, tt := range []struct {
		words string
		want  replay.Selection
		to    replayTarget
	}{
		{"--since|start", replay.Selection{FromOffset: -1, ToOffset: -1}, replayTarget{}},
		{"--since|2026-01-21 14:00|--until|2026-01-21T15:30:00Z", replay.Selection{From: at(14, 0), To: at(15, 30), FromOffset: -1, ToOffset: -1}, replayTarget{}},
		{"--since|2026-01-21 14:00:00Z|--until|2026-01-21T17:30:00+02:00", replay.Selection{From: at(14, 0), To: at(15, 30), FromOffset: -1, ToOffset: -1}, replayTarget{}},
		{"--since|2026-01-21|--until|2026-01-21T14:00", replay.Selection{From: at(0, 0), To: at(14, 0), FromOffset: -1, ToOffset: -1}, replayTarget{}},
		{"--offsets|1200-1399|--shard|3", replay.Selection{Shards: []int32{3}, FromOffset: 1200, ToOffset: 1400}, replayTarget{}},
		{"--offsets|7|--shard|0", replay.Selection{Shards: []int32{0}, FromOffset: 7, ToOffset: 8}, replayTarget{}},
		{"--offsets|7-|--shard|0", replay.Selection{Shards: []int32{0}, FromOffset: 7, ToOffset: -1}, replayTarget{}},
		{
			`--since|start|--shard|0-2,5|--workspace|acme-us|--user|a,b|--event|x,"y,z"|--field|data.plan=a=b|--field|n=|--to|acme-eu`,
			replay.Selection{
				Shards: []int32{0, 1, 2, 5}, Workspace: "acme-us", User: "a,b", Events: []string{"x", "y,z"},
				Fields: map[string]string{"data.plan": "a=b", "n": ""}, FromOffset: -1, ToOffset: -1, Target: "acme-eu",
			},
			replayTarget{workspace: "acme-eu"},
		},
		{"--since|start|--to|simulator", replay.Selection{FromOffset: -1, ToOffset: -1}, replayTarget{rehearsal: true}},
		{"--since|start|--to|simulator:127.0.0.1:8090", replay.Selection{FromOffset: -1, ToOffset: -1}, replayTarget{rehearsal: true, url: "http://127.0.0.1:8090"}},
		{"--since|start|--to|simulator:https://sim.example.com/x/", replay.Selection{FromOffset: -1, ToOffset: -1}, replayTarget{rehearsal: true, url: "https://sim.example.com/x"}},
	} {
		have, to, err := chosen(t, strings.Split(tt.words, "|")...)
		tt.want.Stream = "purchases"
		if err != nil || !reflect.DeepEqual(have, tt.want) || to != tt.to {
			t.Errorf("%s:\nwant %+v %+v\nhave %+v %+v, %v", tt.words, tt.want, tt.to, have, to, err)
		}
	}
	have, _, err := chosen(t, "--since", "2h")
	if ago := time.Since(have.From); err != nil || ago < 2*time.Hour || ago > 2*time.Hour+time.Minute || have.From.Nanosecond() != 0 {
		t.Errorf("want two hours ago in whole seconds, have %v, %v", have.From, err)
	}
}

func TestSelectionRefuses(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"":                                      "--since is needed: from when on?",
		"--until|1h":                            "--since is needed",
		"--since|yesterday":                     `"2026-11-21 14:00"`,
		"--since|1h|--until|2h":                 "--since must be before --until",
		"--since|2199-01-01":                    "is yet to come",
		"--since|1h|--until|2199-01-01":         "leave it out to replay what there is",
		"--offsets|1-5":                         "add --shard P",
		"--offsets|1-5|--shard|1,2":             "add --shard P",
		"--offsets|1-5|--shard|1|--since|1h":    "exclude each other",
		"--offsets|5-1|--shard|1":               "1200-1399",
		"--offsets|-5|--shard|1":                "1200-1399",
		"--since|1h|--shard|6":                  "--shard takes partitions of purchases, 0 to 5",
		"--since|1h|--workspace|acme":           `no workspace is named "acme"`,
		"--since|1h|--to|acme":                  "acme-us, acme-eu, hook",
		"--since|1h|--to|simulator:":            "simulator:http://127.0.0.1:8090",
		"--since|1h|--to|simulator:ftp://x":     "simulator:http://127.0.0.1:8090",
		"--since|1h|--to|simulator:http://u@x/": "simulator:http://127.0.0.1:8090",
		"--since|1h|--field|plan":               "PATH=TEXT",
		"--since|1h|--field|a=1|--field|a=2":    "given twice",
	} {
		_, _, err := chosen(t, strings.FieldsFunc(words, func(r rune) bool { return r == '|' })...)
		if exitCode(err) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q as a usage error, have %v", words, want, err)
		}
	}
}

// The command that a plan offers must choose what the plan chose, through a
// real shell, however odd the names are.
func TestSelectionArgsChooseTheSame(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	for _, words := range [][]string{
		{"--since", "start"},
		{"--since", "2h", "--until", "1h"},
		{"--since", "2026-01-21 14:00", "--shard", "0-2,5", "--workspace", "acme-us", "--to", "acme-eu"},
		{"--since", "start", "--shard", "1-4", "--take-rest"},
		{"--offsets", "12", "--shard", "4"},
		{"--offsets", "0-7", "--shard", "4"},
		{"--offsets", "12-", "--shard", "4"},
		{"--since", "start", "--user", `it's "$HOME" \ ` + "`x`; *", "--event", `a b,"c,""d",é`, "--field", "a.b=it's", "--field", "n="},
	} {
		want, _, err := chosen(t, words...)
		if err != nil {
			t.Fatal(err)
		}
		script := `for word in "$@"; do printf '%s\0' "$word"; done`
		out, err := exec.CommandContext(t.Context(), shell, "-c", "set -- "+selectionArgs(want)+"; "+script).Output()
		if err != nil {
			t.Fatalf("%s: %v", selectionArgs(want), err)
		}
		again := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		have, _, err := chosen(t, again[1:]...)
		if err != nil || again[0] != "purchases" || !reflect.DeepEqual(have, want) {
			t.Errorf("%s:\nwant %+v\nhave %+v, %v", selectionArgs(want), want, have, err)
		}
	}
}

func TestReplayToCompletes(t *testing.T) {
	t.Parallel()
	config := configFor(t, "127.0.0.1:1")
	for args, want := range map[string]string{
		"replay start -c " + config:                           "purchases\nsplit\nhooked\n:4",
		"replay plan purchases -c " + config + " --to":        "acme-us\nacme-eu\nhook\nsimulator\n:4",
		"replay plan purchases -c " + config + " --workspace": "acme-us\nacme-eu\nhook\n:4",
	} {
		o := sluice(t, "", append(append([]string{"__complete"}, strings.Fields(args)...), "")...)
		if strings.TrimSpace(o.out) != want {
			t.Errorf("%s: want %q, have %q", args, want, o.out)
		}
	}
}

func FuzzParseOffsets(f *testing.F) {
	for _, text := range []string{"1-5", "7", "7-", "-7", "", "5-1", "99999999999999999999", "4611686018427387903-"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		from, to, err := parseOffsets(text)
		if err == nil && (from < 0 || to >= 0 && to <= from || to < -1) {
			t.Errorf("%q: have %d-%d", text, from, to)
		}
	})
}

func FuzzParseDestination(f *testing.F) {
	for _, text := range []string{"", "acme", "simulator", "simulator:http://127.0.0.1:1", "simulator:x", "simulator:http://a:b@c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		to, err := parseDestination(text)
		if err == nil && to.url != "" && (!to.rehearsal || strings.Contains(to.url, "@") && strings.Index(to.url, "@") < strings.Index(to.url+"/", "/")) {
			t.Errorf("%q: have %+v", text, to)
		}
	})
}
