package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestWrongUsageExitsTwoAndSaysTheRemedy(t *testing.T) {
	t.Parallel()
	config := configFor(t, "127.0.0.1:1")
	input := write(t, "in.ndjson", "{}\n")
	for _, tc := range []struct {
		args string
		want string
	}{
		{"prodcue", "Did you mean this? produce"},
		{"produce", "accepts 2 arg"},
		{"produce a b c", "see sluice produce --help"},
		{"produce purchases " + input + " --nope", "unknown flag: --nope"},
		{"produce purchases " + input + " -c " + config + " --rate fast", "write it as 80/s"},
		{"produce purchases " + input + " -c " + config + " --format xml", "ndjson or csv"},
		{"produce purchases " + input + " -c " + config + " --map user=a", "add --format csv"},
		{"produce purchases " + input + ".csv -c " + config + " --map user=a", "open the input"},
		{"produce purchases - -c " + config + " --format csv --map user", "must be target=column"},
		{"produce purchase " + input + " -c " + config, "has purchases, split, hooked"},
		{"produce purchases " + input + " -c nowhere.yaml", "-c FILE"},
		{"send", "accepts 1 arg"},
		{"send " + input + " -c " + config, "--workspace NAME is needed"},
		{"send " + input + " --workspace acme -c " + config, "has acme-us, acme-eu, hook"},
		{"send nofile --workspace acme-us -c " + config, "open the input"},
		{"send " + input + " --workspace acme-us --rate fast -c " + config, "write it as 80/s"},
		{"send " + input + " --workspace acme-us --from-line 0 -c " + config, "must be 1 or more"},
		{"send " + input + " --workspace acme-us --give-up-after never -c " + config, "a time needs a number and a unit"},
		{"send " + input + " --workspace acme-us --settled nofile -c " + config, "open the settled lines"},
		{"send " + input + " --workspace acme-us --settled " + input + " -c " + config, "line 1: must be a line number"},
		{"send " + input + " --workspace acme-us --map user=a -c " + config, "add --format csv"},
		{"config", "a command must follow config: check"},
		{"config chekc", "there is check"},
		{"config check -o yaml", "text or json"},
		{"config check --log-level loud", "debug, info, warn or error"},
		{"config check -c nowhere.yaml", "sluice.example.yaml"},
		{"topics apply now -c " + config, "unknown command \"now\""},
		{"check --input " + input, "--input FILE and --sim URL"},
		{"check --input " + input + " --sim localhost", "http://localhost:8090"},
		{"check --input " + input + " --sim http://127.0.0.1:1 --stream s", "add -c FILE"},
		{"simulate --region moon", "must be us or eu"},
		{"simulate --latency slow --errors much --key nocolon", "latency"},
		{"shard resume purchases 1 -c " + config, "--at must be start or an offset"},
		{"shard resume purchases 1 --at -5 -c " + config, "--at must be start or an offset"},
		{"shard resume purchases 6 --at start -c " + config, "partitions 0 to 5"},
		{"shard resume purchases x --at start -c " + config, "partitions 0 to 5"},
		{"shard resume purchases all --at 5 -c " + config, "--at must be start for all"},
		{"shard resume purchase all --at start -c " + config, "has purchases, split, hooked"},
		{"route purchases -c " + config, "requires at least 2"},
		{"run --remain -c " + config, "give --instance ID"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Parallel()
			o := sluice(t, "user\n1\n", strings.Fields(tc.args)...)
			if o.code != exitUsage || !strings.Contains(o.err, tc.want) || o.out != "" {
				t.Errorf("want exit 2 and %q, have %d, stdout %q\n%s", tc.want, o.code, o.out, o.err)
			}
			if strings.Count(strings.TrimSpace(o.err), "\n") > 2 {
				t.Errorf("want one clear line, have\n%s", o.err)
			}
		})
	}
}

func TestErrorsAreAnObjectToo(t *testing.T) {
	t.Parallel()
	var have struct{ Error string }
	o := sluice(t, "", "route", "purchases", "1", "-c", "nowhere.yaml", "-o", "json")
	if o.last(t, &have); o.code != exitUsage || !strings.Contains(have.Error, "nowhere.yaml") {
		t.Errorf("want the error as JSON, have %d %s", o.code, o.out)
	}
}

