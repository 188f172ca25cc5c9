//go:build integration

package main

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
)

// TestRealACLsSufficeAndNoneIsSpare is the same on Kafka's own authorizer, by a
// user who is known by SCRAM over TLS.
func TestRealACLsSufficeAndNoneIsSpare(t *testing.T) {
	t.Parallel()
	secure := partitiontest.NewSecure(t)
	playRoles(t, 4*time.Second, func(t *testing.T, withTopics bool) *guarded {
		t.Helper()
		return newGuardedReal(t, secure, withTopics)
	})
}

// newGuardedReal has topics and a group of its own, on which the user sluice
// may do nothing yet.
func newGuardedReal(t *testing.T, secure *partitiontest.Secure, withTopics bool) *guarded {
	t.Helper()
	name := "acl-" + rand.Text()
	g := &guarded{stream: name, kafka: fmt.Sprintf(
		"{brokers: [%q], group: %[2]s, state_topic: %[2]s.state, tls: {ca: %q}, sasl: {mechanism: SCRAM-SHA-512, username: sluice, password: %q}}",
		secure.Brokers, name, "file:"+secure.File("ca.pem"), "file:"+secure.File("sluice.password"),
	)}
	g.listen(t)
	inside := partition.DefaultConfig() // may do all
	inside.Brokers = strings.Split(secure.Internal, ",")
	admin, err := partition.NewAdmin(inside)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	for _, topic := range []string{name, name + ".held", name + ".replay", name + ".dead", name + ".state"} {
		if !withTopics {
			break
		}
		if err := admin.Create(t.Context(), partition.TopicSpec{Name: topic, Partitions: 1, Replication: 1}); err != nil {
			t.Fatal(err)
		}
	}
	g.allow = func(t *testing.T, granted []partition.Access) {
		t.Helper()
		last := partition.Access{Resource: partition.ResourceGroup, Name: name + "-last", Operation: partition.OperationRead}
		secure.Allow(t, "User:sluice", append(granted, last)...)
		awaitAllowed(t, secure.Config("sluice"), last) // brokers hear of ACLs in their order
	}
	g.append = func(t *testing.T, r event.Record) {
		t.Helper()
		appendRecord(t, inside, r)
	}
	g.settled = func() (committed, dead int64) {
		if commits, err := admin.Committed(t.Context(), name, name); err == nil {
			committed = commits[0].Offset
		}
		if bounds, err := admin.Bounds(t.Context(), name+".dead"); err == nil {
			dead = bounds.End[0]
		}
		return committed, dead
	}
	return g
}

func awaitAllowed(t *testing.T, cfg partition.Config, access partition.Access) {
	t.Helper()
	admin, err := partition.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		denied, err := admin.Denied(t.Context(), []partition.Access{access})
		if err != nil {
			t.Fatal(err)
		}
		if len(denied) == 0 {
			return
		}
		<-tick.C
	}
	t.Fatalf("%s was granted and is still denied", access)
}
