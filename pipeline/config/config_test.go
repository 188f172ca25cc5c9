package config_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/event"
	"sluice/pipeline/guard"
	"sluice/sink/budget"
)

const secretKey = "hunter2-key"

// surroundings is what a test's file may refer to.
func surroundings() (config.LookupFunc, config.ReadFunc) {
	env := map[string]string{
		"SITE": "site-1", "KEY": secretKey, "EMPTY": "", "PORT": "9443", "HOOK_URL": "https://hooks.example.com/in", "EVIL": "x}, evil {[\n- # moon", "LOOKS_LIKE_FILE": "file:/key",
	}
	files := map[string]string{"/key": secretKey + "\n", "/crlf": secretKey + "\r\n", "/huge": strings.Repeat("k", 65<<10)}
	lookup := func(name string) (string, bool) { value, ok := env[name]; return value, ok }
	read := func(path string) ([]byte, error) {
		if content, ok := files[path]; ok {
			return []byte(content), nil
		}
		return nil, fmt.Errorf("open %s: %w", path, os.ErrNotExist)
	}
	return lookup, read
}

func parse(text string) (config.Config, error) {
	lookup, read := surroundings()
	return config.Parse(strings.NewReader(text), lookup, read)
}

const smallest = `
kafka: {brokers: [localhost:9092]}
workspaces:
  acme-us: {sink: customerio, region: us, site_id: ${SITE}, api_key: ${KEY}}
  acme-eu: {sink: customerio, region: eu, site_id: ${SITE}, api_key: file:/key}
streams:
  events-us: {workspace: acme-us}
  events-eu: {workspace: acme-eu, residency: eu}
`

func TestSmallestFileHasTheDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := parse(smallest)
	if err != nil {
		t.Fatal(err)
	}
	if want := partition.DefaultConfig().SessionTimeout; cfg.Kafka.SessionTimeout != want {
		t.Errorf("session timeout: want %v, have %v", want, cfg.Kafka.SessionTimeout)
	}
	if want := "127.0.0.1:9091"; cfg.Listen.Actions != want || cfg.Kafka.AdminAddr != want {
		t.Errorf("actions: want %s, have %s, advertised as %s", want, cfg.Listen.Actions, cfg.Kafka.AdminAddr)
	}
	w, ok := cfg.Workspace("acme-eu")
	if !ok || w.Customerio.APIKey != secretKey || w.Customerio.SiteID != "site-1" || w.Region != "eu" || w.Customerio.Region != "eu" {
		t.Errorf("acme-eu: want its credentials and region, have %v", ok)
	}
	if !w.Budget.Equal(budget.DefaultConfig()) || w.InFlight != 15 || w.MaxInFlight != 100 || w.BatchItems != 100 || w.Breaker.ProbeAfter != 30*time.Second {
		t.Errorf("acme-eu: want the defaults, have budget %v, in flight %d, batch %d", w.Budget, w.InFlight, w.BatchItems)
	}
	if w.Dedup != guard.DefaultRules() || w.Dedup.LaterToo || w.Dedup.Content != 0 {
		t.Errorf("acme-eu: want the default guards, have %+v", w.Dedup)
	}
	s, ok := cfg.Stream("events-eu")
	want := config.Stream{
		Name: "events-eu", Topic: "events-eu", Partitions: 48, Replication: 3, Retention: 7 * 24 * time.Hour,
		Residency: "eu", Routes: []config.Route{{From: 0, To: 47, Workspace: "acme-eu"}},
	}
	if have := fmt.Sprintf("%+v", s); !ok || have != fmt.Sprintf("%+v", want) {
		t.Errorf("stream:\nwant %+v\nhave %s", want, have)
	}
}

