package rehearsal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/rehearsal"
	"sluice/pipeline/rules"
	"sluice/sink/budget"
)

var monday = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// set are rules made ready.
func set(t *testing.T, list ...rules.Rule) *rules.Set {
	t.Helper()
	s, err := rules.New(rules.Config{Rules: list})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain is a workspace of a stream with so many partitions.
func plain(partitions int32) rehearsal.Config {
	return rehearsal.Config{
		Budget: budget.DefaultConfig(), Items: 100, Bytes: 512 << 10, Place: rules.Place{Stream: "messages", Partitions: partitions},
		Defers: true, Hand: 4096, Members: 1,
	}
}

// placed puts records where their users belong.
func placed(records []event.Record, partitions int32) []*event.Event {
	next := map[int32]int64{}
	for i := range records {
		r := &records[i]
		r.Partition = partition.ShardOf(r.Key, partitions)
		r.Offset = next[r.Partition]
		next[r.Partition]++
	}
	return prepared(records)
}

func run(t *testing.T, cfg rehearsal.Config, events []*event.Event) *rehearsal.Outcome {
	t.Helper()
	o, err := rehearsal.Run(t.Context(), cfg, events)
	if err != nil {
		t.Fatal(err)
	}
	return &o
}

// A burst of 4,500 events, spread over three minutes: without the rule it leaves
// as fast as the budget lets it.
func TestSpread(t *testing.T) {
	t.Parallel()
	events := placed(mixed([]traffic{{"launch", 4500, 0}}, monday, 0), 12)
	cfg := plain(12)
	before := run(t, cfg, events).Figures(nil)
	if before.Events != 4500 || before.Last > 5*time.Second || before.Peak < 900 || before.Peak > 1100 {
		t.Errorf("without rules: have %+v", before)
	}
	for _, members := range []int{1, 2} {
		cfg.Members = members
		cfg.Rules = set(t, rules.Rule{Name: "launch", Spread: rules.Spread{Over: 3 * time.Minute}})
		o := run(t, cfg, events)
		f := o.Figures(nil)
		if f.Events != 4500 || f.Peak > 32 || f.Last < 179*time.Second || f.Last > 180*time.Second || o.Deferred < 4450 {
			t.Errorf("%d members: have %+v, %d deferred", members, f, o.Deferred)
		}
	}
	for _, e := range events {
		if !e.Due.IsZero() || e.Lot != 0 {
			t.Fatal("want events left as they came")
		}
	}
}

// A campaign has its own rate inside the budget, to the event.
func TestRate(t *testing.T) {
	t.Parallel()
	events := placed(mixed([]traffic{{"campaign", 5000, 0}, {"default", 20_000, 0}}, monday, 0), 24)
	cfg := plain(24)
	cfg.Rules = set(t, rules.Rule{Name: "campaign", Rate: 25})
	for _, members := range []int{1, 4} {
		cfg.Members = members
		o := run(t, cfg, events)
		campaign := o.Figures(func(e int) bool { return o.Class[e] == 1 })
		rest := o.Figures(func(e int) bool { return o.Class[e] == 0 })
		if campaign.Peak > 25+1+members || campaign.Last < 195*time.Second || campaign.Last > 220*time.Second {
			t.Errorf("%d members: campaign: have %+v", members, campaign)
		}
		if rest.Last > 24*time.Second {
			t.Errorf("%d members: want the others undisturbed, have %+v", members, rest)
		}
	}
}

// A rule on the user's own clock, ten days of quiet hours and an event that
// names its time.
func TestDays(t *testing.T) {
	t.Parallel()
	records := mixed([]traffic{{"digest", 200, 0}, {"sms", 40, 0}}, monday.Add(11*time.Hour), 0)
	late := record("default", "late", 0, monday.Add(11*time.Hour))
	late.Headers = []event.Header{{Key: event.HeaderDeliverAt, Value: []byte("2026-12-03T00:00:00Z")}}
	records = append(records, late)
	cfg := plain(3)
	cfg.Rules = set(t,
		rules.Rule{Name: "digest", At: &rules.At{Time: "Friday 13:00", Zone: rules.Zone{Default: "Europe/Berlin"}, Spread: rules.Spread{Over: 10 * time.Minute}}},
		rules.Rule{Name: "sms", Rate: 1, Quiet: &rules.Quiet{From: "22:00", To: "08:00"}},
	)
	o := run(t, cfg, placed(records, 3))
	for class, want := range []struct {
		first, last time.Time
		events      int
	}{
		{time.Date(2026, 12, 3, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 3, 0, 0, 0, 0, time.UTC), 1},
		{time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC), time.Date(2026, 11, 27, 12, 10, 0, 0, time.UTC), 200},
		{time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), time.Date(2026, 11, 24, 8, 0, 41, 0, time.UTC), 40},
	} {
		f := o.Figures(func(e int) bool { return int(o.Class[e]) == class })
		first, last := o.Begin.Add(f.First), o.Begin.Add(f.Last)
		if f.Events != want.events || first.Before(want.first) || first.After(want.first.Add(5*time.Second)) || last.After(want.last) || last.Before(want.last.Add(-10*time.Second)) {
			t.Errorf("%s: want %+v, have %d from %s to %s", o.Classes[class], want, f.Events, first, last)
		}
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	far := record("default", "far", 0, monday)
	far.Headers = []event.Header{{Key: event.HeaderDeliverAt, Value: []byte("2027-11-23T00:00:00Z")}}
	later := record("default", "later", 0, monday)
	later.Headers = []event.Header{{Key: event.HeaderDeliverAt, Value: []byte("2026-11-24T00:00:00Z")}}
	unfit := record("default", "unfit", 0, monday)
	unfit.Value = []byte("{")
	unknown := record("nobody", "unknown", 0, monday)
	cfg := plain(3)
	cfg.Defers = false
	o := run(t, cfg, placed([]event.Record{far, later, unfit, unknown}, 3))
	want := fmt.Sprint(map[string]int{event.ReasonTooFar: 1, event.ReasonNoDeferral: 1, event.ReasonNotJSON: 1})
	if have := fmt.Sprint(o.Dead); have != want || len(o.Sends) != 1 || o.UnknownClass != 1 || o.Unsent != 0 {
		t.Errorf("want %s and one sent, have %s and %d, %d of an unknown class", want, have, len(o.Sends), o.UnknownClass)
	}
}

