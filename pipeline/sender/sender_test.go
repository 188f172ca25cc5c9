package sender_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
	"sluice/pipeline/sender"
	"sluice/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// destination takes what its function says, and remembers it.
type destination struct {
	latency time.Duration
	answer  func(values []string) sink.Verdict

	mu  sync.Mutex
	got []string // values delivered, in order
	ids map[string]string
}

func (*destination) Prepare(e *event.Event) { e.PrepareEntity() }
func (*destination) Limits() sink.Limits    { return sink.Limits{Items: 5} }
func (*destination) Close()                 {}

func (d *destination) Deliver(ctx context.Context, batch []*event.Event) sink.Result {
	var values []string
	for _, e := range batch {
		values = append(values, string(e.Field(event.FieldName)))
	}
	select {
	case <-time.After(d.latency):
	case <-ctx.Done():
		return sink.Result{Verdict: sink.Interrupted}
	}
	verdict := sink.Delivered
	if d.answer != nil {
		verdict = d.answer(values)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if verdict == sink.Delivered {
		d.got = append(d.got, values...)
		for i, e := range batch {
			d.ids[values[i]] = e.ID.String()
		}
	}
	return sink.Result{Verdict: verdict, Status: 418, Split: len(batch) > 1, Reason: "teapot"}
}

func configFor(d *destination) pipeline.DirectConfig {
	d.ids = map[string]string{}
	cfg := pipeline.DefaultDirectConfig()
	cfg.Workspace.Name, cfg.Workspace.Sink, cfg.Workspace.InFlight = "acme", d, 2
	cfg.Workspace.MaxInFlight = cfg.Workspace.InFlight // two at a time, however well it goes
	cfg.Drain = 5 * time.Second
	return cfg
}

// file is a file of count events, line n by user n%users with n as its name.
func file(count, users int) string {
	var b strings.Builder
	for n := 1; n <= count; n++ {
		fmt.Fprintf(&b, `{"user":"u%d","event":"%d"}`+"\n", n%users, n)
	}
	return b.String()
}

func names(from, to int) []string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("%q", fmt.Sprint(n)))
	}
	return all
}

// same compares what two lists hold, whatever their order.
func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestEveryLineHasAnOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: time.Millisecond, answer: func(values []string) sink.Verdict {
			if slices.Contains(values, `"7"`) {
				return sink.Rejected
			}
			return sink.Delivered
		}}
		input := file(9, 3) + "no json\n\n" + `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"entity","id":5}` + "\n" + `{"user":"1"}`
		var failed bytes.Buffer
		have, err := sender.Run(t.Context(), configFor(d), producer.NDJSON(strings.NewReader(input)), sender.Options{FailedTo: &failed})
		want := sender.Report{Read: 12, Succeeded: 9, Failed: 3, Seconds: have.Seconds}
		if err != nil || fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("want %+v\nhave %+v, %v", want, have, err)
		}
		reasons := map[int]string{}
		for line := range strings.Lines(failed.String()) {
			var f producer.Failure
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Fatal(err)
			}
			if f.Input != strings.TrimSuffix(strings.Split(input, "\n")[f.Line-1], "\n") {
				t.Errorf("line %d: input %q", f.Line, f.Input)
			}
			reasons[f.Line] = f.Reason
		}
		if len(reasons) != 3 || reasons[7] != "rejected (status 418): teapot" || !strings.Contains(reasons[10], "JSON") || reasons[13] == "" {
			t.Errorf("have %v", reasons)
		}
	})
}

