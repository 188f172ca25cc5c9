package rehearsal_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rehearsal"
	"sluice/pipeline/rules"
	"sluice/sink/budget"
)

func where(key string, values ...string) rules.Match {
	return rules.Match{Where: map[string][]string{key: values}}
}

// hides is what a finding says of a rule that no event comes to.
const hides = "its match never decides"

func TestHiddenRules(t *testing.T) {
	t.Parallel()
	both := func(a, b rules.Match) rules.Match {
		maps.Copy(a.Where, b.Where)
		return a
	}
	for name, test := range map[string]struct {
		earlier []rules.Match
		match   rules.Match
		by      string // empty: it is not hidden
	}{
		"the same":                       {[]rules.Match{where("event", "a")}, where("event", "a"), "r0 before it takes"},
		"another name":                   {[]rules.Match{where("event", "a")}, where("event", "b"), ""},
		"a pattern":                      {[]rules.Match{where("event", "order_*")}, where("event", "order_paid", "order_sent"), "r0 before it takes"},
		"a pattern in a pattern":         {[]rules.Match{where("event", "or*er_*")}, where("event", "order_*_x"), "r0 before it takes"},
		"a wider pattern":                {[]rules.Match{where("event", "order_*")}, where("event", "order*"), ""},
		"ends that share a letter":       {[]rules.Match{where("event", "aba*ba")}, where("event", "aba"), ""},
		"two together":                   {[]rules.Match{where("event", "a"), where("event", "b")}, where("event", "a", "b"), "r0 and r1 before it take"},
		"two that leave one":             {[]rules.Match{where("event", "a"), where("event", "b")}, where("event", "a", "b", "c"), ""},
		"one condition less":             {[]rules.Match{where("event", "a")}, both(where("event", "a"), where("plan", "pro")), "r0 before it takes"},
		"one condition more":             {[]rules.Match{both(where("event", "a"), where("plan", "pro"))}, where("event", "a"), ""},
		"something is there":             {[]rules.Match{{Exists: []string{"plan"}}}, where("plan", "pro"), "r0 before it takes"},
		"something is there, of another": {[]rules.Match{{Exists: []string{"plan"}}}, where("event", "a"), ""},
		"an operation is always there":   {[]rules.Match{{Exists: []string{"op", "stream"}}}, where("event", "a"), "r0 before it takes"},
		"missing too":                    {[]rules.Match{{Missing: []string{"plan"}}}, rules.Match{Where: map[string][]string{"event": {"a"}}, Missing: []string{"plan"}}, "r0 before it takes"},
		"missing":                        {[]rules.Match{{Missing: []string{"plan"}}}, where("event", "a"), ""},
		"every stream there is":          {[]rules.Match{where("stream", "one", "t*")}, where("event", "a"), "r0 before it takes"},
		"one stream of two":              {[]rules.Match{where("stream", "one")}, where("event", "a"), ""},
		"an operation by both its names": {[]rules.Match{where("op", "track")}, where("op", "event"), "r0 before it takes"},
		"by the header alone":            {[]rules.Match{where("event", "*")}, rules.Match{}, ""},
		"behind one by the header alone": {[]rules.Match{{}}, where("event", "a"), ""},
		"every name":                     {[]rules.Match{where("event", "*")}, where("event", "a*"), "r0 before it takes"},
	} {
		var list []rules.Rule
		for i, m := range append(slices.Clone(test.earlier), test.match) {
			list = append(list, rules.Rule{Name: fmt.Sprintf("r%d", i), Match: m})
		}
		have := ""
		for _, f := range (rehearsal.Ruled{Rules: list, Streams: []string{"one", "two"}}).Findings() {
			if f.Rule == list[len(list)-1].Name && strings.Contains(f.What, hides) {
				have = f.What
			}
		}
		if (have != "") != (test.by != "") || !strings.Contains(have, test.by) {
			t.Errorf("%s: want %q, have %q", name, test.by, have)
		}
	}
}

