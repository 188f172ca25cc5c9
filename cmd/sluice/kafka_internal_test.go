package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// withAdmin calls fn with an admin of the configuration's cluster.
func withAdmin(t *testing.T, path string, fn func(context.Context, *partition.Admin)) {
	t.Helper()
	a, err := partition.NewAdmin(kafkaOf(t, path))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	fn(t.Context(), a)
}

func kafkaOf(t *testing.T, path string) partition.Config {
	t.Helper()
	sh := &shell{configPath: path, read: readSecret, lookup: func(string) (string, bool) { return testKey, true }}
	cfg, err := sh.config()
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Kafka
}

// records returns everything in a topic, partition after partition.
func records(t *testing.T, path, topic string) []event.Record {
	t.Helper()
	var all []event.Record
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		bounds, err := a.Bounds(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		for p, end := range bounds.End {
			r := partition.Range{Topic: topic, Partition: p, From: bounds.Start[p], To: end}
			if err := partition.ReadRange(ctx, kafkaOf(t, path), r, func(r event.Record) error { all = append(all, r); return nil }); err != nil {
				t.Fatal(err)
			}
		}
	})
	return all
}

func TestProduce(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	csv := write(t, "in.csv", "customer,date,amount\n1,2024-01-01,9.5\n2,2024-01-02,3\n1,2024-01-03,7\n")
	o := sluice(t, "", "produce", "purchases", csv, "-c", config, "--map", "user=customer,timestamp=date", "--event", "purchase", "--seq", "-o", "json")
	var report producer.Report
	if o.last(t, &report); o.code != exitDone || report.Succeeded != 3 || report.Failed != 0 || report.FailedPath != "" {
		t.Fatalf("have %d %s%s", o.code, o.out, o.err)
	}
	values := map[string]string{}
	for _, r := range records(t, config, "purchases") {
		values[string(r.Key)] += string(r.Value)
	}
	for _, want := range []string{`"_seq":1,"_n":1`, `"_seq":2,"_n":3`, `"name":"purchase"`, `"amount":9.5`, `"timestamp":1704067200`} {
		if !strings.Contains(values["1"], want) {
			t.Errorf("user 1: want %s, have %s", want, values["1"])
		}
	}
	o = sluice(t, `{"user":"7","page":"/"}`+"\n", "produce", "hooked", "-", "-c", config)
	if have := records(t, config, "hooked"); o.code != exitDone || len(have) != 1 || string(have[0].Value) != `{"user":"7","page":"/"}` {
		t.Errorf("a webhook's stream takes objects as they are, have %d %s%v", o.code, o.err, have)
	}
}

func TestProduceInPart(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	input := write(t, "in.ndjson", `{"user":"1","event":"a"}`+"\nnot json\n"+`{"user":"1","event":"b"}`+"\n")
	for i, end := range []string{".failed.ndjson", ".2.failed.ndjson"} {
		o := sluice(t, "", "produce", "purchases", input, "-c", config)
		failed, err := os.ReadFile(input + end)
		if o.code != exitPart || err != nil || !strings.Contains(string(failed), `"line":2`) || !strings.Contains(string(failed), "not json") {
			t.Errorf("run %d: want exit 3 and line 2 in %s, have %d, %v\n%s", i+1, input+end, o.code, err, o.out+o.err)
		}
		if !strings.Contains(o.out, "2 succeeded, 1 failed") || !strings.Contains(o.out, input+end) {
			t.Errorf("run %d: have %s", i+1, o.out)
		}
	}
	if o := sluice(t, "", "produce", "purchases", write(t, "bad.ndjson", "{}\n"), "-c", config); o.code != exitFailed {
		t.Errorf("nothing succeeded: want exit 1, have %d", o.code)
	}
}

func TestProduceReportsEveryThousand(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	var input strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&input, `{"user":"%d","event":"a"}`+"\n", i%50)
	}
	o := sluice(t, input.String(), "produce", "purchases", "-", "-c", config)
	if o.code != exitDone || !strings.HasPrefix(o.err, "1000 events: ") || !strings.Contains(o.err, "\n2000 events: ") {
		t.Errorf("have %d\n%s", o.code, o.err)
	}
}

func TestProduceNeedsTheTopic(t *testing.T) {
	t.Parallel()
	o := sluice(t, "{}\n", "produce", "purchases", "-", "-c", kafka(t))
	if o.code != exitFailed || !strings.Contains(o.err, "sluice topics apply") {
		t.Errorf("have %d %s", o.code, o.err)
	}
}

