package main

import (
	"context"
	"errors"
	"fmt"
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
)

// gaps makes a broker whose stream hooked has 6 partitions of 5 events, and
// deletes the first ones of some of them. Events go to the URL.
func gaps(t *testing.T, url string, deleted ...int32) (path string) {
	t.Helper()
	kafka := partitiontest.New(t, 6, "hooked", "hooked.held", "hooked.replay", "hooked.dead", "sluice.state")
	for p := range int32(6) {
		for n := range 5 {
			kafka.Append(t, event.Record{Topic: "hooked", Partition: p, Key: fmt.Append(nil, p), Value: fmt.Appendf(nil, `{"n":%d}`, n)})
		}
	}
	for _, p := range deleted {
		kafka.DeleteBefore(t, "hooked", p, 3)
	}
	return write(t, "sluice.yaml", `kafka: {brokers: ["`+kafka.ListenAddrs()[0]+`"], group: tests}
listen: {metrics: off, actions: "127.0.0.1:0"}
workspaces:
  hook: {sink: webhook, url: "`+url+`", budget: {requests: unlimited, events: unlimited}}
streams:
  hooked: {workspace: hook, partitions: 6, replication: 1}
`)
}

func resumeEvery(t *testing.T, path string) (resumedAll, outcome) {
	t.Helper()
	var have resumedAll
	o := sluice(t, "", "shard", "resume", "hooked", "all", "--at", "start", "-c", path, "-o", "json")
	o.last(t, &have)
	return have, o
}

func TestResumeAllWithoutMembersSetsWhatIsGone(t *testing.T) {
	t.Parallel()
	path := gaps(t, "http://127.0.0.1:1", 0, 4)
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		for p, offset := range map[int32]int64{0: 2, 1: 2, 2: 0, 5: 5} {
			if err := a.SetOffset(ctx, "tests", partition.ShardID{Stream: "hooked", Partition: p}, offset); err != nil {
				t.Fatal(err)
			}
		}
	})
	o := sluice(t, "", "shard", "resume", "hooked", "all", "--at", "start", "-c", path)
	want := "no member runs; group tests will begin hooked/0 at offset 3\n" +
		"no member runs; group tests will begin hooked/4 at offset 3\n"
	if o.code != exitDone || o.out != want {
		t.Errorf("want exit 0 and\n%shave %d\n%s%s", want, o.code, o.out, o.err)
	}
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		committed, err := a.Committed(ctx, "tests", "hooked")
		if _, set := committed[3]; set {
			t.Error("a member begins at the start of partition 3 by itself, have it set")
		}
		for p, want := range map[int32]int64{0: 3, 1: 2, 2: 0, 4: 3, 5: 5} {
			if err != nil || committed[p].Offset != want {
				t.Errorf("partition %d: want %d committed, have %v, %v", p, want, committed[p], err)
			}
		}
	})
	if o := sluice(t, "", "shard", "resume", "hooked", "all", "--at", "start", "-c", path); o.code != exitDone || o.out != "no shard of hooked is stopped; nothing was changed; how far each is: sluice group describe --stream hooked\n" {
		t.Errorf("again: have %d\n%s%s", o.code, o.out, o.err)
	}
}

// Two members hold what stopped; one command line makes both go on.
func TestResumeAllAsksEveryMember(t *testing.T) {
	t.Parallel()
	got := make(chan struct{}, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got <- struct{}{} }))
	t.Cleanup(hook.Close)
	path := gaps(t, hook.URL, 0, 1, 2, 3, 4)
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		for p := range int32(5) {
			if err := a.SetOffset(ctx, "tests", partition.ShardID{Stream: "hooked", Partition: p}, 1); err != nil {
				t.Fatal(err)
			}
		}
	})
	for range 2 {
		runPipeline(t, path)
	}
	awaitOwners(t, path, 2, 6)

	resumed := map[int32]int64{}
	for range 200 { // a shard is known to have stopped a little after it has an owner
		have, o := resumeEvery(t, path)
		for _, one := range have.Shards {
			if one.Error != "" {
				t.Log(one.Error) // between two assignments; it is asked again
			} else if one.Owner == "" || *one.Missing != 2 {
				t.Errorf("have %+v, %d given up", one, *one.Missing)
			} else {
				resumed[one.Partition] = *one.Offset
			}
		}
		if len(resumed) == 5 {
			break
		}
		if o.code == exitUsage {
			t.Fatalf("have %d %s%s", o.code, o.out, o.err)
		}
		<-time.After(20 * time.Millisecond)
	}
	if len(resumed) != 5 {
		t.Fatalf("want 5 shards resumed, have %v", resumed)
	}
	patience := time.After(20 * time.Second)
	for i := range 5 + 5*2 {
		select {
		case <-got:
		case <-patience:
			t.Fatalf("%d of 15 events came", i)
		}
	}
}

