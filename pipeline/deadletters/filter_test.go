package deadletters_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/deadletters"
	"sluice/pipeline/event"
)

// naive says what a filter means, field by field, without any of its code.
func naive(f deadletters.Filter, l deadletters.Letter) bool {
	one := func(values []string, have string) bool {
		return len(values) == 0 || strings.Contains("\n"+strings.Join(values, "\n")+"\n", "\n"+have+"\n")
	}
	if !one(f.Reasons, l.Death.Reason) || !one(f.Verdicts, l.Death.Verdict) || !one(f.Workspaces, l.Death.Workspace) || !one(f.IDs, l.Death.ID.String()) {
		return false
	}
	if len(f.Users) > 0 && (l.Record.Key == nil || !one(f.Users, string(l.Record.Key))) {
		return false
	}
	if len(f.Statuses) > 0 {
		fits := false
		for _, s := range f.Statuses {
			fits = fits || s.From <= l.Death.Status && l.Death.Status <= s.To
		}
		if !fits {
			return false
		}
	}
	at := l.Death.Last
	if at.IsZero() {
		at = l.Record.Time
	}
	return (f.Since.IsZero() || at.UnixNano() >= f.Since.UnixNano()) && (f.Until.IsZero() || at.UnixNano() < f.Until.UnixNano())
}

func TestFilterIsTheNaiveOne(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	base := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	some := func(from ...string) []string {
		var chosen []string
		for _, s := range from {
			if random.IntN(4) == 0 {
				chosen = append(chosen, s)
			}
		}
		return chosen
	}
	one := func(from ...string) string { return from[random.IntN(len(from))] }
	var taken int
	for range 20_000 {
		l := deadletters.Letter{Death: event.Death{
			Reason: one("a", "b", "c"), Verdict: one("v", "w"), Workspace: one("x", "y"), Status: []int{0, 400, 404, 500}[random.IntN(4)],
		}}
		if random.IntN(3) > 0 {
			l.Record.Key = []byte(one("", "u1", "u2"))
		}
		if random.IntN(3) > 0 {
			l.Death.Last = base.Add(time.Duration(random.IntN(5)) * time.Hour)
		}
		l.Record.Time = base.Add(time.Duration(random.IntN(5)) * time.Hour)
		l.Death.ID[15] = byte(random.IntN(2))
		f := deadletters.Filter{Reasons: some("a", "b", "c"), Verdicts: some("v", "w"), Workspaces: some("x", "y"), Users: some("", "u1", "u2")}
		if random.IntN(4) == 0 {
			f.IDs = []string{event.Death{}.ID.String()}
		}
		for _, text := range some("none", "4xx", "404", "5xx") {
			s, err := deadletters.ParseStatuses(text)
			if err != nil || s.String() != text {
				t.Fatalf("%s: have %v, %v", text, s, err)
			}
			f.Statuses = append(f.Statuses, s)
		}
		if random.IntN(3) == 0 {
			f.Since = base.Add(time.Duration(random.IntN(5)) * time.Hour)
		}
		if random.IntN(3) == 0 {
			f.Until = base.Add(time.Duration(random.IntN(5)) * time.Hour)
		}
		want := naive(f, l)
		if have := f.Takes(l); have != want {
			t.Fatalf("%s: want %v, have %v for %+v", f, want, have, l)
		}
		if want {
			taken++
		}
	}
	if taken < 500 || taken > 19_500 {
		t.Errorf("the letters do not try the filter: %d taken", taken)
	}
}

func TestFilterSaysWhatItTakes(t *testing.T) {
	t.Parallel()
	f := deadletters.Filter{Reasons: []string{"rejected"}, Users: []string{"ada@example.com"}, Statuses: []deadletters.Statuses{{}, {From: 422, To: 422}}}
	if want := "reason=rejected status=none,422 users=1"; f.String() != want || f.Empty() {
		t.Errorf("want %q, have %q", want, f)
	}
	if !(deadletters.Filter{}).Empty() {
		t.Error("want the zero filter empty")
	}
	for _, text := range []string{"", "x", "4x", "0xx", "99", "1000", "-4xx", "4xxx", "12xx"} {
		if s, err := deadletters.ParseStatuses(text); err == nil {
			t.Errorf("%q: have %v", text, s)
		}
	}
}

// The same letters, read from Kafka.
func TestSummarise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	random := rand.New(rand.NewPCG(5, 6))
	base := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	counts := map[string]int{}
	for n := range 60 {
		d := event.Death{Status: 400 + random.IntN(3), Reason: fmt.Sprint("r", random.IntN(3)), Workspace: fmt.Sprint("w", random.IntN(2)), Last: base.Add(time.Duration(n) * time.Second)}
		w.die(t, fmt.Sprint("u", n%5), `{}`, d)
		counts[d.Reason]++
	}
	w.Append(t, event.Record{Topic: dead, Partition: 2, Value: []byte("not a letter")})
	s, err := w.box.Summarise(t.Context(), deadletters.Filter{}, 7)
	if err != nil || s.Pending != 60 || s.Foreign != 1 || len(s.Newest) != 7 || !s.First.Equal(base) || !s.Last.Equal(base.Add(59*time.Second)) {
		t.Fatalf("have %+v, %v", s, err)
	}
	for i, l := range s.Newest {
		if want := base.Add(time.Duration(53+i) * time.Second); !l.DiedAt().Equal(want) || l.Record.Value != nil || l.Bytes != 2 {
			t.Errorf("newest %d: want death at %v without its value, have %v", i, want, l)
		}
	}
	for _, c := range s.Reasons {
		if counts[c.Name] != c.Letters {
			t.Errorf("%s: want %d, have %d", c.Name, counts[c.Name], c.Letters)
		}
	}
	f := deadletters.Filter{Reasons: []string{"r1"}, Since: base.Add(30 * time.Second)}
	if s, err = w.box.Summarise(t.Context(), f, 100); err != nil || s.Pending != len(s.Newest) || s.Pending == 0 {
		t.Fatalf("have %+v, %v", s, err)
	}
	for _, l := range s.Newest {
		if !naive(f, l) {
			t.Errorf("%s takes %+v", f, l)
		}
	}
}

func TestSummaryStaysSmall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 260 {
		w.die(t, "u", strings.Repeat(" ", 10)+`{}`, event.Death{Reason: fmt.Sprint("reason ", n)})
	}
	s, err := w.box.Summarise(t.Context(), deadletters.Filter{}, 0)
	if err != nil || len(s.Reasons) > 201 || s.Reasons[0].Name != "(others)" || len(s.Newest) != 0 {
		t.Errorf("have %d reasons, the first %v, %v", len(s.Reasons), s.Reasons[0], err)
	}
}
