package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigShow(t *testing.T) {
	t.Parallel()
	config := configFor(t, "127.0.0.1:1")
	o := sluice(t, "", "config", "show", "-c", config)
	again := write(t, "shown.yaml", strings.ReplaceAll(o.out, `"[redacted]"`, "https://hooks.example.com/in"))
	if o.code != exitDone || !strings.Contains(o.out, `api_key: "${KEY}"`) || !strings.Contains(o.out, "session_timeout: 6s") {
		t.Errorf("have %d\n%s%s", o.code, o.out, o.err)
	}
	if second := sluice(t, "", "config", "show", "-c", again); second.out != o.out {
		t.Errorf("what is shown reads as something else:\n%s%s", second.out, second.err)
	}
	var shown struct {
		Workspaces map[string]struct {
			APIKey string `json:"api_key"`
			Budget struct{ Requests string }
		}
	}
	o = sluice(t, "", "config", "show", "-c", config, "-o", "json")
	if o.last(t, &shown); shown.Workspaces["acme-us"].APIKey != "${KEY}" || shown.Workspaces["hook"].Budget.Requests != "80/s" {
		t.Errorf("have %s", o.out)
	}
}

func TestConfigSchemaAndDocs(t *testing.T) {
	t.Parallel()
	var schema struct{ Properties map[string]any }
	o := sluice(t, "", "config", "schema", "-o", "json")
	if o.last(t, &schema); len(schema.Properties) < 6 || strings.Count(o.out, "\n") != 1 {
		t.Errorf("have %d properties in %d lines", len(schema.Properties), strings.Count(o.out, "\n"))
	}
	path := filepath.Join(t.TempDir(), "s.json")
	if o := sluice(t, "", "config", "schema", "--to", path); o.code != exitDone || !strings.Contains(o.out, path) {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	written, err := os.ReadFile(path)
	if printed := sluice(t, "", "config", "schema").out; err != nil || string(written) != printed || !json.Valid(written) {
		t.Errorf("the written schema is another than the printed one: %v", err)
	}
	if o := sluice(t, "", "config", "docs"); !strings.Contains(o.out, "| `in_flight` | whole number, 1 to 256 | `15` | yes |") {
		t.Errorf("have\n%s", o.out)
	}
}

func TestConfigInit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new.yaml")
	args := []string{"config", "init", "--brokers", "localhost:9092", "--workspace", "acme-us", "--region", "us", "--stream", "events", "--to", path}
	o := sluice(t, "", args...)
	if o.code != exitDone || !strings.Contains(o.out, "export ACME_US_API_KEY=") || !strings.Contains(o.out, "sluice run -c "+path) {
		t.Fatalf("have %d\n%s%s", o.code, o.out, o.err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if o := sluice(t, "", "config", "check", "-c", path); o.code != exitUsage || !strings.Contains(o.err, "ACME_US_API_KEY is not set") {
		t.Errorf("want the variable asked for, have %d %s", o.code, o.err)
	}
	ready := write(t, "ready.yaml", strings.NewReplacer("${ACME_US_API_KEY}", "${KEY}", "${ACME_US_SITE_ID}", "site").Replace(string(first)))
	if o := sluice(t, "", "config", "check", "-c", ready); o.code != exitDone {
		t.Errorf("have %d %s", o.code, o.err)
	}
	args = append(args, "--stream", "other")
	if o := sluice(t, "", args...); o.code != exitUsage || !strings.Contains(o.err, "--force") {
		t.Errorf("want an existing file left alone, have %d %s", o.code, o.err)
	}
	if same, err := os.ReadFile(path); err != nil || !bytes.Equal(same, first) {
		t.Errorf("the existing file was changed: %v", err)
	}
	var report initReport
	o = sluice(t, "", append(args, "--force", "-o", "json")...)
	if o.last(t, &report); report.File != path || len(report.Variables) != 2 {
		t.Errorf("have %s", o.out)
	}
	if changed, err := os.ReadFile(path); err != nil || !strings.Contains(string(changed), "  other:") {
		t.Errorf("--force did not replace the file: %v", err)
	}
}

func TestConfigInitAsks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new.yaml")
	var out, errs bytes.Buffer
	sh := &shell{
		in: strings.NewReader("\nacme\nclay\nwebhook\nhttps://example.com/in?key=" + testKey + "\n\n"), out: &out, err: &errs, asks: true,
		read: readSecret, lookup: func(string) (string, bool) { return "", false },
	}
	if code := sh.execute(t.Context(), []string{"config", "init", "--to", path}); code != exitDone {
		t.Fatalf("exit %d\n%s", code, errs.String())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"sink: webhook", "url: ${ACME_URL}", "  events:", "localhost:9092"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("want %s in\n%s", want, text)
		}
	}
	if !strings.Contains(errs.String(), "please write customerio or webhook") {
		t.Errorf("want a wrong answer asked again, have\n%s", errs.String())
	}
	if shown := out.String() + errs.String() + string(text); strings.Contains(shown, testKey) {
		t.Errorf("the key is shown:\n%s", shown)
	}
	sh.in = strings.NewReader("localhost:9092\n")
	if code := sh.execute(t.Context(), []string{"config", "init", "--to", path + "2"}); code != exitUsage {
		t.Errorf("want exit 2 when the answers end, have %d", code)
	}
}