// TestEveryCommandExplainsItself walks all commands: each has text that says
// what it does and an example that begins with its own name.
func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s: want Short, Long and Example", c.CommandPath())
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len([]rune(line)) > 90 {
				t.Errorf("%s: a line of %d letters: %s", c.CommandPath(), len([]rune(line)), line)
			}
		}
		if !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: its example does not show it: %s", c.CommandPath(), c.Example)
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRoot(&shell{}))
}

func TestVersion(t *testing.T) {
	t.Parallel()
	o := sluice(t, "", "version", "-o", "json")
	var have build
	if o.last(t, &have); o.code != exitDone || have.Go == "" || !strings.Contains(have.Platform, "/") {
		t.Errorf("have %d %s", o.code, o.out)
	}
	if o := sluice(t, "", "version"); !strings.HasPrefix(o.out, "sluice ") {
		t.Errorf("have %q", o.out)
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	config := configFor(t, "127.0.0.1:1")
	o := sluice(t, "", "config", "check", "-c", config)
	if o.code != exitDone || !strings.Contains(o.out, "acme-eu (0-5)") || !strings.Contains(o.out, "80/s") {
		t.Errorf("have %d\n%s%s", o.code, o.out, o.err)
	}
	var report configReport
	o = sluice(t, "", "config", "check", "-c", config, "-o", "json")
	if o.last(t, &report); !report.OK || len(report.Streams) != 3 || len(report.Workspaces) != 3 {
		t.Errorf("have %s", o.out)
	}
}

func TestConfigCheckReportsEveryFault(t *testing.T) {
	t.Parallel()
	config := write(t, "wrong.yaml", `workspaces:
  a: {sink: customerio, region: usa, site_id: s, api_key: "${KEY}"}
streams:
  s: {workspace: a, retention: 7}
`)
	o := sluice(t, "", "config", "check", "-c", config)
	want := config + ":2:33: workspaces.a.region: is not a region; write us\n" + config + ":4:32: streams.s.retention: "
	if o.code != exitUsage || !strings.HasPrefix(o.err, want) || o.out != "" {
		t.Errorf("want exit 2 and\n%s\nhave %d\n%s", want, o.code, o.err)
	}
	o = sluice(t, "", "config", "check", "-c", config, "-o", "json")
	var report configReport
	if o.last(t, &report); o.code != exitUsage || report.OK || len(report.Faults) != 2 || report.Faults[0].Line != 2 || report.Faults[0].Remedy != "write us" {
		t.Errorf("have %d %s", o.code, o.out)
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	config := configFor(t, "127.0.0.1:1")
	o := sluice(t, "", "route", "split", "abc", "foobar", "a-little-bit-long-string", "-c", config, "-o", "json")
	var have routes
	o.last(t, &have)
	// The keys are those of Kafka's own test of murmur2, whose hashes are
	// 479470107, -790332482 and -985981536.
	want := `{"stream":"split","topic":"split","routes":[` +
		`{"user":"abc","partition":3,"shard":"split/3","workspace":"acme-eu","region":"eu"},` +
		`{"user":"foobar","partition":0,"shard":"split/0","workspace":"acme-eu","region":"eu"},` +
		`{"user":"a-little-bit-long-string","partition":2,"shard":"split/2","workspace":"acme-eu","region":"eu"}]}`
	if text, _ := json.Marshal(have); string(text) != want {
		t.Errorf("want %s\nhave %s", want, text)
	}
	o = sluice(t, "", "route", "hooked", "42", "-c", config)
	if fields := strings.Fields(o.out); o.code != exitDone || len(fields) != 10 || fields[8] != "hook" || fields[9] != "-" {
		t.Errorf("have %d\n%s", o.code, o.out)
	}
	if o := sluice(t, "", "route", "hooked", "", "-c", config); o.code != exitUsage {
		t.Errorf("want an empty key refused, have %d", o.code)
	}
}
