package rules_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

func newsletter() rules.Rule {
	return rules.Rule{Name: "newsletter", Match: where("event", "purchase"), Spread: rules.Spread{Over: 3 * time.Minute}}
}

// within tells whether a time is in a window that begins at an instant.
func within(at, begin time.Time, window time.Duration) bool {
	return !at.Before(begin) && at.Before(begin.Add(window))
}

func TestSpreadBeginsAtTheEventsOwnTime(t *testing.T) {
	t.Parallel()
	const window = 3 * time.Minute
	random := newsletter()
	random.Spread.By = rules.Random
	at := newsletter()
	at.Spread, at.At = rules.Spread{}, &rules.At{Time: "13:00", Spread: rules.Spread{Over: window}}
	both := newsletter()
	both.At = &rules.At{Time: "13:00"}
	one := time.Date(2026, 3, 4, 13, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		rule  rules.Rule
		begin time.Time
	}{
		"even": {newsletter(), produced()}, "random": {random, produced()},
		"of at": {at, one}, "of the rule, with at": {both, one},
	} {
		s := made(t, test.rule)
		v := s.Judge(entity(purchase), place(), produced().Add(-time.Hour))
		if !within(v.Due, test.begin, window) || v.Due.Equal(test.begin) {
			t.Errorf("%s: %s is not in the window from %s", name, v.Due, test.begin)
		}
		if v = s.Judge(entity(purchase), place(), test.begin.Add(window)); !v.Due.IsZero() || v.Rule != "newsletter" {
			t.Errorf("%s: want it at once when the window is over, have %+v", name, v)
		}
	}
}

// An event has the same due time after a redelivery, a restart and a move.
func TestDueStays(t *testing.T) {
	t.Parallel()
	for _, by := range []rules.By{rules.Even, rules.Random} {
		rule := newsletter()
		rule.Spread.By = by
		early := produced().Add(-time.Hour)
		want := made(t, rule).Judge(entity(purchase), place(), early).Due
		e := entity(purchase)
		r := event.Moved(e, event.Move{Topic: "messages.held", Partition: 7})
		r.Offset, r.Time = 3, produced().Add(time.Hour)
		e.LoadMoved(r, "cluster")
		e.PrepareEntity()
		for name, have := range map[string]time.Time{
			"redelivery": made(t, rule).Judge(entity(purchase), place(), early.Add(time.Minute)).Due,
			"move":       made(t, rule).Judge(e, place(), early).Due,
		} {
			if !have.Equal(want) {
				t.Errorf("%s after %s: want %s, have %s", by, name, want, have)
			}
		}
		later := entity(purchase)
		later.Load(event.Record{Topic: "messages", Partition: 7, Offset: 4712, Key: []byte("42"), Value: []byte(purchase), Time: produced()}, "cluster")
		later.PrepareEntity()
		if have := made(t, rule).Judge(later, place(), early).Due; have.Equal(want) {
			t.Errorf("%s: two events are due at once", by)
		}
	}
}