// A rule of which it is said that it is hidden takes no event whatever.
func TestHiddenRulesTakeNothing(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 1))
	some := func(from ...string) []string {
		r.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
		return from[:1+r.IntN(2)]
	}
	match := func() rules.Match {
		m := rules.Match{Where: map[string][]string{}}
		if r.IntN(2) == 0 {
			m.Where["event"] = some("a", "ab", "a*", "*b", "*", "a*b")
		}
		if r.IntN(2) == 0 {
			m.Where["plan"] = some("x", "xy", "x*", "*", "*y*")
		}
		if r.IntN(4) == 0 {
			m.Where["stream"] = some("one", "two", "*")
		}
		if r.IntN(4) == 0 {
			m.Exists = some("plan", "score")
		}
		if r.IntN(4) == 0 && len(m.Exists) == 0 && m.Where["plan"] == nil {
			m.Missing = []string{"plan"}
		}
		return m
	}
	var events []*event.Event
	for _, name := range []string{"a", "ab", "b", "aab", ""} {
		for _, rest := range []string{"", `,"plan":"x"`, `,"plan":"xy"`, `,"plan":"zyz","score":1`, `,"score":2`, `,"plan":null`} {
			events = append(events, prepared([]event.Record{{Key: []byte("1"), Value: fmt.Appendf(nil, `{"event":%q%s}`, name, rest)}})[0])
		}
	}
	hidden := 0
	for range 3000 {
		var list []rules.Rule
		for i := range 2 + r.IntN(3) {
			list = append(list, rules.Rule{Name: fmt.Sprintf("r%d", i), Match: match()})
		}
		judged := set(t, list...)
		for _, f := range (rehearsal.Ruled{Rules: list, Streams: []string{"one", "two"}}).Findings() {
			if !strings.Contains(f.What, hides) {
				continue
			}
			hidden++
			for _, e := range events {
				for _, stream := range []string{"one", "two"} {
					if v := judged.Judge(e, rules.Place{Stream: stream, Partitions: 1}, monday); v.Rule == f.Rule {
						t.Fatalf("%s takes %s on %s in %+v, and is said to be hidden: %s", v.Rule, e.Value, stream, list, f.What)
					}
				}
			}
		}
	}
	if hidden < 200 {
		t.Errorf("want many hidden rules tried, have %d", hidden)
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	part := func(f float64) *float64 { return &f }
	berlin := rules.Zone{Default: "Europe/Berlin"}
	for name, test := range map[string]struct {
		rule  rules.Rule
		wrong bool
		want  string // empty: nothing is found
	}{
		"right":                        {rules.Rule{Rate: 25, Floor: part(0.02)}, false, ""},
		"a rate above the budget":      {rules.Rule{Rate: 900, Floor: part(0)}, true, "its rate of 900/s is above the 800/s"},
		"a floor above the rate":       {rules.Rule{Rate: 25, Floor: part(0.5)}, false, "its floor keeps 400/s"},
		"floors of more than all":      {rules.Rule{Floor: part(1)}, true, "add up to 101% of the budget"},
		"quiet hours without a rate":   {rules.Rule{Quiet: &rules.Quiet{From: "22:00", To: "08:00"}}, false, "what comes between 22:00 and 08:00 is sent from 08:00 on"},
		"quiet hours with a rate":      {rules.Rule{Rate: 25, Floor: part(0), Quiet: &rules.Quiet{From: "22:00", To: "08:00"}}, false, ""},
		"too much quiet":               {rules.Rule{Rate: 25, Floor: part(0), Quiet: &rules.Quiet{From: "06:00", To: "24:00"}}, true, "it has 6h a day to send in, less than the 18h"},
		"a spread longer than the day": {rules.Rule{Rate: 1, Floor: part(0), Spread: rules.Spread{Over: 15 * time.Hour}, Quiet: &rules.Quiet{From: "22:00", To: "08:00"}}, true, "its spread of 15h is longer than the 14h"},
		"at a quiet time": {
			rules.Rule{Rate: 1, Floor: part(0), At: &rules.At{Time: "Friday 23:00", Zone: berlin}, Quiet: &rules.Quiet{From: "22:00", To: "08:00", Zone: berlin}},
			true, "23:00 is within its quiet hours",
		},
		"at a time that may be quiet elsewhere": {rules.Rule{Rate: 1, Floor: part(0), At: &rules.At{Time: "23:00"}, Quiet: &rules.Quiet{From: "22:00", To: "08:00", Zone: berlin}}, false, ""},
		"at the end of the quiet time":          {rules.Rule{Rate: 1, Floor: part(0), At: &rules.At{Time: "8:00"}, Quiet: &rules.Quiet{From: "22:00", To: "08:00"}}, false, ""},
	} {
		test.rule.Name = "it"
		all := rehearsal.Ruled{Rules: []rules.Rule{test.rule}, Budget: budget.Config{Requests: 8, Events: 1000}, Items: 100}.Findings()
		if test.want == "" && len(all) > 0 || test.want != "" && (len(all) != 1 || all[0].Wrong != test.wrong || !strings.Contains(all[0].What, test.want)) {
			t.Errorf("%s: want %q, have %+v", name, test.want, all)
		}
	}
}

