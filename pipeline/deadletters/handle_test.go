package deadletters_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline/deadletters"
	"sluice/pipeline/event"
)

func TestRedrivePutsBackWhatDied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := born()
	w.dieAt(t, 7, event.Record{
		Key: []byte("ada"), Value: []byte(`{"n":1}`), Time: at,
		Headers: []event.Header{
			{Key: "class", Value: []byte("bulk")},
			{Key: "http-method", Value: []byte("POST")},
			{Key: "http-header-x", Value: []byte("y")},
			{Key: "sluice-pretended", Value: []byte("z")},
		},
	}, event.Death{Status: 422})
	w.die(t, "bob", `{"n":2}`, event.Death{}, event.Header{Key: "id", Value: []byte("own")})
	w.die(t, "-", `{"n":3}`, event.Death{})
	c := w.handle(t, deadletters.Order{Deed: deadletters.Redrive})
	if c.Handled != 3 || c.Left() != 0 || w.pending(t) != 0 {
		t.Fatalf("want 3 put back and none left, have %+v, %d pending", c, w.pending(t))
	}
	for _, r := range w.Read(t, live) {
		headers := headersOf(r)
		if strings.Count(headers, "sluice-") != 1 || !strings.Contains(headers, deadletters.HeaderRedrive+"=") {
			t.Errorf("want none of our own headers but the redrive's, have %s", headers)
		}
		switch string(r.Key) {
		case "ada":
			if !r.Time.Equal(at) || r.Partition != partition.ShardOf(r.Key, partitions) || string(r.Value) != `{"n":1}` {
				t.Errorf("want time, shard and value kept, have %+v", r)
			}
			for _, want := range []string{"class=bulk", "http-method=POST", "http-header-x=y"} {
				if !strings.Contains(headers, want) {
					t.Errorf("want %s, have %s", want, headers)
				}
			}
			var was event.Event
			was.Load(event.Record{Topic: live, Offset: 7, Key: r.Key, Value: r.Value, Time: at}, "cluster")
			if !strings.Contains(headers, " id="+was.EventID().String()) {
				t.Errorf("want the id %s, have %s", was.EventID(), headers)
			}
		case "bob":
			if strings.Count(headers, "id=") != 1 || !strings.Contains(headers, "id=own") {
				t.Errorf("want the event's own id header alone, have %s", headers)
			}
		default:
			if r.Key != nil {
				t.Errorf("want no key, have %q", r.Key)
			}
		}
	}
	if again := w.handle(t, deadletters.Order{Deed: deadletters.Redrive}); again != (deadletters.Counts{}) || len(w.Read(t, live)) != 3 {
		t.Errorf("again: want nothing done, have %+v and %d events", again, len(w.Read(t, live)))
	}
}

// fill makes letters of several users, numbered in each user's order, and
// returns what the live topic must hold in the end.
func fill(t *testing.T, w *world, letters int) map[string][]string {
	t.Helper()
	want := map[string][]string{}
	for i := range letters {
		user := fmt.Sprintf("user-%d", i%7)
		value := fmt.Sprintf(`{"n":%d}`, i)
		w.die(t, user, value, event.Death{})
		want[user] = append(want[user], value)
	}
	return want
}

func same(t *testing.T, want, have map[string][]string) {
	t.Helper()
	for user, values := range want {
		if !slices.Equal(values, have[user]) {
			t.Errorf("%s: want %v in order and once, have %v", user, values, have[user])
		}
	}
	if len(have) != len(want) {
		t.Errorf("want %d users, have %d", len(want), len(have))
	}
}

// The process dies at every possible append: before it is written, or after it
// was written and before anybody heard. The next run must find what arrived.
func TestRedriveKilledAnywhereIsNeitherTwiceNorLost(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{false, true} {
		for kill := 1; kill <= 33; kill += 2 {
			t.Run(fmt.Sprintf("append %d written %v", kill, written), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { killAndGoOn(t, newVirtualWorld(t), kill, written) })
			})
		}
	}
}

