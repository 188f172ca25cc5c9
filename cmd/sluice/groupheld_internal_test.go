package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
)

// setOf is what a user has beside the live tier of hooked.
type setOf struct {
	partition    int32
	user         string
	held, replay int
}

// setAside puts a user's events on the held tier, the first of them having
// failed, and on the replay tier.
func setAside(t *testing.T, kafka *partitiontest.Cluster, a setOf) {
	t.Helper()
	for n := range a.held {
		m := event.Move{}
		if n == 0 {
			m = event.Move{Attempts: 3, First: time.Now().Add(-90 * time.Minute)}
		}
		held(t, kafka, "hooked.held", event.Record{
			Topic: "hooked", Partition: a.partition, Offset: int64(n), Key: []byte(a.user), Value: []byte(`{"secret":"payload"}`), Time: time.Now().Add(-2 * time.Hour),
		}, m)
	}
	for n := range a.replay {
		held(t, kafka, "hooked.replay", event.Record{
			Topic: "hooked", Partition: a.partition, Offset: int64(n), Key: []byte(a.user), Value: []byte(`{}`), Time: time.Now().Add(-2 * time.Hour),
		}, event.Move{Replay: "R8ST"})
	}
}

// The lag of the live tier stays what it was; what it takes counts all tiers.
func TestGroupDescribeCountsTheOtherTiers(t *testing.T) {
	t.Parallel()
	kafka, path := behind(t, "http://127.0.0.1:1")
	stand(t, path, "hooked", map[int32]int64{0: 10, 1: 4, 2: 10, 3: 10})
	setAside(t, kafka, setOf{0, "ada", 4, 0})
	setAside(t, kafka, setOf{1, "bob", 3, 20})
	stand(t, path, "hooked.held", map[int32]int64{0: 1})
	have := describeGroup(t, path, "--stream", "hooked")
	if have.Lag != 6 || have.Held != 6 || have.Replay != 20 {
		t.Errorf("have %+v", have)
	}
	if w := have.Workspaces[0]; w.Lag != 6 || w.Held != 6 || w.Replay != 20 || w.Seconds == nil || *w.Seconds != 32.0/5 {
		t.Errorf("want 32 events at 5/s, have %+v", w)
	}
	first, second := have.Shards[0], have.Shards[1]
	if first.id() != "hooked/1" || first.Lag != 6 || first.Held != 3 || first.Replay != 20 || *first.Seconds != 29.0/5 || first.WaitsFor != waitsForMember {
		t.Errorf("have %+v", first)
	}
	if second.id() != "hooked/0" || second.Lag != 0 || second.Held != 3 || len(second.Beside) != 2 || *second.Beside[0].Watermark != 1 || second.Beside[0].Commit != commitPlain {
		t.Errorf("have %+v", second)
	}
	o := onGroup(t.Context(), "describe", "--stream", "hooked", "-c", path)
	has(t, o.out, "group tests is Empty: 0 members, 6 events behind, 6 held, 20 to be sent again\n",
		"WORKSPACE REGION LAG HELD REPLAY TAKES AT OLDEST RETRIES STOPPED SHARDS OWNERS\n", "hook - 6 6 20 6s 5/s",
		"SHARD WORKSPACE LAG HELD REPLAY TAKES OLDEST COMMIT RETRIES WAITS FOR OWNER\n", "hooked/1 hook 6 3 20 5s",
		"a member -\n", "! 6 events are held: some keep failing", "who they are: sluice group describe --held\n")
	t.Log(o.out)

	o = onGroup(t.Context(), "ls", "-c", path)
	has(t, o.out, "GROUP STATE MEMBERS LAG HELD REPLAY STOPPED TOPICS\n", "* tests Empty 0 6 6 0 0 hooked\n")
	stand(t, path, "hooked.replay", map[int32]int64{1: 5})
	var list groupList
	onGroup(t.Context(), "ls", "-c", path, "-o", "json").last(t, &list)
	if g := list.Groups[0]; g.Lag != 6 || g.Held != 6 || g.Replay != 15 || fmt.Sprint(g.Topics) != "[hooked]" {
		t.Errorf("have %+v", g)
	}
}

