package producer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// purchases is a file of n events by so many users in turn, each with its
// number among its user's.
func purchases(n, users int) string {
	var b strings.Builder
	for i := range n {
		_, _ = fmt.Fprintf(&b, `{"user":"u%d","event":"purchase","data":{"i":%d}}`+"\n", i%users, i/users)
	}
	return b.String()
}

// numbers are the data's i of entities.
func numbers(t *testing.T, values []string) []int {
	t.Helper()
	var have []int
	for _, value := range values {
		var entity struct{ Attributes struct{ I int } }
		if err := json.Unmarshal([]byte(value), &entity); err != nil {
			t.Fatal(err)
		}
		have = append(have, entity.Attributes.I)
	}
	return have
}

func TestRunAppendsEveryEventInOrder(t *testing.T) {
	t.Parallel()
	a := &fake{}
	report, err := producer.Run(t.Context(), a, producer.NDJSON(strings.NewReader(purchases(10_000, 7))), producer.Options{Topic: "events", Seq: true})
	if err != nil {
		t.Fatal(err)
	}
	if report.Read != 10_000 || report.Succeeded != 10_000 || report.Failed != 0 {
		t.Errorf("have %+v", report)
	}
	var size int64
	for i, r := range a.records {
		size += int64(len(r.Key) + len(r.Value))
		if r.Topic != "events" || !bytes.Contains(r.Value, fmt.Appendf(nil, `"_seq":%d,"_n":%d,`, i/7+1, i+1)) {
			t.Fatalf("record %d: have topic %s, %s", i, r.Topic, r.Value)
		}
	}
	if report.Bytes != size {
		t.Errorf("have %d bytes, want %d", report.Bytes, size)
	}
}

// Bad lines and refused records are written with their reason and what the
// file holds; every other event arrives, each user's in the file's order.
func TestRunGoesOnAfterFailures(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(purchases(30, 3)), "\n")
	lines[4] = `{"user":"u1", broken`
	lines[10] = strings.Repeat("x", producer.MaxLine+1)
	synctest.Test(t, func(t *testing.T) {
		a := &fake{delay: 3 * time.Millisecond, fail: func(r event.Record) error {
			if string(r.Key) == "u0" && bytes.Contains(r.Value, []byte(`"i":5`)) {
				return errBroker
			}
			return nil
		}}
		var failed strings.Builder
		report, err := producer.Run(t.Context(), a, producer.NDJSON(strings.NewReader(strings.Join(lines, "\n"))), producer.Options{Topic: "events", FailedTo: &failed})
		if err != nil {
			t.Fatal(err)
		}
		if report.Read != 30 || report.Succeeded != 27 || report.Failed != 3 {
			t.Errorf("have %+v, want 30 read, 27 succeeded, 3 failed", report)
		}
		equal(t, "u0", numbers(t, a.values("u0")), []int{0, 1, 2, 3, 4, 6, 7, 8, 9})
		equal(t, "u1", numbers(t, a.values("u1")), []int{0, 2, 4, 5, 6, 7, 8, 9})
		equal(t, "u2", numbers(t, a.values("u2")), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
		checkFailures(t, failed.String(), map[int][2]string{
			5:  {"not JSON", lines[4]},
			11: {"longer than", lines[10][:1024]},
			16: {"broker says no", lines[15]},
		})
	})
}

func checkFailures(t *testing.T, file string, want map[int][2]string) {
	t.Helper()
	for line := range strings.Lines(file) {
		var one struct {
			Line          int
			Reason, Input string
			Cut           bool
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		expected, found := want[one.Line]
		if !found || !strings.Contains(one.Reason, expected[0]) || one.Input != expected[1] || one.Cut != (len(one.Input) == 1024) {
			t.Errorf("have %+v, want %q", one, expected)
		}
		delete(want, one.Line)
	}
	if len(want) > 0 {
		t.Errorf("not reported: %v", want)
	}
}

func TestRunKeepsPace(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0.5, 40, 1000, 7500} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const n = 400
				a := &fake{}
				report, err := producer.Run(t.Context(), a, producer.NDJSON(strings.NewReader(purchases(n, 3))), producer.Options{Topic: "t", Rate: rate})
				if err != nil {
					t.Fatal(err)
				}
				each := time.Duration(float64(time.Second) / rate)
				for i, at := range a.times {
					if have, want := at.Sub(a.times[0]), time.Duration(i)*each; have != want {
						t.Fatalf("event %d came after %v, want %v", i, have, want)
					}
				}
				if want := (time.Duration(n-1) * each).Seconds(); math.Abs(report.Seconds-want) > 1e-6 {
					t.Errorf("have %v s, want %v", report.Seconds, want)
				}
			})
		})
	}
}

