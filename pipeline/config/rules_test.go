package config_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/config"
	"sluice/pipeline/rules"
)

// ruled is a file with these rules in workspace a, and these keys in the two
// streams that lead to it.
func ruled(list, stream string) string {
	return `workspaces:
  a:
    sink: customerio
    region: us
    site_id: s
    api_key: ` + secretKey + `
    rules: ` + list + `
  b: {sink: webhook, url: 'http://127.0.0.1:1/'}
streams:
  messages: {workspace: a` + stream + `}
  split: {partitions: 4, routes: [{partitions: 0-1, workspace: b}, {partitions: 2-3, workspace: a}]}
  other: {workspace: b}
`
}

// everyRule has every key of a rule, in its short forms and in its long ones.
const everyRule = `
      - name: receipts
        match: {event: "order_*"}
        priority: high
      - name: newsletter
        match: {stream: messages, campaign_id: 42, data.paid: true, op: [track, identify], exists: email, missing: [data.test, items.0.sku]}
        rate: 1500/min
        weight: 2.5
        floor: 7%
        spread: 3m
      - {name: random, priority: low, floor: 0%, spread: {over: 1h, by: random}}
      - {name: noon, match: {user: 1}, at: "12:00"}
      - {name: digest, match: {event: digest}, at: {time: "Friday 13:00", zone: {field: data.timezone, default: Europe/Berlin}, spread: 10m}}
      - {name: fixed, match: {header.kind: x}, at: {time: "2026-12-24 18:00", zone: "+05:30", spread: {over: 1m, by: random}}}
      - {name: night, quiet: "22:00-08:00"}
      - {name: sms, match: {event: [sms_sent, "sms_*"]}, quiet: {from: 22:00, to: "08:00", zone: {field: zone}}}`

func TestEveryRuleIsRead(t *testing.T) {
	t.Parallel()
	cfg, err := parse(ruled(everyRule, ""))
	if err != nil {
		t.Fatal(err)
	}
	where := func(pairs ...string) rules.Match {
		m := rules.Match{Where: map[string][]string{}}
		for i := 0; i < len(pairs); i += 2 {
			m.Where[pairs[i]] = append(m.Where[pairs[i]], pairs[i+1])
		}
		return m
	}
	newsletter := where("stream", "messages", "campaign_id", "42", "data.paid", "true", "op", "track", "op", "identify")
	newsletter.Exists, newsletter.Missing = []string{"email"}, []string{"data.test", "items.0.sku"}
	own := rules.Zone{Field: "data.timezone", Default: "Europe/Berlin"}
	want := []rules.Rule{
		{Name: "receipts", Match: where("event", "order_*"), Priority: rules.High},
		{Name: "newsletter", Match: newsletter, Rate: 25, Weight: 2.5, Floor: new(0.07), Spread: rules.Spread{Over: 3 * time.Minute}},
		{Name: "random", Priority: rules.Low, Floor: new(0.0), Spread: rules.Spread{Over: time.Hour, By: rules.Random}},
		{Name: "noon", Match: where("user", "1"), At: &rules.At{Time: "12:00"}},
		{Name: "digest", Match: where("event", "digest"), At: &rules.At{Time: "Friday 13:00", Zone: own, Spread: rules.Spread{Over: 10 * time.Minute}}},
		{Name: "fixed", Match: where("header.kind", "x"), At: &rules.At{
			Time: "2026-12-24 18:00", Zone: rules.Zone{Default: "+05:30"}, Spread: rules.Spread{Over: time.Minute, By: rules.Random},
		}},
		{Name: "night", Quiet: &rules.Quiet{From: "22:00", To: "08:00"}},
		{Name: "sms", Match: where("event", "sms_sent", "event", "sms_*"), Quiet: &rules.Quiet{From: "22:00", To: "08:00", Zone: rules.Zone{Field: "zone"}}},
	}
	w, _ := cfg.Workspace("a")
	if len(w.Rules.Rules) != len(want) {
		t.Fatalf("want %d rules, have %+v", len(want), w.Rules.Rules)
	}
	for i, have := range w.Rules.Rules {
		if !reflect.DeepEqual(have, want[i]) {
			t.Errorf("rule %d:\nwant %+v\nhave %+v", i, want[i], have)
		}
	}
	if b, _ := cfg.Workspace("b"); len(b.Rules.Rules) != 0 {
		t.Errorf("b: want none, have %+v", b.Rules)
	}
}

