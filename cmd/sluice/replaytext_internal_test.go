package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/replay"
)

// has checks the lines that a person looks for, whatever columns' widths are.
func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	squeezed := strings.Builder{}
	for line := range strings.Lines(text) {
		squeezed.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	for _, line := range lines {
		if !strings.Contains(squeezed.String(), line) {
			t.Errorf("want %q, have\n%s", line, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Errorf("somebody else's text moves the cursor: %q", text)
	}
}

// examplePlan is one with all that a plan may say.
func examplePlan() replayPlan {
	p := newReplayPlan(replay.Plan{
		Selection: replay.Selection{
			Stream: "purchases", From: time.Date(2026, 1, 21, 14, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 21, 16, 0, 0, 0, time.UTC),
			FromOffset: -1, ToOffset: -1, User: "a\x1b[31m", Events: []string{"purchase"}, Fields: map[string]string{"data.plan": "gold", "a": "b"}, Target: "acme-copy",
		},
		Scanned: 20000, Selected: 12345, Unsettled: 17,
		Skipped: replay.Skipped{Deleted: 2, Suppressed: 3, Merged: 4, Overtaken: 5, Faulty: 6, TooLarge: 7},
		Workspaces: []replay.Share{
			{Workspace: "acme-us", Events: 12000, Requests: 121, Rate: 1000, LiveRate: 120.4, BudgetShare: 0.88, Finish: 75 * time.Second},
			{Workspace: "hook", Events: 345, Requests: 345},
		},
		Absorbed: 11000, MayDouble: 1345, Doubles: map[string]int64{"delivery_event": 345, "send": 1000}, Cautions: []string{"the window is older than a day"},
	})
	p.Start = "sluice replay start purchases --since 2026-01-21T14:00:00Z"
	p.Rehearse = p.Start + " --to simulator"
	return p
}

func TestReplayPlanReads(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	p := examplePlan()
	p.text(&b)
	p.next(&b)
	has(t, b.String(),
		"replay of purchases from 2026-01-21 14:00:00Z until 2026-01-21 16:00:00Z, user a\uFFFD[31m, events purchase, a=b, data.plan=gold, to workspace acme-copy\n",
		"12345 of the window's 20000 events would be sent again\n",
		"acme-us 12000 121 1000/s 120/s 88% 1m15s\n",
		"hook 345 345 unlimited 0/s all -\n",
		"left out: 2 of users who were deleted since; they stay deleted\n",
		"left out: 7 that are too large for the replay topic;",
		"safe: 11000 carry an id, by which Customer.io drops those that it has already\n",
		"may double: 1000 send, 345 delivery_event\n",
		"! the window is older than a day\n",
		"nothing was changed: this is the plan\nrehearse it sluice replay start purchases --since 2026-01-21T14:00:00Z --to simulator\ndo it sluice replay start",
	)
	t.Log(b.String())
}

func TestReplayOfNothingSaysWhy(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]replay.Plan{
		"holds no event of this window; is the time right (it is UTC)": {},
		"the window's 9 events are still in hand":                      {Unsettled: 9},
		"none of the window's 400 events is one that the flags choose": {Scanned: 400},
		"must not be sent again":                                       {Scanned: 400, Skipped: replay.Skipped{Deleted: 2}},
	} {
		p.Selection.Stream = "purchases"
		made := newReplayPlan(p)
		var b strings.Builder
		made.text(&b)
		made.next(&b)
		if err := made.nothing(); !errors.Is(err, errNothing) || !strings.Contains(err.Error(), want) || strings.Contains(b.String(), "do it") {
			t.Errorf("want %q, have %v\n%s", want, err, b.String())
		}
		has(t, b.String(), want)
	}
}

// exampleStatus is a replay in a state.
func exampleStatus(state replay.State) replay.Status {
	s := replay.Status{
		Job: replay.Job{
			ID: "01JD5ZC3W8F9N3V0Y5B6Q7R8ST", Selection: examplePlan().Selection, Selected: 12345, State: state, By: "ada@laptop",
			Created: time.Date(2026, 1, 21, 17, 0, 0, 0, time.UTC), Changed: time.Date(2026, 1, 21, 17, 1, 0, 0, time.UTC),
		},
		Copied: 5200, Settled: 5000, Left: 7345, Rate: 98, ETA: 75 * time.Second, Holder: "eu-a-7F3K2Q", Waiting: "live traffic goes first",
		Skipped: replay.Skipped{Deleted: 1},
		Shards: []replay.ShardStatus{
			{Range: replay.Range{Partition: 0, From: 10, To: 900, Workspace: "acme-us", Selected: 800}, Next: 900, Copied: 800, Settled: 800, Done: true},
			{Range: replay.Range{Partition: 3, From: 0, To: 9000, Workspace: "acme-us", Selected: 8000}, Next: 4400, Copied: 4400, Settled: 4200, Waiting: "live"},
		},
	}
	if state.Final() {
		s.Ended, s.Rate, s.ETA, s.Waiting = time.Date(2026, 1, 21, 17, 2, 0, 0, time.UTC), 0, 0, ""
	}
	if state == replay.Failed {
		s.Reason = "retention has deleted the next event"
	}
	return s
}

func TestReplayStatusReads(t *testing.T) {
	t.Parallel()
	sh := &shell{configSet: true, configPath: "my file.yaml"}
	for state, want := range map[replay.State][]string{
		replay.Running: {
			"replay 01JD5ZC3W8F9N3V0Y5B6Q7R8ST of purchases is running\n", "started 2026-01-21 17:00:00Z by ada@laptop\n",
			"events 12345 chosen, 5200 copied, 5000 delivered, 7345 left\n", "pace 98/s, 1m15s to go\n", "copied by eu-a-7F3K2Q\n",
			"! it waits: live traffic goes first\n", "left out: 1 of users who were deleted since",
			"hold it sluice replay pause 01JD5ZC3W8F9N3V0Y5B6Q7R8ST -c 'my file.yaml'\n", "end it sluice replay cancel",
		},
		replay.Paused:    {"is paused\n", "go on sluice replay resume 01JD5ZC3W8F9N3V0Y5B6Q7R8ST -c 'my file.yaml'\n"},
		replay.Done:      {"is done\n", "ended 2026-01-21 17:02:00Z\n"},
		replay.Cancelled: {"is cancelled\n", "events 12345 chosen, 5200 copied, at least 5000 delivered; what was not when it was cancelled is dropped\n", "it cannot be resumed, but the same window may be planned again"},
		replay.Failed:    {"has failed\n", "! retention has deleted the next event\n", "planned again:\nsluice replay plan purchases --since 2026-01-21T14:00:00Z --until"},
	} {
		var b strings.Builder
		newStatusReport(sh, exampleStatus(state)).text(&b, noShards)
		has(t, b.String(), want...)
		if strings.Contains(b.String(), "purchases/3") {
			t.Errorf("shards are shown unasked:\n%s", b.String())
		}
		t.Log(b.String())
	}
	var b strings.Builder
	newStatusReport(sh, exampleStatus(replay.Running)).text(&b, 1)
	has(t, b.String(), "SHARD WORKSPACE OFFSETS AT CHOSEN COPIED DELIVERED LEFT OUT WAITS\npurchases/3 acme-us 0-9000 4400 8000 4400 4200 0 live\n", "… and 1 more shard")
	t.Log(b.String())
	if have, want := newStatusReport(sh, exampleStatus(replay.Running)).line(),
		"replay 01JD5ZC3W8F9N3V0Y5B6Q7R8ST running: 5000 of 12345 delivered, 98/s, 1m15s to go; waits: live traffic goes first"; have != want {
		t.Errorf("want %s\nhave %s", want, have)
	}
}

func TestReplayListReads(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	replayList{}.text(&b, 0)
	has(t, b.String(), "no replay was ever started; sluice replay plan STREAM --since 2h")
	b.Reset()
	sh := &shell{}
	replayList{[]statusReport{newStatusReport(sh, exampleStatus(replay.Running)), newStatusReport(sh, exampleStatus(replay.Done))}}.text(&b, 0)
	has(t, b.String(),
		"01JD5ZC3W8F9N3V0Y5B6Q7R8ST running purchases 12345 5000 7345 98/s 1m15s 2026-01-21 17:00:00Z ada@laptop\n",
		"01JD5ZC3W8F9N3V0Y5B6Q7R8ST done purchases 12345 5000 7345 - - 2026-01-21 17:00:00Z ada@laptop\n")
	t.Log(b.String())
}

func TestRehearsalReads(t *testing.T) {
	t.Parallel()
	r := rehearsal{Plan: examplePlan(), next: examplePlan().Start}
	r.add(rehearsed{
		Workspace: "acme-us", Events: 12000, Requests: 130, Effects: 11990, Repeats: 4, People: 84, Rejected: 6,
		Rejections: []rejection{{Events: 6, Status: 400, Reason: "rejected", Detail: "name must\x1b[31m not be empty", First: "purchases/3/1204"}},
	})
	r.Seconds = 3.2
	var b strings.Builder
	r.text(&b)
	has(t, b.String(),
		"rehearsed at a simulator of its own, which began empty: no account was asked and no topic written\n",
		"12000 events arrived in 130 requests, of 84 new people, in 3s\n",
		"acme-us 12000 130 11990 4 0 84 6 1m15s\n",
		"6 of them would be dead letters for real:\n", "6 400 rejected name must\uFFFD[31m not be empty purchases/3/1204\n",
		"to do it: sluice replay start purchases --since")
	if have := r.verdict(); exitCode(have) != exitPart {
		t.Errorf("want exit 3 when some are refused, have %v", have)
	}
	t.Log(b.String())
}

func TestUncertainDeedsSayWhereToLook(t *testing.T) {
	t.Parallel()
	refused := &replay.RefusedError{Reason: "it is done", Remedy: "look"}
	lost := errors.New("the answer was lost")
	for _, tt := range []struct {
		err  error
		want string
	}{{nil, ""}, {refused, "it is done; look"}, {lost, "the answer was lost; whether it was done is not known: look with sluice replay ls"}} {
		have := ""
		if err := uncertain(tt.err, "sluice replay ls"); err != nil {
			have = err.Error()
		}
		if have != tt.want {
			t.Errorf("want %q, have %q", tt.want, have)
		}
	}
	if have := extent(examplePlan().Selection); strings.Contains(have, "user") || !strings.HasPrefix(have, "from 2026-01-21 14:00:00Z until") {
		t.Errorf("a log has %q", have)
	}
}

func TestMatchingIDs(t *testing.T) {
	t.Parallel()
	ids := []string{"01JD5ZC3W8F9N3V0Y5B6Q7R8ST", "01JD5ZC3W8F9N3V0Y5B6Q7R8SV", "01JD6ZC3W8F9N3V0Y5B6Q7R8ST"}
	for text, want := range map[string]int{ids[1]: 1, strings.ToLower(ids[2]): 2, "R8SV": 1, "r8sv": 1, "01JD6": 2, " 01jd6zc ": 2} {
		if have, err := matching(ids, text, listed{"replay", "sluice replay ls"}); err != nil || have != want {
			t.Errorf("%q: want %d, have %d, %v", text, want, have, err)
		}
	}
	for text, want := range map[string]struct {
		says string
		code int
	}{
		"R8ST": {"may be any of 01JD5ZC3W8F9N3V0Y5B6Q7R8ST, 01JD6ZC3W8F9N3V0Y5B6Q7R8ST", exitUsage},
		"01JD": {"write more of it", exitUsage},
		"SV":   {"is too little of an id", exitUsage},
		"":     {"is too little of an id", exitUsage},
		"ZZZZ": {"sluice replay ls shows those there are", exitFailed},
		"ZC3W": {"no replay has the id", exitFailed}, // in the middle names nobody
	} {
		if _, err := matching(ids, text, listed{"replay", "sluice replay ls"}); exitCode(err) != want.code || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%q: want %d and %q, have %v", text, want.code, want.says, err)
		}
	}
}

func TestLongCautionsHang(t *testing.T) {
	t.Parallel()
	text := hung("! ", strings.Repeat("word ", 50))
	for line := range strings.Lines(text) {
		if len(strings.TrimRight(line, "\n")) > 100 || !strings.HasPrefix(line, "! ") && !strings.HasPrefix(line, "  word") {
			t.Errorf("line %q", line)
		}
	}
	if strings.Count(text, "word") != 50 || hung("! ", "short") != "! short" {
		t.Errorf("have %q", text)
	}
}