func TestDeliverAt(t *testing.T) {
	t.Parallel()
	now := produced()
	at := rules.Rule{Name: "at", At: &rules.At{Time: "13:00", Spread: rules.Spread{Over: time.Hour}}}
	quiet := rules.Rule{Name: "quiet", Quiet: &rules.Quiet{From: "22:00", To: "08:00"}}
	spread := rules.Rule{Name: "spread", Spread: rules.Spread{Over: time.Minute}}
	s := made(t, at, quiet, spread)
	for name, test := range map[string]struct {
		class, deliver string
		want           time.Duration // from now; 0: at once
		window         time.Duration
		fault          string
	}{
		"alone":               {"", "2026-03-04T06:06:07Z", time.Hour, 0, ""},
		"past":                {"", "2026-03-04T05:06:06Z", 0, 0, ""},
		"now":                 {"", "2026-03-04T05:06:07Z", 0, 0, ""},
		"in place of at":      {"at", "2026-03-04T06:06:07Z", time.Hour, 0, ""},
		"past, with at":       {"at", "2026-03-04T05:06:06Z", 0, 0, ""},
		"begins a spread":     {"spread", "2026-03-04T06:06:07Z", time.Hour, time.Minute, ""},
		"in quiet hours":      {"quiet", "2026-03-05T00:00:00Z", 26*time.Hour + 53*time.Minute + 53*time.Second, 0, ""},
		"as far as may be":    {"", "2026-06-02T05:06:07Z", rules.MaxAhead, 0, ""},
		"further":             {"", "2026-06-02T05:06:08Z", 0, 0, event.ReasonTooFar},
		"further by a spread": {"spread", "2026-06-02T05:06:07Z", 0, 0, event.ReasonTooFar},
		"much further":        {"quiet", "9999999999", 0, 0, event.ReasonTooFar},
	} {
		v := s.Judge(entity(purchase, header("deliver_at", test.deliver), header("class", test.class)), place(), now)
		have := ""
		if v.Fault != nil {
			have = v.Fault.Reason
		}
		if have != test.fault || v.Rule != test.class {
			t.Errorf("%s: want rule %q and fault %q, have %+v", name, test.class, test.fault, v)
		}
		want := now.Add(test.want)
		switch {
		case test.want == 0:
			if !v.Due.IsZero() {
				t.Errorf("%s: want it at once, have %s", name, v.Due)
			}
		case test.window == 0 && !v.Due.Equal(want), test.window > 0 && !within(v.Due, want, test.window):
			t.Errorf("%s: want %s, have %s", name, want, v.Due)
		}
	}
}

// A header spread is heard before the rule's window, and begins where that would.
func TestSpreadByHeader(t *testing.T) {
	t.Parallel()
	now := produced()
	s := made(t,
		rules.Rule{Name: "hour", Spread: rules.Spread{Over: time.Hour, By: rules.Random}},
		rules.Rule{Name: "at", At: &rules.At{Time: "13:00", Spread: rules.Spread{Over: time.Hour}}},
		rules.Rule{Name: "quiet", Quiet: &rules.Quiet{From: "05:00", To: "08:00"}},
		rules.Rule{Name: "plain"})
	share := func(over time.Duration) time.Duration { // of where the fixture's record stands
		return time.Duration(float64(over) * rules.EvenFraction(event.Source{Topic: "messages", Partition: 7, Offset: 4711}))
	}
	at13, at8 := 7*time.Hour+53*time.Minute+53*time.Second, 2*time.Hour+53*time.Minute+53*time.Second
	for name, test := range map[string]struct {
		class, deliver, spread string
		want                   time.Duration // from now; 0: at once
		fault                  string
	}{
		"no rule":             {"", "", "3m", share(3 * time.Minute), ""},
		"a rule without":      {"plain", "", "3m", share(3 * time.Minute), ""},
		"instead of a rule's": {"hour", "", "3m", share(3 * time.Minute), ""},
		"from the rule's at":  {"at", "", "3m", at13 + share(3*time.Minute), ""},
		"from deliver_at":     {"", "2026-03-04T06:06:07Z", "3m", time.Hour + share(3*time.Minute), ""},
		"both, with a rule":   {"at", "2026-03-04T06:06:07Z", "3m", time.Hour + share(3*time.Minute), ""},
		"out of quiet hours":  {"quiet", "", "1m", at8, ""},
		"too far":             {"", "2026-06-02T05:06:07Z", "1h", 0, event.ReasonTooFar},
	} {
		e := entity(purchase, header("deliver_at", test.deliver), header("spread", test.spread), header("class", test.class))
		v := s.Judge(e, place(), now)
		have := ""
		if v.Fault != nil {
			have = v.Fault.Reason
		}
		switch {
		case have != test.fault:
			t.Errorf("%s: want fault %q, have %q", name, test.fault, have)
		case test.want == 0 && !v.Due.IsZero(), test.want > 0 && v.Due.Sub(now.Add(test.want)).Abs() > time.Microsecond:
			t.Errorf("%s: want %s from now, have %s", name, test.want, v.Due.Sub(now))
		}
	}
}