// A setup from before there were tiers is told what is missing, and counts.
func TestGroupDescribeWithoutTheOtherTiers(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 2, "hooked")
	kafka.Append(t, event.Record{Topic: "hooked", Key: []byte("1"), Value: []byte(`{}`)})
	path := write(t, "sluice.yaml", strings.Replace(configText("hooked"), "127.0.0.1:1", kafka.ListenAddrs()[0], 1))
	have := describeGroup(t, path)
	if have.Lag != 1 || have.Held != 0 || len(have.Shards) != 2 || len(have.Shards[0].Beside) != 0 {
		t.Errorf("have %+v", have)
	}
	has(t, strings.Join(have.Notes, "\n"), "topic hooked.held of stream hooked does not exist; create it with sluice topics apply",
		"topic hooked.replay of stream hooked does not exist")
	o := onGroup(t.Context(), "reset", "--stream", "hooked", "--to", "end", "-c", path)
	has(t, o.out, "only the live tier moves; nothing waits on the others\n")
	if o := onGroup(t.Context(), "describe", "--held", "-c", path); o.code != exitDone || o.out != "no event of group tests is held\n" {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
}

func TestGroupDescribeHeldListsUsers(t *testing.T) {
	t.Parallel()
	kafka, path := behind(t, "http://127.0.0.1:1")
	setAside(t, kafka, setOf{3, "bob\x1b[2J", 1, 0})
	setAside(t, kafka, setOf{0, "gone", 1, 0})
	setAside(t, kafka, setOf{0, "ada", 4, 7})
	stand(t, path, "hooked.held", map[int32]int64{0: 1})
	o := onGroup(t.Context(), "describe", "--held", "-c", path)
	t.Log(o.out)
	has(t, o.out, "5 events of 2 users are held: the first of each keeps failing, the others wait behind it, in order\n",
		"USER SHARD WORKSPACE EVENTS FAILING SINCE TRIES FIRST EVENT OF FIRST STOOD AT\n", "hooked/0 hook 4 ", " 3 ", "hooked/0/0\n",
		"they are tried again by themselves; one whose tries are used up is a dead letter, with the answer that it got:\nsluice dead ls hooked\n")
	if o.code != exitDone || strings.Contains(o.out, "secret") || strings.Contains(o.out, "gone") {
		t.Errorf("have %d\n%s%s", o.code, o.out, o.err)
	}
	var have heldReport
	o = onGroup(t.Context(), "describe", "--held", "--workspace", "hook", "-c", path, "-o", "json")
	if o.last(t, &have); len(have.Users) != 2 || have.Events != 5 {
		t.Fatalf("have %s%s", o.out, o.err)
	}
	for _, u := range have.Users {
		if u.Since == nil || time.Since(*u.Since).Round(time.Hour) != 2*time.Hour && time.Since(*u.Since).Round(time.Minute) != 90*time.Minute || u.Tries != 3 ||
			time.Since(u.Oldest).Round(time.Minute) != 2*time.Hour {
			t.Errorf("have %+v", u)
		}
	}
	if o := onGroup(t.Context(), "describe", "--held", "--limit", "1", "-c", path); !strings.Contains(o.out, "… and 1 more user; --limit 0 shows all") {
		t.Errorf("have %s", o.out)
	}
	if o := onGroup(t.Context(), "describe", "--held", "--watch", "-c", path); o.code != exitUsage || !strings.Contains(o.err, "leave --watch out") {
		t.Errorf("have %d %s", o.code, o.err)
	}
	if o := onGroup(t.Context(), "describe", "--held", "--workspace", "free", "-c", path); o.out != "no event of group tests is held\n" {
		t.Errorf("have %s", o.out)
	}
}

