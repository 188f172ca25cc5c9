package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/config"
)

// TestShownConfigurationReadsTheSame: what config show prints is a file that
// says the same, as long as its secrets are references.
func TestShownConfigurationReadsTheSame(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"smallest": smallest,
		"every key": strings.NewReplacer("api_key: k$$1$x", "api_key: file:/key", "url: https://hooks.example.com/in", "url: ${HOOK_URL}",
			`"Bearer ${KEY}"`, `"${KEY}"`).Replace(everyKey),
	} {
		cfg, err := parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		shown, err := cfg.YAML()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := parse(string(shown))
		if err != nil {
			t.Fatalf("%s: %v in\n%s", name, err, shown)
		}
		if _, changes := cfg.Reload(again); len(changes) > 0 {
			t.Errorf("%s: %v differ in\n%s", name, changes, shown)
		}
	}
}

func TestShownConfigurationHasDefaultsAndNoSecret(t *testing.T) {
	t.Parallel()
	cfg, err := parse(strings.Replace(smallest, "api_key: file:/key", "api_key: plain-"+secretKey+", base_url: 'https://127.0.0.1/"+secretKey+"'", 1))
	if err != nil {
		t.Fatal(err)
	}
	text, err := cfg.YAML()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(cfg.Effective())
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), string(encoded)} {
		if strings.Contains(shown, secretKey) {
			t.Errorf("the key is shown in\n%s", shown)
		}
		for _, want := range []string{"${KEY}", "[redacted]", "session_timeout", "80/s", "7d", "events-eu"} {
			if !strings.Contains(shown, want) {
				t.Errorf("want %s in\n%s", want, shown)
			}
		}
	}
}

func TestFormatDurationAndSize(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": 0, "1ms": time.Millisecond, "1.5s": 1500 * time.Millisecond, "1m": time.Minute, "1m30s": 90 * time.Second, "10m": 10 * time.Minute,
		"1h": time.Hour, "20h": 20 * time.Hour, "1h0m1s": time.Hour + time.Second, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "1d1m": 24*time.Hour + time.Minute,
	} {
		have := config.FormatDuration(d)
		if again, err := config.ParseDuration(have); have != want || err != nil || again != d {
			t.Errorf("%v: want %s, have %s, read as %v, %v", d, want, have, again, err)
		}
	}
	for want, n := range map[string]int{"0": 0, "1000": 1000, "1KiB": 1024, "1536": 1536, "64MiB": 64 << 20, "2GiB": 2 << 30} {
		have := config.FormatSize(n)
		if again, err := config.ParseSize(have); have != want || err != nil || again != n {
			t.Errorf("%d: want %s, have %s, read as %v, %v", n, want, have, again, err)
		}
	}
}

// TestReloadTellsLiveFromTheRest changes one thing at a time in a file with
// every key.
func TestReloadTellsLiveFromTheRest(t *testing.T) {
	t.Parallel()
	before, err := parse(everyKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ from, to, want string }{
		{"", "", "[]"},
		{"group: g", "group: h", "[{kafka.group false}]"},
		{"brokers: [a:9092,", "brokers: [c:9092,", "[{kafka.brokers false}]"},
		{"metrics: off", `metrics: ":9190"`, "[{listen.metrics false}]"},
		{"drain: 1m", "drain: 2m", "[{drain false}]"},
		{"log_level: debug", "log_level: warn", "[{log_level true}]"},
		{"requests: 1500/min", "requests: 1600/min", "[{workspaces.a.budget.requests true} {workspaces.b.budget.requests true}]"},
		{"requests: 1500/min", "requests: 25/s", "[]"},
		{"in_flight: 9", "in_flight: 10", "[{workspaces.b.in_flight true}]"},
		{"in_flight: 9", "max_in_flight: 40", "[{workspaces.b.in_flight true} {workspaces.b.max_in_flight true}]"},
		{"delete: 10/s", "delete: 11/s", "[{workspaces.a.budget.operations true} {workspaces.b.budget.operations true}]"},
		{"cost: 2.5", "cost: 2", "[{workspaces.a.budget.operations true} {workspaces.b.budget.operations true}]"},
		{"delete: 10/s", "delete: 600/min", "[]"},
		{"identify: 30s", "identify: off", "[{workspaces.a.dedup.identify true} {workspaces.b.dedup.identify true}]"},
		{"content: 5s", "content: 5000ms", "[]"},
		{"{event_id: off}", "{}", "[{workspaces.hook.dedup.event_id true}]"},
		{"reach: 500/s", "reach: 501/s", "[{kafka.reach false}]"},
		{"remain: true", "remain: false", "[{kafka.remain false}]"},
		{"failures: 4", "failures: 5", "[{workspaces.a.breaker.failures true} {workspaces.b.breaker.failures true}]"},
		{"api_key: k$$1$x", "api_key: other", "[{workspaces.a.api_key true} {workspaces.b.api_key true}]"},
		{"Bearer ${KEY}", "Bearer x", "[{workspaces.hook.headers true}]"},
		{"rejects: [404, 410]", "rejects: [404]", "[{workspaces.hook.rejects true}]"},
		{"url: https://hooks", "url: https://hook", "[{workspaces.hook.url true}]"},
		{"in_flight: 9", "region: eu", "[{workspaces.b.region false} {workspaces.b.in_flight false}]"},
		{"retention: 1d12h", "retention: 2d", "[{streams.huge.retention false}]"},
		{"partitions: 3-5, workspace: b", "partitions: 3-5, workspace: a", "[{streams.huge.routes false}]"},
		{"\nstreams:\n", "\n  new: {sink: webhook, url: 'http://127.0.0.1:1/'}\nstreams:\n  n: {workspace: new}\n", "[{workspaces.new false} {streams.n false}]"},
	} {
		after, err := parse(strings.Replace(everyKey, tc.from, tc.to, 1))
		if err != nil {
			t.Fatalf("%s: %v", tc.to, err)
		}
		running, changes := before.Reload(after)
		if have := fmt.Sprint(changes); have != tc.want {
			t.Errorf("%s: want %s, have %s", tc.to, tc.want, have)
		}
		if _, left := running.Reload(after); len(left) != count(changes, false) {
			t.Errorf("%s: want what is not live left over, have %v", tc.to, left)
		}
		if _, back := after.Reload(before); len(back) != len(changes) {
			t.Errorf("%s: want as many changes on the way back, have %v", tc.to, back)
		}
	}
}

func count(changes []config.Change, live bool) int {
	n := 0
	for _, c := range changes {
		if c.Live == live {
			n++
		}
	}
	return n
}

func TestSameSink(t *testing.T) {
	t.Parallel()
	read := func(from, to string) config.Workspace {
		cfg, err := parse(strings.Replace(everyKey, from, to, 1))
		if err != nil {
			t.Fatal(err)
		}
		w, _ := cfg.Workspace("a")
		return w
	}
	a := read("", "")
	for _, tc := range []struct {
		from, to   string
		sink, same bool
	}{
		{"", "", true, true},
		{"requests: 1500/min", "requests: 1/s", true, false},
		{"base: 2s", "base: 3s", true, false},
		{"api_key: k$$1$x", "api_key: other", false, false},
		{"timeout: 8s", "timeout: 9s", false, false},
		{"in_flight: 9", "in_flight: 10", true, true}, // of b
	} {
		w := read(tc.from, tc.to)
		if a.SameSink(w) != tc.sink || a.Same(w) != tc.same {
			t.Errorf("%s: want %v and %v, have %v and %v", tc.to, tc.sink, tc.same, a.SameSink(w), a.Same(w))
		}
	}
}
