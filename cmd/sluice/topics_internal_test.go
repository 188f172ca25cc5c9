package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"sluice/partition"
	"sluice/pipeline/tiers"
)

func TestTopicsPlanChangesNothing(t *testing.T) {
	t.Parallel()
	config := kafka(t)
	for range 2 {
		var have topicsReport
		o := sluice(t, "", "topics", "plan", "--force", "-c", config, "-o", "json")
		if o.last(t, &have); o.code != exitPart || have.Pending != 13 || have.Applied || have.Topics[0].Action != partition.Create {
			t.Fatalf("want the four of each stream and one of state to create, again and again, have %d %s%s", o.code, o.out, o.err)
		}
	}
	o := sluice(t, "", "topics", "plan", "-c", config)
	if o.code != exitFailed || !strings.Contains(o.out, "--force") || !strings.Contains(o.out, "hooked, hooked.held, hooked.replay, hooked.dead, sluice.state)") || !strings.Contains(o.out, "! replication: 1 may lose") {
		t.Errorf("one replica: want a refusal, have %d\n%s", o.code, o.out)
	}
}

func TestTopicsApplyIsIdempotentAndRefuses(t *testing.T) {
	t.Parallel()
	config := kafka(t)
	o := sluice(t, "", "topics", "apply", "-c", config)
	if o.code != exitFailed || !strings.Contains(o.err, "--force") || !strings.Contains(o.err, "topic hooked.dead") {
		t.Errorf("one replica: want a refusal for every topic that names --force, have %d\n%s", o.code, o.err)
	}
	var have topicsReport
	o = sluice(t, "", "topics", "apply", "--force", "-c", config, "-o", "json")
	if o.last(t, &have); o.code != exitDone || have.Pending != 13 || !have.Applied {
		t.Fatalf("want all thirteen topics created, have %d %s%s", o.code, o.out, o.err)
	}
	o = sluice(t, "", "topics", "apply", "--force", "-c", config)
	if o.code != exitDone || !strings.Contains(o.out, "every topic is as it should be") || strings.Count(o.out, "all 6") != 12 || strings.Count(o.out, "all 5") != 1 {
		t.Errorf("again: have %d\n%s", o.code, o.out)
	}
	for _, args := range [][]string{{"topics", "plan"}, {"topics", "check"}} {
		if o := sluice(t, "", append(args, "--force", "-c", config)...); o.code != exitDone {
			t.Errorf("%v of what was applied: have %d\n%s", args, o.code, o.out)
		}
	}
}

func TestTopicsApplyMendsAndKeepsOrder(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	altered := func(name, with string) string {
		return write(t, name, strings.Replace(string(text), "acme-us, partitions: 6, replication: 1", with, 1))
	}
	grown := altered("grown.yaml", "acme-us, partitions: 7, replication: 1, retention: 2d")
	o := sluice(t, "", "topics", "apply", "--force", "-c", grown)
	if o.code != exitFailed || !strings.Contains(o.err, "set partitions to 6") || strings.Contains(o.err, "purchases.dead") {
		t.Errorf("another partition count: want a refusal with the remedy, have %d\n%s", o.code, o.err)
	}
	shorter := altered("shorter.yaml", "acme-us, partitions: 6, replication: 1, retention: 2d")
	if o := sluice(t, "", "topics", "check", "--force", "-c", shorter); o.code != exitPart {
		t.Errorf("check of another retention: have %d\n%s", o.code, o.out)
	}
	o = sluice(t, "", "topics", "apply", "--force", "-c", shorter)
	if o.code != exitDone || !strings.Contains(o.out, "604800000 (7d)  172800000 (2d)") || !strings.Contains(o.out, "Kafka will delete") {
		t.Errorf("another retention: want it mended and said, have %d\n%s%s", o.code, o.out, o.err)
	}
	if o := sluice(t, "", "topics", "check", "--force", "-c", shorter); o.code != exitDone {
		t.Errorf("check once applied: have %d\n%s", o.code, o.out)
	}
}

func TestDeadTopicTakesLargerRecords(t *testing.T) {
	t.Parallel()
	path := kafkaWithTopics(t)
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		topics, err := a.Topics(ctx, "purchases", "purchases.dead")
		if err != nil {
			t.Fatal(err)
		}
		live, dead := topics["purchases"].Settings, topics["purchases.dead"].Settings
		if live["max.message.bytes"] != "1048588" || dead["max.message.bytes"] != "1114124" || dead["cleanup.policy"] != "delete" || dead["min.insync.replicas"] != "1" {
			t.Errorf("have %v and %v", live, dead)
		}
	})
}

func TestTopicsACLs(t *testing.T) {
	t.Parallel()
	config := configFor(t, "127.0.0.1:1")
	o := sluice(t, "", "topics", "acls", "--principal", "User:shop floor", "--roles", "produce", "-c", config)
	want := "kafka-acls --bootstrap-server 127.0.0.1:1 --add --allow-principal 'User:shop floor' --operation Write --topic purchases\n"
	if o.code != exitDone || !strings.Contains(o.out, want) || strings.Contains(o.out, ".dead") {
		t.Errorf("want only %s, have %d\n%s", want, o.code, o.out)
	}
	var have aclsReport
	o = sluice(t, "", "topics", "acls", "-c", config, "-o", "json")
	o.last(t, &have)
	group := tiers.Grant{
		Access: partition.Access{Resource: "group", Name: "tests", Operation: "Read"}, Roles: []tiers.Role{tiers.Deliver, tiers.Operate},
	}
	if o.code != exitDone || have.Principal != "User:sluice" || !slices.ContainsFunc(have.ACLs, func(g tiers.Grant) bool {
		return g.Access == group.Access && slices.Equal(g.Roles, group.Roles)
	}) {
		t.Errorf("want %v among them, have %d %s", group, o.code, o.out)
	}
}
