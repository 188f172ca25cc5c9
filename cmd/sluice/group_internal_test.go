package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/config"
	"sluice/pipeline/event"
	"sluice/sink/budget"
)

// onGroup runs one command line until ctx ends, with the command group there.
func onGroup(ctx context.Context, args ...string) outcome {
	var out, errs bytes.Buffer
	sh := &shell{in: strings.NewReader(""), out: &out, err: &errs, read: readSecret, lookup: func(string) (string, bool) { return testKey, true }}
	root := newRoot(sh)
	if found, _, err := root.Find([]string{"group"}); err != nil || found == root {
		root.AddCommand(groupCommand(sh))
	}
	root.SetArgs(append([]string{"group"}, args...))
	root.SetIn(sh.in)
	root.SetOut(sh.out)
	root.SetErr(sh.err)
	err := root.ExecuteContext(ctx)
	if err != nil && !sh.begun {
		err = usage(err)
	}
	if err != nil {
		sh.complain(diagnosed(err))
	}
	return outcome{code: exitCode(err), out: out.String(), err: errs.String()}
}

// behind makes a broker whose streams, hooked and split of four partitions
// each, hold ten events in each partition, a minute apart and the last an hour
// old, and a configuration of them.
func behind(t *testing.T, url string) (kafka *partitiontest.Cluster, path string) {
	t.Helper()
	kafka = partitiontest.New(t, 4, "hooked", "hooked.held", "hooked.replay", "hooked.dead",
		"split", "split.held", "split.replay", "split.dead", "sluice.state")
	last := time.Now().Add(-time.Hour)
	for _, topic := range []string{"hooked", "split"} {
		for p := range int32(4) {
			for n := range 10 {
				kafka.Append(t, event.Record{
					Topic: topic, Partition: p, Key: fmt.Append(nil, p), Value: fmt.Appendf(nil, `{"n":%d}`, n),
					Time: last.Add(time.Duration(n-9) * time.Minute),
				})
			}
		}
	}
	return kafka, write(t, "sluice.yaml", `kafka: {brokers: ["`+kafka.ListenAddrs()[0]+`"], group: tests, region: eu, instance: eu-a}
listen: {metrics: off, actions: "127.0.0.1:0"}
workspaces:
  hook: {sink: webhook, url: "`+url+`", budget: {requests: 5/s, events: unlimited}}
  free: {sink: webhook, url: "`+url+`", budget: {requests: unlimited, events: unlimited}}
streams:
  hooked: {workspace: hook, partitions: 4, replication: 1}
  split: {partitions: 4, replication: 1, routes: [{partitions: 0-1, workspace: hook}, {partitions: 2-3, workspace: free}]}
`)
}