// TestShownRulesReadTheSame: what is shown says the same again, and the floor
// that a rule leaves to its priority.
func TestShownRulesReadTheSame(t *testing.T) {
	t.Parallel()
	cfg, err := parse(strings.NewReplacer(secretKey, "${KEY}", "'http://127.0.0.1:1/'", "${HOOK_URL}").Replace(ruled(everyRule, ", order: class")))
	if err != nil {
		t.Fatal(err)
	}
	shown, err := cfg.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(string(shown))
	if err != nil {
		t.Fatalf("%v in\n%s", err, shown)
	}
	if _, changes := cfg.Reload(again); len(changes) > 0 {
		t.Errorf("%v differ in\n%s", changes, shown)
	}
	was, _ := cfg.Workspace("a")
	is, _ := again.Workspace("a")
	for i := range is.Rules.Rules {
		is.Rules.Rules[i].Floor, is.Rules.Rules[i].Weight = was.Rules.Rules[i].Floor, was.Rules.Rules[i].Weight
	}
	if !reflect.DeepEqual(was.Rules, is.Rules) {
		t.Errorf("want %+v\nhave %+v", was.Rules, is.Rules)
	}
	for _, want := range []string{`floor: "7%"`, `floor: "1%"`, `floor: "0%"`, "rate: 25/s", "weight: 2.5", "spread: 3m", "by: random", "22:00-08:00", "priority: low", "'42'", "order: class", "deferral: true"} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("want %s in\n%s", want, shown)
		}
	}
	if encoded := fmt.Sprint(cfg.Effective()); strings.Contains(string(shown)+encoded, "nil") {
		t.Errorf("something that is not there is shown in\n%s\n%s", shown, encoded)
	}
}

// TestRulesGiveStreamsTheirTiers: only those of a stream that leads to the
// workspace, and without rules what there always was.
func TestRulesGiveStreamsTheirTiers(t *testing.T) {
	t.Parallel()
	const delays = " .delay-10s .delay-10m .delay-6h"
	for _, tc := range []struct{ name, rules, stream, messages, split string }{
		{"none", "[]", "", "", ""},
		{"a priority", "[{name: r, priority: high}]", "", "", ""},
		{"a rate", "[{name: r}, {name: s, rate: 1/s}]", "", " .overflow", " .overflow"},
		{"a spread", "[{name: r, spread: 1m}]", "", delays, delays},
		{"a moment", "[{name: r, at: '12:00'}]", "", delays, delays},
		{"quiet hours", "[{name: r, quiet: '22:00-08:00'}]", "", delays, delays},
		{"both", "[{name: r, rate: 1/s, spread: 1m}]", "", " .overflow" + delays, " .overflow" + delays},
		{"because it says so", "[]", ", deferral: true", delays, ""},
		{"because it says so too", "[{name: r, spread: 1m}]", ", deferral: true", delays, delays},
		{"not wanted", "[]", ", deferral: false", "", ""},
	} {
		cfg, err := parse(ruled(tc.rules, tc.stream))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		for stream, more := range map[string]string{"messages": tc.messages, "split": tc.split, "other": ""} {
			s, _ := cfg.Stream(stream)
			want := stream
			for suffix := range strings.FieldsSeq(".held .replay" + more) {
				want += " " + stream + suffix
			}
			if have := strings.Join(s.TierTopics(), " "); have != want || strings.Join(s.Topics(), " ") != want+" "+stream+".dead" {
				t.Errorf("%s: want %s\nhave %s", tc.name, want, have)
			}
			delays := s.DelayTopics()
			if have := strings.Fields(s.OverflowTopic() + " " + strings.Join(delays[:], " ")); strings.Join(have, " ") != strings.Join(s.TierTopics()[3:], " ") {
				t.Errorf("%s: have the topics %v", tc.name, have)
			}
		}
	}
}