const everyKey = `
kafka:
  brokers: [a:9092, "b:${PORT}"]
  client_id: c
  group: g
  instance: i
  remain: true
  reach: 500/s
  region: eu-west
  session_timeout: 9s
  rebalance_timeout: 20s
  heartbeat: 2s
  commit_every: 250ms
  lease: 4s
  drain: 2s
  shard_records: 1000
  max_bytes: 32MiB
  fetch_bytes: 128KiB
  fetch_wait: 100ms
listen: {metrics: off, actions: ":9191", advertise: "pod-1:9191"}
log_level: debug
drain: 1m
workspaces:
  a: &a
    sink: customerio
    region: us
    site_id: s
    api_key: k$$1$x
    base_url: http://127.0.0.1:8090
    allow_cross_region: rehearsal against the simulator
    budget: {requests: 1500/min, events: unlimited, operations: {delete: 10/s, merge: {rate: 1/10s, cost: 2.5}, page: {cost: 3}}}
    in_flight: 7
    max_in_flight: 50
    max_batch_items: 50
    breaker: {failures: 4, probe_after: 10s, successes: 2}
    retry: {base: 2s, cap: 1m}
    dedup: {identify: 30s, identify_later: true, event_id: 10m, content: 5s}
    timeout: 8s
    connect_timeout: 3s
    max_conns: 60
    idle_conns: 10
    idle_for: 20s
  b:
    <<: *a
    in_flight: 9
  hook:
    sink: webhook
    url: https://hooks.example.com/in
    method: PUT
    headers: {Authorization: "Bearer ${KEY}"}
    rejects: [404, 410]
    dedup: {event_id: off}
streams:
  huge:
    topic: volume
    partitions: 6
    replication: 1
    retention: 1d12h
    routes: [{partitions: 3-5, workspace: b}, {partitions: 0-1, workspace: a}, {partitions: "2", workspace: hook}]
`

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	cfg, err := parse(everyKey)
	if err != nil {
		t.Fatal(err)
	}
	k := cfg.Kafka
	want := partition.DefaultConfig()
	want.Brokers, want.ClientID, want.Group, want.Instance, want.Region = []string{"a:9092", "b:9443"}, "c", "g", "i", "eu-west"
	want.SessionTimeout, want.RebalanceTimeout, want.Heartbeat = 9*time.Second, 20*time.Second, 2*time.Second
	want.CommitEvery, want.Lease, want.Drain = 250*time.Millisecond, 4*time.Second, 2*time.Second
	want.ShardRecords, want.MaxBytes, want.FetchBytes, want.FetchWait = 1000, 32<<20, 128<<10, 100*time.Millisecond
	want.AdminAddr, want.Remain, want.Reach = "pod-1:9191", true, 500
	if have := fmt.Sprintf("%+v", k); have != fmt.Sprintf("%+v", want) {
		t.Errorf("kafka:\nwant %+v\nhave %s", want, have)
	}
	if cfg.Listen.Metrics != "" || cfg.Listen.Actions != ":9191" || cfg.Drain != time.Minute || cfg.LogLevel != "debug" {
		t.Errorf("listen and drain: have %+v, %v", cfg.Listen, cfg.Drain)
	}
	a, _ := cfg.Workspace("a")
	wantBudget := budget.Config{Requests: 25, Calls: []budget.Call{
		{Name: "delete", Bits: 1 << event.OpDelete, Rate: 10},
		{Name: "page", Bits: 1 << event.OpPage, Cost: 3},
		{Name: "merge", Bits: 1 << event.OpMerge, Rate: 0.1, Cost: 2.5},
	}}
	if a.Customerio.APIKey != "k$1$x" || !a.Budget.Equal(wantBudget) || a.InFlight != 7 || a.MaxInFlight != 50 || a.BatchItems != 50 {
		t.Errorf("a: have budget %v, in flight %d, batch %d", a.Budget, a.InFlight, a.BatchItems)
	}
	if have := fmt.Sprintf("%+v %+v %+v", a.Breaker, a.Retry, a.Customerio.HTTP); !strings.Contains(have, "Failures:4") ||
		!strings.Contains(have, "Base:2s Cap:1m0s") || !strings.Contains(have, "Connect:3s Attempt:8s MaxConns:60 IdleConns:10 IdleFor:20s") {
		t.Errorf("a: have %s", have)
	}
	if want := (guard.Rules{Identify: 30 * time.Second, LaterToo: true, EventID: 10 * time.Minute, Content: 5 * time.Second}); a.Dedup != want {
		t.Errorf("a: want %+v, have %+v", want, a.Dedup)
	}
	if b, _ := cfg.Workspace("b"); b.InFlight != 9 || b.BatchItems != 50 || b.Customerio.Workspace != "b" {
		t.Errorf("b: want a's keys and an in_flight of its own, have %d and %d", b.InFlight, b.BatchItems)
	}
	hook, _ := cfg.Workspace("hook")
	if hook.Webhook.Headers["Authorization"] != "Bearer "+secretKey || hook.Webhook.Method != http.MethodPut || fmt.Sprint(hook.Webhook.Rejects) != "[404 410]" || hook.BatchItems != 1 {
		t.Error("hook: want its headers, method and rejects")
	}
	if hook.Dedup.EventID != 0 || hook.Dedup.Content != 0 {
		t.Errorf("hook: want event_id off and content as ever, have %+v", hook.Dedup)
	}
	huge, _ := cfg.Stream("huge")
	for partition, want := range []string{"a", "a", "hook", "b", "b", "b"} {
		if have, ok := huge.Route(int32(partition)); !ok || have != want {
			t.Errorf("route of partition %d: want %s, have %s", partition, want, have)
		}
	}
	if _, ok := huge.Route(6); ok || huge.DeadTopic() != "volume.dead" || huge.Retention != 36*time.Hour {
		t.Errorf("huge: have %+v", huge)
	}
}

