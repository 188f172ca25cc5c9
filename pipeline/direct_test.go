package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/sink"
)

// graves remembers the dead letters of a Direct.
type graves struct {
	mu   sync.Mutex
	dead []string // place:reason
	full error    // what burying answers
}

func (g *graves) bury(_ context.Context, r event.Record) error {
	death, source, err := event.ParseDeath(r)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.full == nil {
		g.dead = append(g.dead, fmt.Sprintf("%d:%s", source.Offset, death.Reason))
	}
	return g.full
}

// newDirect makes a Direct to a destination, to be closed by the test.
func newDirect(t *testing.T, d *destination, g *graves, change func(*pipeline.DirectConfig)) *pipeline.Direct {
	t.Helper()
	cfg := pipeline.DefaultDirectConfig()
	cfg.Workspace.Name, cfg.Workspace.Sink, cfg.Workspace.InFlight = "a", d, 4
	cfg.Drain, cfg.DeadLetter = 5*time.Second, g.bury
	if change != nil {
		change(&cfg)
	}
	direct, err := pipeline.NewDirect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return direct
}

// sendAll sends events 1..count over so many users, each at its number's place.
func sendAll(ctx context.Context, d *pipeline.Direct, count, users int) error {
	for n := 1; n <= count; n++ {
		r := event.Record{Offset: int64(n), Key: fmt.Append(nil, "u", n%users), Value: fmt.Appendf(nil, `{"n":%d}`, n)}
		if err := d.Send(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func TestDirectDeliversEachUserInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := &destination{latency: 20 * time.Millisecond, items: 10}, &graves{}
		d.answer = func(_ time.Time, events []string) sink.Result {
			if slices.Contains(events, "u9:43") {
				return sink.Result{Verdict: sink.Rejected, Status: 400, Split: len(events) > 1}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}
		settled := 0
		var mu sync.Mutex
		direct := newDirect(t, d, g, func(c *pipeline.DirectConfig) {
			c.MaxRecords = 50
			c.Settled = func(n int) { mu.Lock(); defer mu.Unlock(); settled += n }
		})
		if err := sendAll(t.Context(), direct, 299, 17); err != nil {
			t.Fatal(err)
		}
		if err := direct.Send(t.Context(), event.Record{Key: []byte("u1"), Value: []byte("no")}); err != nil {
			t.Fatal(err)
		}
		if err := direct.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		have, err := direct.Close(t.Context())
		if err != nil || have.Read != 300 || have.Delivered != 298 || have.Failed != 2 || have.Left != 0 || have.Next != 301 || settled != 300 {
			t.Errorf("have %+v, %v, %d settled", have, err, settled)
		}
		inOrder(t, d.delivered())
		slices.Sort(g.dead)
		if want := []string{"300:not_json", "43:rejected"}; !slices.Equal(g.dead, want) {
			t.Errorf("dead letters: want %v, have %v", want, g.dead)
		}
		if err := direct.Send(t.Context(), event.Record{}); !errors.Is(err, pipeline.ErrClosed) {
			t.Errorf("want ErrClosed, have %v", err)
		}
		if again, err := direct.Close(t.Context()); err != nil || again.Read != have.Read {
			t.Errorf("closed again: have %+v, %v", again, err)
		}
	})
}

func TestDirectKeepsItsBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: time.Millisecond, items: 10}
		direct := newDirect(t, d, &graves{}, func(c *pipeline.DirectConfig) { c.Workspace.Budget.Requests = 20 })
		if err := sendAll(t.Context(), direct, 1000, 500); err != nil {
			t.Fatal(err)
		}
		if _, err := direct.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, s := range d.sends {
			if i >= 20 && s.at.Sub(d.sends[i-20].at) < time.Second {
				t.Fatalf("21 requests within %v", s.at.Sub(d.sends[i-20].at))
			}
		}
		if n := len(d.sends); n > 110 {
			t.Errorf("%d requests for 1000 events, want them packed late", n)
		}
	})
}

// An outage shorter than the patience costs nothing but time, and few attempts.
func TestDirectOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d, g := &destination{latency: 10 * time.Millisecond, items: 10}, &graves{}
		d.answer = func(at time.Time, _ []string) sink.Result {
			if at.Sub(start) < 10*time.Minute {
				return sink.Result{Verdict: sink.Unavailable, Status: 503}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}
		direct := newDirect(t, d, g, nil)
		if err := sendAll(t.Context(), direct, 200, 20); err != nil {
			t.Fatal(err)
		}
		have, err := direct.Close(t.Context())
		if err != nil || have.Delivered != 200 || len(g.dead) > 0 {
			t.Errorf("have %+v, %v, dead letters %v", have, err, g.dead)
		}
		inOrder(t, d.delivered())
		failed := 0
		for _, s := range d.sends {
			if s.at.Sub(start) < 10*time.Minute {
				failed++
			}
		}
		if failed > 5+4+20 {
			t.Errorf("%d attempts in ten minutes of outage, want those that opened the breaker and a probe every 30s", failed)
		}
	})
}

func TestDirectGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d, g := &destination{latency: 10 * time.Millisecond, items: 10}, &graves{}
		d.answer = func(at time.Time, _ []string) sink.Result {
			if at.Sub(start) > time.Second {
				return sink.Result{Verdict: sink.Unavailable, Status: 503, Reason: "on fire"}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}
		direct := newDirect(t, d, g, func(c *pipeline.DirectConfig) {
			c.MaxRecords, c.GiveUpAfter, c.Workspace.Budget.Events = 100, time.Hour, 50
		})
		if err := sendAll(t.Context(), direct, 1000, 1000); !errors.Is(err, pipeline.ErrGaveUp) {
			t.Errorf("send: want ErrGaveUp, have %v", err)
		}
		if gone := time.Since(start); gone < time.Hour || gone > time.Hour+10*time.Second {
			t.Errorf("given up after %v, want an hour", gone)
		}
		if err := direct.Flush(t.Context()); !errors.Is(err, pipeline.ErrGaveUp) {
			t.Errorf("flush: want ErrGaveUp, have %v", err)
		}
		have, err := direct.Close(t.Context())
		if !errors.Is(err, pipeline.ErrGaveUp) || !strings.HasSuffix(err.Error(), "the last answer: on fire") {
			t.Errorf("want ErrGaveUp with the last answer, have %v", err)
		}
		if have.GivenUp != 100 || have.Left != 0 || have.Read != have.Delivered+100 || len(g.dead) != 100 {
			t.Errorf("have %+v and %d dead letters", have, len(g.dead))
		}
		if first := fmt.Sprintf("%d:gave_up", have.Next); g.dead[0] != first {
			t.Errorf("the first given up: want %s, have %s", first, g.dead[0])
		}
	})
}

// While others get through, one user whose events always fail is given up event
// by event, and holds nobody.
func TestDirectGivesUpOneEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := &destination{latency: 10 * time.Millisecond, items: 10}, &graves{}
		d.answer = func(_ time.Time, events []string) sink.Result {
			if slices.Contains(events, "u3:3") {
				return sink.Result{Verdict: sink.Unavailable, Status: 500}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}
		direct := newDirect(t, d, g, func(c *pipeline.DirectConfig) {
			c.GiveUpAfter, c.Workspace.Budget.Events = time.Minute, 10
			c.Workspace.Retry.Cap = 10 * time.Second
		})
		if err := sendAll(t.Context(), direct, 2000, 10); err != nil {
			t.Fatal(err)
		}
		have, err := direct.Close(t.Context())
		if err != nil || have.Delivered != 1999 || !slices.Equal(g.dead, []string{"3:gave_up"}) {
			t.Errorf("have %+v, %v, %v", have, err, g.dead)
		}
		inOrder(t, d.delivered())
	})
}

func TestDirectEndsWhenRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d, g := &destination{latency: 10 * time.Millisecond, items: 10}, &graves{}
		d.answer = func(time.Time, []string) sink.Result { return sink.Result{Verdict: sink.Refused, Status: 401} }
		direct := newDirect(t, d, g, nil)
		if err := sendAll(t.Context(), direct, 20, 20); err != nil {
			t.Fatal(err)
		}
		have, err := direct.Close(t.Context())
		if !errors.Is(err, pipeline.ErrRefused) || !strings.Contains(err.Error(), "401") || time.Since(start) > 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if have.Left != 20 || have.Next != 1 || len(g.dead) > 0 {
			t.Errorf("have %+v, %v", have, g.dead)
		}
	})
}

// What is in flight when the caller stops may end; what is settled above the
// first unsettled place is told.
func TestDirectStopsAndSaysWhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := &destination{latency: 2 * time.Second, items: 1}, &graves{}
		d.answer = func(_ time.Time, events []string) sink.Result {
			if events[0] == "u2:2" {
				return sink.Result{Verdict: sink.Unavailable, Status: 500}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}
		direct := newDirect(t, d, g, func(c *pipeline.DirectConfig) { c.MaxRecords = 100 })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := sendAll(ctx, direct, 12, 12); err != nil {
			t.Fatal(err)
		}
		have, err := direct.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("want the context's error, have %v", err)
		}
		got := d.delivered()
		// One of four failed, so the second round is of three.
		if !slices.Contains(got, "u1:1") || slices.Contains(got, "u2:2") || len(got) != 6 {
			t.Fatalf("delivered %v, want those of a round of four and one of three but the second event", got)
		}
		if have.Next != 2 || !slices.Equal(have.Settled, []partition.Span{{From: 3, To: 7}}) || have.Left != 6 {
			t.Errorf("have %+v", have)
		}
	})
}

// A dead letter that nobody takes settles nothing.
func TestDirectDeadLetterIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := &destination{items: 1}, &graves{full: errors.New("disk full")}
		direct := newDirect(t, d, g, nil)
		if err := direct.Send(t.Context(), event.Record{Key: []byte("u"), Value: []byte("no")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if b := direct.Balance(); b.InHand != 1 {
			t.Errorf("want it in hand, have %+v", b)
		}
		g.mu.Lock()
		g.full = nil
		g.mu.Unlock()
		have, err := direct.Close(t.Context())
		if err != nil || have.Failed != 1 || !slices.Equal(g.dead, []string{"1:not_json"}) {
			t.Errorf("have %+v, %v, %v", have, err, g.dead)
		}
	})
}

func TestDirectConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := pipeline.NewDirect(pipeline.DirectConfig{GiveUpAfter: -1})
	if err == nil {
		t.Fatal("want faults")
	}
	for _, want := range []string{"workspace: must have a name and a sink", "workspace.in_flight", "workspace.max_batch_items", "drain", "give_up_after"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q among\n%v", want, err)
		}
	}
	cfg := pipeline.DefaultDirectConfig()
	cfg.Workspace.Name, cfg.Workspace.Sink, cfg.MaxRecords = "a", &destination{}, 0
	if _, err := pipeline.NewDirect(cfg); err == nil || !strings.Contains(err.Error(), "max_records") {
		t.Errorf("want max_records, have %v", err)
	}
}
