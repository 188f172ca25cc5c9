package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"sluice/partition/partitiontest"
	"sluice/pipeline/deadletters"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

const (
	private  = "hunter2-of-the-payload"
	bearer   = "hunter2-of-the-header"
	deadUser = "ada@example.com"
)

// graveyard makes a broker whose stream purchases has letters of two users, and
// writes a configuration for it.
func graveyard(t *testing.T) (config string, kafka *partitiontest.Cluster) {
	t.Helper()
	kafka = partitiontest.New(t, 6, "purchases", "purchases.held", "purchases.replay", "purchases.dead", "sluice.state")
	for n := range 12 {
		user := []string{deadUser, "42"}[n%2]
		var e event.Event
		e.Load(event.Record{
			Topic: "purchases", Partition: 1, Offset: int64(n), Key: []byte(user), Time: time.Now().Add(-time.Hour),
			Value:   fmt.Appendf(nil, `{"type":"person","action":"event","identifiers":{"id":%q},"name":"buy","attributes":{"n":%d,"note":%q}}`, user, n, private),
			Headers: []event.Header{{Key: "http-header-authorization", Value: []byte(bearer)}},
		}, "c")
		if n > 5 {
			e.Load(event.Record{
				Topic: "purchases", Offset: int64(n), Key: []byte(user), Time: time.Now().Add(-time.Hour),
				Value: fmt.Appendf(nil, `{"type":"person","action":"event","identifiers":{"id":%q},"name":"buy","attributes":{"n":%d,"note":%q}}`, user, n, private),
			}, "c")
		}
		letter := event.DeadLetter(&e, event.Death{
			Topic: "purchases.dead", Verdict: "rejected", Reason: "rejected", Detail: "no\x1b[31mred", Status: 400 + n%2*22, Attempts: 1,
			Workspace: "acme-us", Last: time.Now().Add(time.Duration(n-60) * time.Minute),
		})
		letter.Partition = int32(n % 2)
		kafka.Append(t, letter)
	}
	return configFor(t, kafka.ListenAddrs()[0]), kafka
}

// dead runs one command line of sluice dead.
func dead(t *testing.T, config string, args ...string) outcome {
	t.Helper()
	return deadUntil(t.Context(), config, args...)
}

func deadUntil(ctx context.Context, config string, args ...string) outcome {
	var out, errs bytes.Buffer
	sh := &shell{in: strings.NewReader(""), out: &out, err: &errs, read: readSecret, lookup: func(name string) (string, bool) { return testKey, name == "KEY" }}
	root := newRoot(sh)
	if !slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == "dead" }) {
		root.AddCommand(deadCommand(sh))
	}
	root.SetArgs(append(append([]string{"dead"}, args...), "-c", config))
	root.SetOut(&out)
	root.SetErr(&errs)
	err := root.ExecuteContext(ctx)
	if err != nil && !sh.begun {
		err = usage(err)
	}
	if err != nil {
		sh.complain(diagnosed(err))
	}
	return outcome{code: exitCode(err), out: out.String(), err: errs.String()}
}

func (o outcome) unseen(t *testing.T, secrets ...string) {
	t.Helper()
	for _, secret := range append(secrets, testKey, "\x1b") {
		if strings.Contains(o.out+o.err, secret) {
			t.Errorf("%q is seen:\n%s\n%s", secret, o.out, o.err)
		}
	}
}