// wrongRules are faults of rules and of what streams say of them; see
// wrongFiles.
func wrongRules() map[string]struct{ file, at, what, remedy string } {
	type wrong = struct{ file, at, what, remedy string }
	all := map[string]wrong{
		"order alone":    {ruled("[]", ", order: class"), "config:10:35: streams.messages.order", "no workspace of the stream has rules", "order: key"},
		"order":          {ruled("[]", ", order: user"), "config:10:35: streams.messages.order", `have "user"`, "key, or class"},
		"no deferral":    {ruled("[{name: r, spread: 1m}]", ", deferral: false"), "config:10:38: streams.messages.deferral", `rule "r" of workspace a`, "deferral: true"},
		"deferral":       {ruled("[]", ", deferral: often"), "config:10:38: streams.messages.deferral", "true or false", "one of the two"},
		"overflow topic": {ruled("[]", ", topic: x.overflow"), "config:10:35: streams.messages.topic", "ends in .overflow", "without that ending"},
		"delay topic":    {ruled("[]", ", topic: x.delay-10m"), "config:10:35: streams.messages.topic", "ends in .delay-10m", "without that ending"},
		"rules are keys": {ruled("{name: r}", ""), "config:7:12: workspaces.a.rules", "must be a list", "[one, two]"},
	}
	for name, w := range map[string]wrong{
		"rule key":          {"pririty: high", "0: workspaces.a.rules[0].pririty", "not a known key", "write priority"},
		"priority":          {"priority: hihg", "10: workspaces.a.rules[0].priority", `have "hihg"`, "write high"},
		"class rate":        {"rate: 1500", "6: workspaces.a.rules[0].rate", `have "1500"`, "80/s"},
		"class unlimited":   {"rate: unlimited", "6: workspaces.a.rules[0].rate", "must have a limit", "1000/s"},
		"weight":            {"weight: 0", "8: workspaces.a.rules[0].weight", "above 0", "write it as 3"},
		"floor":             {"floor: 0.05", "7: workspaces.a.rules[0].floor", "percentage", "write it as 5%"},
		"floor above":       {"floor: 101%", "7: workspaces.a.rules[0].floor", "0 to 100", "write it as 5%"},
		"spread":            {"spread: 3", "8: workspaces.a.rules[0].spread", `have "3"`, "30s"},
		"spread key":        {"spread: {ovr: 3m, over: 1m}", "9: workspaces.a.rules[0].spread.ovr", "not a known key", "write over"},
		"spread by":         {"spread: {over: 3m, by: randon}", "23: workspaces.a.rules[0].spread.by", `have "randon"`, "write random"},
		"spread by alone":   {"spread: {by: random}", "8: workspaces.a.rules[0].spread", "has no over", "over: 3m"},
		"spread list":       {"spread: [3m]", "8: workspaces.a.rules[0].spread", "single value", "one value"},
		"moment":            {"at: Fryday 13:00", "4: workspaces.a.rules[0].at", "Fryday", ""},
		"moment of keys":    {"at: {time: 25:00}", "11: workspaces.a.rules[0].at.time", "25:00", ""},
		"no moment":         {"at: {zone: UTC}", "4: workspaces.a.rules[0].at", "has no time", "add time"},
		"zone":              {"at: {time: '12:00', zone: Europe/Berlim}", "26: workspaces.a.rules[0].at.zone", "Europe/Berlim", ""},
		"zone of none":      {"at: {time: '12:00', zone: {default: UTC}}", "26: workspaces.a.rules[0].at.zone", "has no field", "add field"},
		"quiet":             {"quiet: 22:00", "7: workspaces.a.rules[0].quiet", "two times of day", "22:00-08:00"},
		"quiet alone":       {"quiet: {from: 22:00}", "7: workspaces.a.rules[0].quiet", "has no to", "add to"},
		"quiet never":       {"quiet: {from: 22:00, to: '22:00'}", "25: workspaces.a.rules[0].quiet.to", "22:00", ""},
		"quiet time":        {"quiet: 22:00-8am", "7: workspaces.a.rules[0].quiet", "8am", ""},
		"match":             {"match: order", "7: workspaces.a.rules[0].match", "must hold keys", "key: value"},
		"match nothing":     {"match: {}", "7: workspaces.a.rules[0].match", "no condition", "remove it"},
		"match value":       {"match: {event: }", "8: workspaces.a.rules[0].match.event", "no value", "default"},
		"match keys":        {"match: {data: {a: 1}}", "14: workspaces.a.rules[0].match.data", "single value", "one value"},
		"match twice":       {"match: {event: a, event: b}", "18: workspaces.a.rules[0].match.event", "given twice", "remove"},
		"match any":         {"match: {event: []}", "15: workspaces.a.rules[0].match.event", "", ""},
		"match place":       {`match: {"a\nb": 1}`, "8: workspaces.a.rules[0].match", "not the name of a place", "header.NAME"},
		"match op":          {"match: {op: trakc}", "12: workspaces.a.rules[0].match.op", "trakc", ""},
		"match stream":      {"match: {stream: mesages}", "16: workspaces.a.rules[0].match.stream", `"mesages"`, "write messages"},
		"match streams":     {"match: {stream: [split, ohter]}", "24: workspaces.a.rules[0].match.stream[1]", `"ohter"`, "messages, split"},
		"match elsewhere":   {"match: {stream: other}", "16: workspaces.a.rules[0].match.stream", "leads to workspace a", "messages, split"},
		"match no stream":   {`match: {stream: "x*"}`, "16: workspaces.a.rules[0].match.stream", `"x*"`, "messages, split"},
		"match out of view": {"match: {event: !x y}", "15: workspaces.a.rules[0].match.event", "tag", "remove"},
	} {
		const before = 22 // what stands before the text in its line
		column, rest, _ := strings.Cut(w.at, ": ")
		var at int
		_, _ = fmt.Sscan(column, &at)
		w.file, w.at = ruled("[{name: r, "+w.file+"}]", ""), fmt.Sprintf("config:7:%d: %s", before+at+1, rest)
		all[name] = w
	}
	all["rule without name"] = wrong{ruled("[{priority: high}]", ""), "config:7:13: workspaces.a.rules[0]", "has no name", "add name"}
	all["rule named default"] = wrong{ruled("[{name: default}]", ""), "config:7:20: workspaces.a.rules[0].name", "default", ""}
	all["rule named twice"] = wrong{ruled("[{name: r}, {name: r}]", ""), "config:7:31: workspaces.a.rules[1].name", "twice", ""}
	return all
}

func TestAllFaultsOfRulesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := parse(ruled("[{name: r, match: {event: !x y, op: [], zone: {}}, rate: 5, spread: 1m, at: {tme: 1}, quiet: x}, {nam: s}]", ", partitions: x, deferral: false"))
	if err == nil {
		t.Fatal("want faults")
	}
	for _, want := range []string{
		"rules[0].match.event", "rules[0].match.zone", "rules[0].rate", "rules[0].at.tme", "rules[0].at: has no time", "rules[0].quiet",
		"rules[1].nam", "rules[1]: has no name", "messages.partitions", "messages.deferral",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %s in\n%s", want, err)
		}
	}
}

// TestRulesReloadAsFarAsTheTopicsAreThere: a rule that needs a tier which a
// stream of this member does not have waits for the restart that brings it.
func TestRulesReloadAsFarAsTheTopicsAreThere(t *testing.T) {
	t.Parallel()
	const (
		live   = "[{workspaces.a.rules true}]"
		waits  = "[{workspaces.a.rules false}]"
		defers = "[{workspaces.a.rules false} {streams.messages.deferral false} {streams.split.deferral false}]"
		plain  = "[{name: r, priority: high}]"
		rated  = "[{name: r, rate: 1/s}]"
		spread = "[{name: r, rate: 1/s, spread: 1m}]"
	)
	for _, tc := range []struct{ name, from, to, want string }{
		{"the same", plain, "[{name: r, priority: high, weight: 1, floor: 0%}]", "[]"},
		{"the same spread", "[{name: r, spread: 1m}]", "[{name: r, spread: {over: 60s, by: even}}]", "[]"},
		{"first rules", "[]", plain, live},
		{"another priority", plain, "[{name: r, priority: low}]", live},
		{"another value", "[{name: r, match: {a: 1}}]", "[{name: r, match: {a: 2}}]", live},
		{"a list of one", "[{name: r, match: {a: 1}}]", "[{name: r, match: {a: [1]}}]", "[]"},
		{"another order", "[{name: r}, {name: s}]", "[{name: s}, {name: r}]", live},
		{"another rate", rated, "[{name: r, rate: 2/s}]", live},
		{"a first rate", plain, rated, waits},
		{"a first spread", rated, spread, defers},
		{"a spread more", spread, "[{name: r, rate: 1/s, spread: 2m, quiet: '22:00-08:00'}]", live},
		{"no rate any more", rated, plain, live},
		{"no rules any more", spread, "[]", "[{workspaces.a.rules true} {streams.messages.deferral false} {streams.split.deferral false}]"},
	} {
		before, err := parse(ruled(tc.from, ""))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		after, err := parse(ruled(tc.to, ""))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		running, changes := before.Reload(after)
		if have := fmt.Sprint(changes); have != tc.want {
			t.Errorf("%s: want %s, have %s", tc.name, tc.want, have)
		}
		is, _ := running.Workspace("a")
		was, _ := before.Workspace("a")
		if kept := strings.Contains(tc.want, "rules false"); kept && !is.Same(was) {
			t.Errorf("%s: want the rules as they were, have %+v", tc.name, is.Rules)
		}
		if _, left := running.Reload(after); len(left) != count(changes, false) {
			t.Errorf("%s: want what is not live left over, have %v", tc.name, left)
		}
		if !is.SameSink(was) {
			t.Errorf("%s: want the sink left alone", tc.name)
		}
	}
	before, after := ruled(plain, ""), ruled(plain, ", order: class, deferral: true")
	was, err := parse(before)
	if err != nil {
		t.Fatal(err)
	}
	will, err := parse(after)
	if err != nil {
		t.Fatal(err)
	}
	running, changes := was.Reload(will)
	if s, _ := running.Stream("messages"); fmt.Sprint(changes) != "[{streams.messages.order false} {streams.messages.deferral false}]" || s.OrderByClass || s.Deferral {
		t.Errorf("want both to wait for a restart, have %v and %+v", changes, s)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for rate, want := range map[string]string{
		"1000/s": "", "1001/s": "workspaces.a.rules[0].rate: 1001/s of rule \"r\" is above the 1000/s that budget.events grants",
	} {
		cfg, err := parse(ruled("[{name: r, rate: "+rate+"}]", ""))
		if err != nil {
			t.Fatal(err)
		}
		if have := strings.Join(cfg.Warnings(), "\n"); (have == "") != (want == "") || !strings.HasPrefix(have, want) {
			t.Errorf("%s: want %q, have %q", rate, want, have)
		}
	}
	one := strings.Replace(ruled("[]", ""), "url: 'http://127.0.0.1:1/'", "url: 'http://127.0.0.1:1/', budget: {requests: 25/s, events: unlimited}, rules: [{name: r, rate: 26/s}]", 1)
	cfg, err := parse(one)
	if err != nil {
		t.Fatal(err)
	}
	if have := cfg.Warnings(); len(have) != 1 || !strings.Contains(have[0], "above the 25/s that budget.requests grants in requests of one event") {
		t.Errorf("have %q", have)
	}
}

// TestRulesWithoutStreams: who sends without Kafka has no stream that a rule
// could name wrongly.
func TestRulesWithoutStreams(t *testing.T) {
	t.Parallel()
	lookup, read := surroundings()
	text, _, _ := strings.Cut(ruled("[{name: r, match: {stream: any}}]", ""), "streams:")
	if _, err := config.ParseDirect(strings.NewReader(text), lookup, read); err != nil {
		t.Errorf("have %v", err)
	}
}
