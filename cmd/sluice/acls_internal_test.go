package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/doctor"
	"sluice/pipeline/event"
	"sluice/pipeline/tiers"
)

// guarded is a cluster with an authorizer, and a configuration for it whose
// one stream goes to a webhook of the test's own.
type guarded struct {
	stream string
	kafka  string // the kafka section of the configuration
	hook   string
	hits   atomic.Int64 // of the webhook

	allow   func(t *testing.T, granted []partition.Access)
	append  func(t *testing.T, r event.Record) // by nobody whose rights are tried
	settled func() (committed, dead int64)
}

// TestACLsSufficeAndNoneIsSpare plays each role with what topics acls lists for
// it, which must do, and then with less, which must not.
func TestACLsSufficeAndNoneIsSpare(t *testing.T) {
	t.Parallel()
	playRoles(t, 1500*time.Millisecond, newGuarded)
}

// playRoles plays each role on clusters of its own; what is not allowed may be
// waited for (a member hopes for a mended ACL), but no longer than patience.
func playRoles(t *testing.T, patience time.Duration, start func(t *testing.T, withTopics bool) *guarded) {
	t.Helper()
	for _, play := range []struct {
		role  tiers.Role
		works func(ctx context.Context, t *testing.T, g *guarded) bool
	}{
		{tiers.Produce, produces}, {tiers.Apply, applies}, {tiers.Operate, operates}, {tiers.Deliver, delivers},
	} {
		// works tells whether the role can be played when change has been at its grants.
		works := func(t *testing.T, patience time.Duration, change func([]partition.Access) []partition.Access) bool {
			t.Helper()
			g := start(t, play.role != tiers.Apply)
			if play.role == tiers.Operate || play.role == tiers.Deliver {
				g.append(t, event.Record{Topic: g.stream, Key: []byte("1"), Value: []byte(`{"user":"1"}`)})
				g.append(t, event.Record{Topic: g.stream, Key: []byte("2")}) // a tombstone is a dead letter
			}
			if play.role == tiers.Operate {
				g.append(t, deadLetter(g.stream))
			}
			g.allow(t, change(grantsOf(t, play.role, g.config(t, ""))))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			return play.works(ctx, t, g)
		}
		t.Run(string(play.role), func(t *testing.T) {
			t.Parallel()
			if !works(t, 30*time.Second, func(all []partition.Access) []partition.Access { return all }) {
				t.Error("want it to work with all that is listed for it")
			}
			for i, grant := range grantsOf(t, play.role, start(t, false).config(t, "")) {
				if unplayed(play.role, grant) {
					continue
				}
				t.Run(fmt.Sprintf("without %d", i), func(t *testing.T) {
					t.Parallel()
					if works(t, patience, func(all []partition.Access) []partition.Access { return slices.Delete(all, i, i+1) }) {
						t.Errorf("want it not to work without %s, for it is listed as needed", grant)
					}
				})
				if grant.Resource != partition.ResourceTopic || grant.Operation == partition.OperationDescribe {
					continue
				}
				t.Run(fmt.Sprintf("describe for %d", i), func(t *testing.T) {
					t.Parallel()
					if works(t, patience, func(all []partition.Access) []partition.Access {
						all[i].Operation = partition.OperationDescribe
						return all
					}) {
						t.Errorf("want it not to work with Describe instead of %s, for more is listed as needed", grant)
					}
				})
			}
		})
	}
}

// unplayed is what is needed once an event's tries run out or a replay runs,
// which the plays do not come to: delivering one event well and one badly, and
// looking at what is held when nothing is.
func unplayed(role tiers.Role, a partition.Access) bool {
	beside := strings.HasSuffix(a.Name, ".held") || strings.HasSuffix(a.Name, ".replay")
	if role == tiers.Operate {
		return beside && a.Operation == partition.OperationRead
	}
	return role == tiers.Deliver && (beside || strings.HasSuffix(a.Name, ".state") && a.Operation == partition.OperationWrite)
}

// grantsOf is what the command itself lists for a role.
func grantsOf(t *testing.T, role tiers.Role, config string) []partition.Access {
	t.Helper()
	var report aclsReport
	sluice(t, "", "topics", "acls", "--roles", string(role), "-c", config, "-o", "json").last(t, &report)
	accesses := make([]partition.Access, len(report.ACLs))
	for i, grant := range report.ACLs {
		accesses[i] = grant.Access
	}
	return accesses
}

// config writes the configuration, with more settings of its stream.
func (g *guarded) config(t *testing.T, more string) string {
	t.Helper()
	return write(t, "sluice.yaml", `kafka: `+g.kafka+`
listen: {metrics: off, actions: off}
workspaces:
  hook: {sink: webhook, url: "`+g.hook+`"}
streams:
  `+g.stream+`: {workspace: hook, partitions: 1, replication: 1`+more+`}
`)
}