func TestResetLeavesTheOtherTiers(t *testing.T) {
	t.Parallel()
	kafka, path := behind(t, "http://127.0.0.1:1")
	stand(t, path, "hooked", map[int32]int64{0: 10, 1: 10, 2: 10, 3: 10})
	stand(t, path, "hooked.held", map[int32]int64{0: 0})
	setAside(t, kafka, setOf{0, "ada", 4, 0})
	setAside(t, kafka, setOf{1, "bob", 2, 5})
	have, _ := planned(t, path, "--stream", "hooked", "--to", "start", "--partition", "0")
	if have.Held != 4 || have.Replay != 0 {
		t.Errorf("want those of the shard alone, have %+v", have)
	}
	o := onGroup(t.Context(), "reset", "--stream", "hooked", "--to", "start", "--yes", "-c", path)
	has(t, o.out, "only the live tier moves: 6 held and 5 to be sent again stay, and are delivered all the same\n"+
		"one of them that is sent again as well comes twice\nwho is held: sluice group describe --held --stream hooked\n")
	t.Log(o.out)
	if live, of := standing(t, path, "hooked"), standing(t, path, "hooked.held"); live[0] != 0 || of[0] != 0 || of[1] != -1 {
		t.Errorf("have %v and %v", live, of)
	}
}

// Why a shard waits is its owner's word: what the shard waits for goes before
// what all of its workspace does.
func TestGroupDescribeTellsWhyShardsWait(t *testing.T) {
	t.Parallel()
	member := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		answer := `{}`
		if q.URL.Path == "/shards/waiting" {
			answer = `{"shards":{"s/0":{"for":"held tier"},"s/1":{"for":"last owner","until":"2026-11-21T14:02:03Z"},"s.held/2":{"for":"commit"}},` +
				`"workspaces":{"down":{"for":"breaker","until":"2026-11-21T14:02:33Z"},"wrong":{"for":"refused"},"busy":{"for":"pause","until":"2026-11-21T14:05:00Z"}}}`
		}
		_, _ = rw.Write([]byte(answer))
	}))
	t.Cleanup(member.Close)
	addr := strings.TrimPrefix(member.URL, "http://")
	owner := &groupMember{Member: "a", Actions: addr, Shards: 9}
	r := groupReport{Members: []groupMember{*owner}, rates: map[string]float64{"well": 10, "down": 10}}
	for p, workspace := range []string{"down", "down", "down", "wrong", "busy", "well", "well", "down"} {
		lag := int64(100)
		if p == 7 {
			lag = 0
		}
		r.Shards = append(r.Shards, shardLag{Stream: "s", Partition: int32(p), Workspace: workspace, Lag: lag, Owner: owner})
	}
	r.Shards[6].Stopped = "gone" // which the owner does not say any more
	for _, workspace := range []string{"well", "down", "wrong", "busy"} {
		r.Workspaces = append(r.Workspaces, workspaceLag{Workspace: workspace})
	}
	r.askMembers(t.Context())
	r.finish()
	have := map[int32]string{}
	for _, s := range r.Shards {
		have[s.Partition] = s.WaitsFor
	}
	want := map[int32]string{0: "held tier", 1: "last owner", 2: "breaker", 3: "refused", 4: "pause", 5: "budget", 6: "budget", 7: ""}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("want %v\nhave %v", want, have)
	}
	notes := strings.Join(r.Notes, "\n")
	t.Log(notes)
	has(t, notes, "s 0: its owner still reads whose events are held", "s 1: whoever owned it before may still be sending; it goes on by itself, at 2026-11-21T14:02:03Z",
		"workspace down: its destination is down: nothing is lost", "asked again by itself, at 2026-11-21T14:02:33Z",
		"workspace wrong: its destination refuses us", "workspace busy: its destination asked for a pause")
	if len(r.Notes) != 5 {
		t.Errorf("want a note for each reason that needs one, have %d", len(r.Notes))
	}
}

// A running member says for itself what its destination keeps from it.
func TestGroupDescribeOfAMemberWhoseDestinationIsDown(t *testing.T) {
	t.Parallel()
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(hook.Close)
	_, path := tiered(t, hook.URL)
	runPipeline(t, path)
	await(t, func() bool {
		have := describeGroup(t, path)
		return have.Shards[0].WaitsFor == "refused" && strings.Contains(strings.Join(have.Notes, " "), "workspace hook: its destination refuses us")
	})
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		g, err := a.Group(ctx, "tests")
		if have := describeGroup(t, path); have.Members[0].Shards != 4 {
			t.Errorf("want all tiers of a shard to be one, have %+v", have.Members)
		}
		if err != nil || len(g.Members) != 1 || !g.Members[0].Owns("hooked.held", 3) {
			t.Errorf("want four shards of three tiers, have %+v, %v", g, err)
		}
	})
}
