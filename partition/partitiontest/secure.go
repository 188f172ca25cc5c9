package partitiontest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/partition"
)

// Secure is a real cluster that asks who one is, as scripts/kafka/up makes it
// with SECURITY=scram.
type Secure struct {
	Brokers  string // SASL_SSL
	Mutual   string // for clients with a certificate
	Expired  string // SASL_SSL, under a certificate that has expired
	Internal string // plaintext; everybody may do all
	Secrets  string // the folder of certificates and passwords
}

// NewSecure returns the cluster that SLUICE_TEST_SECURE describes, in the words
// of scripts/kafka/up.
func NewSecure(t testing.TB) *Secure {
	t.Helper()
	said := map[string]string{}
	for word := range strings.FieldsSeq(os.Getenv("SLUICE_TEST_SECURE")) { //nolint:forbidigo // the real-Kafka tier is told its brokers
		name, value, _ := strings.Cut(word, "=")
		said[name] = value
	}
	s := &Secure{Brokers: said["BROKERS"], Mutual: said["MUTUAL"], Expired: said["EXPIRED"], Internal: said["INTERNAL"], Secrets: said["SECRETS"]}
	if s.Brokers == "" || s.Secrets == "" {
		t.Fatal("SLUICE_TEST_SECURE describes no cluster; run `make integration`")
	}
	return s
}

// File returns the path of a certificate, a key or a password.
func (s *Secure) File(name string) string { return filepath.Join(s.Secrets, name) }

// Source reads a file of the cluster's secrets, without the last line break.
func (s *Secure) Source(name string) partition.Source {
	return partition.Read(name, func() ([]byte, error) {
		content, err := os.ReadFile(s.File(name))
		return []byte(strings.TrimSuffix(string(content), "\n")), err
	})
}

// Config is how a user whose password is known reaches the cluster.
func (s *Secure) Config(user string) partition.Config {
	cfg := partition.DefaultConfig()
	cfg.Brokers = strings.Split(s.Brokers, ",")
	cfg.TLS = partition.TLS{On: true, CA: s.Source("ca.pem")}
	cfg.SASL = partition.SASL{Mechanism: partition.MechanismScram512, Username: user, Password: s.Source(user + ".password")}
	return cfg
}

// Allow lets a principal, as User:sluice, do these things, and returns once the
// brokers know; the ACLs go with the test.
func (s *Secure) Allow(t testing.TB, principal string, access ...partition.Access) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.Internal, ",")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	admin := kadm.NewClient(cl)
	for _, a := range access {
		acls, err := permission(principal, a)
		if err != nil {
			t.Fatal(err)
		}
		created, err := admin.CreateACLs(t.Context(), acls)
		if err == nil && created[0].Err != nil {
			err = created[0].Err
		}
		if err != nil {
			t.Fatalf("allow %s %s: %v", principal, a, err)
		}
		awaitACL(t, admin, acls)
		t.Cleanup(func() {
			if _, err := admin.DeleteACLs(context.Background(), acls); err != nil {
				t.Error(err)
			}
		})
	}
}

// awaitACL waits until the broker that is asked, the only one of the cluster,
// acts on an ACL: it hears of one a little later than it is made.
func awaitACL(t testing.TB, admin *kadm.Client, acl *kadm.ACLBuilder) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		known, err := admin.DescribeACLs(t.Context(), acl)
		if err != nil {
			t.Fatal(err)
		}
		if len(known) > 0 && len(known[0].Described) > 0 {
			return
		}
		<-tick.C
	}
	t.Fatal("the broker did not hear of an ACL within 10 s")
}

func permission(principal string, a partition.Access) (*kadm.ACLBuilder, error) {
	operation, err := kmsg.ParseACLOperation(a.Operation)
	if err != nil {
		return nil, fmt.Errorf("operation %q: %w", a.Operation, err)
	}
	b := kadm.NewACLs().Allow(principal).AllowHosts().Operations(operation).ResourcePatternType(kadm.ACLPatternLiteral)
	switch a.Resource {
	case partition.ResourceTopic:
		return b.Topics(a.Name), nil
	case partition.ResourceGroup:
		return b.Groups(a.Name), nil
	case partition.ResourceCluster:
		return b.Clusters(), nil
	}
	return nil, fmt.Errorf("no resource is named %q", a.Resource)
}
