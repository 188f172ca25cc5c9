package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
)

// held puts a copy of a live event on another tier's topic, as a member does
// that moves it.
func held(t *testing.T, kafka *partitiontest.Cluster, topic string, live event.Record, m event.Move) {
	t.Helper()
	var e event.Event
	e.Load(live, "c")
	m.Topic, m.Partition = topic, live.Partition
	kafka.Append(t, event.Moved(&e, m))
}

// tiered makes a broker whose stream hooked has a partition for each of four
// users, named after it. Each has 2 live events, and two of 5 held events,
// those from 3 on, are left on the partitions given.
func tiered(t *testing.T, hook string, gaps ...int32) (kafka *partitiontest.Cluster, path string) {
	t.Helper()
	kafka = partitiontest.New(t, 4, "hooked", "hooked.held", "hooked.replay", "hooked.dead", "sluice.state")
	for p := range int32(4) {
		for n := range 2 {
			kafka.Append(t, event.Record{Topic: "hooked", Partition: p, Key: fmt.Append(nil, "u", p), Value: fmt.Appendf(nil, `{"live":%d}`, n)})
		}
	}
	for _, p := range gaps {
		for n := range 5 {
			held(t, kafka, "hooked.held", event.Record{
				Topic: "hooked", Partition: p, Offset: int64(1000 + n), Key: []byte("held"), Value: fmt.Appendf(nil, `{"held":%d}`, n), Time: time.Now(),
			}, event.Move{}) // one that has failed is tried again no sooner than after a while
		}
		kafka.DeleteBefore(t, "hooked.held", p, 3)
	}
	return kafka, write(t, "sluice.yaml", `kafka: {brokers: ["`+kafka.ListenAddrs()[0]+`"], group: tests}
listen: {metrics: off, actions: "127.0.0.1:0"}
workspaces:
  hook: {sink: webhook, url: "`+hook+`", budget: {requests: unlimited, events: unlimited}}
streams:
  hooked: {workspace: hook, partitions: 4, replication: 1}
`)
}

func TestResumeATierWithoutMembers(t *testing.T) {
	t.Parallel()
	_, path := tiered(t, "http://127.0.0.1:1", 0, 1, 2)
	stand(t, path, "hooked.held", map[int32]int64{0: 1, 1: 4})
	for _, tt := range []struct {
		args, want string
		code       int
	}{
		{"0 --at 4 --tier held", "no member runs; group tests will begin hooked.held/0 at offset 4\n", exitDone},
		{"0 --at start --tier held", "no member runs; group tests will begin hooked.held/0 at offset 3\n", exitDone},
		{"3 --at start --tier replay", "no member runs; group tests will begin hooked.replay/3 at offset 0\n", exitDone},
		{"0 --at 2 --tier held", "hooked.held/0 holds the offsets 3 to 5", exitUsage},
		{"0 --at start --tier dead", "--tier: the tier must be live, held, replay, overflow, delay-10s", exitUsage},
		{"0 --at start --tier overflow", "stream hooked has no tier overflow; if events from before wait there, ", exitUsage},
		{"0 --at start --tier delay-6h", "stream hooked has no tier delay-6h; if events from before wait there, set deferral: true in it", exitUsage},
		{"all --at start --tier held", "all resumes what is stopped on every tier", exitUsage},
	} {
		o := sluice(t, "", append(strings.Fields("shard resume hooked "+tt.args), "-c", path)...)
		if o.code != tt.code || !strings.Contains(o.out+o.err, tt.want) {
			t.Errorf("%s: want exit %d and %q, have %d\n%s%s", tt.args, tt.code, tt.want, o.code, o.out, o.err)
		}
	}
	if live, of := standing(t, path, "hooked"), standing(t, path, "hooked.held"); live[0] != -1 || of[0] != 3 || of[1] != 4 || of[2] != -1 {
		t.Errorf("want the held tier moved and no other, have %v and %v", of, live)
	}
}

func TestResumeAllWithoutMembersSetsEveryTier(t *testing.T) {
	t.Parallel()
	kafka, path := tiered(t, "http://127.0.0.1:1", 0, 1, 2)
	stand(t, path, "hooked.held", map[int32]int64{0: 1, 1: 4})
	stand(t, path, "hooked", map[int32]int64{1: 0})
	stand(t, path, "hooked.replay", map[int32]int64{3: 7}) // of a topic that was made anew since
	kafka.DeleteBefore(t, "hooked", 1, 1)
	o := sluice(t, "", "shard", "resume", "hooked", "all", "--at", "start", "-c", path)
	want := "no member runs; group tests will begin hooked.held/0 at offset 3\n" +
		"no member runs; group tests will begin hooked/1 at offset 1\n" +
		"no member runs; group tests will begin hooked.held/2 at offset 3\n" +
		"no member runs; group tests will begin hooked.replay/3 at offset 0\n"
	if o.code != exitDone || o.out != want {
		t.Errorf("want\n%shave %d\n%s%s", want, o.code, o.out, o.err)
	}
	if have, _ := resumeEvery(t, path); len(have.Shards) != 0 {
		t.Errorf("again: have %+v", have)
	}
}

