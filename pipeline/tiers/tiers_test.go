package tiers_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/tiers"
)

func configured(streams ...config.Stream) config.Config {
	cfg := config.Default()
	cfg.Streams = append(cfg.Streams, streams...)
	return cfg
}

func TestSpecsFollowTheLiveTopic(t *testing.T) {
	t.Parallel()
	have := map[string]partition.TopicInfo{
		"a":        {Exists: true, Partitions: 48, Settings: map[string]string{"max.message.bytes": "2000000"}},
		"a.held":   {Exists: true, Partitions: 3},
		"a.replay": {Exists: true, Partitions: 3},
		"a.dead":   {Exists: true, Partitions: 3},
	}
	const week = "604800000" // in milliseconds
	topic := func(name string, partitions int32, settings ...string) partition.TopicSpec {
		spec := partition.TopicSpec{Name: name, Partitions: partitions, Replication: 3, Settings: map[string]string{"min.insync.replicas": "2"}}
		for i, key := range []string{"max.message.bytes", "cleanup.policy", "retention.ms"} {
			if i < len(settings) {
				spec.Settings[key] = settings[i]
			}
		}
		spec.Compacted = settings[1] == "compact"
		return spec
	}
	for _, tc := range []struct {
		name string
		have map[string]partition.TopicInfo
		want []partition.TopicSpec
	}{
		{"none exists", nil, []partition.TopicSpec{
			topic("a", 48, "1048588", "delete", week), topic("a.held", 48, "1052684", "delete", week),
			topic("a.replay", 48, "1052684", "delete", week), topic("a.dead", 48, "1114124", "delete", week),
			topic("sluice.state", 1, "1048588", "compact"),
		}},
		// Another count of the held and the replay topic is refused, that of the dead one its own.
		{"all exist", have, []partition.TopicSpec{
			topic("a", 48, "2000000", "delete", week), topic("a.held", 48, "2004096", "delete", week),
			topic("a.replay", 48, "2004096", "delete", week), topic("a.dead", 3, "2065536", "delete", week),
			topic("sluice.state", 1, "1048588", "compact"),
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := configured(config.DefaultStream("a"))
			have := tiers.Specs(cfg, tc.have)
			if !reflect.DeepEqual(have, tc.want) {
				t.Errorf("want %+v\nhave %+v", tc.want, have)
			}
			var names []string
			for _, s := range have {
				names = append(names, s.Name)
			}
			if topics := tiers.Topics(cfg); !slices.Equal(topics, names) {
				t.Errorf("want the topics in the same order, have %v", topics)
			}
		})
	}
}

func TestStateIsKeptAsSafelyAsTheSafestStream(t *testing.T) {
	t.Parallel()
	single, wide := config.DefaultStream("single"), config.DefaultStream("wide")
	single.Replication, wide.Replication = 1, 5
	for _, tc := range []struct {
		name        string
		streams     []config.Stream
		replication int16
		inSync      string
	}{
		{"one replica", []config.Stream{single}, 1, "1"},
		{"the highest counts", []config.Stream{single, wide, config.DefaultStream("usual")}, 5, "2"},
		{"no stream", nil, 1, "1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := configured(tc.streams...)
			cfg.StateTopic = "ours"
			specs := tiers.Specs(cfg, nil)
			have := specs[len(specs)-1]
			if have.Name != "ours" || have.Replication != tc.replication || have.Settings["min.insync.replicas"] != tc.inSync {
				t.Errorf("want %d replicas, %s in sync, have %+v", tc.replication, tc.inSync, have)
			}
		})
	}
}

