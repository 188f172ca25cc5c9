package doctor_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/config"
	"sluice/pipeline/doctor"
	"sluice/pipeline/event"
	"sluice/pipeline/tiers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configured is a configuration with one stream of four partitions.
func configured(c *partitiontest.Cluster) config.Config {
	stream := config.DefaultStream("events")
	stream.Partitions, stream.Replication = 4, 1
	cfg := config.Default()
	cfg.Kafka, cfg.Streams = c.Config(), []config.Stream{stream}
	return cfg
}

// applied makes the topics of a configuration.
func applied(t *testing.T, cfg config.Config) {
	t.Helper()
	withAdmin(t, cfg, func(ctx context.Context, a *partition.Admin) error {
		plan, err := a.Plan(ctx, tiers.Specs(cfg, nil), true)
		if err == nil {
			_, err = a.Apply(ctx, plan)
		}
		return err
	})
}

func withAdmin(t *testing.T, cfg config.Config, fn func(context.Context, *partition.Admin) error) {
	t.Helper()
	a, err := partition.NewAdmin(cfg.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := fn(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

func forced() doctor.Options {
	o := doctor.DefaultOptions()
	o.Force = true
	return o
}

// of returns the findings of one check.
func of(findings []doctor.Finding, check doctor.Check) []doctor.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f doctor.Finding) bool { return f.Check != check })
}

// expect fails unless a check has exactly one finding, in that state, with
// these words in it or in its remedy; a remedy stands with all that is not ok.
func expect(t *testing.T, findings []doctor.Finding, check doctor.Check, state doctor.State, words ...string) {
	t.Helper()
	found := of(findings, check)
	if len(found) != 1 || found[0].State != state || (found[0].Remedy == "") != (state == doctor.OK) {
		t.Errorf("%s: want one finding, %s, with a remedy unless ok, have %+v", check, state, found)
		return
	}
	for _, word := range words {
		if !strings.Contains(found[0].Subject+" "+found[0].What+" "+found[0].Remedy, word) {
			t.Errorf("%s: want %q in %+v", check, word, found[0])
		}
	}
}

func TestKafkaIsWell(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1)
	cfg := configured(c)
	applied(t, cfg)
	for _, key := range []string{"1", "2", "Zoë", "ada@example.com"} {
		c.Produce(t, "events", 4, key, "{}")
	}
	c.Append(t, event.Record{Topic: "events", Partition: 3, Value: []byte("{}")}) // no key, no right place
	found := doctor.Examine(t.Context(), cfg, forced())
	expect(t, found, doctor.Kafka, doctor.OK, "1 broker, Kafka")
	expect(t, found, doctor.Topics, doctor.OK, "5 of 5")
	expect(t, found, doctor.Access, doctor.OK, "deliver", "9 things")
	expect(t, found, doctor.Records, doctor.OK, "events", "the 5 newest")
	if have := c.PartitionInfos("events"); len(have) != 4 {
		t.Fatalf("have %v", have)
	}
	if n := len(c.Read(t, "events")); n != 5 {
		t.Errorf("want no record appended, have %d", n)
	}
}

func TestMisplacedRecordsAreFound(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1)
	cfg := configured(c)
	applied(t, cfg)
	wrong := (partition.ShardOf([]byte("42"), 4) + 1) % 4
	for range 3 {
		c.Append(t, event.Record{Topic: "events", Partition: wrong, Key: []byte("42"), Value: []byte("{}")})
	}
	c.Produce(t, "events", 4, "43", "{}")
	c.Append(t, event.Record{Topic: "events", Partition: wrong, Key: []byte{}, Value: []byte("{}"), Time: time.Now().Add(time.Hour)})
	found := doctor.Examine(t.Context(), cfg, forced())
	all := of(found, doctor.Records)
	if len(all) != 2 || all[0].State != doctor.Warning || !strings.HasPrefix(all[0].What, "3 of the 5 newest records are misplaced") ||
		!strings.Contains(all[0].Remedy, "partitioner=murmur2_random") || strings.Contains(all[0].What, "42") {
		t.Errorf("want three misplaced ones, the remedy and no key shown, have %+v", all)
	}
	if len(all) == 2 && !strings.HasPrefix(all[1].What, "1 of the 5 newest records have an empty key") {
		t.Errorf("want the empty key, have %+v", all[1])
	}
	expect(t, found, doctor.Clock, doctor.Warning, "in the future")

	few := forced()
	few.Records = 1 // the newest alone: of the wrong partition, the one with an empty key
	for _, f := range of(doctor.Examine(t.Context(), cfg, few), doctor.Records) {
		if strings.Contains(f.What, "misplaced") {
			t.Errorf("want older records left alone, have %+v", f)
		}
	}
}

