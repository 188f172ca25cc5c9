package config_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/pipeline/config"
	"sluice/pipeline/rules"
)

// drawnRules are rules without a fault, with whatever a name, a place or a value
// may hold.
func drawnRules(t *rapid.T) []rules.Rule {
	words := rapid.StringMatching(`[!-~]{1,6}|true|null|42|1e3|order_\*`)
	drawn := func(label string, all ...string) string { return rapid.SampledFrom(all).Draw(t, label) }
	zone := func() rules.Zone {
		return rules.Zone{
			Field:   drawn("field", "", "zone", "data.timezone", "user"),
			Default: drawn("default", "", "UTC", "Europe/Berlin", "+05:30", "Asia/Kathmandu"),
		}
	}
	spread := func() rules.Spread {
		s := rules.Spread{Over: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "over"))}
		if s.Over > 0 && rapid.Bool().Draw(t, "random") {
			s.By = rules.Random
		}
		return s
	}
	names := rapid.SliceOfNDistinct(words, 0, 5, rapid.ID).Draw(t, "names")
	all := make([]rules.Rule, 0, len(names))
	for _, name := range names {
		r := rules.Rule{Name: name, Priority: rapid.SampledFrom([]rules.Priority{rules.High, rules.Normal, rules.Low}).Draw(t, "priority")}
		if rapid.Bool().Draw(t, "match") {
			places := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"event", "user", "a", "null", "data.x y", "header.X", "1.true", "é: #"}), 1, 3, rapid.ID).Draw(t, "places")
			r.Match.Where = map[string][]string{}
			for _, place := range places {
				r.Match.Where[place] = rapid.SliceOfN(rapid.StringMatching(`[ -~é]{0,8}|true|null|~|42|22:00|\$\{NO\}`), 1, 3).Draw(t, "values")
			}
			r.Match.Exists = rapid.SampledFrom([][]string{nil, {"b"}, {"b", "c.d"}}).Draw(t, "exists")
			r.Match.Missing = rapid.SampledFrom([][]string{nil, {"e"}, {"e", "f.0"}}).Draw(t, "missing")
		}
		r.Rate = rapid.SampledFrom([]float64{0, 25, 0.1, 1000, 1.0 / 3}).Draw(t, "rate")
		r.Weight = rapid.SampledFrom([]float64{1, 2.5, 0.001, 300}).Draw(t, "weight")
		r.Floor = new(float64(rapid.IntRange(0, 1000).Draw(t, "floor")) / 1000)
		if rapid.Bool().Draw(t, "at") {
			r.At = &rules.At{Time: drawn("time", "12:00", "Friday 13:00", "2026-12-24 18:00"), Zone: zone(), Spread: spread()}
		} else {
			r.Spread = spread()
		}
		if rapid.Bool().Draw(t, "quiet") {
			r.Quiet = &rules.Quiet{From: drawn("from", "22:00", "0:30"), To: drawn("to", "08:00", "6:15"), Zone: zone()}
		}
		all = append(all, r)
	}
	return all
}

// TestAnyRulesShownReadTheSame: whatever rules hold, what config show prints of
// them is read as the same rules, and a reload finds no difference.
func TestAnyRulesShownReadTheSame(t *testing.T) {
	t.Parallel()
	base, err := parse(strings.NewReplacer(secretKey, "${KEY}", "'http://127.0.0.1:1/'", "${HOOK_URL}").Replace(ruled("[]", "")))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		cfg := base
		cfg.Workspaces = slices.Clone(base.Workspaces)
		want := drawnRules(t)
		cfg.Workspaces[0].Rules = rules.Config{Rules: want}
		shown, err := cfg.YAML()
		if err != nil {
			t.Fatal(err)
		}
		// Streams have their tiers by the rules, unless the file says otherwise.
		again, err := parse(strings.ReplaceAll(string(shown), "deferral: false", ""))
		if err != nil {
			t.Fatalf("%v in\n%s", err, shown)
		}
		have := again.Workspaces[0].Rules.Rules
		if len(have) != len(want) {
			t.Fatalf("want %d rules, have %d of\n%s", len(want), len(have), shown)
		}
		for i := range want {
			if !alike(want[i], have[i]) {
				t.Fatalf("want %+v\nhave %+v of\n%s", want[i], have[i], shown)
			}
		}
		if !cfg.Workspaces[0].Same(again.Workspaces[0]) {
			t.Fatalf("want no difference, of\n%s", shown)
		}
		checkTiers(t, again, want)
	})
}

// alike compares two rules; a rate and a floor may differ by how a text rounds
// them.
func alike(a, b rules.Rule) bool {
	near := func(x, y float64) bool { return x-y < 1e-9 && y-x < 1e-9 }
	same := near(a.Rate, b.Rate) && near(*a.Floor, *b.Floor) && maps.EqualFunc(a.Match.Where, b.Match.Where, slices.Equal)
	for _, r := range []*rules.Rule{&a, &b} {
		r.Rate, r.Floor, r.Match.Where = 0, nil, nil
	}
	return same && reflect.DeepEqual(a, b)
}

// checkTiers holds what streams have against the rules.
func checkTiers(t *rapid.T, cfg config.Config, all []rules.Rule) {
	t.Helper()
	set, err := rules.New(rules.Config{Rules: all})
	if err != nil {
		t.Fatal(err)
	}
	limited := slices.ContainsFunc(set.Classes(), func(c rules.Class) bool { return c.Rate > 0 })
	for stream, leads := range map[string]bool{"messages": true, "split": true, "other": false} {
		s, _ := cfg.Stream(stream)
		if have, want := fmt.Sprint(s.Deferral, s.Overflow), fmt.Sprint(leads && set.Defers(), leads && limited); have != want {
			t.Fatalf("%s: want deferral and overflow %s, have %s", stream, want, have)
		}
	}
}