func (g *guarded) listen(t *testing.T) {
	t.Helper()
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { g.hits.Add(1) }))
	t.Cleanup(hook.Close)
	g.hook = hook.URL
}

// newGuarded is on an embedded broker, where everybody is the same nobody.
func newGuarded(t *testing.T, withTopics bool) *guarded {
	t.Helper()
	var topics []string
	if withTopics {
		topics = []string{"hooked", "hooked.held", "hooked.replay", "hooked.dead", "sluice.state"}
	}
	c := partitiontest.NewGuarded(t, 1, topics...)
	g := &guarded{stream: "hooked", kafka: `{brokers: ["` + c.ListenAddrs()[0] + `"], group: tests}`}
	g.listen(t)
	g.allow = func(t *testing.T, granted []partition.Access) {
		t.Helper()
		c.Allow(t, granted...)
	}
	g.append = func(t *testing.T, r event.Record) {
		t.Helper()
		write := partition.Access{Resource: partition.ResourceTopic, Name: r.Topic, Operation: partition.OperationWrite}
		c.Allow(t, write)
		c.Append(t, r)
		c.Forbid(t, write)
	}
	g.settled = func() (committed, dead int64) {
		if group := c.GroupInfo("tests"); group != nil {
			committed = group.Commits["hooked"][0].Offset
		}
		return committed, c.PartitionInfo("hooked.dead", 0).HighWatermark
	}
	return g
}

func produces(ctx context.Context, t *testing.T, g *guarded) bool {
	t.Helper()
	input := write(t, "in.ndjson", `{"user":"1"}`+"\n") // what fails is put beside it
	return sluiceUntil(ctx, "", "produce", g.stream, input, "-c", g.config(t, "")).code == exitDone
}

func applies(ctx context.Context, t *testing.T, g *guarded) bool {
	t.Helper()
	if sluiceUntil(ctx, "", "topics", "apply", "--force", "-c", g.config(t, "")).code != exitDone {
		return false
	}
	mended := g.config(t, ", retention: 2d")
	return sluiceUntil(ctx, "", "topics", "apply", "--force", "-c", mended).code == exitDone
}

func deadLetter(stream string) event.Record {
	died := time.Now()
	var e event.Event
	e.Load(event.Record{Topic: stream, Key: []byte("1"), Value: []byte(`{"user":"1"}`), Time: died}, "c")
	letter := event.DeadLetter(&e, event.Death{
		Topic: stream + ".dead", Verdict: "rejected", Reason: "rejected", Attempts: 1, First: died, Last: died, Workspace: "hook",
	})
	letter.Partition = 0
	return letter
}

// operates plans, examines, judges, sets an offset, redrives what is dead and has
// the rest replayed, as an operator does.
func operates(ctx context.Context, t *testing.T, g *guarded) bool {
	t.Helper()
	config := g.config(t, "")
	var report doctor.Report
	sluiceUntil(ctx, "", "doctor", "--force", "-c", config, "-o", "json").last(t, &report)
	for _, f := range report.Findings {
		// Whether it may deliver is another matter.
		if f.Check == doctor.Records && f.State != doctor.OK || f.Check == doctor.Topics && strings.Contains(f.What, "compared") {
			return false
		}
	}
	nothing := write(t, "in.ndjson", "")
	for _, args := range [][]string{
		{"topics", "plan", "--force"},
		{"shard", "resume", g.stream, "0", "--at", "start"},
		{"check", "--input", nothing, "--sim", simulated(t)},
		{"dead", "redrive", g.stream, "--yes", "--all"},
		{"shard", "resume", g.stream, "0", "--at", "2"}, // as if they were delivered, for only that is replayed
		{"replay", "start", g.stream, "--since", "1h", "--yes"},
	} {
		if code := sluiceUntil(ctx, "", append(args, "-c", config)...).code; code != exitDone && (args[0] != "topics" || code != exitPart) {
			return false
		}
	}
	return true
}

// delivers runs a member until it has delivered an event, written a dead
// letter and committed both, or time is up.
func delivers(ctx context.Context, t *testing.T, g *guarded) bool {
	t.Helper()
	config := g.config(t, "")
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- sluiceUntil(running, "", "run", "-c", config).code }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return false
		case <-ctx.Done():
			<-ended
			return false
		case <-tick.C:
		}
		if committed, dead := g.settled(); g.hits.Load() > 0 && committed == 2 && dead == 1 {
			stop()
			return <-ended == exitDone
		}
	}
}
