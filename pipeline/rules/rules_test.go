package rules_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/rules"
)

func TestFaultsNameTheirPlace(t *testing.T) {
	t.Parallel()
	floor := func(f float64) *float64 { return &f }
	at := func(a rules.At) rules.Rule { return rules.Rule{Name: "it", At: &a} }
	quiet := func(q rules.Quiet) rules.Rule { return rules.Rule{Name: "it", Quiet: &q} }
	match := func(m rules.Match) rules.Rule { return rules.Rule{Name: "it", Match: m} }
	for _, test := range []struct {
		rule rules.Rule
		want string
	}{
		{rules.Rule{}, "rules[1].name: is required"},
		{rules.Rule{Name: "default"}, "rules[1].name: default is the class of what no rule matches"},
		{rules.Rule{Name: "first"}, `rules[1].name: "first" stands twice`},
		{rules.Rule{Name: "a b"}, `rules[1].name: must be at most 64 printable ASCII characters without spaces, have "a b"`},
		{rules.Rule{Name: strings.Repeat("a", 65)}, "rules[1].name: must be at most 64"},
		{rules.Rule{Name: "it", Rate: -1}, "rules[1].rate: must be 0"},
		{rules.Rule{Name: "it", Rate: math.NaN()}, "rules[1].rate: must be 0"},
		{rules.Rule{Name: "it", Priority: 2}, "rules[1].priority: must be high, normal or low"},
		{rules.Rule{Name: "it", Weight: -1}, "rules[1].weight: must be above 0"},
		{rules.Rule{Name: "it", Weight: math.Inf(1)}, "rules[1].weight: must be above 0"},
		{rules.Rule{Name: "it", Floor: floor(1.5)}, "rules[1].floor: must be from 0 to 100 % of the budget, have 150 %"},
		{rules.Rule{Name: "it", Floor: floor(math.NaN())}, "rules[1].floor: must be from 0"},
		{rules.Rule{Name: "it", Spread: rules.Spread{Over: -1}}, "rules[1].spread: must be from 0 to 90 days"},
		{rules.Rule{Name: "it", Spread: rules.Spread{By: 2}}, "rules[1].spread.by: must be even or random"},
		{match(where("event")), "rules[1].match.event: names no value"},
		{match(where("op", "purchase")), `rules[1].match.op: "purchase" is no operation: write one of identify, `},
		{match(where("op", "x*")), `rules[1].match.op: "x*" is no operation`},
		{match(where("data..x", "1")), `rules[1].match.data..x: "data..x" is no path`},
		{match(where("", "1")), `rules[1].match: "" is no path`},
		{match(where("header.", "1")), `rules[1].match.header.: "header." names no header`},
		{match(where("header.sluice-due", "1")), `rules[1].match.header.sluice-due: "header.sluice-due" is a header of our own`},
		{match(rules.Match{Exists: []string{"a", "b."}}), `rules[1].match.exists[1]: "b." is no path`},
		{match(rules.Match{Missing: []string{".b"}}), `rules[1].match.missing[0]: ".b" is no path`},
		{match(rules.Match{Exists: []string{"a"}, Missing: []string{"a"}}), `rules[1].match.missing[0]: "a" must not be missing and there at once`},
		{match(rules.Match{Where: map[string][]string{"a": {"1"}}, Missing: []string{"a"}}), "rules[1].match.missing[0]: "},
		{at(rules.At{}), `rules[1].at.time: "" has no time of day: write "Friday 13:00"`},
		{at(rules.At{Time: "Friday"}), "rules[1].at.time: "},
		{at(rules.At{Time: "Someday 13:00"}), `rules[1].at.time: "Someday" is no day of the week and no date`},
		{at(rules.At{Time: "2026-02-30 13:00"}), `rules[1].at.time: "2026-02-30" is no day`},
		{at(rules.At{Time: "25:00"}), "rules[1].at.time: "},
		{at(rules.At{Time: "24:01"}), "rules[1].at.time: "},
		{at(rules.At{Time: "13:0"}), "rules[1].at.time: "},
		{at(rules.At{Time: "13:00", Zone: rules.Zone{Default: "Berlin"}}), `rules[1].at.zone.default: "Berlin" is no time zone`},
		{at(rules.At{Time: "13:00", Zone: rules.Zone{Field: "a..b"}}), `rules[1].at.zone.field: "a..b" is no path`},
		{at(rules.At{Time: "13:00", Spread: rules.Spread{Over: 91 * 24 * time.Hour}}), "rules[1].at.spread: must be from 0 to 90 days"},
		{rules.Rule{Name: "it", Spread: rules.Spread{Over: 1}, At: &rules.At{Time: "13:00", Spread: rules.Spread{Over: 1}}}, "rules[1].spread: stands in at as well"},
		{quiet(rules.Quiet{To: "08:00"}), `rules[1].quiet.from: "" is no time of day`},
		{quiet(rules.Quiet{From: "22:00", To: "8"}), `rules[1].quiet.to: "8" is no time of day`},
		{quiet(rules.Quiet{From: "22:00", To: "22:00"}), "rules[1].quiet.to: is the same as from (22:00)"},
		{quiet(rules.Quiet{From: "24:00", To: "00:00"}), "rules[1].quiet.to: is the same as from"},
		{quiet(rules.Quiet{From: "22:00", To: "08:00", Zone: rules.Zone{Default: "x"}}), "rules[1].quiet.zone.default: "},
	} {
		cfg := rules.Config{Rules: []rules.Rule{{Name: "first"}, test.rule}}
		err := cfg.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want one fault that begins %q, have %v", test.want, err)
		}
	}
}

