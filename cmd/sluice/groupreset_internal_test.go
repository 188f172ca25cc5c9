package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/partition"
)

// standing is where the group stands in a topic; -1 for none.
func standing(t *testing.T, path, topic string) map[int32]int64 {
	t.Helper()
	at := map[int32]int64{}
	for _, l := range lagOn(t, path, topic) {
		at[l.Partition] = l.Watermark
	}
	return at
}

// lagOn is how far the group is with a topic.
func lagOn(t *testing.T, path, topic string) (lags []partition.ShardLag) {
	t.Helper()
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		var err error
		if lags, err = a.Lag(ctx, "tests", topic); err != nil {
			t.Fatal(err)
		}
	})
	return lags
}

// planned runs a reset and returns its report.
func planned(t *testing.T, path string, args ...string) (resetReport, outcome) {
	t.Helper()
	o := onGroup(t.Context(), append([]string{"reset", "-c", path, "-o", "json"}, args...)...)
	var have resetReport
	o.last(t, &have)
	return have, o
}

func TestResetPlansAndChangesNothing(t *testing.T) {
	t.Parallel()
	kafka, path := behind(t, "http://127.0.0.1:1")
	before := map[int32]int64{0: 10, 1: 4, 2: 1, 3: -1}
	stand(t, path, "hooked", map[int32]int64{0: 10, 1: 4, 2: 1})
	kafka.DeleteBefore(t, "hooked", 2, 3)
	have, o := planned(t, path, "--stream", "hooked", "--to", "start")
	if o.code != exitDone || !have.DryRun || have.Again != 14 || have.Skipped != 0 || have.Unknown != 10 || have.Changed != 4 {
		t.Errorf("have %d %+v", o.code, have)
	}
	if s := have.Shards[2]; *s.From != 1 || s.To != 3 || s.Again != 0 || s.Gone != 2 {
		t.Errorf("have %+v", s)
	}
	if s := have.Shards[3]; s.From != nil || s.To != 0 || s.Unknown != 10 {
		t.Errorf("have %+v", s)
	}
	have, _ = planned(t, path, "--stream", "hooked", "--to", "end", "--partition", "1-2")
	if have.Skipped != 6+7 || have.Again != 0 || len(have.Shards) != 2 {
		t.Errorf("have %+v", have)
	}
	// The events are a minute apart and the last is an hour old: those of the last
	// 63 and a half minutes are 6 to 9.
	have, _ = planned(t, path, "--stream", "hooked", "--to", "63m30s", "--partition", "0,1")
	if have.Shards[0].To != 6 || have.Shards[0].Again != 4 || have.Shards[1].To != 6 || have.Shards[1].Skipped != 2 {
		t.Errorf("have %+v", have)
	}
	have, _ = planned(t, path, "--stream", "hooked", "--to", time.Now().Add(-63*time.Minute-30*time.Second).Format(time.RFC3339), "--partition", "0")
	if have.Shards[0].To != 6 {
		t.Errorf("have %+v", have)
	}
	if have := standing(t, path, "hooked"); !maps.Equal(have, before) {
		t.Errorf("a plan must change nothing: want %v, have %v", before, have)
	}
	o = onGroup(t.Context(), "reset", "-c", path, "--stream", "hooked", "--to", "3", "--partition", "1")
	for _, want := range []string{"hooked/1", "again: 1 settled events are sent once more\n  a webhook takes effect twice", "add --yes to carry it out"} {
		if o.code != exitDone || !strings.Contains(o.out, want) {
			t.Errorf("want %q, have %d\n%s%s", want, o.code, o.out, o.err)
		}
	}
	if o.err != "" {
		t.Errorf("a plan is no deed to be logged, have %s", o.err)
	}
}