// TestPlansKeepEventsAndState compares the topics with some that are not as they
// should be: events are never compacted, and state always is.
func TestPlansKeepEventsAndState(t *testing.T) {
	t.Parallel()
	cfg := configured(config.DefaultStream("a"))
	for _, tc := range []struct {
		name, topic, property string
		alter                 func(*partition.TopicInfo)
		want                  partition.Action
		note                  string
	}{
		{"as it should be", "sluice.state", "cleanup.policy", func(*partition.TopicInfo) {}, partition.Keep, ""},
		{"state that is deleted by age", "sluice.state", "cleanup.policy", func(have *partition.TopicInfo) { have.Settings["cleanup.policy"] = "delete" }, partition.Change, "from here on it is kept"},
		{"state in several partitions", "sluice.state", "partitions", func(have *partition.TopicInfo) { have.Partitions = 3 }, partition.Refuse, "kafka.state_topic"},
		{"held events that are compacted", "a.held", "cleanup.policy", func(have *partition.TopicInfo) { have.Settings["cleanup.policy"] = "compact" }, partition.Refuse, "use another topic"},
		{"replayed events in other shards", "a.replay", "partitions", func(have *partition.TopicInfo) { have.Partitions = 3 }, partition.Refuse, "moves users to other shards"},
		{"dead letters as many as there are", "a.dead", "partitions", func(have *partition.TopicInfo) { have.Partitions = 3 }, partition.Keep, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			have := map[string]partition.TopicInfo{}
			for _, s := range tiers.Specs(cfg, nil) {
				info := partition.TopicInfo{Exists: true, Partitions: s.Partitions, Replication: int(s.Replication), Settings: maps.Clone(s.Settings)}
				if s.Name == tc.topic {
					tc.alter(&info)
				}
				have[s.Name] = info
			}
			for _, topic := range partition.NewPlan(tiers.Specs(cfg, have), have, partition.Rules{}).Topics {
				for _, step := range topic.Steps {
					want, note := partition.Keep, ""
					if topic.Topic == tc.topic && step.Property == tc.property {
						want, note = tc.want, tc.note
					}
					if step.Action != want || !strings.Contains(step.Note, note) {
						t.Errorf("%s %s: want %s and %q, have %+v", topic.Topic, step.Property, want, note, step)
					}
				}
			}
		})
	}
}

func TestGrantsAreEachThingOnce(t *testing.T) {
	t.Parallel()
	cfg := configured(config.DefaultStream("a"))
	for _, tc := range []struct {
		roles []tiers.Role
		want  []string
	}{
		{[]tiers.Role{tiers.Produce}, []string{"Write on topic a"}},
		{[]tiers.Role{tiers.Deliver}, []string{
			"Read on group sluice", "Read on topic a",
			"Read on topic a.held", "Read on topic a.replay", "Read on topic sluice.state",
			"Write on topic a.dead", "Write on topic a.held", "Write on topic a.replay", "Write on topic sluice.state",
		}},
		{[]tiers.Role{tiers.Operate}, []string{
			"DescribeConfigs on topic a", "DescribeConfigs on topic a.dead", "DescribeConfigs on topic a.held",
			"DescribeConfigs on topic a.replay", "DescribeConfigs on topic sluice.state", "Read on group sluice",
			"Read on topic a", "Read on topic a.dead", "Read on topic a.held", "Read on topic a.replay", "Read on topic sluice.state",
			"Write on topic a", "Write on topic a.dead", "Write on topic sluice.state",
		}},
		{tiers.Roles(), []string{
			"AlterConfigs on topic a", "AlterConfigs on topic a.dead", "AlterConfigs on topic a.held", "AlterConfigs on topic a.replay", "AlterConfigs on topic sluice.state",
			"Create on topic a", "Create on topic a.dead", "Create on topic a.held", "Create on topic a.replay", "Create on topic sluice.state",
			"Read on group sluice",
			"Read on topic a", "Read on topic a.dead", "Read on topic a.held", "Read on topic a.replay", "Read on topic sluice.state",
			"Write on topic a", "Write on topic a.dead", "Write on topic a.held", "Write on topic a.replay", "Write on topic sluice.state",
		}},
	} {
		t.Run(fmt.Sprint(tc.roles), func(t *testing.T) {
			t.Parallel()
			var have []string
			for _, g := range tiers.Grants(cfg, tc.roles) {
				have = append(have, g.String())
			}
			slices.Sort(have)
			if !slices.Equal(have, tc.want) {
				t.Errorf("want what is implied left out:\n%s\nhave\n%s", strings.Join(tc.want, "\n"), strings.Join(have, "\n"))
			}
		})
	}
}

