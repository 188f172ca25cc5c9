package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/doctor"
	"sluice/pipeline/event"
)

// healthy is a cluster with applied topics, a webhook that answers, and the
// configuration for them.
func healthy(t *testing.T) (c *partitiontest.Cluster, config string) {
	t.Helper()
	c = partitiontest.New(t, 1)
	g := &guarded{stream: "hooked", kafka: `{brokers: ["` + c.ListenAddrs()[0] + `"], group: tests}`}
	hook := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(hook.Close)
	g.hook = hook.URL + "/" + testKey
	config = g.config(t, "")
	if o := sluice(t, "", "topics", "apply", "--force", "-c", config); o.code != exitDone {
		t.Fatalf("topics apply: exit %d\n%s", o.code, o.err)
	}
	return c, config
}

func TestDoctorsExitCodes(t *testing.T) {
	t.Parallel()
	c, config := healthy(t)
	o := sluice(t, "", "doctor", "--force", "-c", config)
	if o.code != exitDone || !strings.Contains(o.out, "0 warnings, 0 failed") || strings.Contains(o.out, testKey) {
		t.Errorf("all is well: have %d\n%s%s", o.code, o.out, o.err)
	}
	o = sluice(t, "", "doctor", "-c", config) // one replica
	if o.code != exitFailed || !strings.Contains(o.out, "-> replication: 1 may lose") {
		t.Errorf("one replica: have %d\n%s", o.code, o.out)
	}
	c.Append(t, event.Record{Topic: "hooked", Key: []byte{}, Value: []byte("{}")}) // an empty key is bad input
	var report doctor.Report
	o = sluice(t, "", "doctor", "--force", "-c", config, "-o", "json")
	if o.last(t, &report); o.code != exitPart || report.Warnings != 1 || report.Failed != 0 {
		t.Errorf("a warning alone: have %d %s", o.code, o.out)
	}
	if o := sluice(t, "", "doctor", "--force", "--records", "0", "-c", config); o.code != exitDone {
		t.Errorf("no records read: have %d\n%s", o.code, o.out)
	}
}

// TestDoctorFindsMisplacedRecords: a producer with another partitioner.
func TestDoctorFindsMisplacedRecords(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	wrong := partition.ShardOf([]byte("42"), 6) ^ 1
	appendRecord(t, kafkaOf(t, config), event.Record{Topic: "purchases", Partition: wrong, Key: []byte("42"), Value: []byte("{}")})
	o := sluice(t, "", "doctor", "--force", "-c", config)
	if !strings.Contains(o.out, "1 of the 1 newest records are misplaced") || !strings.Contains(o.out, "partitioner=murmur2_random") {
		t.Errorf("have %d\n%s", o.code, o.out)
	}
}

// appendRecord appends a record to its partition as it is.
func appendRecord(t *testing.T, cfg partition.Config, r event.Record) {
	t.Helper()
	appender, err := partition.NewAppender(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer appender.Close()
	done := make(chan error, 1)
	appender.Append(t.Context(), r, func(_ partition.Position, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestDoctorReportsEveryFaultOfTheConfiguration(t *testing.T) {
	t.Parallel()
	config := write(t, "wrong.yaml", `workspaces:
  a: {sink: customerio, region: usa, site_id: s, api_key: "${KEY}"}
streams:
  s: {workspace: a, retention: 7}
`)
	var report doctor.Report
	o := sluice(t, "", "doctor", "-c", config, "-o", "json")
	o.last(t, &report)
	if o.code != exitFailed || report.Failed != 2 || strings.Contains(o.out, testKey) || slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
		return f.Check != doctor.Settings || !strings.HasPrefix(f.Subject, config+":") || f.Remedy == ""
	}) {
		t.Errorf("want both faults with place and remedy, have %d %s", o.code, o.out)
	}
	if o := sluice(t, "", "doctor", "-c", "nowhere.yaml"); o.code != exitFailed || !strings.Contains(o.out, "-c FILE") {
		t.Errorf("no file: have %d\n%s", o.code, o.out)
	}
}

func TestDoctorAndACLsRefuseWrongUsage(t *testing.T) {
	t.Parallel()
	config := configFor(t, "127.0.0.1:1")
	for args, want := range map[string]string{
		"doctor --records -1":             "--records must be 0 or above",
		"doctor --roles everything":       "there is deliver, produce, apply, operate",
		"topics acls --roles x":           "there is deliver, produce, apply, operate",
		"topics acls --principal sluice":  "as User:NAME",
		"topics plan now":                 "unknown command",
		"topics check --forse -c sluice":  "unknown flag: --forse",
		"topics chekc":                    "there is plan, apply, check, acls",
		"doctor --records many -c sluice": "invalid argument",
	} {
		o := sluice(t, "", append(strings.Fields(args), "-c", config)...)
		if o.code != exitUsage || !strings.Contains(o.err, want) || o.out != "" {
			t.Errorf("%s: want exit 2 and %q, have %d\n%s%s", args, want, o.code, o.out, o.err)
		}
	}
}