// A run that is stopped says where to go on; the run that does so sends the
// rest, nothing twice, each user in order, however often that happens.
func TestStoppedAndResumedSendsNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count = 300
		d := &destination{latency: 300 * time.Millisecond}
		slow := true
		d.answer = func(values []string) sink.Verdict {
			if slow && slices.Contains(values, `"2"`) { // its successors of other users overtake it
				return sink.Unavailable
			}
			return sink.Delivered
		}
		input, content := file(count, 40), "digest"
		o := sender.Options{Content: content}
		runs, gaps := 0, 0
		for ; ; runs++ {
			slow = runs < 3
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			cfg := configFor(d)
			cfg.MaxRecords = 60
			before := len(d.got)
			have, err := sender.Run(ctx, cfg, producer.NDJSON(strings.NewReader(input)), o)
			cancel()
			if have.Succeeded != len(d.got)-before || have.Read != have.Succeeded+have.Unsent {
				t.Fatalf("run %d: %d arrived; %+v", runs, len(d.got)-before, have)
			}
			if err == nil {
				break
			}
			if !errors.Is(err, context.DeadlineExceeded) || have.FromLine == 0 || runs > 30 {
				t.Fatalf("run %d: %+v, %v", runs, have, err)
			}
			var written bytes.Buffer // as the next run reads it
			if err := have.Settled.Write(&written); err != nil {
				t.Fatal(err)
			}
			gaps += len(have.Settled)
			if o.Settled, err = sender.ReadLines(&written); err != nil {
				t.Fatal(err)
			}
			o.From = have.FromLine
		}
		if runs < 4 || gaps == 0 {
			t.Fatalf("%d runs with %d runs of settled lines above the line to go on from: want more for this test to mean anything", runs, gaps)
		}
		if !same(d.got, names(1, count)) {
			t.Errorf("%d arrivals of %d events: lost or sent twice", len(d.got), count)
		}
		last := map[int]int{}
		for _, name := range d.got {
			var n int
			_, _ = fmt.Sscanf(name, `"%d"`, &n)
			if last[n%40] > n {
				t.Errorf("%d came after %d of the same user", n, last[n%40])
			}
			last[n%40] = n
		}
	})
}

func TestIdsAreOfContentAndLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ids := func(content string) map[string]string {
			time.Sleep(time.Second) // the time must not matter
			d := &destination{}
			input := file(3, 3) + `{"user":"1","event":"own","id":"01JDA000000000000000000001"}` + "\n"
			if _, err := sender.Run(t.Context(), configFor(d), producer.NDJSON(strings.NewReader(input)), sender.Options{Content: content}); err != nil {
				t.Fatal(err)
			}
			return d.ids
		}
		first, again, other, none, noneAgain := ids("a"), ids("a"), ids("b"), ids(""), ids("")
		for n := 1; n <= 3; n++ {
			name := fmt.Sprintf(`"%d"`, n)
			if first[name] != again[name] {
				t.Errorf("line %d of the same content: %s and %s", n, first[name], again[name])
			}
			if first[name] == other[name] || none[name] == noneAgain[name] || first[name] == first[fmt.Sprintf(`"%d"`, n%3+1)] {
				t.Errorf("line %d: ids are not of its content and line alone", n)
			}
		}
		if own := `"own"`; first[own] != "01JDA000000000000000000001" || other[own] != first[own] {
			t.Errorf("an event's own id: have %s and %s", first[own], other[own])
		}
	})
}

func TestGivenUpEventsAreWrittenAndResumed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := true
		d := &destination{latency: 10 * time.Millisecond, answer: func([]string) sink.Verdict {
			if down {
				return sink.Unavailable
			}
			return sink.Delivered
		}}
		cfg := configFor(d)
		cfg.GiveUpAfter, cfg.MaxRecords = time.Hour, 20
		var failed bytes.Buffer
		o := sender.Options{FailedTo: &failed}
		have, err := sender.Run(t.Context(), cfg, producer.NDJSON(strings.NewReader(file(50, 9))), o)
		if !errors.Is(err, pipeline.ErrGaveUp) || have.Failed != 20 || have.Unsent != 0 || have.FromLine != 1 {
			t.Errorf("have %+v, %v", have, err)
		}
		if n := strings.Count(failed.String(), "gave_up (status 418): teapot"); n != 20 {
			t.Errorf("%d written, want 20:\n%s", n, failed.String())
		}
		down, o.From = false, have.FromLine
		if have, err = sender.Run(t.Context(), configFor(d), producer.NDJSON(strings.NewReader(file(50, 9))), o); err != nil || have.Succeeded != 50 {
			t.Errorf("have %+v, %v", have, err)
		}
	})
}