// withRules is a stream that has every tier.
func withRules(name string) config.Stream {
	s := config.DefaultStream(name)
	s.Overflow, s.Deferral = true, true
	return s
}

func TestStreamsWithRulesHaveMoreTiers(t *testing.T) {
	t.Parallel()
	short := withRules("a")
	short.Retention = time.Hour
	for _, tc := range []struct {
		name   string
		stream config.Stream
		want   map[string]time.Duration // the retention of each topic
	}{
		{"none", config.DefaultStream("a"), map[string]time.Duration{"a": week, "a.held": week, "a.replay": week, "a.dead": week}},
		{"all", withRules("a"), map[string]time.Duration{
			"a": week, "a.held": week, "a.replay": week, "a.dead": week,
			"a.overflow": week, "a.delay-10s": week, "a.delay-10m": week, "a.delay-6h": week,
		}},
		// What sleeps is kept until a day after it woke, however little the stream keeps.
		{"kept for an hour", short, map[string]time.Duration{
			"a": time.Hour, "a.held": time.Hour, "a.replay": time.Hour, "a.dead": time.Hour, "a.overflow": time.Hour,
			"a.delay-10s": 24*time.Hour + 10*time.Second, "a.delay-10m": 24*time.Hour + 10*time.Minute, "a.delay-6h": 30 * time.Hour,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := configured(tc.stream)
			specs := tiers.Specs(cfg, map[string]partition.TopicInfo{"a.delay-6h": {Exists: true, Partitions: 3}})
			have := map[string]time.Duration{}
			for _, s := range specs[:len(specs)-1] { // the last is that of state
				ms, err := time.ParseDuration(s.Settings["retention.ms"] + "ms")
				if err != nil || s.Partitions != 48 || s.Settings["cleanup.policy"] != "delete" {
					t.Errorf("want the stream's partitions, nothing compacted, have %+v, %v", s, err)
				}
				have[s.Name] = ms
				if more := s.Settings["max.message.bytes"] == "1052684"; more != (s.Name != "a" && s.Name != "a.dead") {
					t.Errorf("%s: have %s bytes", s.Name, s.Settings["max.message.bytes"])
				}
			}
			if !maps.Equal(have, tc.want) {
				t.Errorf("want %v\nhave %v", tc.want, have)
			}
			topics := tiers.Topics(cfg)
			if want := append(tc.stream.Topics(), "sluice.state"); !slices.Equal(topics, want) {
				t.Errorf("want %v\nhave %v", want, topics)
			}
			absent := tiers.Absent(tc.stream)
			for topic := range tc.want {
				if absent[topic] != "" {
					t.Errorf("%s is there and absent", topic)
				}
			}
			if len(absent)+len(tc.want) != 8 {
				t.Errorf("want the rest of the eight, have %v", absent)
			}
		})
	}
}

const week = 7 * 24 * time.Hour

func TestGrantsOfStreamsWithRules(t *testing.T) {
	t.Parallel()
	cfg := configured(withRules("a"))
	for _, topic := range []string{"a.overflow", "a.delay-10s", "a.delay-10m", "a.delay-6h"} {
		for role, want := range map[tiers.Role]string{
			tiers.Deliver: "Read Write", tiers.Produce: "", tiers.Apply: "AlterConfigs Create Describe", tiers.Operate: "DescribeConfigs Read",
		} {
			var have []string
			for _, g := range tiers.Grants(cfg, []tiers.Role{role}) {
				if g.Name == topic {
					have = append(have, g.Operation)
				}
			}
			slices.Sort(have)
			if strings.Join(have, " ") != want {
				t.Errorf("%s of %s: want %s, have %v", topic, role, want, have)
			}
		}
	}
}