func TestResetRefusesPlacesOutsideTheLog(t *testing.T) {
	t.Parallel()
	kafka, path := behind(t, "http://127.0.0.1:1")
	kafka.DeleteBefore(t, "hooked", 1, 3)
	for args, want := range map[string]string{
		"--to 11 --partition 0":     "hooked/0 holds the offsets 0 to 10",
		"--to 2 --partition 1":      "hooked/1 holds the offsets 3 to 10",
		"--to 5":                    "--to OFFSET is a place in one partition; add --partition P",
		"--to 5 --partition 0-1":    "add --partition P",
		"--to start --partition 4":  "--partition takes 0 to 3",
		"--to start --partition x":  "--partition takes 0 to 3",
		"--to start --partition 2-": "--partition takes 0 to 3",
		"--to end --partition 3-1":  "--partition takes 0 to 3",
	} {
		o := onGroup(t.Context(), append([]string{"reset", "--stream", "hooked", "--yes", "-c", path}, strings.Fields(args)...)...)
		if o.code != exitUsage || !strings.Contains(o.err, want) || o.out != "" {
			t.Errorf("%s: want exit 2 and %q, have %d %q\n%s", args, want, o.code, o.out, o.err)
		}
	}
	if have := standing(t, path, "hooked"); have[0] != -1 || have[1] != -1 {
		t.Errorf("have %v", have)
	}
}

func TestResetCarriesItOut(t *testing.T) {
	t.Parallel()
	_, path := behind(t, "http://127.0.0.1:1")
	stand(t, path, "hooked", map[int32]int64{0: 10, 1: 4, 2: 1, 3: 5})
	o := onGroup(t.Context(), "reset", "--stream", "hooked", "--to", "start", "--partition", "0", "--partition", "2", "-c", path,
		"--yes", "--reason", "wrong key", "--log-level", "error")
	if o.code != exitDone || !strings.Contains(o.out, "2 shards of group tests reset; the next members begin there") {
		t.Fatalf("have %d %s%s", o.code, o.out, o.err)
	}
	if want, have := (map[int32]int64{0: 0, 1: 4, 2: 0, 3: 5}), standing(t, path, "hooked"); !maps.Equal(have, want) {
		t.Errorf("want %v, have %v", want, have)
	}
	var audit struct {
		Logger, Msg, Who, Reason, Outcome, Group, Stream, To string
		Again, Skipped                                       int64
		Moved                                                []string
	}
	if err := json.Unmarshal([]byte(o.err), &audit); err != nil {
		t.Fatalf("want one audit line, have %s: %v", o.err, err)
	}
	if audit.Logger != "audit" || !strings.Contains(audit.Who, "@") || audit.Reason != "wrong key" || audit.Outcome != "done" ||
		audit.Again != 11 || !slices.Equal(audit.Moved, []string{"0:10>0", "2:1>0"}) {
		t.Errorf("have %+v", audit)
	}
	o = onGroup(t.Context(), "reset", "--stream", "hooked", "--to", "start", "--partition", "0,2", "-c", path, "--yes")
	if o.code != exitDone || o.out != "2 shards of hooked: all stand there already; there is nothing to change\n" || o.err != "" {
		t.Errorf("again: have %d %s%s", o.code, o.out, o.err)
	}
}

// A plan can be looked at while members run; the deed is refused, and both say
// who is there and what to do.
func TestResetIsRefusedWhileMembersRun(t *testing.T) {
	t.Parallel()
	got := make(chan struct{}, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got <- struct{}{} }))
	t.Cleanup(hook.Close)
	_, path := behind(t, hook.URL)
	delivering(t, path)
	for _, yes := range []bool{false, true} {
		have, o := planned(t, path, "--stream", "hooked", "--to", "end", fmt.Sprintf("--yes=%v", yes))
		for _, want := range []string{"group tests has 1 member", "eu-a (127.0.0.1)", "stop all of them"} {
			if o.code != exitFailed || !strings.Contains(have.Refused, want) || !strings.Contains(o.err, want) {
				t.Errorf("--yes=%v: want exit 1 and %q, have %d %+v\n%s", yes, want, o.code, have, o.err)
			}
		}
		if have.DryRun == yes {
			t.Errorf("have %+v", have)
		}
	}
	o := onGroup(t.Context(), "reset", "-c", path, "--stream", "hooked", "--to", "end", "--yes")
	if o.code != exitFailed || !strings.Contains(o.out, "nothing was changed: it is refused while the group has members") {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	for range 40 + 40 { // nothing was skipped: every event of both streams comes
		select {
		case <-got:
			if len(got) == 0 && hasAll(t, path) {
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatal("events are missing")
		}
	}
}

// hasAll tells whether the free workspace's shards are delivered, which no
// budget holds back.
func hasAll(t *testing.T, path string) bool {
	t.Helper()
	return describeGroup(t, path, "--workspace", "free").Lag == 0
}

// Somebody joins between the plan and the deed: the cluster has the last word,
// and the audit line says what came of it.
func TestResetLosesTheRaceAgainstAMember(t *testing.T) {
	t.Parallel()
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	_, path := behind(t, hook.URL)
	delivering(t, path)
	var errs bytes.Buffer
	sh := &shell{err: &errs}
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		lags, err := a.Lag(ctx, "tests", "hooked")
		if err != nil {
			t.Fatal(err)
		}
		move, err := lags[0].Move(10)
		if err != nil {
			t.Fatal(err)
		}
		if !move.Changes() {
			t.Fatal("the member was quicker than its budget allows")
		}
		report := resetReport{Group: "tests", Stream: "hooked"}
		err = sh.carryOut(ctx, a, resetQuery{to: "end"}, &report, []partition.Move{move})
		if !errors.Is(err, partition.ErrGroupActive) || !strings.Contains(err.Error(), "nothing was changed: stop all members") {
			t.Errorf("have %v", err)
		}
	})
	if !strings.Contains(errs.String(), `"outcome":"refused"`) {
		t.Errorf("have %s", errs.String())
	}
}

