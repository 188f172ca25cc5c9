package rehearsal_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/pipeline/rehearsal"
	"sluice/pipeline/rules"
	"sluice/sink"
	"sluice/sink/budget"
)

// arrivals notes when a member's attempts come, by the number in each event. It
// answers at once.
type arrivals struct {
	items int

	mu       sync.Mutex
	sends    []rehearsal.Send
	requests []time.Duration
	begin    time.Time
}

func (*arrivals) Prepare(e *event.Event) {
	e.PrepareObject()
	e.Size = len(e.Value)
}

func (a *arrivals) Limits() sink.Limits { return sink.Limits{Items: a.items, Bytes: 1 << 20} }

func (*arrivals) Close() {}

func (a *arrivals) Deliver(_ context.Context, batch []*event.Event) sink.Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := time.Since(a.begin)
	a.requests = append(a.requests, at)
	for _, e := range batch {
		a.sends = append(a.sends, rehearsal.Send{At: at, Event: int(e.Source.Offset) - 1})
	}
	return sink.Result{Verdict: sink.Delivered, Status: 200}
}

// traffic is events of classes by their header, in the order given.
type traffic struct {
	class string
	count int
	users int // that they are spread over, the same for each class of so many; 0: one each
}

func record(class, user string, place int64, at time.Time) event.Record {
	return event.Record{
		Topic: "direct", Offset: place, Key: []byte(user), Value: fmt.Appendf(nil, `{"event":%q}`, class), Time: at,
		Headers: []event.Header{{Key: event.HeaderClass, Value: []byte(class)}},
	}
}

// mixed are the records of all traffic, one of each kind in turn.
func mixed(kinds []traffic, begin time.Time, every time.Duration) []event.Record {
	var all []event.Record
	for i := 0; ; i++ {
		more := false
		for _, k := range kinds {
			if i >= k.count {
				continue
			}
			more = true
			user := fmt.Sprintf("%s %d", k.class, i)
			if k.users > 0 {
				user = fmt.Sprintf("%d of %d", i%k.users, k.users)
			}
			place := int64(len(all)) + 1
			all = append(all, record(k.class, user, place, begin.Add(time.Duration(len(all))*every)))
		}
		if !more {
			return all
		}
	}
}

func rate(perSecond float64) budget.Config { return budget.Config{Events: budget.Rate(perSecond)} }

// TestRehearsalIsLikeAMember holds the model against a real member: what has
// been sent of each class is the same to a second and a few events, all along.
func TestRehearsalIsLikeAMember(t *testing.T) {
	t.Parallel()
	part := func(f float64) *float64 { return &f }
	for name, test := range map[string]struct {
		rules   []rules.Rule
		budget  budget.Config
		items   int
		every   time.Duration // between events that come; 0: at once
		traffic []traffic
	}{
		"priorities": {
			[]rules.Rule{{Name: "high", Priority: rules.High}, {Name: "low", Priority: rules.Low}},
			rate(50), 10, 0,
			[]traffic{{"low", 400, 0}, {"high", 200, 0}, {"default", 300, 0}},
		},
		"weights": {
			[]rules.Rule{{Name: "three", Weight: 3}, {Name: "one"}},
			rate(50), 10, 0,
			[]traffic{{"three", 600, 0}, {"one", 600, 0}},
		},
		"floors": {
			[]rules.Rule{{Name: "high", Priority: rules.High}, {Name: "kept", Floor: part(0.2), Priority: rules.Low}},
			rate(50), 1, 0,
			[]traffic{{"kept", 400, 0}, {"high", 800, 0}, {"default", 100, 0}},
		},
		"a rate inside the budget": {
			[]rules.Rule{{Name: "campaign", Rate: 10, Match: rules.Match{}}},
			rate(60), 10, 0,
			[]traffic{{"campaign", 300, 0}, {"default", 1500, 0}},
		},
		"users with events of two classes": {
			[]rules.Rule{{Name: "campaign", Rate: 10}},
			rate(60), 10, 0,
			[]traffic{{"campaign", 200, 40}, {"default", 600, 40}},
		},
		"requests in batches": {
			[]rules.Rule{{Name: "high", Priority: rules.High}},
			budget.Config{Requests: 5},
			20, 0,
			[]traffic{{"high", 500, 50}, {"default", 1000, 0}},
		},
		"events that come one by one": {
			[]rules.Rule{{Name: "high", Priority: rules.High}, {Name: "slow", Rate: 5}},
			rate(30), 10, 20 * time.Millisecond,
			[]traffic{{"high", 300, 0}, {"slow", 300, 0}, {"default", 300, 0}},
		},
		"spread": {
			[]rules.Rule{{Name: "launch", Spread: rules.Spread{Over: time.Minute}}},
			rate(200), 10, 0,
			[]traffic{{"launch", 600, 0}, {"default", 600, 0}},
		},
		"spread at random, over its budget": {
			[]rules.Rule{{Name: "launch", Spread: rules.Spread{Over: 30 * time.Second, By: rules.Random}}},
			rate(20), 10, 0,
			[]traffic{{"launch", 1000, 100}},
		},
		"quiet hours that begin meanwhile": {
			[]rules.Rule{{Name: "sms", Rate: 4, Quiet: &rules.Quiet{From: "00:01", To: "00:03"}}},
			rate(100), 10, 0,
			[]traffic{{"sms", 400, 0}, {"default", 100, 0}},
		},
		"no limit at all": {
			[]rules.Rule{{Name: "at", At: &rules.At{Time: "00:02", Spread: rules.Spread{Over: 20 * time.Second}}}},
			budget.Config{},
			10, 0,
			[]traffic{{"at", 200, 0}, {"default", 500, 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				set, err := rules.New(rules.Config{Rules: test.rules})
				if err != nil {
					t.Fatal(err)
				}
				records := mixed(test.traffic, begin, test.every)
				have, err := rehearsal.Run(t.Context(), rehearsal.Config{
					Rules: set, Budget: test.budget, Items: test.items, Bytes: 1 << 20, Place: rules.Place{Partitions: 1}, Defers: true, Hand: 16384, Members: 1,
				}, prepared(records))
				if err != nil {
					t.Fatal(err)
				}
				real := delivered(t, set, test.budget, test.items, records)
				compare(t, &have, real)
			})
		})
	}
}

