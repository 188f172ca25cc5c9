package tiers_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

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
	const week = "604800000"
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