// Whatever the rules, the budget and the traffic: every event is sent once, not
// before it comes, within the budget, and a user's in order unless deferred.
func TestRunKeepsItsPromises(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			var list []rules.Rule
			kinds := []traffic{{"default", r.IntN(300), 1 + r.IntN(100)}}
			for i := range r.IntN(5) {
				rule := rules.Rule{Name: fmt.Sprintf("r%d", i), Priority: rules.Priority(r.IntN(3) - 1), Weight: float64(1 + r.IntN(4))}
				if r.IntN(2) == 0 {
					rule.Rate = float64(1+r.IntN(40)) / 2
				}
				if r.IntN(3) == 0 {
					rule.Spread = rules.Spread{Over: time.Duration(r.IntN(60)) * time.Second, By: rules.By(r.IntN(2))}
				}
				list = append(list, rule)
				kinds = append(kinds, traffic{rule.Name, r.IntN(200), 1 + r.IntN(50)})
			}
			cfg := plain(int32(1 + r.IntN(6)))
			cfg.Budget = budget.Config{Requests: budget.Rate(r.IntN(20)), Events: budget.Rate(20 + r.IntN(200))}
			cfg.Items, cfg.Members, cfg.Hand, cfg.OrderByClass = 1+r.IntN(30), 1+r.IntN(3), 16+r.IntN(500), r.IntN(2) == 0
			cfg.Rules = set(t, list...)
			events := placed(mixed(kinds, monday, time.Duration(r.IntN(3))*5*time.Millisecond), cfg.Place.Partitions)
			o := run(t, cfg, events)
			promises(t, cfg, o, events, list)
		})
	}
}

func promises(t *testing.T, cfg rehearsal.Config, o *rehearsal.Outcome, events []*event.Event, list []rules.Rule) {
	t.Helper()
	if len(o.Sends) != len(events) || o.Unsent != 0 {
		t.Fatalf("want %d sent, have %d", len(events), len(o.Sends))
	}
	seen, last := map[int]bool{}, map[string]int64{}
	for i, s := range o.Sends {
		e := events[s.Event]
		if seen[s.Event] || o.Begin.Add(s.At).Before(e.Time) || i > 0 && s.At < o.Sends[i-1].At {
			t.Fatalf("send %d: event %d at %v, which came at %v", i, s.Event, s.At, e.Time)
		}
		seen[s.Event] = true
		class := int(o.Class[s.Event])
		if class > 0 && list[class-1].Spread.Over > 0 {
			continue // it has left its user's order
		}
		lane := string(e.Key)
		if cfg.OrderByClass {
			lane += "\x00" + o.Classes[class]
		}
		if before, ok := last[lane]; ok && before >= e.Source.Offset {
			t.Fatalf("user %q: event %d comes after %d", e.Key, e.Source.Offset, before)
		}
		last[lane] = e.Source.Offset
	}
	if most := float64(cfg.Budget.Events) + float64(cfg.Members*cfg.Items) + 1; float64(o.Figures(nil).Peak) > most {
		t.Errorf("want at most %v events in a second, have %d", most, o.Figures(nil).Peak)
	}
	if r := cfg.Budget.Requests; r > 0 && o.PeakRequests() > int(r)+cfg.Members {
		t.Errorf("want at most %v requests in a second, have %d", r, o.PeakRequests())
	}
	for class, rule := range list {
		f := o.Figures(func(e int) bool { return int(o.Class[e]) == class+1 })
		if rule.Rate > 0 && float64(f.Peak) > rule.Rate+2*float64(cfg.Members) {
			t.Errorf("%s: want at most %v in a second, have %d", rule.Name, rule.Rate, f.Peak)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	_, err := rehearsal.Run(t.Context(), rehearsal.Config{}, nil)
	for _, name := range []string{"items", "hand", "members", "place.partitions"} {
		if err == nil || !strings.Contains(err.Error(), name+": must be above 0") {
			t.Errorf("want %s named, have %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rehearsal.Run(ctx, plain(1), placed(mixed([]traffic{{"default", 3, 0}}, monday, 0), 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("want the context's error, have %v", err)
	}
	if o, err := rehearsal.Run(t.Context(), plain(1), nil); err != nil || len(o.Sends) != 0 {
		t.Errorf("without events: have %v, %v", o, err)
	}
}

// A rate that would take longer than anybody waits ends nonetheless.
func TestRunGivesUp(t *testing.T) {
	t.Parallel()
	cfg := plain(1)
	cfg.Rules = set(t, rules.Rule{Name: "never", Rate: 1.0 / (366 * 24 * 3600)})
	o := run(t, cfg, placed(mixed([]traffic{{"never", 300, 0}}, monday, 0), 1))
	if len(o.Sends) < 90 || len(o.Sends) > 110 || o.Unsent != 300-len(o.Sends) {
		t.Errorf("have %d sent, %d unsent", len(o.Sends), o.Unsent)
	}
}