// runPipeline runs the configuration until the test ends.
func runPipeline(t *testing.T, path string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan outcome, 1)
	go func() { ended <- sluiceUntil(ctx, "", "run", "-c", path) }()
	t.Cleanup(func() {
		stop()
		if o := <-ended; o.code != exitDone {
			t.Errorf("run: exit %d\n%s", o.code, o.err)
		}
	})
}

// awaitOwners waits until so many members own so many partitions of hooked.
func awaitOwners(t *testing.T, path string, members, partitions int) {
	t.Helper()
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		for range 1000 {
			owners, _, err := a.Owners(ctx, "tests", "hooked")
			if err != nil {
				t.Fatal(err)
			}
			distinct := map[string]bool{}
			for _, addr := range owners {
				distinct[addr] = true
			}
			if len(owners) == partitions && len(distinct) == members {
				return
			}
			<-time.After(20 * time.Millisecond)
		}
		t.Fatal("the members did not share the partitions")
	})
}

func TestResumeAllTellsWhatFailed(t *testing.T) {
	t.Parallel()
	var posted []string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /shards/stopped", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"s/0":{"reason":"gone"},"s/1":{"reason":"gone"},"s/2":{"reason":"gone"},"other/3":{}}`))
	})
	mux.HandleFunc("POST /", func(rw http.ResponseWriter, r *http.Request) {
		posted = append(posted, r.URL.String())
		_, _ = rw.Write([]byte(`{"s/0":{"offset":7,"missing":2},"s/1":{"offset":0,"missing":0,"error":"the commit was refused"}}`))
	})
	owner := httptest.NewServer(mux)
	t.Cleanup(owner.Close)
	healthy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("a member without a stopped shard was asked %s %s", r.Method, r.URL)
		}
		_, _ = rw.Write([]byte(`{}`))
	}))
	t.Cleanup(healthy.Close)
	addr := strings.TrimPrefix(owner.URL, "http://")
	stream := config.DefaultStream("s")
	stream.Partitions = 8
	have := resumedAll{Stream: "s", Shards: tellOwners(t.Context(), stream, map[int32]string{
		0: addr, 1: addr, 2: addr, 3: addr, 4: "127.0.0.1:1", 5: "", 7: strings.TrimPrefix(healthy.URL, "http://"),
	})}
	var text strings.Builder
	have.text(&text, "g")
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	want := []string{
		"s/0 goes on at offset 7, 2 given up; told its owner at " + addr,
		"s/1 failed: the commit was refused",
		"s/2 failed: its owner gave it away meanwhile",
		"s/4 failed: ask the owner at 127.0.0.1:1: 127.0.0.1:1 refuses the connection; run this where",
		"s/5 failed: its owner tells no address",
		"s/6 failed: no member owns it",
		"5 shards were not resumed; the same again resumes what is still stopped",
	}
	if !slices.EqualFunc(lines, want, strings.HasPrefix) {
		t.Errorf("want\n%s\nhave\n%s", strings.Join(want, "\n"), text.String())
	}
	if want := []string{"/shards/s/all/resume?at=start"}; !slices.Equal(posted, want) {
		t.Errorf("want one request, %v, have %v", want, posted)
	}
}

func TestResumeAllExitCodes(t *testing.T) {
	t.Parallel()
	done, failed := resumed{}, resumed{Error: "no"}
	for _, tt := range []struct {
		shards []resumed
		want   int
	}{{nil, exitDone}, {[]resumed{done, done}, exitDone}, {[]resumed{done, failed}, exitPart}, {[]resumed{failed, failed}, exitFailed}} {
		err := resumedAll{Shards: tt.shards}.verdict()
		if have := exitCode(err); have != tt.want {
			t.Errorf("%v: want exit %d, have %d", tt.shards, tt.want, have)
		}
		var coded *codedError
		if errors.As(err, &coded) && !coded.quiet {
			t.Errorf("%v: said twice", tt.shards)
		}
	}
}