func TestDeadList(t *testing.T) {
	t.Parallel()
	config, _ := graveyard(t)
	o := dead(t, config, "ls", "purchases", "--newest", "3")
	o.unseen(t, private, bearer)
	for _, want := range []string{"12 dead letters on purchases.dead", "status     422", "workspace  acme-us", "the newest 3 of 12", "sluice dead redrive purchases"} {
		if o.code != exitDone || !strings.Contains(o.out, want) {
			t.Errorf("want %q, have %d\n%s%s", want, o.code, o.out, o.err)
		}
	}
	var have deadListing
	o = dead(t, config, "ls", "purchases", "--status", "4xx", "--since", "58m30s", "--user", deadUser, "-o", "json")
	if o.last(t, &have); o.code != exitDone || have.Summary.Pending != 5 || len(have.Newest) != 5 || have.Newest[0].Died.Before(have.Newest[4].Died) {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	for _, v := range have.Newest {
		if v.User != deadUser || v.Status != 400 {
			t.Errorf("have %+v", v)
		}
	}
}

func TestDeadShow(t *testing.T) {
	t.Parallel()
	config, _ := graveyard(t)
	for _, format := range []string{outputText, outputJSON} {
		o := dead(t, config, "show", "purchases", "1/0", "-o", format)
		o.unseen(t, private, bearer)
		for _, want := range []string{"purchases/1/1", "422", "http-header-authorization", "sluice-attempts", "identifiers", "pending"} {
			if o.code != exitDone || !strings.Contains(o.out, want) {
				t.Errorf("%s: want %q, have %d\n%s%s", format, want, o.code, o.out, o.err)
			}
		}
		o = dead(t, config, "show", "purchases", "1/0", "--payload", "-o", format)
		if !strings.Contains(o.out, private) || !strings.Contains(o.out, bearer) {
			t.Errorf("%s: want all of it, have\n%s", format, o.out)
		}
	}
	var have deadShown
	dead(t, config, "show", "purchases", "1/0", "-o", "json").last(t, &have)
	var again deadShown
	if o := dead(t, config, "show", "purchases", strings.ToLower(have.Letter.ID), "-o", "json"); o.code != exitDone {
		t.Errorf("by id: have %d %s", o.code, o.err)
	} else if o.last(t, &again); again.Letter.Offset != 0 || again.Letter.Partition != 1 {
		t.Errorf("by id: have %+v", again)
	}
}

func TestDeadWrongUsage(t *testing.T) {
	t.Parallel()
	config, _ := graveyard(t)
	for _, tc := range []struct {
		line, want string
		code       int
	}{
		{"show purchases 7", "names no letter", exitUsage},
		{"show purchases x/y", "PARTITION/OFFSET", exitUsage},
		{"show purchases 1/99", "no such dead letter: purchases.dead has none at 1/99", exitFailed},
		{"show purchases 99/0", "purchases.dead has none at 99/0", exitFailed},
		{"show purchases 01JD5ZC3W8F9N3V0Y5B6Q7R8ST", "what there is: sluice dead ls purchases", exitFailed},
		{"ls nothing", "purchases", exitUsage},
		{"ls split", "topic split does not exist; create it with sluice topics apply", exitFailed},
		{"ls purchases --status 4", "422, 4xx or none", exitUsage},
		{"ls purchases --since yesterday", "2026-11-21", exitUsage},
		{"ls purchases --since 1h --until 2h", "before --until", exitUsage},
		{"ls purchases --newest 5000", "sluice dead export", exitUsage},
		{"redrive purchases --yes", "add --all", exitUsage},
		{"redrive purchases --all --status 4xx", "exclude each other", exitUsage},
		{"redrive purchases --rate fast", "80/s", exitUsage},
		{"drop purchases --all --yes", "--why", exitUsage},
	} {
		o := dead(t, config, strings.Fields(tc.line)...)
		if o.code != tc.code || !strings.Contains(o.err, tc.want) {
			t.Errorf("%s: want %d and %q, have %d %s", tc.line, tc.code, tc.want, o.code, o.err)
		}
	}
}

func TestDeadRedrive(t *testing.T) {
	t.Parallel()
	config, kafka := graveyard(t)
	o := dead(t, config, "redrive", "purchases")
	o.unseen(t, private, bearer)
	for _, want := range []string{"12 letters would be put back at 8/s, in about 2s", "--all --yes"} {
		if o.code != exitDone || !strings.Contains(o.out, want) {
			t.Errorf("want %q, have %d\n%s%s", want, o.code, o.out, o.err)
		}
	}
	if n := len(kafka.Read(t, "purchases")); n != 0 {
		t.Fatalf("the dry run put %d letters back", n)
	}
	var report deedReport
	o = dead(t, config, "redrive", "purchases", "--status", "422", "--yes", "--rate", "unlimited", "--by", "ada", "--why", "mended", "-o", "json")
	o.unseen(t, private, bearer, "/42")
	if o.last(t, &report); o.code != exitDone || report.Counts.Handled != 6 || report.DryRun {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	for _, want := range []string{`"by":"ada"`, `"why":"mended"`, `"handled":6`, `"filter":"status=422"`, `"deed":"redrive"`} {
		if !strings.Contains(o.err, want) {
			t.Errorf("want %s in the audit, have %s", want, o.err)
		}
	}
	if o = dead(t, config, "drop", "purchases", "--all"); o.code != exitDone || !strings.Contains(o.out, "6 letters would be dropped") {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	if o = dead(t, config, "drop", "purchases", "--all", "--yes", "--why", "not needed"); o.code != exitDone || !strings.Contains(o.out, "6 letters dropped") {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	o = dead(t, config, "ls", "purchases")
	for _, want := range []string{"0 dead letters", "handled: 6 put back, 6 dropped", "not needed", "mended"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("want %q, have\n%s", want, o.out)
		}
	}
	var order []string
	for _, r := range kafka.Read(t, "purchases") {
		order = append(order, string(r.Value[strings.Index(string(r.Value), `"n":`):][:6]))
	}
	if want := []string{`"n":1,`, `"n":3,`, `"n":5,`, `"n":7,`, `"n":9,`, `"n":11`}; !slices.Equal(order, want) {
		t.Errorf("want %v, have %v", want, order)
	}
}

// Where a filter chooses nothing, what is safe and where to look is said.
func TestDeadOfNothing(t *testing.T) {
	t.Parallel()
	config, kafka := graveyard(t)
	look := "what there is, and what was done lately: sluice dead ls purchases -c " + config + "\n"
	for line, want := range map[string]string{
		"redrive purchases --reason gave_up": "0 letters would be put back: purchases has none that waits with reason=gave_up; nothing was changed\n" + look,
		"drop purchases --status 599":        "0 letters would be dropped: purchases has none that waits with status=599; nothing was changed\n" + look,
		"redrive purchases --workspace nobody": "0 letters would be put back: purchases has none that waits with workspace=nobody; nothing was changed\n" +
			"! no workspace is named \"nobody\" now; there is acme-us, acme-eu, hook\n" + look,
		"drop purchases --user 7 --yes --why x": "0 letters dropped: purchases has none that waits with users=1\n" + look,
		"ls purchases --workspace hook":         "0 dead letters on purchases.dead with workspace=hook\nhandled: 0 put back, 0 dropped\n" + look,
		"ls purchases --workspace nob\x1bdy":    "! no workspace is named \"nob\uFFFDdy\" now; there is acme-us, acme-eu, hook\n" + look,
	} {
		o := dead(t, config, strings.Fields(line)...)
		if o.unseen(t); o.code != exitDone || !strings.HasSuffix(o.out, want) {
			t.Errorf("%s: want\n%s\nhave %d\n%s%s", line, want, o.code, o.out, o.err)
		}
	}
	o := dead(t, config, "export", "purchases", "--user", "7")
	if want := "0 letters written\n" + look; o.code != exitDone || o.out != "" || o.err != want {
		t.Errorf("want\n%s\nhave %d\n%s%s", want, o.code, o.out, o.err)
	}
	if n := len(kafka.Read(t, "purchases")); n != 0 {
		t.Errorf("%d letters were put back", n)
	}
}

// What keeps letters where they are is told with who did it and what to type.
func TestDeadIsKept(t *testing.T) {
	t.Parallel()
	report := deedReport{Stream: "purchases", Deed: deadletters.Redrive, list: "sluice dead ls purchases"}
	at := time.Date(2026, 1, 21, 14, 0, 0, 0, time.UTC)
	begun := deadletters.Unfinished{Partition: 3, At: at, By: "ada\x1b[31m", Deed: deadletters.Redrive, Letters: 5}
	for want, err := range map[string]error{
		"is at work on the same letters (partition 3); let it end, then run this again\nthose letters stay as they are; what it does: sluice dead ls purchases": &deadletters.BusyError{Unfinished: begun},
		"whether 5 letters of partition 3 (offsets 1, 4-6 and 1 more) came back by ada\uFFFD[31m at 2026-01-21 14:00:00Z cannot be told: the live topic has deleted events since\n" +
			"they stay as they are; --unsure puts them back all the same, perhaps a second time; sluice dead drop purchases --unsure leaves them be": &deadletters.UnsureError{
			Unfinished: begun, Letters: []deadletters.Span{{1, 1}, {4, 6}, {9, 9}},
		},
	} {
		if have := deedError(report, err); !strings.HasSuffix(have.Error(), want) || strings.Contains(have.Error(), "\x1b") {
			t.Errorf("want %s\nhave %s", want, have)
		}
	}
}

// A signal stops a redrive; the same line again does the rest.
func TestDeadRedriveStopped(t *testing.T) {
	t.Parallel()
	config, kafka := graveyard(t)
	ctx, stop := context.WithTimeoutCause(t.Context(), time.Second, errors.New("a signal"))
	defer stop()
	o := deadUntil(ctx, config, "redrive", "purchases", "--all", "--yes", "--rate", "4/s")
	if o.code != exitPart || !strings.Contains(o.err, "run the same again") {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	if o := dead(t, config, "redrive", "purchases", "--all", "--yes", "--rate", "unlimited"); o.code != exitDone {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	if n := len(kafka.Read(t, "purchases")); n != 12 {
		t.Errorf("want 12 put back, have %d", n)
	}
}

func TestDeadExport(t *testing.T) {
	t.Parallel()
	config, kafka := graveyard(t)
	o := dead(t, config, "export", "purchases")
	o.unseen(t, private, bearer)
	if n := strings.Count(o.out, "\n"); o.code != exitDone || n != 12 || !strings.Contains(o.err, "12 letters written, masked") {
		t.Errorf("want 12 lines, have %d %d\n%s%s", n, o.code, o.out, o.err)
	}
	for line := range strings.Lines(o.out) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	path := filepath.Join(t.TempDir(), "mend.ndjson")
	var have deadExported
	o = dead(t, config, "export", "purchases", "--payload", "--to", path, "-o", "json")
	if o.last(t, &have); o.code != exitPart || have.Written != 6 || have.LeftOut[0].Letters != 6 {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("want a file for its owner alone, have %v, %v", info, err)
	}
	if o := dead(t, config, "export", "purchases", "--to", path); o.code != exitUsage {
		t.Errorf("again: have %d %s", o.code, o.err)
	}
	var report producer.Report
	o = sluice(t, "", "produce", "purchases", path, "-c", config, "-o", "json")
	if o.last(t, &report); report.Succeeded != 6 || report.Failed != 0 || len(kafka.Read(t, "purchases")) != 6 {
		t.Errorf("want produce to read it, have %+v %s", report, o.err)
	}
}

func TestDeadGentleRate(t *testing.T) {
	t.Parallel()
	config, _ := graveyard(t)
	for stream, want := range map[string]float64{"purchases": 8} {
		sh := &shell{configPath: config, read: readSecret, lookup: func(string) (string, bool) { return testKey, true }}
		cfg, s, err := sh.stream(stream)
		if err != nil {
			t.Fatal(err)
		}
		if have := (opened{cfg: cfg, stream: s}).gentle(); have != want {
			t.Errorf("%s: want %v, have %v", stream, want, have)
		}
		for i := range cfg.Workspaces {
			cfg.Workspaces[i].Budget.Requests = 0
		}
		if have := (opened{cfg: cfg, stream: s}).gentle(); have != 100 {
			t.Errorf("unlimited: want 100, have %v", have)
		}
		cfg.Workspaces[0].Budget.Requests = 2
		if have := (opened{cfg: cfg, stream: s}).gentle(); have != 1 {
			t.Errorf("tiny: want 1, have %v", have)
		}
	}
}

func TestDeadExamplesParse(t *testing.T) {
	t.Parallel()
	cmd := deadCommand(&shell{})
	cmd.PersistentFlags().StringP("output", "o", "", "")
	for _, c := range cmd.Commands() {
		if c.Long == "" || len(commandLines(c.Example)) == 0 {
			t.Errorf("%s: want a text and examples", c.Name())
		}
		for _, line := range commandLines(c.Example) {
			words := strings.Fields(line)
			if words[1] != "dead" {
				continue
			}
			found, rest, err := cmd.Find(words[2:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err != nil && !strings.Contains(line, `"`) {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
}

func TestPointInTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "2h": now.Add(-2 * time.Hour), "1d": now.Add(-24 * time.Hour), "90m ago": now.Add(-90 * time.Minute),
		"2026-11-21": time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), "2026-11-21T14:30:00+02:00": time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC),
	} {
		if have, err := pointInTime(text, now); err != nil || !have.Equal(want) {
			t.Errorf("%q: want %v, have %v, %v", text, want, have, err)
		}
	}
	for _, text := range []string{"tomorrow", "-2h", "2026-13-01", "2"} {
		if have, err := pointInTime(text, now); err == nil {
			t.Errorf("%q: have %v", text, have)
		}
	}
	if have := visible("a\x1b[31m\u202eb\u009bc"); have != "a\uFFFD[31m\uFFFDb\uFFFDc" {
		t.Errorf("have %q", have)
	}
	if have := deadError(deadletters.Counts{Handled: 1, Old: 1}); exitCode(have) != exitPart {
		t.Errorf("have %v", have)
	}
}

func deadError(c deadletters.Counts) error { return deedError(deedReport{Counts: c}, nil) }