// received collects what a webhook was sent, and lets its sender go on.
func received(t *testing.T) (hook string, got chan string) {
	t.Helper()
	got = make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

// stoppedHeld waits until the member says that so many held tiers are stopped,
// and what goes on is settled.
func stoppedHeld(t *testing.T, path string, n int) groupReport {
	t.Helper()
	var have groupReport
	await(t, func() bool {
		have = describeGroup(t, path)
		stopped := 0
		for _, s := range have.Shards {
			if s.Owner == nil || s.WaitsFor != "" && s.WaitsFor != waitsForOperator || s.WaitsFor == "" && s.Lag > 0 {
				return false
			}
			stopped += s.troubled()
		}
		return stopped == n
	})
	return have
}

// Retention took what was held of two shards. Of shard 1 the group knew where
// it stood, so its live events flow on; of shard 2 it knew nothing, so its live
// events wait, and group describe says for what.
func TestAStoppedHeldTierIsToldAndResumed(t *testing.T) {
	t.Parallel()
	hook, got := received(t)
	_, path := tiered(t, hook, 1, 2)
	stand(t, path, "hooked.held", map[int32]int64{1: 1})
	runPipeline(t, path)
	for range 2 * 3 {
		if body := <-got; !strings.Contains(body, "live") {
			t.Errorf("have %s", body)
		}
	}
	have := stoppedHeld(t, path, 2)
	notes := strings.Join(have.Notes, "\n")
	has(t, notes, "hooked.held 1 stopped: the watermark is not in the log any more",
		"sluice shard resume hooked 1 --at start --tier held",
		"hooked.held 2 stopped: the group has no committed offset", "until it goes on, its live shard waits too",
		"sluice shard resume hooked 2 --at start --tier held", "4 events are held")
	for _, s := range have.Shards {
		want := map[int32]string{2: waitsForOperator}[s.Partition]
		if s.WaitsFor != want || s.Stopped != "" || (s.Lag == 0) == (s.Partition == 2) {
			t.Errorf("%s: want it to wait for %q, have %+v", s.id(), want, s)
		}
	}
	if have.Workspaces[0].Stopped != 2 || have.Held != 4 {
		t.Errorf("have %+v", have.Workspaces[0])
	}
	select {
	case body := <-got:
		t.Errorf("want nothing more, have %s", body)
	default:
	}

	o := sluice(t, "", "shard", "resume", "hooked", "2", "--at", "start", "-c", path)
	if o.code != exitFailed || !strings.Contains(o.err, "the shard is not stopped") || !strings.Contains(o.err, "sluice group describe") {
		t.Errorf("its live tier: have %d %s%s", o.code, o.out, o.err)
	}
	wrong := resumeURL(have.Members[0].Actions, "hooked", "2", url.Values{"at": {atStart}, "tier": {"dead"}})
	if err := callOwner(t.Context(), http.MethodPost, wrong, nil); err == nil || !strings.Contains(err.Error(), "400 Bad Request") {
		t.Errorf("a tier that cannot stop: have %v", err)
	}
	o = sluice(t, "", "shard", "resume", "hooked", "2", "--at", "start", "--tier", "held", "-c", path)
	if o.code != exitDone || !strings.Contains(o.out, "hooked.held/2 goes on at start; told its owner at ") {
		t.Fatalf("have %d %s%s", o.code, o.out, o.err)
	}
	comes(t, got, `"live":0`, `"live":1`, `"held":3`, `"held":4`)
	stoppedHeld(t, path, 1)
	resumedAll, o := resumeEvery(t, path)
	if o.code != exitDone || len(resumedAll.Shards) != 1 || resumedAll.Shards[0].Tier != "held" || *resumedAll.Shards[0].Missing != 2 {
		t.Fatalf("have %d %+v %s", o.code, resumedAll, o.err)
	}
	comes(t, got, `"held":3`, `"held":4`)
}

// comes waits until the destination has got these, and nothing else.
func comes(t *testing.T, got chan string, want ...string) {
	t.Helper()
	patience := time.After(40 * time.Second)
	for len(want) > 0 {
		select {
		case body := <-got:
			i := slices.IndexFunc(want, func(one string) bool { return strings.Contains(body, one) })
			if i < 0 {
				t.Fatalf("want %v, have %s", want, body)
			}
			want = slices.Delete(want, i, i+1)
		case <-patience:
			t.Fatalf("%v never came", want)
		}
	}
}

// A member's answer to all names its tiers; each is told by itself.
func TestResumeAllTellsEachTier(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /shards/stopped", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"s.held/1":{"reason":"gone"},"s.replay/1":{"reason":"gone"},"s/0":{"reason":"gone"}}`))
	})
	mux.HandleFunc("POST /shards/s/all/resume", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"s.held/1":{"offset":7,"missing":2},"s/0":{"offset":1,"missing":1}}`))
	})
	owner := httptest.NewServer(mux)
	t.Cleanup(owner.Close)
	addr := strings.TrimPrefix(owner.URL, "http://")
	cfg, stream, err := (&shell{configPath: write(t, "c.yaml", configText("s")), read: readSecret, lookup: func(string) (string, bool) { return testKey, true }}).stream("s")
	if err != nil {
		t.Fatal(err)
	}
	have := resumedAll{Stream: "s", Shards: tellOwners(context.Background(), stream, map[int32]string{0: addr, 1: addr})}
	var text strings.Builder
	have.text(&text, cfg.Kafka.Group)
	want := "s/0 goes on at offset 1, 1 given up; told its owner at " + addr + "\n" +
		"s.held/1 goes on at offset 7, 2 given up; told its owner at " + addr + "\n" +
		"s.replay/1 failed: its owner gave it away meanwhile; try again in a moment\n" +
		"1 shard was not resumed; the same again resumes what is still stopped: sluice group describe --stream s tells what is\n"
	if text.String() != want {
		t.Errorf("want\n%shave\n%s", want, text.String())
	}
}

func configText(stream string) string {
	return `kafka: {brokers: ["127.0.0.1:1"], group: tests}
workspaces:
  hook: {sink: webhook, url: "http://127.0.0.1:1"}
streams:
  ` + stream + `: {workspace: hook, partitions: 2, replication: 1}
`
}