// stand commits plain offsets of a topic, as a reset does.
func stand(t *testing.T, path, topic string, at map[int32]int64) {
	t.Helper()
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		for p, offset := range at {
			if err := a.SetOffset(ctx, "tests", partition.ShardID{Stream: topic, Partition: p}, offset); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func describeGroup(t *testing.T, path string, args ...string) groupReport {
	t.Helper()
	var have groupReport
	o := onGroup(t.Context(), append([]string{"describe", "-c", path, "-o", "json"}, args...)...)
	if o.code != exitDone {
		t.Fatalf("have %d %s%s", o.code, o.out, o.err)
	}
	o.last(t, &have)
	return have
}

func TestGroupDescribeWithoutMembers(t *testing.T) {
	t.Parallel()
	kafka, path := behind(t, "http://127.0.0.1:1")
	stand(t, path, "hooked", map[int32]int64{0: 10, 1: 4, 2: 1, 3: 0})
	stand(t, path, "split", map[int32]int64{0: 9, 1: 10, 2: 5})
	kafka.DeleteBefore(t, "hooked", 2, 3)
	have := describeGroup(t, path)

	if have.State != "Empty" || have.Lag != 6+7+10+1+5+10 || len(have.Members) != 0 || len(have.Shards) != 8 {
		t.Errorf("have %+v", have)
	}
	hook, free := have.Workspaces[0], have.Workspaces[1]
	if hook.Workspace != "hook" || hook.Lag != 24 || hook.Seconds == nil || *hook.Seconds != 4.8 || hook.RateFrom != rateOfBudget || hook.Shards != 6 || hook.Stopped != 1 {
		t.Errorf("have %+v", hook)
	}
	if free.Workspace != "free" || free.Lag != 15 || free.Seconds != nil || free.RateFrom != "" {
		t.Errorf("have %+v", free)
	}
	if age := time.Duration(*hook.Oldest * float64(time.Second)); (age - 69*time.Minute).Abs() > time.Minute {
		t.Errorf("want the oldest 69 minutes old, have %v", age)
	}
	var order []string
	for _, s := range have.Shards {
		order = append(order, fmt.Sprintf("%s=%d", s.id(), s.Lag))
	}
	want := []string{"hooked/2=7", "hooked/3=10", "split/3=10", "hooked/1=6", "split/2=5", "split/0=1", "hooked/0=0", "split/1=0"}
	if !slices.Equal(order, want) {
		t.Errorf("want the stopped one first, then by lag\n%v, have\n%v", want, order)
	}
	if s := have.Shards[0]; s.Stopped == "" || s.Commit != commitPlain || *s.Watermark != 1 || s.Start != 3 {
		t.Errorf("have %+v", s)
	}
	if s := have.Shards[2]; s.Commit != commitNone || s.Watermark != nil {
		t.Errorf("have %+v", s)
	}
	notes := strings.Join(have.Notes, "\n")
	for _, want := range []string{"no member runs", "hooked 2 stopped", "sluice shard resume hooked all --at start"} {
		if !strings.Contains(notes, want) {
			t.Errorf("want the note %q, have\n%s", want, notes)
		}
	}
}

func TestGroupDescribeShowsWhatIsAsked(t *testing.T) {
	t.Parallel()
	_, path := behind(t, "http://127.0.0.1:1")
	stand(t, path, "hooked", map[int32]int64{0: 10})
	if have := describeGroup(t, path, "--workspace", "free"); len(have.Shards) != 2 || len(have.Workspaces) != 1 || have.Lag != 20 {
		t.Errorf("have %+v", have)
	}
	if have := describeGroup(t, path, "--stream", "split", "--workspace", "hook"); len(have.Shards) != 2 || have.Shards[0].Stream != "split" {
		t.Errorf("have %+v", have)
	}
	if have := describeGroup(t, path, "nobody"); have.State != "Dead" || have.Lag != 80 || !strings.Contains(have.Notes[0], "does not exist") {
		t.Errorf("have %+v", have)
	}
	o := onGroup(t.Context(), "describe", "-c", path, "--limit", "3")
	if o.code != exitDone || strings.Count(o.out, "hooked/")+strings.Count(o.out, "split/") != 3 || !strings.Contains(o.out, "… and 5 more shards; --limit 0 shows all") {
		t.Errorf("have %d\n%s%s", o.code, o.out, o.err)
	}
	for _, want := range []string{"group tests is Empty: 0 members, 70 events behind", "5/s", "unlimited", "1h09m", "10s", "none", "! no member runs"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("want %q, have\n%s", want, o.out)
		}
	}
	grown := strings.Replace(readFile(t, path), "hooked: {workspace: hook, partitions: 4", "other: {workspace: free, topic: nowhere, partitions: 1, replication: 1}\n  hooked: {workspace: hook, partitions: 3", 1)
	path = write(t, "grown.yaml", grown)
	if o := onGroup(t.Context(), "reset", "-c", path, "--stream", "other", "--to", "start"); o.code != exitFailed || !strings.Contains(o.err, "topic nowhere does not exist; create it with sluice topics apply") {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	notes := strings.Join(describeGroup(t, path).Notes, "\n")
	for _, want := range []string{"nowhere of stream other does not exist", "topic hooked has 4 partitions, the configuration says 3", "hooked 3: no route covers it"} {
		if !strings.Contains(notes, want) {
			t.Errorf("want %q, have\n%s", want, notes)
		}
	}
}

// delivering runs the configuration of behind until the test ends, and returns
// when its member owns every shard.
func delivering(t *testing.T, path string) {
	t.Helper()
	runPipeline(t, path)
	awaitOwners(t, path, 1, 4)
}

func TestGroupDescribeOfARunningMember(t *testing.T) {
	t.Parallel()
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	kafka, path := behind(t, hook.URL)
	stand(t, path, "hooked", map[int32]int64{1: 1})
	kafka.DeleteBefore(t, "hooked", 1, 3)
	delivering(t, path)

	var have groupReport
	for range 200 { // a shard is known to have stopped a little after it has an owner
		if have = describeGroup(t, path); have.Shards[0].Stopped != "" && have.Shards[0].Owner != nil && have.Shards[1].Commit == commitOwned {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	if len(have.Members) != 1 || have.State != "Stable" {
		t.Fatalf("have %+v", have)
	}
	m := have.Members[0]
	if m.Instance != "eu-a" || m.Host != "127.0.0.1" || m.Shards != 8 || m.Actions == "" || m.Member == "" {
		t.Errorf("have %+v", m)
	}
	s := have.Shards[0]
	if s.id() != "hooked/1" || s.Stopped == "" || s.Owner == nil || *s.Owner != m {
		t.Errorf("want the member's own word on what stopped, have %+v", s)
	}
	if w := have.Workspaces[0]; w.Owners != 1 || w.Stopped != 1 {
		t.Errorf("have %+v", w)
	}
	o := onGroup(t.Context(), "describe", "-c", path)
	for _, want := range []string{"#1 eu-a", "owned", "127.0.0.1", "! hooked 1 stopped"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("want %q, have\n%s", want, o.out)
		}
	}
}

// A member that cannot be asked hides nothing of what Kafka tells.
func TestGroupDescribeWithASilentMember(t *testing.T) {
	t.Parallel()
	r := groupReport{
		Members: []groupMember{{Member: "a", Actions: "127.0.0.1:1", Shards: 1}, {Member: "b", Shards: 1}},
		Shards:  []shardLag{{Stream: "s", Stopped: "gone", Owner: &groupMember{Member: "a", Actions: "127.0.0.1:1"}}},
	}
	r.askMembers(t.Context())
	if r.Shards[0].Stopped != "gone" || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "1 member could not be asked") {
		t.Errorf("have %+v", r)
	}
	told := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"s/1":{"reason":"a gap"}}`))
	}))
	t.Cleanup(told.Close)
	addr := strings.TrimPrefix(told.URL, "http://")
	owner := &groupMember{Member: "a", Actions: addr}
	r = groupReport{
		Members: []groupMember{{Member: "a", Actions: addr, Shards: 2}},
		Shards:  []shardLag{{Stream: "s", Stopped: "gone", Owner: owner}, {Stream: "s", Partition: 1, Owner: owner}},
	}
	if r.askMembers(t.Context()); r.Shards[0].Stopped != "" || r.Shards[1].Stopped != "a gap" || len(r.Notes) != 0 {
		t.Errorf("want the owner's word, have %+v", r)
	}
}

// What events wait for is told once, with what to do, and of those workspaces
// alone that were asked about.
func TestGroupDescribeTellsWhatEventsWaitFor(t *testing.T) {
	t.Parallel()
	members := groupReport{Shards: []shardLag{{Stream: "s", Workspace: "shop"}}}
	for range 2 {
		member := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
			answer := `{}`
			if q.URL.Path == "/waiting" {
				why := `{"since":"2026-11-21T14:02:03Z","topic":"s.dead","reason":"no such topic","remedy":"sluice topics apply"}`
				answer = `{"shop":` + why + `,"other":` + why + `}`
			}
			_, _ = rw.Write([]byte(answer))
		}))
		t.Cleanup(member.Close)
		members.Members = append(members.Members, groupMember{Actions: strings.TrimPrefix(member.URL, "http://"), Shards: 1})
	}
	members.askMembers(t.Context())
	if len(members.Notes) != 1 {
		t.Fatalf("want one note, have %q", members.Notes)
	}
	for _, want := range []string{"workspace shop", "s.dead", "2026-11-21T14:02:03Z", "nothing is lost", "sluice topics apply"} {
		if !strings.Contains(members.Notes[0], want) {
			t.Errorf("want %q in\n%s", want, members.Notes[0])
		}
	}
}

// cancelling ends the command after so many lines of output.
type cancelling struct {
	bytes.Buffer
	lines  int
	cancel func()
	each   func()
}

func (c *cancelling) Write(b []byte) (int, error) {
	c.each()
	if c.lines -= bytes.Count(b, []byte("\n")); c.lines <= 0 {
		c.cancel()
	}
	return c.Buffer.Write(b)
}

func TestGroupWatchMeasures(t *testing.T) {
	t.Parallel()
	_, path := behind(t, "http://127.0.0.1:1")
	stand(t, path, "split", map[int32]int64{2: 0, 3: 0})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	at := int64(0)
	out := &cancelling{lines: 3, cancel: cancel, each: func() {
		at += 3
		stand(t, path, "split", map[int32]int64{2: at})
	}}
	sh := &shell{out: out, err: new(bytes.Buffer), output: outputJSON, configPath: path, read: readSecret, lookup: func(string) (string, bool) { return testKey, true }}
	if err := sh.describeGroup(ctx, groupQuery{workspace: "free", every: watchLeast}); err != nil {
		t.Fatal(err)
	}
	var reports []groupReport
	for line := range strings.Lines(out.String()) {
		var one groupReport
		outcome{out: line}.last(t, &one)
		reports = append(reports, one)
	}
	if len(reports) != 3 || reports[0].Workspaces[0].Settling != nil {
		t.Fatalf("want three reports, the first without a rate, have %+v", reports)
	}
	w := reports[1].Workspaces[0]
	if since := reports[1].At.Sub(reports[0].At).Seconds(); w.Settling == nil || math.Abs(*w.Settling*since-3) > 0.01 {
		t.Errorf("want 3 events over the time between, have %+v", w)
	}
	if w.RateFrom != rateOfSettled || w.Seconds == nil || math.Abs(*w.Seconds*w.Rate-17) > 0.01 {
		t.Errorf("want the rest of 17 to take its time at that rate, have %+v", w)
	}
}

func TestGroupLs(t *testing.T) {
	t.Parallel()
	_, path := behind(t, "http://127.0.0.1:1")
	if o := onGroup(t.Context(), "ls", "-c", path); o.code != exitDone || !strings.HasPrefix(o.out, "no group of the cluster is sluice's") {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	stand(t, path, "hooked", map[int32]int64{0: 10, 1: 4, 2: 1, 3: 0})
	var have groupList
	o := onGroup(t.Context(), "ls", "-c", path, "-o", "json")
	o.last(t, &have)
	want := groupEntry{Group: "tests", Configured: true, State: "Empty", Topics: []string{"hooked"}, Lag: 25}
	if len(have.Groups) != 1 || fmt.Sprint(have.Groups[0]) != fmt.Sprint(want) {
		t.Errorf("want %+v, have %+v", want, have)
	}
	if o := onGroup(t.Context(), "ls", "-c", path); !strings.Contains(o.out, "*  tests  Empty  0        25   0     0       0        hooked") {
		t.Errorf("have\n%s", o.out)
	}
}

func TestGroupUsage(t *testing.T) {
	t.Parallel()
	path := configFor(t, "127.0.0.1:1")
	for args, want := range map[string]string{
		"":                                    "a command must follow group",
		"describe a b":                        "accepts at most 1 arg",
		"describe --stream nope":              "has purchases, split, hooked",
		"describe --workspace nope":           "has acme-us, acme-eu, hook",
		"describe --limit -1":                 "--limit must be 0",
		"describe --watch=1ms":                "--watch must be 100ms or more",
		"ls --limit -2":                       "--limit must be 0",
		"reset --stream purchases":            "--to is needed",
		"reset --to start":                    "--stream NAME is needed",
		"reset --stream nope --to start":      "has purchases, split, hooked",
		"reset --stream purchases --to never": "--to must be start, end",
		"reset --stream purchases --to -5":    "--to must be start, end",
		"reset --stream hooked --to 2999-01-01T00:00:00Z": "yet to come; write end",
	} {
		o := onGroup(t.Context(), append(strings.Fields(args), "-c", path)...)
		if o.code != exitUsage || !strings.Contains(o.err, want) || o.out != "" {
			t.Errorf("%s: want exit 2 and %q, have %d %q\n%s", args, want, o.code, o.out, o.err)
		}
	}
}

func TestEventRate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		requests, events budget.Rate
		batch            int
		want             float64
	}{{80, 1000, 100, 1000}, {5, 1000, 100, 500}, {80, 0, 1, 80}, {2, 20, 100, 4}, {50, 5, 100, 5}, {0, 300, 1, 300}, {0, 0, 100, 0}, {0.1, 0, 1, 0.1}, {10, 0, 0, 10}} {
		w := config.Workspace{Budget: budget.Config{Requests: tt.requests, Events: tt.events}, BatchItems: tt.batch}
		if have := eventRate(w); math.Abs(have-tt.want) > 1e-9 {
			t.Errorf("%+v: have %v", tt, have)
		}
	}
}

func TestGroupWords(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{
		0: "0s", 0.2: "<1s", 12.9: "12s", 250: "4m10s", 3600: "1h00m", 11100: "3h05m", 187_200: "2d04h", math.Inf(1): "for ever",
	} {
		if have := inWords(&seconds); have != want {
			t.Errorf("%v: want %s, have %s", seconds, want, have)
		}
	}
	if have := inWords(nil); have != "-" {
		t.Errorf("have %s", have)
	}
	for _, tt := range []struct {
		numbers []int32
		want    string
	}{
		{nil, "-"},
		{[]int32{7}, "7"},
		{[]int32{9, 0, 1, 2, 11}, "0-2, 9, 11"},
		{[]int32{0, 2, 4, 6, 8, 10, 12, 14, 16, 18}, "0, 2, 4, 6, 8, 10, 12, 14 and 2 more"},
	} {
		if have := ranges(tt.numbers); have != tt.want {
			t.Errorf("want %s, have %s", tt.want, have)
		}
	}
	for rate, want := range map[float64]string{0: "0/s", 0.1: "0.1/s", 2.54: "2.5/s", 1000: "1000/s", 99.9: "100/s"} {
		if have := eventsPer(rate); have != want {
			t.Errorf("want %s, have %s", want, have)
		}
	}
}