// TestProduceStoppedSaysSo: a signal that comes while the input is idle ends
// the command, and what it reports is what Kafka has.
func TestProduceStoppedSaysSo(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs bytes.Buffer
	idle := make(chan struct{})
	t.Cleanup(func() { close(idle) })
	sh := &shell{
		out: &out, err: &errs, read: readSecret, lookup: func(string) (string, bool) { return testKey, true },
		in: io.MultiReader(strings.NewReader(strings.Repeat(`{"user":"1","event":"a"}`+"\n", 5)), stopper{stop, idle}),
	}
	code := sh.execute(ctx, []string{"produce", "purchases", "-", "-c", config, "-o", "json"})
	var report producer.Report
	outcome{out: out.String()}.last(t, &report)
	want := exitPart
	if report.Succeeded == 0 { // the signal was quicker than the first append
		want = exitFailed
	}
	if code != want || report.Failed != 0 || !strings.Contains(errs.String(), "stopped after") {
		t.Errorf("want exit %d, have %d %s%s", want, code, out.String(), errs.String())
	}
	if have := len(records(t, config, "purchases")); have != report.Succeeded {
		t.Errorf("reported %d, in Kafka %d", report.Succeeded, have)
	}
}

// stopper is an input that stops the command when it is read, and then gives
// nothing.
type stopper struct {
	stop func()
	idle chan struct{}
}

func (s stopper) Read([]byte) (int, error) {
	s.stop()
	<-s.idle
	return 0, io.EOF
}

func TestResumeWithoutMembersSetsTheOffset(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	sluice(t, strings.Repeat(`{"user":"42","event":"a"}`+"\n", 5), "produce", "purchases", "-", "-c", config)
	shard := fmt.Sprint(partition.ShardOf([]byte("42"), 6))
	for at, want := range map[string]int64{"start": 0, "3": 3, "5": 5} {
		o := sluice(t, "", "shard", "resume", "purchases", shard, "--at", at, "-c", config, "-o", "json")
		var have resumed
		if o.last(t, &have); o.code != exitDone || have.Offset == nil || *have.Offset != want {
			t.Fatalf("at %s: have %d %s%s", at, o.code, o.out, o.err)
		}
		withAdmin(t, config, func(ctx context.Context, a *partition.Admin) {
			committed, err := a.Committed(ctx, "tests", "purchases")
			if err != nil || committed[partition.ShardOf([]byte("42"), 6)].Offset != want {
				t.Errorf("at %s: want %d committed, have %v, %v", at, want, committed, err)
			}
		})
	}
	if o := sluice(t, "", "shard", "resume", "purchases", shard, "--at", "6", "-c", config); o.code != exitUsage || !strings.Contains(o.err, "offsets 0 to 5") {
		t.Errorf("beyond the end: want a refusal with the bounds, have %d %s", o.code, o.err)
	}
}

func TestResumeAsksTheOwner(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	sluice(t, `{"user":"42","event":"a"}`+"\n", "produce", "purchases", "-", "-c", config)
	var mu sync.Mutex
	var asked []string
	owner := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.String())
		if r.URL.Query().Get("at") != "start" {
			http.Error(rw, "the shard is not stopped", http.StatusConflict)
		}
	}))
	t.Cleanup(owner.Close)
	runMember(t, config, strings.TrimPrefix(owner.URL, "http://"))

	shard := fmt.Sprint(partition.ShardOf([]byte("42"), 6))
	o := sluice(t, "", "shard", "resume", "purchases", shard, "--at", "start", "-c", config)
	if o.code != exitDone || !strings.Contains(o.out, "told its owner") {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	o = sluice(t, "", "shard", "resume", "purchases", shard, "--at", "1", "-c", config)
	if o.code != exitFailed || !strings.Contains(o.err, "the shard is not stopped") {
		t.Errorf("a refusal: have %d %s", o.code, o.err)
	}
	mu.Lock()
	defer mu.Unlock()
	path := "POST /shards/purchases/" + shard + "/resume?at="
	if want := []string{path + "start", path + "1", "GET /shards/stopped"}; !slices.Equal(asked, want) {
		t.Errorf("want %v, have %v", want, asked)
	}
}

// runMember runs a member of the group until the test ends, and returns once it
// has read an event, so owns its shards.
func runMember(t *testing.T, path, actions string) {
	t.Helper()
	cfg := kafkaOf(t, path)
	cfg.AdminAddr = actions
	read := make(chan struct{})
	c, err := partition.NewConsumer(cfg, partition.Options{
		Streams: []partition.Stream{{Name: "purchases", Topic: "purchases", Routes: []partition.Route{{To: 5, Workspace: "acme-us"}}}},
		Prepare: func(string, *event.Event) { close(read) },
		Log:     zap.NewNop(), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, time.Second) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	select {
	case <-read:
	case err := <-ended:
		t.Fatalf("the member ended: %v", err)
	}
}

func TestUnreachableBrokersAreNamed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	o := sluiceUntil(ctx, "", "topics", "apply", "-c", configFor(t, "127.0.0.1:1"))
	if o.code != exitFailed || o.err == "" {
		t.Errorf("have %d %s", o.code, o.err)
	}
}
