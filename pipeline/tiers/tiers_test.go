package tiers_test

import (
	"slices"
	"strings"
	"testing"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/tiers"
)

func streams() []config.Stream { return []config.Stream{config.DefaultStream("a")} }

func TestSpecsFollowTheLiveTopic(t *testing.T) {
	t.Parallel()
	have := map[string]partition.TopicInfo{
		"a":      {Exists: true, Partitions: 48, Settings: map[string]string{"max.message.bytes": "2000000"}},
		"a.dead": {Exists: true, Partitions: 3},
	}
	for _, tc := range []struct {
		name       string
		have       map[string]partition.TopicInfo
		live, dead string // max.message.bytes
		partitions int32  // of the dead topic
	}{
		{"none exists", nil, "1048588", "1114124", 48},
		{"both exist", have, "2000000", "2065536", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			specs := tiers.Specs(streams(), tc.have)
			if len(specs) != 2 || specs[0].Name != "a" || specs[1].Name != "a.dead" || specs[0].Partitions != 48 || specs[1].Partitions != tc.partitions {
				t.Fatalf("have %+v", specs)
			}
			if live, dead := specs[0].Settings["max.message.bytes"], specs[1].Settings["max.message.bytes"]; live != tc.live || dead != tc.dead {
				t.Errorf("want %s and %s, have %s and %s", tc.live, tc.dead, live, dead)
			}
			for _, s := range specs {
				if s.Settings["cleanup.policy"] != "delete" || s.Settings["min.insync.replicas"] != "2" || s.Settings["retention.ms"] != "604800000" {
					t.Errorf("have %+v", s)
				}
			}
		})
	}
	single := streams()
	single[0].Replication = 1
	if have := tiers.Specs(single, nil)[0].Settings["min.insync.replicas"]; have != "1" {
		t.Errorf("one replica: want 1 in sync, have %s", have)
	}
}

func TestGrantsAreEachThingOnce(t *testing.T) {
	t.Parallel()
	cfg := config.Config{Kafka: partition.DefaultConfig(), Streams: streams()}
	var have []string
	for _, g := range tiers.Grants(cfg, tiers.Roles()) {
		have = append(have, g.String())
	}
	slices.Sort(have)
	want := []string{
		"AlterConfigs on topic a", "AlterConfigs on topic a.dead", "Create on topic a", "Create on topic a.dead",
		"Read on group sluice", "Read on topic a", "Read on topic a.dead", "Write on topic a", "Write on topic a.dead",
	}
	if !slices.Equal(have, want) {
		t.Errorf("want what is implied left out:\n%s\nhave\n%s", strings.Join(want, "\n"), strings.Join(have, "\n"))
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
