package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"sluice/partition/partitiontest"
	"sluice/pipeline/replay"
)

func TestReplayPlan(t *testing.T) {
	t.Parallel()
	set := newStageSet(t)
	set.produce(t, "purchases", true)
	o := set.replay(t, "plan", "purchases", "--since", "1h")
	if o.code != exitDone {
		t.Fatalf("have %d %s%s", o.code, o.out, o.err)
	}
	t.Log(o.out + o.err)
	has(t, o.out, "35 of the window's 35 events would be sent again\n", "safe: 30 carry an id", "safe: 5 say the same once more",
		"nothing was changed: this is the plan\n", "--to simulator -c "+set.config+"\n")
	var have replayPlan
	o = set.replay(t, "plan", "purchases", "--since", "start", "--user", "u1", "--event", "visit", "-o", "json")
	if o.last(t, &have); o.code != exitDone || have.Selected != 3 || len(have.Shares) != 1 || have.Shares[0].Events != 3 || have.Shares[0].Seconds == nil {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	if o := sluice(t, "", strings.Fields(have.Start)[1:]...); o.code != exitUsage || !strings.Contains(o.err, "then add --yes") {
		t.Errorf("%s: want it to ask for --yes, have %d %s", have.Start, o.code, o.err)
	}
	if o = set.replay(t, "ls"); o.code != exitDone || !strings.Contains(o.out, "no replay was ever started") {
		t.Errorf("a plan is no replay: have %d %s%s", o.code, o.out, o.err)
	}
}

func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	set := newStageSet(t)
	set.produce(t, "purchases", true)
	set.produce(t, "kept", true)
	set.produce(t, "copies", false)
	for _, tt := range []struct {
		line, want string
		code       int
	}{
		{"plan nothing --since 1h", `no stream is named "nothing"`, exitUsage},
		{"plan purchases", "--since is needed", exitUsage},
		{"start purchases --since 1h", "then add --yes", exitUsage},
		{"start purchases --since 1h --to simulator --yes", "only rehearses", exitUsage},
		{"plan purchases --since start --until 2001-01-01", "the topic holds no event of this window", exitFailed},
		{"plan purchases --since 1h --user nobody", "none of the window's 35 events is one that the flags choose\nnothing was changed; --user is the record key exactly", exitFailed},
		{"plan purchases --since 1h --user nobody --event buy", "the whole window: sluice replay plan purchases --since 2", exitFailed},
		{"start purchases --since 1h --user nobody --yes", "there is nothing to replay", exitFailed},
		{"plan copies --since 1h", "still in hand and will be delivered anyway", exitFailed},
		{"plan kept --since 1h --to acme-us", "must stay in region eu and the workspace acme-us is in us\nsluice: nothing was changed; choose a workspace of the same region", exitFailed},
		{"plan purchases --since 1h --to acme-eu", "acme-us is in region us", exitFailed},
		{"start hooked --since 1h --to simulator", "there is nothing to replay", exitFailed},
		{"plan purchases --since 1h --field a..b=c", "is no dotted path", exitUsage},
		{"start purchases --since 1h --to simulator:http://127.0.0.1:1", "127.0.0.1:1 refuses the connection\nsluice: nothing was sent; start one with sluice simulate", exitFailed},
		{"status R8ST", `no replay has the id "R8ST"; sluice replay ls shows`, exitFailed},
		{"pause x", "too little of an id", exitUsage},
		{"cancel 01JD5ZC3W8F9N3V0Y5B6Q7R8ST", "sluice replay ls shows", exitFailed},
		{"status R8ST --watch=1ms", "--watch must be", exitUsage},
		{"ls --limit -1", "--limit must be", exitUsage},
	} {
		o := set.replay(t, strings.Fields(tt.line)...)
		t.Logf("%s\n%s%s", tt.line, o.out, o.err)
		if o.code != tt.code || !strings.Contains(o.out+o.err, tt.want) {
			t.Errorf("%s: want %d and %q, have %d\n%s%s", tt.line, tt.code, tt.want, o.code, o.out, o.err)
		}
	}
}

