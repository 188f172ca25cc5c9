package partition_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/partition"
	"sluice/partition/partitiontest"
)

// specified is a topic as it should be, and as it is once it was applied.
func specified() (partition.TopicSpec, partition.TopicInfo) {
	settings := map[string]string{"cleanup.policy": "delete", "min.insync.replicas": "2", "retention.ms": "604800000", "max.message.bytes": "1048588"}
	return partition.TopicSpec{Name: "t", Partitions: 6, Replication: 3, Settings: settings},
		partition.TopicInfo{Exists: true, Partitions: 6, Replication: 3, Settings: maps.Clone(settings)}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		alter  func(spec *partition.TopicSpec, have *partition.TopicInfo)
		rules  partition.Rules
		step   string // the property whose step is looked at
		action partition.Action
		whole  partition.Action // of the topic
		note   string
	}{
		{name: "as it should be", step: "partitions", action: partition.Keep, whole: partition.Keep},
		{
			name: "absent", step: "retention.ms", action: partition.Create, whole: partition.Create,
			alter: func(_ *partition.TopicSpec, have *partition.TopicInfo) { *have = partition.TopicInfo{} },
		},
		{
			name: "too few brokers", step: "replication", action: partition.Refuse, whole: partition.Refuse, note: "the cluster has 2; add brokers, or set replication to 2",
			alter: func(_ *partition.TopicSpec, have *partition.TopicInfo) { *have = partition.TopicInfo{} }, rules: partition.Rules{Brokers: 2},
		},
		{name: "a broker down beside a topic that is there", step: "replication", action: partition.Keep, whole: partition.Keep, rules: partition.Rules{Brokers: 2}},
		{
			name: "more partitions wanted", step: "partitions", action: partition.Refuse, whole: partition.Refuse, note: "set partitions to 6, or name a new topic",
			alter: func(spec *partition.TopicSpec, _ *partition.TopicInfo) { spec.Partitions = 12 }, rules: partition.Rules{Force: true},
		},
		{
			name: "fewer partitions wanted", step: "partitions", action: partition.Refuse, whole: partition.Refuse,
			alter: func(spec *partition.TopicSpec, _ *partition.TopicInfo) { spec.Partitions = 3 },
		},
		{
			name: "few replicas wanted", step: "replication", action: partition.Refuse, whole: partition.Refuse, note: "--force",
			alter: func(spec *partition.TopicSpec, have *partition.TopicInfo) { spec.Replication, have.Replication = 2, 2 },
		},
		{
			name: "few replicas, forced", step: "replication", action: partition.Keep, whole: partition.Keep, rules: partition.Rules{Force: true},
			alter: func(spec *partition.TopicSpec, have *partition.TopicInfo) { spec.Replication, have.Replication = 1, 1 },
		},
		{
			name: "more replicas than wanted", step: "replication", action: partition.Report, whole: partition.Report, note: "kafka-reassign-partitions",
			alter: func(_ *partition.TopicSpec, have *partition.TopicInfo) { have.Replication = 5 },
		},
		{
			name: "fewer replicas than wanted, forced", step: "replication", action: partition.Report, whole: partition.Report, rules: partition.Rules{Force: true},
			alter: func(_ *partition.TopicSpec, have *partition.TopicInfo) { have.Replication = 1 },
		},
		{
			name: "one in sync", step: "min.insync.replicas", action: partition.Refuse, whole: partition.Refuse, note: "use 2, or --force",
			alter: func(spec *partition.TopicSpec, _ *partition.TopicInfo) { spec.Settings["min.insync.replicas"] = "1" },
		},
		{
			name: "one in sync until now", step: "min.insync.replicas", action: partition.Change, whole: partition.Change,
			alter: func(_ *partition.TopicSpec, have *partition.TopicInfo) { have.Settings["min.insync.replicas"] = "1" },
		},
		{
			name: "compacted", step: "cleanup.policy", action: partition.Refuse, whole: partition.Refuse, note: "or use another topic", rules: partition.Rules{Force: true},
			alter: func(_ *partition.TopicSpec, have *partition.TopicInfo) {
				have.Settings["cleanup.policy"] = "compact,delete"
			},
		},
		{
			name: "compaction wanted", step: "cleanup.policy", action: partition.Refuse, whole: partition.Refuse,
			alter: func(spec *partition.TopicSpec, _ *partition.TopicInfo) { spec.Settings["cleanup.policy"] = "compact" },
		},
		{
			name: "shorter retention", step: "retention.ms", action: partition.Change, whole: partition.Change, note: "Kafka will delete",
			alter: func(_ *partition.TopicSpec, have *partition.TopicInfo) { have.Settings["retention.ms"] = "-1" },
		},
		{
			name: "longer retention", step: "retention.ms", action: partition.Change, whole: partition.Change,
			alter: func(_ *partition.TopicSpec, have *partition.TopicInfo) { have.Settings["retention.ms"] = "1000" },
		},
		{
			name: "the most pressing counts", step: "retention.ms", action: partition.Change, whole: partition.Refuse,
			alter: func(spec *partition.TopicSpec, have *partition.TopicInfo) {
				have.Settings["retention.ms"], spec.Partitions = "1000", 7
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			spec, have := specified()
			if tc.alter != nil {
				tc.alter(&spec, &have)
			}
			plan := partition.NewPlan([]partition.TopicSpec{spec}, map[string]partition.TopicInfo{"t": have}, tc.rules)
			topic := plan.Topics[0]
			if topic.Action() != tc.whole || plan.Count(tc.whole) != 1 {
				t.Errorf("want the topic's action %s, have %s", tc.whole, topic.Action())
			}
			for _, s := range topic.Steps {
				if s.Property == tc.step && (s.Action != tc.action || !strings.Contains(s.Note, tc.note) || (tc.note == "" && tc.action == partition.Change && s.Note != "")) {
					t.Errorf("want %s %s with %q, have %+v", tc.action, tc.step, tc.note, s)
				}
				if s.Property != tc.step && tc.whole == tc.action && tc.whole != partition.Create && s.Action != partition.Keep && tc.rules.Brokers == 0 {
					t.Errorf("want nothing else, have %+v", s)
				}
			}
			if refused := plan.Refused(); (tc.whole == partition.Refuse) != errors.Is(refused, partition.ErrRefused) {
				t.Errorf("have %v", refused)
			}
		})
	}
}