func TestResetTellsWhichShardsFailed(t *testing.T) {
	t.Parallel()
	no := errors.New("not authorised")
	for _, tt := range []struct {
		refused map[int32]error
		want    int
		again   int64
		says    string
	}{
		{nil, exitDone, 12, "2 shards of group g reset"},
		{map[int32]error{1: no}, exitPart, 5, "not set: not authorised"},
		{map[int32]error{0: no, 1: no}, exitFailed, 0, "not set: not authorised"},
	} {
		r := resetReport{Group: "g", Stream: "s", Shards: []resetShard{
			{Partition: 0, Again: 5, Changes: true}, {Partition: 1, Again: 7, Changes: true}, {Partition: 2},
		}}
		r.refuse(tt.refused)
		var text strings.Builder
		r.text(&text)
		if have := exitCode(r.verdict()); have != tt.want || r.Again != tt.again || !strings.Contains(text.String(), tt.says) {
			t.Errorf("%v: want exit %d and %q, have %d, %+v\n%s", tt.refused, tt.want, tt.says, have, r, text.String())
		}
	}
}

func TestParsePlace(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for text, want := range map[string]place{
		"start":                     {start: true, offset: -1},
		"end":                       {offset: -1},
		"0":                         {offset: 0},
		"120394":                    {offset: 120394},
		"2h":                        {offset: -1, at: now.Add(-2 * time.Hour)},
		"1d12h":                     {offset: -1, at: now.Add(-36 * time.Hour)},
		"2026-11-22T02:00:00Z":      {offset: -1, at: now.Add(-time.Hour)},
		"2026-11-22T03:30:00+01:00": {offset: -1, at: now.Add(-30 * time.Minute)},
	} {
		have, err := parsePlace(text, now)
		if err != nil || have.start != want.start || have.offset != want.offset || !have.at.Equal(want.at) {
			t.Errorf("%s: want %+v, have %+v, %v", text, want, have, err)
		}
	}
	for _, text := range []string{"", "-1", "beginning", "2026-11-22", "2026-11-22 02:00:00", "2026-11-22T03:00:01Z", "99999999999999999999", "0", "-2h"} {
		if _, err := parsePlace(text, now); (err == nil) != (text == "0") {
			t.Errorf("%q: have %v", text, err)
		}
	}
}

func FuzzParsePlace(f *testing.F) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for _, text := range []string{"start", "end", "7", "2h", "2026-11-22T02:00:00Z", "-1", "1d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text, now)
		if err == nil && (p.offset < -1 || p.at.After(now)) {
			t.Errorf("%q: have %+v", text, p)
		}
	})
}

func TestParsePartitions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		texts []string
		want  []int32
	}{
		{nil, []int32{0, 1, 2, 3}},
		{[]string{"2"}, []int32{2}},
		{[]string{"3", "0-1", "1"}, []int32{0, 1, 3}},
	} {
		if have, err := parsePartitions(tt.texts, 4); err != nil || !slices.Equal(have, tt.want) {
			t.Errorf("%v: have %v, %v", tt.texts, have, err)
		}
	}
}