// TestExplainTellsWhatIsNew: on a cluster that ran without rules, the topics that
// the first ones bring come with the reason; nothing else is told.
func TestExplainTellsWhatIsNew(t *testing.T) {
	t.Parallel()
	cfg := configured(withRules("a"))
	have := map[string]partition.TopicInfo{}
	for _, s := range tiers.Specs(configured(config.DefaultStream("a")), nil) {
		have[s.Name] = partition.TopicInfo{Exists: true, Partitions: s.Partitions, Replication: int(s.Replication), Settings: maps.Clone(s.Settings)}
	}
	plan := partition.NewPlan(tiers.Specs(cfg, have), have, partition.Rules{})
	before := fmt.Sprint(plan)
	told := tiers.Explain(cfg, plan)
	words := map[string]string{"a.overflow": "a rate of its own", "a.delay-10s": "later than they come", "a.delay-10m": "later than they come", "a.delay-6h": "later than they come"}
	for _, topic := range told.Topics {
		first := topic.Steps[0]
		switch word, isNew := words[topic.Topic]; {
		case isNew && (first.Property != tiers.PropertyTier || first.Action != partition.Create || "a."+first.Want != topic.Topic || !strings.Contains(first.Note, word)):
			t.Errorf("%s: want the tier and its reason, have %+v", topic.Topic, first)
		case !isNew && first.Property == tiers.PropertyTier:
			t.Errorf("%s: want nothing told, have %+v", topic.Topic, first)
		}
	}
	if told.Pending() != 4 || plan.Pending() != 4 || fmt.Sprint(plan) != before {
		t.Errorf("want four topics to create and the plan left as it was, have %d and %d", told.Pending(), plan.Pending())
	}
	for _, s := range tiers.Specs(cfg, nil) {
		have[s.Name] = partition.TopicInfo{Exists: true, Partitions: s.Partitions, Replication: int(s.Replication), Settings: s.Settings}
	}
	plan = partition.NewPlan(tiers.Specs(cfg, have), have, partition.Rules{})
	if told := tiers.Explain(cfg, plan); fmt.Sprint(told) != fmt.Sprint(plan) {
		t.Errorf("all exist: want nothing told, have %+v", told)
	}
}

func TestCommandsSurviveAShell(t *testing.T) {
	t.Parallel()
	grants := []tiers.Grant{
		{Access: partition.Access{Resource: "topic", Name: "a", Operation: "Read"}},
		{Access: partition.Access{Resource: "topic", Name: "a", Operation: "Write"}},
		{Access: partition.Access{Resource: "group", Name: "it's; rm", Operation: "Read"}},
	}
	want := []string{
		"kafka-acls --bootstrap-server k1:9092,k2:9092 --add --allow-principal User:CN=x --operation Read --operation Write --topic a",
		`kafka-acls --bootstrap-server k1:9092,k2:9092 --add --allow-principal User:CN=x --operation Read --group 'it'\''s; rm'`,
	}
	if have := tiers.Commands(grants, []string{"k1:9092", "k2:9092"}, "User:CN=x"); !slices.Equal(have, want) {
		t.Errorf("want %q\nhave %q", want, have)
	}
}

func TestParseRoles(t *testing.T) {
	t.Parallel()
	if have, err := tiers.ParseRoles("deliver, produce,deliver"); err != nil || !slices.Equal(have, []tiers.Role{tiers.Deliver, tiers.Produce}) {
		t.Errorf("have %v, %v", have, err)
	}
	if _, err := tiers.ParseRoles("deliver,everything"); err == nil || !strings.Contains(err.Error(), "deliver, produce, apply, operate") {
		t.Errorf("have %v", err)
	}
}
