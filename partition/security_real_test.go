//go:build integration

package partition_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
	"sluice/scripts/kafka/authority"
)

// unsigned is a token as OAUTHBEARER takes it from a broker that checks no
// signature.
func unsigned(until time.Time) partition.Source {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	now := time.Now().Add(-2 * time.Hour).Unix()
	return partition.Fixed(part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"sub":"admin","iat":%d,"exp":%d}`, now, until.Unix())) + ".")
}

// quickly fails a test whose answer takes longer than a person would wait.
func quickly(t *testing.T, ask func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	began := time.Now()
	err := ask(ctx)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the answer took %v", took)
	}
	return err
}

func asking(t *testing.T, cfg partition.Config) error {
	t.Helper()
	admin, err := partition.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	return quickly(t, func(ctx context.Context) error {
		_, err := admin.Topics(ctx, "any")
		return err
	})
}

func TestSecureWaysIn(t *testing.T) {
	t.Parallel()
	s := partitiontest.NewSecure(t)
	for name, change := range map[string]func(*partition.Config){
		"scram": func(*partition.Config) {},
		"bearer token": func(c *partition.Config) {
			c.SASL = partition.SASL{Mechanism: partition.MechanismOAuth, Token: unsigned(time.Now().Add(time.Hour))}
		},
		"unchecked, for a reason": func(c *partition.Config) {
			c.TLS.CA, c.TLS.InsecureSkipVerify = partition.Source{}, "a rehearsal"
		},
	} {
		cfg := s.Config("admin")
		change(&cfg)
		if err := errors.Join(cfg.Validate(), asking(t, cfg)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecureWrongWays(t *testing.T) {
	t.Parallel()
	s := partitiontest.NewSecure(t)
	other, err := authority.New("another authority")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Issue(authority.Request{Name: "stranger"})
	if err != nil {
		t.Fatal(err)
	}
	mutual := func(c *partition.Config) {
		c.Brokers, c.SASL = []string{s.Mutual}, partition.SASL{}
	}
	cases := []struct {
		name   string
		change func(*partition.Config)
		want   string
	}{
		{"wrong password", func(c *partition.Config) { c.SASL.Password = partition.Fixed("wrong") }, "user is unknown or the password is wrong"},
		{"unknown user", func(c *partition.Config) { c.SASL.Username = "nobody" }, "user is unknown or the password is wrong"},
		{"mechanism not enabled", func(c *partition.Config) { c.SASL.Mechanism = partition.MechanismPlain }, "does not offer this SASL mechanism"},
		{"no credentials", func(c *partition.Config) { c.SASL = partition.SASL{} }, "does not say who it is"},
		{"expired certificate", func(c *partition.Config) { c.Brokers = []string{s.Expired} }, "expired on "},
		{"wrong authority", func(c *partition.Config) { c.TLS.CA = partition.Fixed(string(other.PEM)) }, "authority that is not trusted"},
		{"the system's authorities", func(c *partition.Config) { c.TLS.CA = partition.Source{} }, "authority that is not trusted"},
		{"name mismatch", func(c *partition.Config) { c.TLS.ServerName = "kafka.example.com" }, "is for localhost, 127.0.0.1, not for kafka.example.com"},
		{"plaintext to TLS", func(c *partition.Config) { c.TLS = partition.TLS{} }, "takes no unencrypted connection"},
		{"TLS to plaintext", func(c *partition.Config) { c.Brokers = []string{s.Internal} }, "does not speak TLS"},
		{"SASL to a listener without", func(c *partition.Config) { c.Brokers, c.TLS = []string{s.Internal}, partition.TLS{} }, "does not use SASL"},
		{"client certificate required", mutual, "refuses a client without a certificate"},
		{"client certificate expired", func(c *partition.Config) {
			mutual(c)
			c.TLS.Cert, c.TLS.Key = s.Source("expired-client.pem"), s.Source("expired-client.key")
		}, "refuses our certificate, which expired on "},
		{"client certificate of a stranger", func(c *partition.Config) {
			mutual(c)
			c.TLS.Cert, c.TLS.Key = partition.Fixed(string(foreign.Cert)), partition.Fixed(string(foreign.Key))
		}, "refuses our certificate"},
		{"expired token", func(c *partition.Config) {
			c.SASL = partition.SASL{Mechanism: partition.MechanismOAuth, Token: unsigned(time.Now().Add(-time.Hour))}
		}, "the token, which expired on "},
		{"senseless token", func(c *partition.Config) {
			c.SASL = partition.SASL{Mechanism: partition.MechanismOAuth, Token: partition.Fixed("a.b.c")}
		}, "refuses the token"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := s.Config("admin")
			tc.change(&cfg)
			err := asking(t, cfg)
			what, remedy := partition.Diagnose(err)
			if !strings.Contains(what, tc.want) || remedy == "" {
				t.Errorf("want %q, have %q, %q of %v", tc.want, what, remedy, err)
			}
		})
	}
}

func TestSecureMissingPermissions(t *testing.T) {
	t.Parallel()
	s := partitiontest.NewSecure(t)
	topic := "acl-" + ulid.Make().String()
	root, err := partition.NewAdmin(s.Config("admin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(root.Close)
	spec := partition.TopicSpec{Name: topic, Partitions: 2, Replication: 1}
	if err := root.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	cfg := s.Config("sluice")
	admin, err := partition.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	spec.Name += "-new"
	// In this order: the topic may be described, and nothing more, from the second on.
	steps := []struct {
		name, want string
		ask        func(context.Context) error
	}{
		{"describe", "with the topic", func(ctx context.Context) error { _, err := admin.Topics(ctx, topic); return err }},
		{"create", "", func(ctx context.Context) error { return admin.Create(ctx, spec) }},
		{"group", "consumer group", func(ctx context.Context) error { _, err := admin.Committed(ctx, topic, topic); return err }},
		{"owners", "consumer group", func(ctx context.Context) error { _, _, err := admin.Owners(ctx, topic, topic); return err }},
		{"write", "may not append", func(ctx context.Context) error { return appendOne(ctx, cfg, topic) }},
		{"read", "with the topic", func(ctx context.Context) error {
			return partition.ReadRange(ctx, cfg, partition.Range{Topic: topic, To: 1}, func(event.Record) error { return nil })
		}},
	}
	for i, step := range steps {
		if i == 1 {
			s.Allow(t, "User:sluice", partition.Access{Resource: partition.ResourceTopic, Name: topic, Operation: partition.OperationDescribe})
		}
		err := quickly(t, step.ask)
		what, remedy := partition.Diagnose(err)
		if what == "" || remedy == "" || !strings.Contains(what, step.want) {
			t.Errorf("%s: want a diagnosis of %q, have %q of %v", step.name, step.want, what, err)
		}
	}
}

func appendOne(ctx context.Context, cfg partition.Config, topic string) error {
	appender, err := partition.NewAppender(cfg, zap.NewNop())
	if err != nil {
		return err
	}
	defer appender.Close()
	done := make(chan error, 1)
	appender.Append(ctx, event.Record{Topic: topic, Partition: -1, Key: []byte("1"), Value: []byte("{}")}, func(_ partition.Position, err error) { done <- err })
	return <-done
}