func TestApplyOfARefusedPlanChangesNothing(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1)
	admin := newAdmin(t, c)
	good, _ := specified()
	good.Replication, good.Name = 1, "good"
	bad := good
	bad.Name, bad.Settings = "bad", map[string]string{"cleanup.policy": "compact"}
	plan, err := admin.Plan(t.Context(), []partition.TopicSpec{good, bad}, true)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := admin.Apply(t.Context(), plan); !errors.Is(err, partition.ErrRefused) || len(done) != 0 {
		t.Errorf("want a refusal, have %v, %v", done, err)
	}
	if have, err := admin.Topics(t.Context(), "good", "bad"); err != nil || have["good"].Exists || have["bad"].Exists {
		t.Errorf("want no topic, have %v, %v", have, err)
	}
}

// TestApplyOverSomebodyElse: between plan and apply another process made the
// topic, with other settings. What it made is mended, not taken as right.
func TestApplyOverSomebodyElse(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1)
	admin := newAdmin(t, c)
	spec, _ := specified()
	spec.Replication = 1
	plan, err := admin.Plan(t.Context(), []partition.TopicSpec{spec}, true)
	if err != nil {
		t.Fatal(err)
	}
	theirs := spec
	theirs.Settings = map[string]string{"retention.ms": "1000"}
	if err := admin.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	done, err := admin.Apply(t.Context(), plan)
	if err != nil || done[0].Action() != partition.Change {
		t.Errorf("want it mended, have %+v, %v", done, err)
	}
	if have, err := admin.Topics(t.Context(), "t"); err != nil || have["t"].Settings["retention.ms"] != "604800000" {
		t.Errorf("have %v, %v", have, err)
	}
	other := spec
	other.Name, other.Partitions = "u", 2
	if err := admin.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	other.Partitions = 6
	plan = partition.NewPlan([]partition.TopicSpec{other}, nil, partition.Rules{Force: true})
	if _, err := admin.Apply(t.Context(), plan); !errors.Is(err, partition.ErrRefused) {
		t.Errorf("another partition count: want a refusal, have %v", err)
	}
}

func newAdmin(t *testing.T, c *partitiontest.Cluster) *partition.Admin {
	t.Helper()
	admin, err := partition.NewAdmin(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return admin
}

// TestClusterNamesOldAndSilentBrokers: a broker is asked at the address that
// it advertises, and told apart when it lacks what we need.
func TestClusterNamesOldAndSilentBrokers(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1)
	have, err := newAdmin(t, c).Cluster(t.Context())
	if err != nil || len(have.Brokers) != 1 || have.Brokers[0].Old || have.Brokers[0].Err != nil || have.Brokers[0].Address != c.ListenAddrs()[0] {
		t.Errorf("have %+v, %v", have, err)
	}

	c.ControlKey(int16(kmsg.ApiVersions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp, _ := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		for key := range kmsg.Key(40) {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MaxVersion = key.Int16(), 1
			resp.ApiKeys = append(resp.ApiKeys, k)
		}
		return resp, nil, true
	})
	if have, err := newAdmin(t, c).Cluster(t.Context()); err != nil || !have.Brokers[0].Old {
		t.Errorf("want the broker old, have %+v, %v", have, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newAdmin(t, c).Cluster(ctx); err == nil {
		t.Error("want an error when nobody answers")
	}
}

func TestClockIsNotToldByEveryCluster(t *testing.T) {
	t.Parallel()
	if _, _, err := newAdmin(t, partitiontest.New(t, 1)).Clock(t.Context()); !errors.Is(err, partition.ErrNoClock) {
		t.Errorf("have %v", err)
	}
}