func killAndGoOn(t *testing.T, w *world, kill int, written bool) {
	t.Helper()
	want := fill(t, w, 24)
	dying, die := context.WithCancel(t.Context())
	defer die()
	broken := &faulty{Kafka: w.cluster, fail: func(n int, _ event.Record) error {
		switch {
		case n < kill:
			return nil
		case n == kill && written:
			die()
			return errLost
		}
		die()
		return errors.New("the process is dead")
	}}
	first, err := deadletters.Open(broken, live, dead).Handle(dying, ordered(deadletters.Order{Deed: deadletters.Redrive, Rate: 2}))
	if err == nil {
		t.Fatalf("want the first run to fail, have %+v after %d appends", first, broken.count)
	}
	began, waited := time.Now(), 0
	c := w.handle(t, deadletters.Order{
		Deed: deadletters.Redrive, Waiting: func(deadletters.Unfinished, time.Duration) { waited++ },
	})
	if took := time.Since(began); waited == 0 && took > time.Second || waited > 0 && took < deadletters.DefaultLease {
		t.Errorf("want a wait of a lease for an unfinished claim alone, have %v after %d", took, waited)
	}
	if w.pending(t) != 0 {
		t.Errorf("want none pending, have %d after %+v and %+v", w.pending(t), first, c)
	}
	same(t, want, w.sequence(t))
}

// Stopped in good order, a run needs no recovery: the next goes on at once.
func TestRedriveStoppedGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := fill(t, w, 40)
		ctx, stop := context.WithCancel(t.Context())
		c, err := w.box.Handle(ctx, ordered(deadletters.Order{
			Deed: deadletters.Redrive, Rate: 60, Progress: func(deadletters.Counts) { stop() },
		}))
		if !errors.Is(err, deadletters.ErrStopped) || c.Handled == 0 || c.Handled == 40 {
			t.Fatalf("want it stopped in the middle, have %+v, %v", c, err)
		}
		again := w.handle(t, deadletters.Order{Deed: deadletters.Redrive, Waiting: func(deadletters.Unfinished, time.Duration) { t.Error("want nothing unfinished") }})
		if c.Handled+again.Handled != 40 || again.Recovered != 0 {
			t.Errorf("want 40 in all, have %+v and %+v", c, again)
		}
		same(t, want, w.sequence(t))
	})
}

// Several at once: each letter is put back by one of them, in order.
func TestRedriveBesideAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := fill(t, w, 60)
		results := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := w.box.Handle(t.Context(), ordered(deadletters.Order{Deed: deadletters.Redrive, Rate: 200}))
				results <- err
			}()
		}
		for range 3 {
			var busy *deadletters.BusyError
			if err := <-results; err != nil && !errors.As(err, &busy) {
				t.Errorf("want done or busy, have %v", err)
			}
		}
		w.handle(t, deadletters.Order{Deed: deadletters.Redrive})
		same(t, want, w.sequence(t))
	})
}

func TestRedriveBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		fill(t, w, 60)
		begun := make(chan struct{}, 100)
		ended := make(chan error, 1)
		go func() {
			_, err := w.box.Handle(t.Context(), ordered(deadletters.Order{
				Deed: deadletters.Redrive, Rate: 40, Progress: func(deadletters.Counts) { begun <- struct{}{} },
			}))
			ended <- err
		}()
		<-begun
		_, err := w.box.Handle(t.Context(), ordered(deadletters.Order{Deed: deadletters.Drop, Why: "no"}))
		var busy *deadletters.BusyError
		if first := <-ended; first != nil && err != nil {
			t.Errorf("want one of them to go on, have %v and %v", first, err)
		} else if err != nil && (!errors.As(err, &busy) || busy.By != "tester" || busy.Deed != deadletters.Redrive) {
			t.Errorf("want who is at work, have %v", err)
		}
	})
}

func TestDropIsForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.die(t, "ada", `{"n":1}`, event.Death{Status: 400})
	w.die(t, "ada", `{"n":2}`, event.Death{Status: 500})
	c := w.handle(t, deadletters.Order{Deed: deadletters.Drop, Why: "by hand", Filter: deadletters.Filter{Statuses: []deadletters.Statuses{{From: 400, To: 499}}}})
	if c.Handled != 1 {
		t.Fatalf("have %+v", c)
	}
	s, err := w.box.Summarise(t.Context(), deadletters.Filter{}, 5)
	if err != nil || s.Pending != 1 || s.Dropped != 1 || len(s.Actions) != 1 {
		t.Fatalf("have %+v, %v", s, err)
	}
	a := s.Actions[0]
	if a.By != "tester" || a.Why != "by hand" || a.Filter != "status=4xx" || a.Counts.Handled != 1 || a.Deed != deadletters.Drop {
		t.Errorf("want the audit to say who, why and what, have %+v", a)
	}
	_, fate, err := w.box.At(t.Context(), partition.ShardOf([]byte("ada"), partitions), 0)
	if err != nil || fate.State != deadletters.Dropped || fate.Why != "by hand" || fate.By != "tester" {
		t.Errorf("have %+v, %v", fate, err)
	}
	w.handle(t, deadletters.Order{Deed: deadletters.Redrive})
	same(t, map[string][]string{"ada": {`{"n":2}`}}, w.sequence(t))
}

func TestRedriveHoldsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	week := 7 * 24 * time.Hour
	w.dieAt(t, 1001, event.Record{Key: []byte("old"), Value: []byte(`{"n":1}`), Time: time.Now().Add(-week)}, event.Death{})
	w.die(t, "old", `{"n":2}`, event.Death{})
	w.die(t, "none", "-", event.Death{Reason: "tombstone"})
	w.die(t, "none", `{"n":3}`, event.Death{})
	order := deadletters.Order{Deed: deadletters.Redrive, Keep: week}
	plan, err := w.box.Plan(t.Context(), order, 3)
	want := deadletters.Counts{Handled: 1, Old: 1, Behind: 1, Empty: 1}
	if err != nil || plan.Counts != want || plan.Summary.Pending != 4 || len(plan.Summary.Newest) != 3 {
		t.Errorf("plan: want %+v, have %+v, %v", want, plan, err)
	}
	if len(w.Read(t, live)) != 0 {
		t.Fatal("a plan put something back")
	}
	if c := w.handle(t, order); c != want {
		t.Errorf("want %+v, have %+v", want, c)
	}
	order.NewTime = true
	if c := w.handle(t, order); c.Handled != 2 || c.Empty != 1 {
		t.Errorf("with the time of now: have %+v", c)
	}
	same(t, map[string][]string{"old": {`{"n":1}`, `{"n":2}`}, "none": {`{"n":3}`}}, w.sequence(t))
}

// A letter that the topic will not take keeps the user's later ones behind it
// and stops nobody else.
func TestRedriveTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n, user := range []string{"ada", "ada", "ada", "bob"} {
		w.die(t, user, fmt.Sprintf(`{"n":%d}`, n), event.Death{})
	}
	refusing := &faulty{Kafka: w.cluster, fail: func(_ int, r event.Record) error {
		if string(r.Value) == `{"n":1}` {
			return fmt.Errorf("append: %w", partition.ErrTooLarge)
		}
		return nil
	}}
	c, err := deadletters.Open(refusing, live, dead).Handle(t.Context(), ordered(deadletters.Order{Deed: deadletters.Redrive}))
	if want := (deadletters.Counts{Handled: 2, Failed: 1, Behind: 1}); err != nil || c != want {
		t.Errorf("want %+v, have %+v, %v", want, c, err)
	}
	same(t, map[string][]string{"ada": {`{"n":0}`}, "bob": {`{"n":3}`}}, w.sequence(t))
	w.handle(t, deadletters.Order{Deed: deadletters.Redrive})
	same(t, map[string][]string{"ada": {`{"n":0}`, `{"n":1}`, `{"n":2}`}, "bob": {`{"n":3}`}}, w.sequence(t))
}

// An event that died twice around a crash has two letters and is put back once.
func TestRedriveRepeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, n := range []int64{1, 2, 1, 2, 3} {
		w.dieAt(t, n, event.Record{Key: []byte("ada"), Value: fmt.Appendf(nil, `{"n":%d}`, n)}, event.Death{})
	}
	if c := w.handle(t, deadletters.Order{Deed: deadletters.Redrive, Rate: 8}); c.Handled != 3 || c.Repeats != 2 {
		t.Errorf("have %+v", c)
	}
	same(t, map[string][]string{"ada": {`{"n":1}`, `{"n":2}`, `{"n":3}`}}, w.sequence(t))
	if s, _ := w.box.Summarise(t.Context(), deadletters.Filter{}, 0); s.Pending != 0 || s.Repeats != 0 || s.Redriven != 5 {
		t.Errorf("have %+v", s)
	}
}

