package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rehearse "sluice/pipeline/rehearsal"
)

// ruledConfig is a configuration whose workspace has rules, written by a test.
func ruledConfig(t *testing.T, list string) string {
	t.Helper()
	return write(t, "rules.yaml", `
kafka: {brokers: ["127.0.0.1:1"]}
workspaces:
  acme:
    sink: customerio
    region: us
    site_id: site
    api_key: "${KEY}"
    budget: {requests: 80/s, events: 1000/s}
    rules: `+list+`
  other: {sink: webhook, url: "http://127.0.0.1:1/"}
streams:
  messages: {workspace: acme, partitions: 12, order: class}
  hooks: {workspace: other}
`)
}

const rightRules = `
      - {name: receipts, match: {event: "order_*"}, priority: high}
      - {name: newsletter, match: {campaign_id: [42, 43], missing: [draft]}, rate: 1500/min, spread: {over: 3m, by: random}}
      - {name: digest, match: {event: digest}, at: {time: "Friday 13:00", zone: {field: data.timezone, default: Europe/Berlin}, spread: 10m}}
      - {name: sms, match: {event: sms}, rate: 5/s, quiet: "22:00-08:00"}
      - {name: manual, weight: 3, floor: 5%}
`

func TestRulesCheck(t *testing.T) {
	t.Parallel()
	path := ruledConfig(t, rightRules)
	o := sluice(t, "", "rules", "check", "-c", path)
	if o.code != exitDone {
		t.Fatalf("have %d\n%s%s", o.code, o.out, o.err)
	}
	for _, want := range []string{
		"workspace acme: 80/s requests, 1000/s events; from messages", "event is order_*", "priority high, weight 1, floor 0%",
		"campaign_id is 42 or 43, and draft is not there", "25/s (1500/min), one event every 40ms", "each at a time of its own in the 3m after it came, at random",
		"at the next Friday 13:00 on the clock of data.timezone (else Europe/Berlin)", "never from 22:00 to 08:00 UTC, which leaves 14h a day",
		"by the header class alone", "priority normal, weight 3, floor 5%", "waived", "kept among a user's events of this class alone, as stream messages asks",
		"it has no rules", "nothing looks wrong",
	} {
		if !strings.Contains(strings.Join(strings.Fields(o.out), " "), want) {
			t.Errorf("want %q, have\n%s", want, o.out)
		}
	}
	for line := range strings.Lines(o.out) {
		if len(line) > 101 {
			t.Errorf("want lines of at most 100 letters, have %q", line)
		}
	}
}

func TestRulesCheckFindsFaults(t *testing.T) {
	t.Parallel()
	path := ruledConfig(t, `
      - {name: all, match: {event: "*"}}
      - {name: one, match: {event: one}, rate: 5000/s}
`)
	var have rulesReport
	o := sluice(t, "", "rules", "check", "-c", path, "-o", "json")
	o.last(t, &have)
	findings := have.Workspaces[0].Findings
	if o.code != exitFailed || have.OK || len(findings) != 2 || !findings[0].Wrong || findings[0].Rule != "one" {
		t.Errorf("have %d %+v", o.code, have)
	}
	if o := sluice(t, "", "rules", "check", "-c", path); o.code != exitFailed || !strings.Contains(o.out, "! its match never decides: all before it") || !strings.Contains(o.out, "2 things look wrong") {
		t.Errorf("have %d\n%s", o.code, o.out)
	}
}

func TestRulesCheckTriesASample(t *testing.T) {
	t.Parallel()
	path := ruledConfig(t, rightRules)
	sample := write(t, "sample.ndjson", `{"user":"1","event":"order_paid","data":{"total":"hunter2"}}
{"user":"1","event":"digest","data":{"total":"hunter2"}}
{"user":"2","event":"mail","data":{"campaign_id":42}}
{"user":"3","event":"visit"}
unfit
`)
	var have rulesReport
	o := sluice(t, "", "rules", "check", "-c", path, "-o", "json", "--sample", sample, "--stream", "messages")
	o.last(t, &have)
	var counts []int
	for _, c := range have.Workspaces[0].Sample.Classes {
		counts = append(counts, c.Events)
	}
	absent := slices.IndexFunc(have.Workspaces[0].Findings, func(f rehearse.Finding) bool {
		return f.Rule == "digest" && f.Wrong && strings.Contains(f.What, "data.timezone")
	})
	if o.code != exitFailed || !slices.Equal(counts, []int{1, 1, 1, 1, 0, 0}) || have.Unread != 1 || absent < 0 || have.Workspaces[1].Sample != nil {
		t.Errorf("have %d, %v, %+v", o.code, counts, have)
	}
	if strings.Contains(o.out, "hunter2") {
		t.Errorf("want values masked, have %s", o.out)
	}
	text := sluice(t, "", "rules", "check", "-c", path, "--sample", sample, "--stream", "messages")
	if !strings.Contains(text.out, "line 3: ") || !strings.Contains(text.out, "sample: 4 events, 1 matched by no rule") || !strings.Contains(text.out, "! of the sample 1 line that is no event is left out") {
		t.Errorf("have\n%s%s", text.out, text.err)
	}
}