func TestAllFaultsAreTold(t *testing.T) {
	t.Parallel()
	list := []rules.Rule{{Rate: -1, Match: where("op", "a", "b")}}
	for i := range rules.MaxRules {
		list = append(list, rules.Rule{Name: strconv.Itoa(i), Quiet: &rules.Quiet{From: "x", To: "y", Zone: rules.Zone{Default: "z"}}})
	}
	err := rules.Config{Rules: list}.Validate()
	if want := 1 + 4 + 3*rules.MaxRules; err == nil || strings.Count(err.Error(), "\n")+1 != want {
		t.Fatalf("want %d faults, have %v", want, err)
	}
	if !strings.HasPrefix(err.Error(), "rules: at most 63 rules, have 64") {
		t.Errorf("have %.80s", err)
	}
}

func TestClasses(t *testing.T) {
	t.Parallel()
	five := 0.05
	s := made(t,
		rules.Rule{Name: "receipts", Priority: rules.High},
		rules.Rule{Name: "newsletter", Rate: 25, Weight: 2, Floor: &five},
		rules.Rule{Name: "bulk", Priority: rules.Low},
	)
	want := []rules.Class{
		{Name: "default", Weight: 1, Floor: 0.01},
		{Name: "receipts", Priority: rules.High, Weight: 1},
		{Name: "newsletter", Rate: 25, Weight: 2, Floor: 0.05},
		{Name: "bulk", Priority: rules.Low, Weight: 1, Floor: 0.01},
	}
	have := s.Classes()
	if !slices.Equal(have, want) {
		t.Errorf("want %+v, have %+v", want, have)
	}
	have[0].Name = "changed"
	if s.Classes()[0].Name != "default" {
		t.Error("the slice is not the caller's own")
	}
	if s.Defers() {
		t.Error("none of these defers")
	}
	for name, r := range map[string]rules.Rule{
		"spread": {Name: "it", Spread: rules.Spread{Over: time.Second}}, "at": {Name: "it", At: &rules.At{Time: "13:00"}},
		"quiet": {Name: "it", Quiet: &rules.Quiet{From: "22:00", To: "08:00"}},
	} {
		if !made(t, r, rules.Rule{Name: "last"}).Defers() {
			t.Errorf("%s defers", name)
		}
	}
}

func TestWordsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, p := range []rules.Priority{rules.Low, rules.Normal, rules.High} {
		if have, err := rules.ParsePriority(p.String()); err != nil || have != p {
			t.Errorf("%s: have %v, %v", p, have, err)
		}
	}
	for _, b := range []rules.By{rules.Even, rules.Random} {
		if have, err := rules.ParseBy(b.String()); err != nil || have != b {
			t.Errorf("%s: have %v, %v", b, have, err)
		}
	}
	_, priority := rules.ParsePriority("urgent")
	_, by := rules.ParseBy("chance")
	if have, want := fmt.Sprint(priority, "; ", by), `must be high, normal or low, have "urgent"; must be even or random, have "chance"`; have != want {
		t.Errorf("want %s, have %s", want, have)
	}
}
