package partitiontest

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/partition"
)

// anonymous is who everybody is on a cluster that asks nobody's name.
const anonymous = "User:ANONYMOUS"

// NewGuarded is New for a cluster with an authorizer, on which everybody may
// do only what Allow has granted.
func NewGuarded(t testing.TB, partitions int32, topics ...string) *Cluster {
	t.Helper()
	c := start(t, kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...), kfake.EnableACLs(),
		// What Allow and Forbid need implies nothing on topics and groups.
		kfake.User("PLAIN", "ANONYMOUS", "unused", kfake.ACL{
			Resource: kmsg.ACLResourceTypeCluster, Name: "kafka-cluster",
			Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAlter, Allow: true,
		}))
	c.connect(t)
	return c
}

// Allow grants everybody so much on a guarded cluster.
func (c *Cluster) Allow(t testing.TB, accesses ...partition.Access) {
	t.Helper()
	for _, a := range accesses {
		created, err := kadm.NewClient(c.Client).CreateACLs(context.Background(), acls(t, a))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range created {
			if one.Err != nil {
				t.Fatal(one.Err)
			}
		}
	}
}

// Forbid takes back what Allow has granted.
func (c *Cluster) Forbid(t testing.TB, accesses ...partition.Access) {
	t.Helper()
	for _, a := range accesses {
		deleted, err := kadm.NewClient(c.Client).DeleteACLs(context.Background(), acls(t, a))
		if err != nil {
			t.Fatal(err)
		}
		if len(deleted) != 1 || deleted[0].Err != nil || len(deleted[0].Deleted) != 1 {
			t.Fatalf("take back %s: have %+v", a, deleted)
		}
	}
}

func acls(t testing.TB, a partition.Access) *kadm.ACLBuilder {
	t.Helper()
	b, err := permission(anonymous, a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