// A window is rehearsed, replayed for real while a member runs, and looked at:
// Customer.io drops what it has, by the same ids.
func TestReplayDelivers(t *testing.T) {
	t.Parallel()
	set := newStageSet(t)
	runPipeline(t, set.config)
	set.produce(t, "purchases", false)
	await(t, func() bool { return set.sim.Stats().Effects == 35 && set.behind(t, "purchases") == 0 })

	var rehearsed rehearsal
	o := set.replay(t, "start", "purchases", "--since", "1h", "--to", "simulator", "-o", "json")
	if o.last(t, &rehearsed); o.code != exitDone || rehearsed.Events != 35 || rehearsed.People != 5 || rehearsed.Rejected != 0 || rehearsed.Requests == 0 {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	if have := set.sim.Stats(); have.Events != 35 {
		t.Errorf("a rehearsal reached the account: %+v", have)
	}
	o = set.replay(t, "start", "purchases", "--since", "1h", "--yes", "--wait", "--by", "ada")
	t.Log(o.out + o.err)
	has(t, o.out, "is done\n", "events 35 chosen, 35 copied, 35 delivered, 0 left\n", "by ada\n")
	has(t, o.err, "started: 35 events go out behind live traffic\n", `"msg":"replay started","by":"ada"`)
	if o.code != exitDone {
		t.Fatalf("have %d", o.code)
	}
	if have := set.sim.Stats(); have.Repeats != 30 || have.People != 5 {
		t.Errorf("want the events dropped by their ids, have %+v", have)
	}
	var list replayList
	o = set.replay(t, "ls", "-o", "json")
	if o.last(t, &list); len(list.Replays) != 1 || list.Replays[0].State != replay.Done || list.Replays[0].By != "ada" {
		t.Fatalf("have %d %s%s", o.code, o.out, o.err)
	}
	id := list.Replays[0].ID
	o = set.replay(t, "pause", id[len(id)-5:])
	if o.code != exitFailed || !strings.Contains(o.err, "is done, so it cannot be paused\nsluice: nothing was changed; what it delivered stays delivered\nsluice: see what it did: sluice replay status "+id) {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
}

// Without members a replay waits; it may be held, go on, and be ended, and what
// has ended stays so.
func TestReplayIsHeldAndEnded(t *testing.T) {
	t.Parallel()
	set := newStageSet(t)
	set.produce(t, "purchases", true)
	var started replayStarted
	o := set.replay(t, "start", "purchases", "--since", "1h", "--yes", "-o", "json")
	if o.last(t, &started); o.code != exitDone || started.Members != 0 || started.Job.Selected != 35 {
		t.Fatalf("have %d %s%s", o.code, o.out, o.err)
	}
	id := started.Job.ID
	short := strings.ToLower(id[len(id)-6:])
	for _, tt := range []struct {
		line string
		want []string
		code int
	}{
		{"status " + short + " -v", []string{"is running\n", "! it waits: no member has taken it up yet", "purchases/0 acme-us 0-", "hold it sluice replay pause " + id}, exitDone},
		{"pause " + short, []string{"replay " + id + " is paused: 0 of 35 delivered\n", "go on sluice replay resume " + id}, exitDone},
		{"pause " + short, []string{"is paused: 0 of 35"}, exitDone},
		{"status " + id, []string{"is paused\n", "end it sluice replay cancel " + id}, exitDone},
		{"resume " + short, []string{"replay " + id + " goes on: 0 of 35 delivered\n", "follow it sluice replay status " + id}, exitDone},
		{"ls", []string{id + " running purchases 35 0 35 0/s - "}, exitDone},
		{"cancel " + short, []string{"replay " + id + " is cancelled: 0 of 35 delivered"}, exitDone},
		{"resume " + short, []string{
			"replay " + id + " is cancelled, so it cannot be resumed\nsluice: nothing was changed; what it delivered stays delivered\n",
			"plan the same window again: sluice replay plan purchases --since 2",
		}, exitFailed},
		{"cancel " + short, []string{"is cancelled: 0 of 35 delivered"}, exitDone},
		{"status " + short + " --watch", []string{"is cancelled\n", "events 35 chosen, 0 copied, at least 0 delivered; what was not", "planned again:\nsluice replay plan purchases --since 2"}, exitFailed},
	} {
		o := set.replay(t, strings.Fields(tt.line)...)
		t.Logf("%s\n%s%s", tt.line, o.out, o.err)
		if o.code != tt.code {
			t.Errorf("%s: want %d, have %d", tt.line, tt.code, o.code)
		}
		has(t, o.out+o.err, tt.want...)
	}
	o = sluice(t, "", "__complete", "replay", "status", "-c", set.config, "")
	if want := id + "\tcancelled of purchases\n:4"; strings.TrimSpace(o.out) != want {
		t.Errorf("want %q completed, have %q", want, o.out)
	}
	if o = sluice(t, "", "__complete", "replay", "pause", "-c", set.config, ""); strings.TrimSpace(o.out) != ":4" {
		t.Errorf("what has ended cannot be paused: have %q", o.out)
	}
}

// A person at a terminal is asked, and anything but yes starts nothing.
func TestReplayAsks(t *testing.T) {
	t.Parallel()
	set := newStageSet(t)
	set.produce(t, "purchases", true)
	for answer, want := range map[string]struct {
		code int
		says string
	}{
		"no\n":  {exitFailed, "not started, nothing was changed; rehearse it first: sluice replay start purchases"},
		"":      {exitFailed, "not started"},
		"yes\n": {exitDone, "hold it    sluice replay pause"},
	} {
		var out, errs bytes.Buffer
		sh := &shell{
			in: strings.NewReader(answer), out: &out, err: &errs, read: readSecret, asks: true,
			lookup: func(name string) (string, bool) { return testKey, name == "KEY" },
		}
		code := sh.execute(t.Context(), []string{"replay", "start", "purchases", "--since", "1h", "--workspace", "acme-us", "-c", set.config})
		if code != want.code || !strings.Contains(out.String()+errs.String(), want.says) || !strings.Contains(errs.String(), "send 35 events again now? yes or no: ") {
			t.Errorf("%q: want %d and %q, have %d\n%s%s", answer, want.code, want.says, code, out.String(), errs.String())
		}
	}
}

// What retention has taken of a window is said, with how to take the rest.
func TestReplayOfWhatIsGone(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 6, "purchases", "purchases.held", "purchases.replay", "purchases.dead", "sluice.state")
	config := configFor(t, kafka.ListenAddrs()[0])
	for n := range int64(10) {
		r := bought(3, n, "ada", "purchase")
		r.Time = time.Now().Add(time.Duration(n-60) * time.Minute)
		kafka.Append(t, r)
	}
	stand(t, config, "purchases", map[int32]int64{3: 10})
	kafka.DeleteBefore(t, "purchases", 3, 4)
	for _, args := range [][]string{{"--since", "2h"}, {"--offsets", "2-8", "--shard", "3"}} {
		o := sluice(t, "", append([]string{"replay", "plan", "purchases", "-c", config}, args...)...)
		t.Log(o.out + o.err)
		if o.code != exitFailed || !strings.Contains(o.err, "shard 3 from offset 4 (") || !strings.Contains(o.err, "--take-rest") {
			t.Errorf("%v: have %d %s%s", args, o.code, o.out, o.err)
		}
	}
	o := sluice(t, "", "replay", "plan", "purchases", "--since", "2h", "--take-rest", "-c", config)
	t.Log(o.out + o.err)
	has(t, o.out, "6 of the window's 6 events would be sent again\n", "! Retention may have deleted the window's start", "--take-rest --to simulator")
	var have replayPlan
	o = sluice(t, "", "replay", "plan", "purchases", "--offsets", "5-6", "--shard", "3", "-c", config, "-o", "json")
	if o.last(t, &have); o.code != exitDone || have.Selected != 2 || !strings.Contains(have.Start, "purchases --offsets 5-6 --shard 3") {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
}