func TestSample(t *testing.T) {
	t.Parallel()
	list := []rules.Rule{
		{Name: "campaign", Match: where("campaign.id", "42"), Rate: 1, Spread: rules.Spread{Over: time.Second}},
		{Name: "typo", Match: where("compain", "42")},
		{Name: "zoned", Match: where("event", "digest"), Quiet: &rules.Quiet{From: "12:00", To: "11:59", Zone: rules.Zone{Field: "zone"}}, Rate: 0.01},
		{Name: "never", Match: rules.Match{Where: map[string][]string{"event": {"never"}, "nowhere": {"x"}}}},
	}
	s, err := rehearsal.NewSample(list, rules.Place{Stream: "messages", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	if s.Findings() != nil {
		t.Error("want nothing found before anything is tried")
	}
	for i, value := range []string{
		`{"event":"mail","name":"hunter2","campaign":{"id":42,"hunter2":"hunter2"},"list":["hunter2"]}`,
		`{"event":"mail","campaign":{"id":42}}`,
		`{"event":"digest","zone":"Moon/Base"}`,
		`{"event":"other"}`,
		`{`,
	} {
		r := event.Record{Key: []byte("hunter2"), Value: []byte(value), Offset: int64(i), Time: monday}
		if i == 3 {
			r.Headers = []event.Header{{Key: event.HeaderClass, Value: []byte("nobody")}}
		}
		s.Try(10+i, prepared([]event.Record{r})[0], monday)
	}
	tried := s.Tried()
	var counts []int
	for _, c := range tried.Classes {
		counts = append(counts, c.Events)
	}
	if !slices.Equal(counts, []int{1, 2, 0, 1, 0}) || tried.Events != 5 || tried.Dead[event.ReasonNotJSON] != 1 || tried.UnknownClass != 1 || tried.Classes[3].UnknownZone != 1 {
		t.Errorf("have %v, %+v", counts, tried)
	}
	example := tried.Classes[1].Example
	if want := `{"***":1,"campaign":{"***":1,"id":"***"},"event":"***","name":"***"}`; example.Line != 10 || example.Event != want {
		t.Errorf("want %s, have %+v", want, example)
	}
	want := []string{
		"1 event of the sample has a header class", "campaign: its 2 events of the sample take 2s",
		"typo: no event of the sample has anything at compain", "zoned: no event of it in the sample names a time zone that is known, at zone",
		"zoned: its 1 event of the sample, were they to wait for 11:59", "never: it takes no event",
	}
	have := s.Findings()
	for i, f := range have {
		text := strings.TrimPrefix(f.Rule+": "+f.What, ": ")
		if len(have) != len(want) || !strings.HasPrefix(text, want[i]) {
			t.Errorf("want %d findings, have %q", len(want), text)
		}
	}
	if _, err := rehearsal.NewSample([]rules.Rule{{}}, rules.Place{}); err == nil {
		t.Error("want rules without a name refused")
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]string{25: "40ms", 0.1: "10s", 1000: "1ms", 3000: "333.333µs", 1.0 / 3600: "1h", 80.0 / 60: "750ms"} {
		if have := rehearsal.Every(rate); have != want {
			t.Errorf("%v: want %s, have %s", rate, want, have)
		}
	}
	for d, want := range map[time.Duration]string{3 * time.Minute: "3m", 90 * time.Minute: "1h30m", 14 * time.Hour: "14h", 0: "0s", 61 * time.Second: "1m1s"} {
		if have := rehearsal.Period(d); have != want {
			t.Errorf("want %s, have %s", want, have)
		}
	}
}