// An event counts as failed only when it is written down: a full disk ends the
// run, and the event is among those to go on from.
func TestFailedFileThatCannotBeWrittenEndsTheRun(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	for name, bad := range map[string]string{"unreadable": "no", "faulted": `{"type":"person","action":"event","identifiers":{"id":"1"},"name":"x","timestamp":{}}`, "rejected": `{"user":"1","event":"bad"}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &destination{answer: func(values []string) sink.Verdict {
					if slices.Contains(values, `"bad"`) || slices.Contains(values, `"x"`) {
						return sink.Rejected
					}
					return sink.Delivered
				}}
				input := file(5, 5) + bad + "\n"
				have, err := sender.Run(t.Context(), configFor(d), producer.NDJSON(strings.NewReader(input)), sender.Options{FailedTo: broken{full}})
				if !errors.Is(err, full) || have.Failed != 0 || have.FromLine == 0 || have.FromLine > 6 {
					t.Errorf("have %+v, %v", have, err)
				}
			})
		})
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestInputThatBreaksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, torn := &destination{latency: time.Second}, errors.New("torn")
		in := producer.NDJSON(iotest.DataErrReader(&tear{rest: file(7, 3), err: torn}))
		have, err := sender.Run(t.Context(), configFor(d), in, sender.Options{})
		if !errors.Is(err, torn) || have.Succeeded != 7 || have.FromLine != 8 {
			t.Errorf("have %+v, %v", have, err)
		}
	})
}

// tear gives what it has and then an error.
type tear struct {
	rest string
	err  error
}

func (r *tear) Read(p []byte) (int, error) {
	if r.rest == "" {
		return 0, r.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// silent is an input that gives nothing for as long as it is open.
type silent struct{ open chan struct{} }

func (s silent) Read([]byte) (int, error) { <-s.open; return 0, errors.New("closed") }

func TestIdleInputDoesNotHoldTheStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		idle := silent{make(chan struct{})}
		defer close(idle.open)
		began := time.Now()
		have, err := sender.Run(ctx, configFor(&destination{}), producer.NDJSON(idle), sender.Options{})
		if !errors.Is(err, context.DeadlineExceeded) || have.Read != 0 || have.FromLine != 1 || time.Since(began) > 2*time.Second {
			t.Errorf("after %v: %+v, %v", time.Since(began), have, err)
		}
	})
}

func TestProgressAtEveryThousandAndTick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 10 * time.Millisecond}
		var shown []sender.Report
		o := sender.Options{Progress: func(r sender.Report) { shown = append(shown, r) }}
		if _, err := sender.Run(t.Context(), configFor(d), producer.NDJSON(strings.NewReader(file(3500, 700))), o); err != nil {
			t.Fatal(err)
		}
		if len(shown) != 3 {
			t.Fatalf("shown %d times, want 3", len(shown))
		}
		for i, r := range shown {
			if r.Read/1000 != i+1 || r.Read != r.Succeeded || r.FromLine < 1 || r.FromLine > int64(r.Read)+1 {
				t.Errorf("at thousand %d: %+v", i+1, r)
			}
		}
		shown, o.Tick = nil, 100*time.Millisecond
		if _, err := sender.Run(t.Context(), configFor(d), producer.NDJSON(strings.NewReader(file(500, 100))), o); err != nil {
			t.Fatal(err)
		}
		if len(shown) < 4 {
			t.Errorf("shown %d times in half a second, want one each 100ms", len(shown))
		}
	})
}

func TestNumbersGoOnWhereTheFirstRunStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &numbered{}
		cfg := configFor(&destination{})
		cfg.Workspace.Sink = d
		o := sender.Options{Seq: true, From: 5, Settled: sender.Lines{{From: 6, To: 6}}}
		have, err := sender.Run(t.Context(), cfg, producer.NDJSON(strings.NewReader(file(8, 2))), o)
		if err != nil || have.Succeeded != 3 {
			t.Fatalf("have %+v, %v", have, err)
		}
		slices.Sort(d.got)
		want := []string{`"5" {"_seq":3,"_n":5}`, `"7" {"_seq":4,"_n":7}`, `"8" {"_seq":4,"_n":8}`}
		if !slices.Equal(d.got, want) {
			t.Errorf("want %v\nhave %v", want, d.got)
		}
	})
}

// numbered remembers names and attributes.
type numbered struct {
	destination
	got []string
}

func (d *numbered) Deliver(_ context.Context, batch []*event.Event) sink.Result {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range batch {
		d.got = append(d.got, string(e.Field(event.FieldName))+" "+string(e.Field(event.FieldAttributes)))
	}
	return sink.Result{Verdict: sink.Delivered, Status: 200}
}