// An input that stalls must not be made up for in a burst.
func TestRunDoesNotBurstAfterAStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &fake{}
		reader, writer := io.Pipe()
		go func() {
			_, _ = io.WriteString(writer, purchases(1, 1))
			time.Sleep(time.Minute)
			_, _ = io.WriteString(writer, purchases(200, 1))
			_ = writer.Close()
		}()
		if _, err := producer.Run(t.Context(), a, producer.NDJSON(reader), producer.Options{Topic: "t", Rate: 1000}); err != nil {
			t.Fatal(err)
		}
		if spread := a.times[200].Sub(a.times[1]); spread < 185*time.Millisecond {
			t.Errorf("200 events at 1000/s came within %v of the stall's end", spread)
		}
	})
}

// What is read and not settled is bounded however slow Kafka is.
func TestRunBoundsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &fake{delay: time.Second}
		report, err := producer.Run(t.Context(), a, producer.NDJSON(strings.NewReader(purchases(20_000, 7))), producer.Options{Topic: "t"})
		if err != nil || report.Succeeded != 20_000 {
			t.Fatalf("have %+v, %v", report, err)
		}
		if a.most != 4096 {
			t.Errorf("have at most %d in flight, want 4096", a.most)
		}
	})
}

func TestRunReportsProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reads, ticks []int
		options := producer.Options{Topic: "t", Rate: 1000, Progress: func(r producer.Report) {
			reads = append(reads, r.Read)
			if r.Read != r.Succeeded+r.Failed {
				t.Errorf("have %+v, want read = succeeded + failed", r)
			}
		}}
		if _, err := producer.Run(t.Context(), &fake{}, producer.NDJSON(strings.NewReader(purchases(3500, 3))), options); err != nil {
			t.Fatal(err)
		}
		equal(t, "events at each report", reads, []int{1000, 2000, 3000})
		options.Tick = 999500 * time.Microsecond
		options.Progress = func(r producer.Report) { ticks = append(ticks, r.Read) }
		options.Rate = 100
		if _, err := producer.Run(t.Context(), &fake{}, producer.NDJSON(strings.NewReader(purchases(250, 3))), options); err != nil {
			t.Fatal(err)
		}
		equal(t, "events at each tick", ticks, []int{100, 200})
	})
}

// Stopping leaves nothing in doubt: appended events are settled, and the read
// that blocks is left behind.
func TestRunStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := &fake{delay: 5 * time.Second, then: func(n int) {
			if n == 10 {
				cancel()
			}
		}}
		reader, writer := io.Pipe()
		go func() { _, _ = io.WriteString(writer, purchases(10, 3)) }()
		began := time.Now()
		report, err := producer.Run(ctx, a, producer.NDJSON(reader), producer.Options{Topic: "t"})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("have %v, want that it was cancelled", err)
		}
		if report.Read != 10 || report.Succeeded != 10 {
			t.Errorf("have %+v, want all 10 succeeded", report)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("took %v", took)
		}
		_ = writer.Close()
	})
}

// A Kafka that never answers is given up half a minute after the stop; what it
// did not acknowledge is reported as failed.
func TestRunGivesUpOnASilentKafka(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		var failed strings.Builder
		report, err := producer.Run(ctx, &fake{stuck: true}, producer.NDJSON(strings.NewReader(purchases(5, 1))), producer.Options{Topic: "t", FailedTo: &failed})
		if err == nil {
			t.Error("have no error, want one")
		}
		if took := time.Since(began); took != 90*time.Second {
			t.Errorf("took %v, want 90s", took)
		}
		if report.Failed != 5 || report.Succeeded != 0 || strings.Count(failed.String(), "\n") != 5 {
			t.Errorf("have %+v and %q, want 5 failed", report, failed.String())
		}
	})
}

func TestRunFaults(t *testing.T) {
	t.Parallel()
	file := func() producer.Input { return producer.NDJSON(strings.NewReader(purchases(3, 1) + "x\ny\n")) }
	if _, err := producer.Run(t.Context(), &fake{}, file(), producer.Options{}); err == nil {
		t.Error("without a topic: have no error")
	}
	if _, err := producer.Run(t.Context(), &fake{}, file(), producer.Options{Topic: "t", Rate: -1}); err == nil {
		t.Error("with a negative rate: have no error")
	}
	report, err := producer.Run(t.Context(), &fake{}, file(), producer.Options{Topic: "t", FailedTo: full{}})
	if !errors.Is(err, errFull) || report.Succeeded != 3 || report.Failed != 2 {
		t.Errorf("full disk: have %+v, %v", report, err)
	}
	broken := producer.NDJSON(io.MultiReader(strings.NewReader(purchases(3, 1)), failing{}))
	report, err = producer.Run(t.Context(), &fake{}, broken, producer.Options{Topic: "t"})
	if err == nil || !strings.Contains(err.Error(), "read line 4: disk on fire") || report.Succeeded != 3 {
		t.Errorf("broken file: have %+v, %v", report, err)
	}
}

var errFull = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