// A redriven event that dies again is a new letter.
func TestRedrivenDiesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.die(t, "ada", `{"n":1}`, event.Death{})
	w.handle(t, deadletters.Order{Deed: deadletters.Redrive})
	put := w.Read(t, live)[0]
	put.Offset = 100
	w.dieAt(t, 100, put, event.Death{})
	if w.pending(t) != 1 {
		t.Fatalf("want a new letter, have %d", w.pending(t))
	}
	w.handle(t, deadletters.Order{Deed: deadletters.Redrive})
	events := w.Read(t, live)
	if len(events) != 2 || strings.Count(headersOf(events[1]), deadletters.HeaderRedrive) != 1 {
		t.Errorf("want it back once more, with one header, have %d, %s", len(events), headersOf(events[1]))
	}
	var first, second event.Event
	first.Load(events[0], "c")
	second.Load(events[1], "c")
	if first.EventID() != second.EventID() {
		t.Errorf("want one id for ever, have %s and %s", first.EventID(), second.EventID())
	}
}

// Nobody can tell when the live topic has lost what was written meanwhile.
func TestRedriveUnsure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		w.die(t, "ada", `{"n":1}`, event.Death{})
		broken := &faulty{Kafka: w.cluster, fail: func(n int, _ event.Record) error {
			if n == 1 {
				return nil
			}
			return errLost
		}}
		if _, err := deadletters.Open(broken, live, dead).Handle(t.Context(), ordered(deadletters.Order{Deed: deadletters.Redrive})); err == nil {
			t.Fatal("want the first run to fail")
		}
		shard := partition.ShardOf([]byte("ada"), partitions)
		w.Append(t, event.Record{Topic: live, Partition: shard, Key: []byte("ada"), Value: []byte(`{}`)})
		w.DeleteBefore(t, live, shard, 1)
		order := ordered(deadletters.Order{Deed: deadletters.Redrive})
		var unsure *deadletters.UnsureError
		if _, err := w.box.Handle(t.Context(), order); !errors.As(err, &unsure) || !strings.Contains(err.Error(), "--unsure") {
			t.Fatalf("want it to say that it cannot tell, have %v", err)
		}
		order.Unsure = true
		if c, err := w.box.Handle(t.Context(), order); err != nil || c.Handled != 1 {
			t.Errorf("have %+v, %v", c, err)
		}
	})
}

// Marks that a later version wrote, or somebody else, stop the work instead of
// being passed over.
func TestRedriveRefusesUnknownMarks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.die(t, "ada", `{"n":1}`, event.Death{})
	w.Append(t, event.Record{Topic: dead, Partition: partition.ShardOf([]byte("ada"), partitions), Value: []byte(`{"kind":"new"}`), Headers: []event.Header{{Key: deadletters.HeaderMark, Value: []byte("new")}}})
	if _, err := w.box.Handle(t.Context(), ordered(deadletters.Order{Deed: deadletters.Redrive})); err == nil || !strings.Contains(err.Error(), "cannot read") {
		t.Errorf("have %v", err)
	}
	if s, err := w.box.Summarise(t.Context(), deadletters.Filter{}, 0); err != nil || s.Faulty != 1 || s.Pending != 1 {
		t.Errorf("have %+v, %v", s, err)
	}
}

// Whatever is chosen and however often: each letter is handled once, each
// user's in order.
func TestHandleInAnyOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	want := map[string][]string{}
	for n := range 80 {
		user, status := fmt.Sprint("u", random.IntN(5)), 400+random.IntN(3)
		value := fmt.Sprintf(`{"n":%d}`, n)
		w.die(t, user, value, event.Death{Status: status})
		if status != 402 {
			want[user] = append(want[user], value)
		}
	}
	w.handle(t, deadletters.Order{Deed: deadletters.Drop, Filter: deadletters.Filter{Statuses: []deadletters.Statuses{{From: 402, To: 402}}}})
	total := 0
	for range 3 {
		for u := range 5 {
			total += w.handle(t, deadletters.Order{Deed: deadletters.Redrive, Rate: float64(random.IntN(2) * 5000), Filter: deadletters.Filter{Users: []string{fmt.Sprint("u", u)}}}).Handled
		}
	}
	same(t, want, w.sequence(t))
	if s, err := w.box.Summarise(t.Context(), deadletters.Filter{}, 0); err != nil || s.Redriven != total || s.Pending != 0 || s.Redriven+s.Dropped != 80 {
		t.Errorf("want 80 in all, have %+v, %v", s, err)
	}
}