// One that was late has another time in what is left of its own window.
func TestSpreadByHeaderAnew(t *testing.T) {
	t.Parallel()
	s := made(t, rules.Rule{Name: "second", Spread: rules.Spread{Over: time.Second}})
	e := entity(purchase, header("spread", "10m"), header("class", "second"))
	e.Due = s.Judge(e, place(), produced()).Due
	late := e.Due.Add(10 * time.Second)
	if v := s.Judge(e, place(), late); !within(v.Due, late, produced().Add(10*time.Minute).Sub(late)) {
		t.Errorf("want a time between %s and the end of its ten minutes, have %s", late, v.Due)
	}
}

// A rule's date may be too far as well, and a producer's clock that runs ahead
// must cost no event.
func TestFarAhead(t *testing.T) {
	t.Parallel()
	dated := rules.Rule{Name: "it", At: &rules.At{Time: "2026-12-24 18:00"}}
	v := made(t, dated).Judge(entity(purchase, header("class", "it")), place(), produced())
	if v.Fault == nil || v.Fault.Reason != event.ReasonTooFar || !strings.Contains(v.Fault.Detail, "2026-12-24T18:00:00Z") || v.Class != 1 {
		t.Errorf("want a fault that says the date, have %+v", v)
	}
	wrong := entity(purchase)
	wrong.Time = produced().AddDate(30_000, 0, 0)
	v = made(t, newsletter()).Judge(wrong, place(), produced())
	if v.Fault != nil || !within(v.Due, produced(), 3*time.Minute) {
		t.Errorf("want it within the window from now, have %+v", v)
	}
}

func TestMovedEventKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	quiet := newsletter()
	quiet.Quiet = &rules.Quiet{From: "22:00", To: "08:00", Zone: rules.Zone{Field: "data.timezone"}} // 16:30 to 02:30 in UTC
	s := made(t, rules.Rule{Name: "other", Match: where("stream", "messages"), Spread: rules.Spread{Over: time.Hour}}, quiet)
	due := produced().Add(10 * time.Minute)
	for name, test := range map[string]struct {
		move event.Move
		now  time.Time
		rule string
		due  time.Time
	}{
		"deferred":             {event.Move{Class: "newsletter", Due: due}, produced(), "newsletter", due},
		"due long ago":         {event.Move{Class: "newsletter", Due: due}, due.Add(time.Hour), "newsletter", due},
		"due in quiet hours":   {event.Move{Class: "newsletter", Due: due.Add(13 * time.Hour)}, produced(), "newsletter", at(t, "2026-03-05 08:00 +05:30")},
		"now quiet hours":      {event.Move{Class: "newsletter", Due: due}, due.Add(13 * time.Hour), "newsletter", at(t, "2026-03-05 08:00 +05:30")},
		"not deferred":         {event.Move{Class: "newsletter"}, produced(), "newsletter", time.Time{}},
		"no such rule":         {event.Move{Class: "gone", Due: due}, produced(), "", due},
		"the default class":    {event.Move{Class: "default"}, produced(), "", time.Time{}},
		"deferred by a header": {event.Move{Due: due}, produced(), "other", due},
	} {
		e := new(event.Event)
		e.LoadMoved(event.Moved(entity(purchase, header("class", "other")), test.move), "cluster")
		e.PrepareEntity()
		v := s.Judge(e, place(), test.now)
		if v.Rule != test.rule || !v.Due.Equal(test.due) || v.Unknown || v.Fault != nil {
			t.Errorf("%s: want %q due %s, have %+v", name, test.rule, test.due, v)
		}
		if closes := v.Closes; (v.Rule == "newsletter") != (!closes.IsZero() && closes.After(test.now)) {
			t.Errorf("%s: closes %s", name, closes)
		}
	}
}

