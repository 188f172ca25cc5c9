package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"sluice/partition/embedded"
)

// secretsOf are what must be seen nowhere: from the environment, from a file,
// and written into the configuration itself.
func secretsOf() []string {
	return []string{testKey, "hunter2-from-a-file", "hunter2-in-the-url", "hunter2-in-the-header", "hunter2-of-the-proxy", "hunter2-password", "hunter2-of-the-shop", "hunter2-of-the-webhook", "hunter2-in-the-query"}
}

// secretConfigs are a right configuration and a wrong one, both full of
// secrets. The destination of the right one gives away in its answers all that
// it is told.
func secretConfigs(t *testing.T) (right, wrong string) {
	t.Helper()
	blabbing := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(rw, r.URL.String()+" is not for "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(blabbing.Close)
	broker, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	file := write(t, "key", "hunter2-from-a-file\n")
	right = write(t, "right.yaml", `kafka:
  brokers: ["`+broker.Addrs()[0]+`"]
  group: secrets
listen: {metrics: "127.0.0.1:0", actions: "127.0.0.1:0"}
workspaces:
  acme: {sink: customerio, region: us, site_id: site, api_key: "${KEY}", base_url: "`+blabbing.URL+`"}
  filed: {sink: customerio, region: us, site_id: site, api_key: "file:`+file+`", base_url: "`+blabbing.URL+`"}
  hook: {sink: webhook, url: "`+blabbing.URL+`/hunter2-in-the-url", headers: {Authorization: "Bearer hunter2-in-the-header"}}
streams:
  purchases: {workspace: acme, partitions: 2, replication: 1}
  filed: {workspace: filed, partitions: 2, replication: 1}
  hooked: {workspace: hook, partitions: 2, replication: 1}
gateway:
  listen: "127.0.0.1:0"
  credentials:
    - {site_id: shop, api_key: hunter2-of-the-shop, stream: purchases}
    - {site_id: keyed, api_key: "${KEY}", stream: filed}
  webhooks:
    reports: {stream: hooked, scheme: customerio, secrets: [hunter2-of-the-webhook, "file:`+file+`"]}
    asked: {stream: hooked, scheme: token, secrets: [hunter2-in-the-query], token: {query: token}}
`)
	wrong = write(t, "wrong.yaml", `kafka: {brokers: [], sasl: {mechanism: PLAIN, username: u, password: hunter2-password, pasword: hunter2-password}}
workspaces:
  a: {sink: customerio, region: us, site_id: "${KEY}:", api_key: [`+testKey+`]}
  b: {sink: webhook, url: "gopher://user:${KEY}@host/hunter2-in-the-url", headers: {Authorization: "Bearer ${KEY}\n", "X Y": "hunter2-in-the-header"}}
  c: {sink: customerio, region: us, site_id: s, api_key `+testKey+`}
  d: {sink: customerio, region: us, site_id: s, api_key: "file:`+file+`", proxy: "ftp://u:hunter2-of-the-proxy@p"}
streams:
  s: {workspace: a}
  t: {workspace: b}
gateway:
  credentials: [{site_id: "s:", api_key: hunter2-of-the-shop, stream: z}, {site_id: s, api_key hunter2-of-the-shop}]
  webhooks:
    reports: {stream: s, scheme: hmac, secrets: hunter2-of-the-webhook}
    other: {stream: s, scheme: hmac, secrets: [hunter2-of-the-webhook], signature: {header: X, key_encoding: hex}}
`)
	return right, wrong
}

// secretArgs says how each command is called by TestNoCommandShowsASecret; one
// without an entry fails there.
func secretArgs(t *testing.T) map[string][]string {
	t.Helper()
	folder := t.TempDir()
	input := write(t, "in.ndjson", `{"user":"1","event":"a"}`+"\n")
	return map[string][]string{
		"sluice run":               {"--log-level debug"},
		"sluice dev":               {"--kafka 127.0.0.1:0 --simulator 127.0.0.1:0 --gateway 127.0.0.1:0", "--kafka 127.0.0.1:0 --allow-real --log-level debug --data " + filepath.Join(folder, "dev")},
		"sluice simulate":          {"--listen 127.0.0.1:0 --key site:" + testKey + " --log-level debug", "--key site:" + testKey + " --region moon"},
		"sluice produce":           {"purchases " + input, "hooked " + input + " -o json", "filed " + input, "purchases nofile"},
		"sluice send":              {input + " --workspace acme", input + " --workspace filed -o json", input + " --workspace hook --log-level debug", "nofile --workspace acme"},
		"sluice check":             {"--input " + input + " --sim http://127.0.0.1:1 --stream purchases"},
		"sluice topics plan":       {"--force", "-o json"},
		"sluice topics apply":      {"--force", "--force -o json", ""},
		"sluice topics check":      {"--force", "-o json"},
		"sluice topics acls":       {"", "-o json"},
		"sluice config check":      {"", "-o json", "--log-level debug"},
		"sluice config show":       {"", "-o json"},
		"sluice config init":       {"--brokers localhost:9092 --workspace a --url https://x:" + testKey + "@example.com/ --stream s --to " + filepath.Join(folder, "new.yaml")},
		"sluice config schema":     {""},
		"sluice config docs":       {""},
		"sluice dead ls":           {"purchases", "purchases -o json"},
		"sluice dead show":         {"purchases 0/0 --payload"},
		"sluice dead redrive":      {"purchases", "purchases --all --yes -o json"},
		"sluice dead export":       {"purchases"},
		"sluice dead drop":         {"purchases", "purchases --all --yes --why x"},
		"sluice replay plan":       {"purchases --since start", "hooked --since 1h -o json", "filed --offsets 0- --shard 0 --to filed"},
		"sluice replay start":      {"purchases --since start --to simulator", "purchases --since start --to simulator:http://127.0.0.1:1", "hooked --since start --yes -o json", "filed --since start"},
		"sluice replay ls":         {"", "-o json"},
		"sluice replay status":     {"01JD5ZC3W8F9N3V0Y5B6Q7R8ST", "R8ST -v -o json"},
		"sluice replay pause":      {"R8ST"},
		"sluice replay resume":     {"R8ST"},
		"sluice replay cancel":     {"R8ST -o json"},
		"sluice deferred ls":       {"purchases", "hooked --user 1 -o json"},
		"sluice deferred cancel":   {"purchases --user 1", "hooked --rule r --yes -o json"},
		"sluice deferred withdraw": {"R8ST"},
		"sluice rules check":       {"", "-o json", "--sample " + input + " --stream purchases", "--sample " + input + " --stream hooked -o json"},
		"sluice rules simulate":    {input + " --stream purchases", input + " --stream filed -o json", input + " --stream hooked --svg " + filepath.Join(folder, "chart.svg"), "nofile"},
		"sluice group ls":          {"", "-o json"},
		"sluice group describe":    {"", "-o json"},
		"sluice group reset":       {"--stream purchases --to start", "--stream hooked --to end --yes -o json"},
		"sluice shard resume":      {"purchases 1 --at start", "hooked all --at start -o json"},
		"sluice route":             {"purchases 1", "hooked 1 -o json"},
		"sluice version":           {""},
		"sluice doctor":            {"--force", "--force -o json"},
		"sluice health":            {"", "-o json"},
		"sluice man":               {filepath.Join(folder, "man")},
		"sluice completion":        {"bash"},
	}
}

// TestNoCommandShowsASecret greps all that every command says, logs and answers
// about a configuration, right or wrong, with a destination that gives its
// caller's credentials away.
func TestNoCommandShowsASecret(t *testing.T) {
	t.Parallel()
	right, wrong := secretConfigs(t)
	known := secretArgs(t)
	if o := sluice(t, "", "topics", "apply", "--force", "-c", right); o.code != exitDone {
		t.Fatalf("topics apply: %d %s", o.code, o.err)
	}
	for _, stream := range []string{"purchases", "filed", "hooked"} { // for run to be refused with
		if o := sluice(t, `{"user":"1","event":"a"}`, "produce", stream, "-", "-c", right); o.code != exitDone {
			t.Fatalf("produce: %d %s", o.code, o.err)
		}
	}
	var leaves []string
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if len(c.Commands()) == 0 && c.Runnable() {
			leaves = append(leaves, c.CommandPath())
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRoot(&shell{}))
	for _, path := range leaves {
		lines, ok := known[path]
		if !ok {
			t.Errorf("%s is not tried: add how it is called", path)
		}
		for _, config := range []string{right, wrong} {
			for _, line := range lines {
				t.Run(filepath.Base(config)+" "+path+" "+line, func(t *testing.T) {
					t.Parallel()
					args := append(strings.Fields(strings.TrimPrefix(path, "sluice ")+" "+line), "-c", config)
					shown := saidBy(t, args, config == right)
					for _, secret := range secretsOf() {
						if strings.Contains(shown, secret) {
							t.Errorf("%s is shown:\n%s", secret, shown)
						}
					}
				})
			}
		}
	}
}

// saidBy is all that a command writes. One that serves is asked for its metrics
// and health, told to reload, and stopped once it has something to say; with a wrong configuration none serves.
func saidBy(t *testing.T, args []string, serves bool) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	said, hangups := newTranscript(), make(chan os.Signal, 1)
	sh := &shell{
		in: strings.NewReader(""), out: said, err: said, read: readSecret,
		lookup:  func(name string) (string, bool) { return testKey, name == "KEY" },
		hangups: func() (<-chan os.Signal, func()) { return hangups, func() {} },
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sh.execute(ctx, args)
	}()
	answers := ""
	switch {
	case args[0] == "simulate" && slices.Contains(args, "--listen"): // it reads no configuration
		said.await(t, nil, "answers on")
		stop()
	case !serves:
	case args[0] == "run":
		for _, workspace := range []string{"acme", "filed", "hook"} {
			said.await(t, nil, "refuses this workspace", `"`+workspace+`"`)
		}
		for _, path := range []string{"/metrics", "/health", "/readyz", "/shards/stopped", "/balance"} {
			answers += askAll(t, said.String(), path)
		}
		hangups <- syscall.SIGHUP
		said.await(t, nil, "configuration reloaded")
		stop()
	case args[0] == "dev":
		said.await(t, nil, "listening", "actions")
		stop()
	}
	<-ended
	return said.String() + answers
}

// askAll asks every listener that a log names for a page.
func askAll(t *testing.T, log, path string) string {
	t.Helper()
	var all strings.Builder
	for line := range strings.Lines(log) {
		_, rest, listens := strings.Cut(line, `"address":"`)
		address, _, _ := strings.Cut(rest, `"`)
		if !listens {
			continue
		}
		all.WriteString(page(t, "http://"+address+path))
	}
	if all.Len() == 0 {
		t.Fatalf("nothing answers %s:\n%s", path, log)
	}
	return all.String()
}
