package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/partition/embedded"
)

const testKey = "hunter2-key"

// outcome is what one command line came to.
type outcome struct {
	code     int
	out, err string
}

// last decodes the last line of standard output.
func (o outcome) last(t *testing.T, into any) {
	t.Helper()
	lines := strings.Split(strings.TrimRight(o.out, "\n"), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), into); err != nil {
		t.Fatalf("last line of stdout: %v\n%s\n%s", err, o.out, o.err)
	}
}

// sluice runs one command line in this process, with input on stdin.
func sluice(t *testing.T, input string, args ...string) outcome {
	t.Helper()
	return sluiceUntil(t.Context(), input, args...)
}

func sluiceUntil(ctx context.Context, input string, args ...string) outcome {
	var out, err bytes.Buffer
	sh := &shell{
		in: strings.NewReader(input), out: &out, err: &err, read: readSecret,
		lookup: func(name string) (string, bool) { return testKey, name == "KEY" },
	}
	code := sh.execute(ctx, args)
	return outcome{code: code, out: out.String(), err: err.String()}
}

// write puts a file into a folder of the test's own and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// configFor writes a configuration with one stream of 6 partitions, purchases.
func configFor(t *testing.T, broker string) string {
	t.Helper()
	return write(t, "sluice.yaml", `kafka: {brokers: ["`+broker+`"], group: tests}
listen: {metrics: off, actions: off}
workspaces:
  acme-us: {sink: customerio, region: us, site_id: site, api_key: "${KEY}"}
  acme-eu: {sink: customerio, region: eu, site_id: site, api_key: "${KEY}"}
  hook: {sink: webhook, url: "https://hooks.example.com/in"}
streams:
  purchases: {workspace: acme-us, partitions: 6, replication: 1}
  split: {partitions: 6, replication: 1, residency: eu, routes: [{partitions: 0-5, workspace: acme-eu}]}
  hooked: {workspace: hook, partitions: 6, replication: 1}
`)
}

// kafka starts a broker and writes a configuration for it.
func kafka(t *testing.T) (config string) {
	t.Helper()
	broker, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return configFor(t, broker.Addrs()[0])
}

// kafkaWithTopics is kafka with the streams' topics applied.
func kafkaWithTopics(t *testing.T) (config string) {
	t.Helper()
	config = kafka(t)
	if o := sluice(t, "", "topics", "apply", "--force", "-c", config); o.code != exitDone {
		t.Fatalf("topics apply: exit %d\n%s", o.code, o.err)
	}
	return config
}