// More zones than are remembered, and more texts that are none, are told apart
// by many goroutines at once.
func TestJudgeIsForConcurrentUse(t *testing.T) {
	t.Parallel()
	s := made(t, rules.Rule{Name: "it", At: &rules.At{Time: "13:00", Zone: rules.Zone{Field: "tz", Default: "+01:00"}}})
	midnight := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	var group sync.WaitGroup
	for start := range 4 {
		group.Go(func() {
			for i := range 4000 {
				minutes := (i + 700*start) % 660 // so that 13:00 there is on the same day in UTC
				zone, east := fmt.Sprintf("-%02d:%02d", minutes/60, minutes%60), -minutes
				if i/660%2 == 1 {
					zone, east = "+"+zone[1:], minutes
				}
				want := midnight.Add(13*time.Hour - time.Duration(east)*time.Minute)
				switch i % 3 {
				case 1:
					zone = strings.Replace(zone, ":", "", 1)
				case 2:
					zone, want = fmt.Sprintf("Nowhere/%d", i), midnight.Add(12*time.Hour)
				}
				e := object(`{"tz":"`+zone+`"}`, header("class", "it"))
				e.Time = midnight
				if v := s.Judge(e, place(), midnight); !v.Due.Equal(want) || v.ZoneUnknown != (i%3 == 2) {
					t.Errorf("%s: want %s, have %+v", zone, want, v)
					return
				}
			}
		})
	}
	group.Wait()
}

// FuzzJudge gives rules of every kind any event.
func FuzzJudge(f *testing.F) {
	list := []rules.Rule{
		{Name: "a", Match: rules.Match{Where: map[string][]string{"event": {"order_*", "x"}, "items.0.sku": {"*1"}}}, Spread: rules.Spread{Over: time.Hour}},
		{Name: "b", Match: rules.Match{Exists: []string{"data.timezone"}, Missing: []string{"header.x"}}, At: &rules.At{
			Time: "Friday 13:00", Zone: rules.Zone{Field: "data.timezone", Default: "Europe/Berlin"}, Spread: rules.Spread{Over: time.Minute, By: rules.Random},
		}},
		{Name: "c", Match: where("traits.a.0.b", "*"), Quiet: &rules.Quiet{From: "22:00", To: "08:00", Zone: rules.Zone{Field: "tz"}}},
		{Name: "d", Match: where("name", "*"), At: &rules.At{Time: "2026-04-01 02:30", Zone: rules.Zone{Field: "identifiers.id"}}},
	}
	s := made(f, list...)
	f.Add([]byte(purchase), int64(1_772_600_767_000), "", "", "90m", byte(0))
	f.Add([]byte(`{"tz":"+05:30","a":[{"b":1}]}`), int64(-1), "d", "9999999999", "", byte(1))
	f.Add([]byte(`{"traits":{"a":[{"b":"\u0`), int64(1<<62), "none", "2026-03-04T05:06:07Z", "1s", byte(2))
	f.Add([]byte(strings.Repeat("[", 5000)), int64(0), "b", "", "-1s", byte(2))
	f.Fuzz(func(t *testing.T, value []byte, millis int64, class, deliver, spread string, prepare byte) {
		r := record("", header("class", class), header("deliver_at", deliver), header("spread", spread))
		r.Value, r.Time = value, time.UnixMilli(millis)
		var e event.Event
		e.Load(r, "cluster")
		switch prepare % 4 {
		case 0:
			e.PrepareEntity()
		case 1:
			e.PrepareObject()
		case 2:
			e.PrepareBytes()
		}
		now := produced()
		if none := rules.None(); !none.Concerns(&e) {
			if v := none.Judge(&e, place(), now); v != (rules.Verdict{}) {
				t.Fatalf("no rules, and nothing that the event says itself, but %+v", v)
			}
		}
		v := s.Judge(&e, place(), now)
		if again := s.Judge(&e, place(), now); again != v && (again.Fault == nil || v.Fault == nil) {
			t.Fatalf("%+v, then %+v", v, again)
		}
		if v.Class < 0 || v.Class > len(list) || (v.Class > 0 && v.Rule != list[v.Class-1].Name) || (v.Class == 0 && v.Rule != "") {
			t.Fatalf("class %d is %q", v.Class, v.Rule)
		}
		if !v.Due.IsZero() && (!v.Due.After(now) || v.Due.After(now.Add(rules.MaxAhead+48*time.Hour)) || v.Fault != nil) {
			t.Fatalf("due %s at %s, %v", v.Due, now, v.Fault)
		}
		if !v.Closes.IsZero() && (!v.Closes.After(now) || !v.Closes.After(v.Due)) {
			t.Fatalf("due %s closes %s", v.Due, v.Closes)
		}
	})
}