func TestTopicsAreJudged(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1)
	cfg := configured(c)
	found := doctor.Examine(t.Context(), cfg, forced())
	if all := of(found, doctor.Topics); len(all) != 5 || all[0].State != doctor.Failed || all[0].What != "does not exist" || !strings.Contains(all[0].Remedy, "topics apply") {
		t.Errorf("none exists: have %+v", all)
	}
	applied(t, cfg)
	strict := doctor.DefaultOptions()
	if all := of(doctor.Examine(t.Context(), cfg, strict), doctor.Topics); len(all) != 5 || all[0].State != doctor.Failed || !strings.Contains(all[0].Remedy, "use 3") {
		t.Errorf("one replica: have %+v", all)
	}
	cfg.Streams[0].Retention = 48 * time.Hour
	all := of(doctor.Examine(t.Context(), cfg, forced()), doctor.Topics)
	// The four tiers of the stream, and beside them that the topic of state is well.
	if len(all) != 5 || all[4].State != doctor.OK || all[0].State != doctor.Warning || all[0].What != "retention.ms is 604800000, should be 172800000" {
		t.Errorf("another retention: have %+v", all)
	}
}

// TestLeftoversAreFound: rules that went took the tiers of their stream along,
// and with them whoever would deliver what still waits there.
func TestLeftoversAreFound(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1)
	with := configured(c)
	with.Streams[0].Overflow, with.Streams[0].Deferral = true, true
	applied(t, with)
	without := configured(c)
	expect(t, doctor.Examine(t.Context(), without, forced()), doctor.Topics, doctor.OK, "5 of 5")
	c.Produce(t, "events.delay-10m", 4, "1", "{}")
	c.Produce(t, "events.delay-10m", 4, "2", "{}")
	c.Produce(t, "events.overflow", 4, "3", "{}")
	expect(t, doctor.Examine(t.Context(), with, forced()), doctor.Topics, doctor.OK, "9 of 9")
	found := of(doctor.Examine(t.Context(), without, forced()), doctor.Topics)
	if len(found) != 3 || found[1].State != doctor.Failed || found[2].State != doctor.Failed {
		t.Fatalf("want two topics that nobody reads, have %+v", found)
	}
	for i, want := range []struct{ subject, what, remedy string }{
		{"events.delay-10m", "2 events wait", "deferral: true"}, {"events.overflow", "1 event waits", "a rate"},
	} {
		have := found[i+1]
		if have.Subject != want.subject || !strings.HasPrefix(have.What, want.what) || !strings.Contains(have.Remedy, want.remedy) {
			t.Errorf("want %v, have %+v", want, have)
		}
	}
}

func TestAccessIsChecked(t *testing.T) {
	t.Parallel()
	c := partitiontest.NewGuarded(t, 4, "events", "events.held", "events.replay", "events.dead", "sluice.state")
	cfg := configured(c)
	wanted := tiers.Wanted(cfg, tiers.Deliver)
	operate := tiers.Wanted(cfg, tiers.Operate)
	c.Allow(t, append(slices.Clone(operate), wanted...)...)
	expect(t, doctor.Examine(t.Context(), cfg, forced()), doctor.Access, doctor.OK)
	for _, lost := range []partition.Access{
		{Resource: partition.ResourceTopic, Name: "events.dead", Operation: partition.OperationWrite},
		{Resource: partition.ResourceTopic, Name: "events.held", Operation: partition.OperationRead},
		{Resource: partition.ResourceTopic, Name: "sluice.state", Operation: partition.OperationWrite},
		{Resource: partition.ResourceGroup, Name: "g", Operation: partition.OperationRead},
	} {
		c.Forbid(t, lost)
		expect(t, doctor.Examine(t.Context(), cfg, forced()), doctor.Access, doctor.Failed, "not allowed: "+lost.String(), "topics acls --roles deliver")
		c.Allow(t, lost)
	}
	c.Forbid(t, partition.Access{Resource: partition.ResourceTopic, Name: "events", Operation: partition.OperationDescribeConfigs})
	found := of(doctor.Examine(t.Context(), cfg, forced()), doctor.Topics)
	if len(found) != 1 || found[0].State != doctor.Warning || !strings.Contains(found[0].Remedy, "operate") {
		t.Errorf("settings that may not be read: want a warning, have %+v", found)
	}
}

func TestUnreachableKafkaIsOneFinding(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1)
	cfg := configured(c)
	cfg.Kafka.Brokers = []string{"127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	found := doctor.Examine(ctx, cfg, forced())
	expect(t, found, doctor.Kafka, doctor.Failed, "127.0.0.1:1", "kafka.brokers")
	if len(found) != 1 {
		t.Errorf("want nothing else, have %+v", found)
	}
}

func TestReportCounts(t *testing.T) {
	t.Parallel()
	r := doctor.NewReport([]doctor.Finding{{State: doctor.OK}, {State: doctor.Warning}, {State: doctor.Failed}, {State: doctor.Failed}})
	if r.OK != 1 || r.Warnings != 1 || r.Failed != 2 {
		t.Errorf("have %+v", r)
	}
}