func TestRulesSimulate(t *testing.T) {
	t.Parallel()
	path := ruledConfig(t, rightRules)
	var lines strings.Builder
	for i := range 2000 {
		_, _ = fmt.Fprintf(&lines, `{"user":"%d","event":"mail","data":{"campaign_id":42}}`+"\n", i)
	}
	picture := filepath.Join(t.TempDir(), "mail.svg")
	args := []string{"rules", "simulate", "-", "-c", path, "--stream", "messages", "--at", "2026-11-27 12:30", "--svg", picture}
	var have rulesSimulation
	o := sluice(t, lines.String(), append(args, "-o", "json")...)
	o.last(t, &have)
	if o.code != exitDone || len(have.Workspaces) != 1 {
		t.Fatalf("have %d %s", o.code, o.err)
	}
	w := have.Workspaces[0]
	sum := 0
	for _, n := range w.Series.After {
		sum += n
	}
	if w.Before.Seconds > 3 || w.Before.Peak < 900 || w.After.Seconds < 170 || w.After.Seconds > 190 || w.After.Peak > 27 || sum != 2000 ||
		len(w.Classes) != 1 || w.Classes[0].Class != "newsletter" || w.Classes[0].Rate != "25/s" || w.After.First.Format("15:04") != "12:30" {
		t.Errorf("have %+v", w)
	}
	if drawn, err := os.ReadFile(picture); err != nil || !strings.Contains(string(drawn), "2,000 events of stream messages, sent to acme") {
		t.Errorf("have %v %.200s", err, drawn)
	}
	o = sluice(t, lines.String(), append(args, "--rate", "100/s", "--members", "3")...)
	for _, want := range []string{"2,000 events come to stream messages at 100/s, from 2026-11-27 12:30:00Z on", "without rules: done after 20s", "with rules: done after 3m", "newsletter  2,000", "█", "└┬"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("want %q, have %d\n%s%s", want, o.code, o.out, o.err)
		}
	}
}

// What would be a dead letter is told, and so is a line that is no event.
func TestRulesSimulateTellsWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	path := ruledConfig(t, rightRules)
	input := `{"user":"1","event":"mail"}` + "\n" + `{"user":"2","event":"mail","deliver_at":"2036-01-01T00:00:00Z"}` + "\nunfit\n"
	o := sluice(t, input, "rules", "simulate", "-", "-c", path, "--stream", "messages", "--at", "2026-11-27")
	if o.code != exitPart || !strings.Contains(o.out, "1 would be dead letters: deliver_at_too_far") || !strings.Contains(o.err, "1 line that is no event is left out") {
		t.Errorf("have %d\n%s%s", o.code, o.out, o.err)
	}
}

func TestRulesUsage(t *testing.T) {
	t.Parallel()
	path := ruledConfig(t, rightRules)
	input := write(t, "in.ndjson", `{"user":"1","event":"a"}`)
	empty := write(t, "empty.ndjson", "")
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"check --stream messages", exitUsage, "add --sample FILE"},
		{"check --sample " + input, exitUsage, "--stream NAME is needed"},
		{"check --sample nowhere --stream messages", exitUsage, "open the input"},
		{"check --sample " + empty + " --stream messages", exitFailed, "has no events"},
		{"simulate " + input, exitUsage, "--stream NAME is needed: " + path + " has messages, hooks"},
		{"simulate " + input + " --stream nope", exitUsage, "no stream is named"},
		{"simulate " + input + " --stream messages --rate fast", exitUsage, "--rate fast"},
		{"simulate " + input + " --stream messages --at once", exitUsage, "--at \"once\""},
		{"simulate " + input + " --stream messages --members 0", exitUsage, "--members must be 1 or more"},
		{"simulate " + input + " --stream messages --rate 1/s --at-once", exitUsage, "at-once"},
		{"simulate " + empty + " --stream messages", exitFailed, "has no events"},
		{"simulate " + input + " --stream messages --svg " + filepath.Join(t.TempDir(), "no", "where.svg"), exitFailed, "write the picture"},
	} {
		o := sluice(t, "", append(append([]string{"rules"}, strings.Fields(tc.args)...), "-c", path)...)
		if o.code != tc.code || !strings.Contains(o.err, tc.want) {
			t.Errorf("%s: want %d %q, have %d\n%s", tc.args, tc.code, tc.want, o.code, o.err)
		}
	}
}