// TestActionsOnEveryInterface: an address without a host is one to listen on,
// and no fault of an advertised address that nobody wrote.
func TestActionsOnEveryInterface(t *testing.T) {
	t.Parallel()
	cfg, err := parse("listen: {actions: \":9191\", metrics: \":9190\"}" + smallest)
	if err != nil || cfg.Listen.Actions != ":9191" {
		t.Errorf("have %q, %v", cfg.Listen.Actions, err)
	}
}

func TestNothingOutsideAddsKeys(t *testing.T) {
	t.Parallel()
	cfg, err := parse(strings.ReplaceAll(smallest, "${SITE}", "${EVIL}"))
	if w, _ := cfg.Workspace("acme-us"); err != nil || w.Customerio.APIKey != secretKey || w.Customerio.SiteID != "x}, evil {[\n- # moon" {
		t.Errorf("want the variable's text inside site_id alone, have site %q, %v", w.Customerio.SiteID, err)
	}
	cfg, err = parse(strings.ReplaceAll(smallest, "${KEY}", "${LOOKS_LIKE_FILE}"))
	if err != nil {
		t.Fatal(err)
	}
	if w, _ := cfg.Workspace("acme-us"); w.Customerio.APIKey != "file:/key" {
		t.Errorf("a variable's text must not name a file, have %q", w.Customerio.APIKey)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	cfg, err := parse(smallest + "  hooked: {workspace: hook}\n")
	_ = cfg
	if err == nil || strings.Contains(err.Error(), secretKey) {
		t.Fatalf("want a fault without the secret, have %v", err)
	}
	cfg, err = parse(smallest)
	if err != nil {
		t.Fatal(err)
	}
	secret := config.Secret(secretKey)
	text, err := secret.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), fmt.Sprintf("%+v", cfg.Workspaces), fmt.Sprintf("%#v", cfg.Workspaces),
		fmt.Sprintf("%v %+v %#v %s %q", secret, secret, secret, secret, secret), string(text),
	} {
		if strings.Contains(shown, secretKey) {
			t.Errorf("the key is shown in %s", shown)
		}
	}
	if secret.Reveal() != secretKey {
		t.Error("Reveal must return the secret itself")
	}
}

func TestTheSampleIsRead(t *testing.T) {
	t.Parallel()
	sample, err := os.Open("../../deploy/sluice.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sample.Close() }()
	set := func(string) (string, bool) { return "set", true }
	cfg, err := config.Parse(sample, set, func(string) ([]byte, error) { return []byte("set"), nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Workspaces) < 3 || len(cfg.Streams) < 3 {
		t.Errorf("the sample shows too little: %v", cfg)
	}
	_, err = config.Parse(sample, set, nil)
	if faults, ok := errors.AsType[*config.Error](err); !ok || faults.File != sample.Name() {
		t.Errorf("want a fault that begins with the file's name, have %v", err)
	}
}

// Who sends without Kafka needs workspaces alone; whatever else is written is
// judged as ever.
func TestParseDirectNeedsNoStreams(t *testing.T) {
	t.Parallel()
	const head = "workspaces:\n  a: {sink: customerio, region: us, site_id: s, api_key: k}\n"
	lookup := func(string) (string, bool) { return "", false }
	cfg, err := config.ParseDirect(strings.NewReader(head), lookup, nil)
	if err != nil || len(cfg.Workspaces) != 1 {
		t.Errorf("have %v, %v", cfg, err)
	}
	for text, want := range map[string]string{
		"kafka: {}\n":                            "has no workspaces",
		head + "streams:\n  s: {workspace: b}\n": `"b"`,
		head + "streems: {}\n":                   "streems",
	} {
		if _, err := config.ParseDirect(strings.NewReader(text), lookup, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}
