package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDevRefuses tells what dev does not begin at all.
func TestDevRefuses(t *testing.T) {
	t.Parallel()
	_, url := destination(t)
	config := realConfig(t, url)
	hook := write(t, "hook.yaml", `listen: {metrics: off, actions: off}
workspaces: {hook: {sink: webhook, url: "https://hooks.example.com/in"}}
streams: {hooked: {workspace: hook, partitions: 1}}
`)
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rehearsed := filepath.Join(t.TempDir(), "rehearsed")
	if err := startDev(t, "-c", config, "--data", rehearsed).stop(); err != nil {
		t.Fatal(err)
	}
	used := filepath.Join(t.TempDir(), "used")
	user := startDev(t, "-c", config, "--data", used)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--demo", "--data", used}, "leave out --data"},
		{[]string{"--demo", "-c", config}, "leave out -c"},
		{[]string{"-c", config, "--allow-real"}, "--allow-real needs --data DIR"},
		{[]string{"--data", t.TempDir(), "--allow-real"}, "--allow-real needs -c FILE"},
		{[]string{"-c", hook}, "--data DIR --allow-real"},
		{[]string{"-c", config, "--data", foreign}, "not sluice's"},
		{[]string{"-c", config, "--data", used}, "in use by another process"},
		{[]string{"-c", config, "--data", rehearsed, "--allow-real"}, "made for rehearsal events"},
	} {
		args := append([]string{"dev", "--kafka", "127.0.0.1:0", "--simulator", "127.0.0.1:0", "--log-level", "error"}, tc.args...)
		ended, cancel := context.WithCancel(t.Context())
		cancel() // should it begin, it ends at once
		o := sluiceUntil(ended, "", args...)
		if o.code != exitUsage || !strings.Contains(o.err, tc.want) || o.out != "" {
			t.Errorf("%v: want exit 2 and %q, have %d\n%s%s", tc.args, tc.want, o.code, o.out, o.err)
		}
		if strings.Contains(o.err, testKey) {
			t.Errorf("%v: shows the key", tc.args)
		}
	}
	if err := user.stop(); err != nil {
		t.Errorf("want the one that used the folder unharmed, have %v", err)
	}
}

// TestRehearsalReachesNobody: with a folder and without --allow-real the
// configured destination is never asked, and a restart still knows the events.
func TestRehearsalReachesNobody(t *testing.T) {
	t.Parallel()
	sim, url := destination(t)
	args := []string{"-c", realConfig(t, url), "--data", filepath.Join(t.TempDir(), "data")}
	p := startDev(t, args...)
	input := write(t, "in.ndjson", `{"user":"42","event":"purchase","data":{"total":1}}`+"\n")
	at := strings.Replace(readFile(t, args[1]), "{group: kill,", `{brokers: ["`+p.kafka+`"], group: kill,`, 1)
	if o := sluice(t, "", "produce", "events", input, "-c", write(t, "at.yaml", at)); o.code != exitDone {
		t.Fatalf("produce: exit %d\n%s", o.code, o.err)
	}
	settled := func() (n int64) {
		for _, c := range committed(t, p.kafka) {
			n += c.Offset
		}
		return n
	}
	until(t, "the event to be settled", func() bool { return settled() == 1 })
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	p = startDev(t, args...)
	if have := settled(); have != 1 {
		t.Errorf("after a restart: want the commit of 1 event, have %d", have)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if n := sim.Stats().Requests; n != 0 {
		t.Errorf("want the configured destination left alone, have %d requests", n)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
