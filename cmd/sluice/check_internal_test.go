package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/checker"
	"sluice/pipeline/config"
	"sluice/pipeline/event"
	"sluice/sink/simulator"
)

// simulated starts a simulator and sends it these Track v2 entities, one
// request each.
func simulated(t *testing.T, entities ...[]byte) (url string) {
	t.Helper()
	sim, err := simulator.New(simulator.DefaultConfig(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	for _, entity := range entities {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/v2/entity", strings.NewReader(string(entity)))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("site", "key")
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		if _ = answer.Body.Close(); answer.StatusCode != http.StatusOK {
			t.Fatalf("simulator: %s", answer.Status)
		}
	}
	return server.URL
}

// produced produces a file of n events and returns it and their values.
func produced(t *testing.T, config string, n int) (input string, values [][]byte) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"user":"%d","event":"e","data":{"i":%d}}`+"\n", i%3, i)
	}
	input = write(t, "in.ndjson", lines.String())
	if o := sluice(t, "", "produce", "purchases", input, "-c", config, "--seq"); o.code != exitDone {
		t.Fatalf("produce: exit %d\n%s", o.code, o.err)
	}
	for _, r := range records(t, config, "purchases") {
		values = append(values, r.Value)
	}
	return input, values
}

func TestCheck(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	input, values := produced(t, config, 9)
	for name, tc := range map[string]struct {
		sent [][]byte
		code int
		want checker.Report
	}{
		"all":  {values, exitDone, checker.Report{Read: 9, Delivered: 9, Requests: 9}},
		"lost": {values[1:], exitFailed, checker.Report{Read: 9, Delivered: 8, Lost: 1, Requests: 8}},
		"twice": {
			append([][]byte{values[0]}, values...), exitFailed,
			checker.Report{Read: 9, Delivered: 9, Duplicates: 1, DoubleEffects: 1, Requests: 10},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := simulated(t, tc.sent...)
			o := sluice(t, "", "check", "--input", input, "--sim", url, "-o", "json", "--seq")
			var have checker.Report
			o.last(t, &have)
			have.Seconds, have.MaxSecond, have.MaxTenth = 0, 0, 0
			if o.code != tc.code || have != tc.want {
				t.Errorf("want exit %d and %+v\nhave %d and %+v\n%s", tc.code, tc.want, o.code, have, o.err)
			}
			o = sluice(t, "", "check", "--input", input, "--sim", url)
			if o.code != tc.code || !strings.Contains(o.out, "read 9 = delivered") {
				t.Errorf("as text: have %d\n%s", o.code, o.out)
			}
		})
	}
}

// TestCheckAsksKafka: what is not delivered is in hand until a commit has
// passed it, and a dead letter that a crash has doubled is one.
func TestCheckAsksKafka(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	input, values := produced(t, config, 9)
	url := simulated(t, values[1:]...)
	withAdmin(t, config, func(ctx context.Context, a *partition.Admin) {
		bounds, err := a.Bounds(ctx, "purchases")
		if err != nil {
			t.Fatal(err)
		}
		for p, end := range bounds.End {
			if err := a.SetOffset(ctx, "tests", partition.ShardID{Stream: "purchases", Partition: p}, end); err != nil {
				t.Fatal(err)
			}
		}
	})
	var have checker.Report
	o := sluice(t, "", "check", "--input", input, "--sim", url, "-c", config, "--stream", "purchases", "-o", "json")
	if o.last(t, &have); o.code != exitFailed || have.Lost != 1 || have.InHand != 0 {
		t.Errorf("all settled: have %d %s%s", o.code, o.out, o.err)
	}

	first := records(t, config, "purchases")[0]
	deadLetterTwice(t, config, first)
	o = sluice(t, "", "check", "--input", input, "--sim", url, "-c", config, "-o", "json")
	if o.last(t, &have); o.code != exitDone || have.Lost != 0 || have.DeadLettered != 1 {
		t.Errorf("a dead letter, twice: have %d %s%s", o.code, o.out, o.err)
	}

	shard := fmt.Sprint(first.Partition)
	if o := sluice(t, "", "shard", "resume", "purchases", shard, "--at", "start", "-c", config); o.code != exitDone {
		t.Fatal(o.err)
	}
	o = sluice(t, "", "check", "--input", input, "--sim", url, "-c", config, "-o", "json")
	if o.last(t, &have); have.InHand == 0 {
		t.Errorf("a shard set back: want its events in hand, have %s", o.out)
	}
}

// An event that moved to held is settled on the live topic, and one that was
// copied twice around a crash, or replayed as well, is one event still.
func TestCheckCountsWhatIsHeldOnce(t *testing.T) {
	t.Parallel()
	kafka, path := tiered(t, "http://127.0.0.1:1")
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		cfg := kafkaOf(t, path)
		count := func(want int) {
			t.Helper()
			stream := config.DefaultStream("hooked")
			if have, _, err := unsettled(ctx, a, cfg, stream); err != nil || have != want {
				t.Errorf("want %d in hand, have %d, %v", want, have, err)
			}
		}
		count(8)
		original := func(offset int64) event.Record {
			return event.Record{Topic: "hooked", Partition: 1, Offset: offset, Key: []byte("u1"), Value: []byte(`{}`), Time: time.Now()}
		}
		held(t, kafka, "hooked.held", original(0), event.Move{Attempts: 3}) // and not settled on live yet
		count(8)
		stand(t, path, "hooked", map[int32]int64{1: 2})
		count(6 + 1)
		held(t, kafka, "hooked.held", original(0), event.Move{Attempts: 3})
		held(t, kafka, "hooked.held", original(1), event.Move{})
		count(6 + 2)
		held(t, kafka, "hooked.replay", original(1), event.Move{Replay: "R8ST"})
		held(t, kafka, "hooked.replay", original(-1), event.Move{Replay: "R8ST"}) // names no place: an event by itself
		count(6 + 3)
		stand(t, path, "hooked.held", map[int32]int64{1: 3})
		count(6 + 2)
		stand(t, path, "hooked.replay", map[int32]int64{1: 2})
		count(6)
	})
}

func deadLetterTwice(t *testing.T, config string, r event.Record) {
	t.Helper()
	a, err := partition.NewAppender(kafkaOf(t, config), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var e event.Event
	e.Load(r, "cluster")
	now := time.Now()
	letter := event.DeadLetter(&e, event.Death{
		Topic: "purchases.dead", Verdict: "rejected", Reason: "invalid", Status: 400, Attempts: 1, First: now, Last: now, Workspace: "acme-us",
	})
	for range 2 {
		a.Append(t.Context(), letter, func(_ partition.Position, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestCheckWithoutASimulator(t *testing.T) {
	t.Parallel()
	input := write(t, "in.ndjson", `{"user":"1","event":"e"}`+"\n")
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	if o := sluice(t, "", "check", "--input", input, "--sim", server.URL); o.code != exitFailed || !strings.Contains(o.err, "is this a simulator?") {
		t.Errorf("have %d %s", o.code, o.err)
	}
}

func TestSimulateServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	listening := make(chan string, 1)
	var out strings.Builder
	sh := &shell{out: &out, err: firstWord{prefix: "http://", found: listening}}
	code := make(chan int, 1)
	go func() {
		code <- sh.execute(ctx, strings.Fields("simulate --listen 127.0.0.1:0 --region eu --latency 1ms --limit 100/s --burst 10 --on-limit degrade --errors 0% --key a:b --key c:d@us -o json"))
	}()
	var address string
	select {
	case address = <-listening:
	case c := <-code:
		t.Fatalf("simulate ended with %d: %s", c, out.String())
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/_sim/stats", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	if _ = answer.Body.Close(); !strings.Contains(string(body), `"region":"eu"`) {
		t.Errorf("stats: have %s", body)
	}
	stop()
	if have := <-code; have != exitDone || !strings.Contains(out.String(), `"requests":0`) {
		t.Errorf("want exit 0 and the counts, have %d %s", have, out.String())
	}
}

func TestSimulateSaysWhyItCannotListen(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	o := sluice(t, "", "simulate", "--listen", taken.Addr().String())
	if o.code != exitFailed || !strings.Contains(o.err, "--listen") {
		t.Errorf("have %d %s", o.code, o.err)
	}
}

// firstWord is a writer that hands over what follows prefix in the first write
// that holds it, up to a comma or a space.
type firstWord struct {
	prefix string
	found  chan string
}

func (w firstWord) Write(text []byte) (int, error) {
	if _, after, ok := strings.Cut(string(text), w.prefix); ok {
		select {
		case w.found <- after[:strings.IndexAny(after+",", ", \n")]:
		default:
		}
	}
	return len(text), nil
}