// prepared are records as a destination without batching of its own takes them.
func prepared(records []event.Record) []*event.Event {
	var all []*event.Event
	for _, r := range records {
		e := new(event.Event)
		e.Load(r, "rehearsal")
		(*arrivals).Prepare(nil, e)
		all = append(all, e)
	}
	return all
}

// delivered is what a real member does with records, in the bubble's time.
func delivered(t *testing.T, set *rules.Set, b budget.Config, items int, records []event.Record) *arrivals {
	t.Helper()
	a := &arrivals{items: items, begin: time.Now()}
	cfg := pipeline.DefaultDirectConfig()
	cfg.Workspace.Name, cfg.Workspace.Sink, cfg.Workspace.Rules, cfg.Workspace.Budget = "a", a, set, b
	cfg.Workspace.BatchItems, cfg.MaxRecords = items, 16384
	direct, err := pipeline.NewDirect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		time.Sleep(time.Until(r.Time))
		if err := direct.Send(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := direct.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// compare looks at how much has been sent of each class at the end of every second.
func compare(t *testing.T, have *rehearsal.Outcome, real *arrivals) {
	t.Helper()
	if len(have.Sends) != len(real.sends) || have.Unsent != 0 || len(have.Dead) != 0 {
		t.Fatalf("want %d sent, have %d, %d unsent, dead letters %v", len(real.sends), len(have.Sends), have.Unsent, have.Dead)
	}
	want := rehearsal.Outcome{Sends: real.sends, Requests: real.requests}
	for class, name := range have.Classes {
		chosen := func(e int) bool { return int(have.Class[e]) == class }
		w, h := want.Figures(chosen), have.Figures(chosen)
		if off := (w.Last - h.Last).Abs(); off > time.Second+w.Last/50 {
			t.Errorf("%s: want finished after %v, have %v", name, w.Last, h.Last)
		}
		if off := w.Peak - h.Peak; max(off, -off) > 3+w.Peak/20 {
			t.Errorf("%s: want at most %d in a second, have %d", name, w.Peak, h.Peak)
		}
		for second := time.Duration(0); second <= w.Last; second += time.Second {
			// A member that has just started waits for two or three attempts first.
			least, most := until(want.Sends, second-time.Second, chosen), until(want.Sends, second+time.Second, chosen)
			if n := until(have.Sends, second, chosen); n < least-5-least/50 || n > most+5+most/50 {
				t.Fatalf("%s: after %v want %d to %d sent, have %d", name, second, least, most, n)
			}
		}
	}
	if w, h := len(want.Requests), len(have.Requests); max(w-h, h-w) > 3+w/20 {
		t.Errorf("want %d requests, have %d", w, h)
	}
}

// until is how many of the chosen events had been sent by a moment.
func until(sends []rehearsal.Send, at time.Duration, chosen func(int) bool) int {
	i, _ := slices.BinarySearchFunc(sends, at+1, func(s rehearsal.Send, at time.Duration) int { return int(s.At - at) })
	n := 0
	for _, s := range sends[:i] {
		if chosen(s.Event) {
			n++
		}
	}
	return n
}
