package partition_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/scripts/kafka/authority"
)

// guarded is a fake cluster that speaks TLS, with what a client needs for it.
type guarded struct {
	ca     *authority.Authority
	client authority.Leaf
	cfg    partition.Config
	*kfake.Cluster
}

// must ends the test at an error.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newGuarded starts a cluster; change may alter how it speaks TLS.
func newGuarded(t *testing.T, server authority.Request, change func(*tls.Config), opts ...kfake.Opt) *guarded {
	t.Helper()
	ca := must[*authority.Authority](t)(authority.New("ours"))
	leaf := must[authority.Leaf](t)(ca.Issue(server))
	g := &guarded{ca: ca, client: must[authority.Leaf](t)(ca.Issue(authority.Request{Name: "client"}))}
	pair := must[tls.Certificate](t)(tls.X509KeyPair(leaf.Cert, leaf.Key))
	config := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: x509.NewCertPool()}
	config.ClientCAs.AppendCertsFromPEM(ca.PEM)
	if change != nil {
		change(config)
	}
	g.Cluster = must[*kfake.Cluster](t)(kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(2, "events"), kfake.TLS(config))...))
	t.Cleanup(g.Close)
	g.cfg = partition.DefaultConfig()
	g.cfg.Brokers = g.ListenAddrs()
	g.cfg.TLS = partition.TLS{On: true, CA: partition.Fixed(string(ca.PEM))}
	return g
}

func onLoopback() authority.Request {
	return authority.Request{Name: "broker", Hosts: []string{"127.0.0.1", "localhost"}}
}

func requireClients(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert }

// topics asks for a topic, as every command does first.
func topics(t *testing.T, cfg partition.Config) error {
	t.Helper()
	admin := must[*partition.Admin](t)(partition.NewAdmin(cfg))
	defer admin.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := admin.Topics(ctx, "events")
	return err
}

func diagnosed(t *testing.T, err error, want string) {
	t.Helper()
	what, remedy := partition.Diagnose(err)
	if !strings.Contains(what, want) || what == "" || remedy == "" || strings.Contains(what+remedy, "\n") {
		t.Errorf("want %q, have %q, %q of %v", want, what, remedy, err)
	}
}

func TestTLSAndEveryMechanism(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, onLoopback(), nil, kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "p", "secret-p"), kfake.Superuser("SCRAM-SHA-256", "s2", "secret-2"), kfake.Superuser("SCRAM-SHA-512", "s5", "secret-5"))
	for mechanism, who := range map[string][2]string{
		partition.MechanismPlain:    {"p", "secret-p"},
		partition.MechanismScram256: {"s2", "secret-2"},
		partition.MechanismScram512: {"s5", "secret-5"},
	} {
		g.cfg.SASL = partition.SASL{Mechanism: mechanism, Username: who[0], Password: partition.Fixed(who[1])}
		if err := g.cfg.Validate(); err != nil {
			t.Errorf("%s: %v", mechanism, err)
		}
		if err := topics(t, g.cfg); err != nil {
			t.Errorf("%s: %v", mechanism, err)
		}
	}
}

func TestMutualTLSReadsCertificatesForEachConnection(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, onLoopback(), requireClients)
	diagnosed(t, topics(t, g.cfg), "refuses a client without a certificate")

	expired := must[authority.Leaf](t)(g.ca.Issue(authority.Request{Name: "client", Until: time.Now().Add(-time.Hour)}))
	var held atomic.Pointer[authority.Leaf]
	held.Store(&expired)
	g.cfg.TLS.Cert = partition.Read("file:client.pem", func() ([]byte, error) { return held.Load().Cert, nil })
	g.cfg.TLS.Key = partition.Read("file:client.key", func() ([]byte, error) { return held.Load().Key, nil })
	admin := must[*partition.Admin](t)(partition.NewAdmin(g.cfg))
	defer admin.Close()
	_, err := admin.Topics(t.Context(), "events")
	diagnosed(t, err, "refuses our certificate, which expired on ")

	held.Store(&g.client) // rotated, without a restart
	if _, err := admin.Topics(t.Context(), "events"); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
}

func TestWrongTLSIsDiagnosed(t *testing.T) {
	t.Parallel()
	other := must[*authority.Authority](t)(authority.New("another"))
	stranger := must[authority.Leaf](t)(other.Issue(authority.Request{Name: "client"}))
	past, future := time.Now().Add(-time.Hour), func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }
	plain := hangingUp(t)
	cases := map[string]struct {
		server authority.Request
		tls    func(*tls.Config)
		change func(*guarded)
		want   string
	}{
		"expired":               {authority.Request{Name: "b", Hosts: []string{"127.0.0.1"}, Until: past}, nil, nil, "expired on " + past.UTC().Format("2006-01-02")},
		"wrong authority":       {onLoopback(), nil, func(g *guarded) { g.cfg.TLS.CA = partition.Fixed(string(other.PEM)) }, "is signed by an authority that is not trusted (\"CN=ours\")"},
		"other host":            {authority.Request{Name: "b", Hosts: []string{"kafka.example.com"}}, nil, nil, "is for kafka.example.com, not for 127.0.0.1"},
		"no host":               {authority.Request{Name: "b"}, nil, nil, "not for 127.0.0.1"},
		"other name":            {onLoopback(), nil, func(g *guarded) { g.cfg.TLS.ServerName = "kafka" }, "not for kafka"},
		"plaintext to TLS":      {onLoopback(), nil, func(g *guarded) { g.cfg.TLS = partition.TLS{} }, "takes no unencrypted connection"},
		"TLS to plaintext":      {onLoopback(), nil, func(g *guarded) { g.cfg.Brokers = []string{plain} }, "does not speak TLS"},
		"no client certificate": {onLoopback(), requireClients, nil, "refuses a client without a certificate"},
		"strange client": {onLoopback(), requireClients, func(g *guarded) {
			g.cfg.TLS.Cert, g.cfg.TLS.Key = partition.Fixed(string(stranger.Cert)), partition.Fixed(string(stranger.Key))
		}, "refuses our certificate"},
		"unreadable authority": {onLoopback(), future, func(g *guarded) {
			g.cfg.TLS.CA = partition.Read("file:ca.pem", func() ([]byte, error) { return nil, fmt.Errorf("open ca.pem: gone") })
		}, "kafka.tls.ca: cannot be read"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t, tc.server, tc.tls)
			if tc.change != nil {
				tc.change(g)
			}
			diagnosed(t, topics(t, g.cfg), tc.want)
		})
	}
}

// hangingUp is a listener that does what Kafka does when the first four bytes
// tell of a request that is too large: it hangs up on the rest.
func hangingUp(t *testing.T) string {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(conn, make([]byte, 4))
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return l.Addr().String()
}

func TestUncheckedTLSForAReason(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, authority.Request{Name: "b", Until: time.Now().Add(-time.Hour)}, nil)
	g.cfg.TLS = partition.TLS{On: true, InsecureSkipVerify: "a rehearsal"}
	if err := topics(t, g.cfg); err != nil {
		t.Error(err)
	}
	if have := g.cfg.Warnings(); len(have) != 1 || !strings.Contains(have[0], "a rehearsal") {
		t.Errorf("want a warning with the reason, have %q", have)
	}
}

// Real brokers answer with these codes; the fake one hangs up instead.
func TestAnswersOfBrokersAreDiagnosed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		key    int16
		answer func(kmsg.Request) kmsg.Response
		want   string
	}{
		"wrong password": {int16(kmsg.SASLAuthenticate), func(r kmsg.Request) kmsg.Response {
			resp := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
			return resp
		}, "user is unknown or the password is wrong"},
		"mechanism": {int16(kmsg.SASLHandshake), func(r kmsg.Request) kmsg.Response {
			resp := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
			resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
			return resp
		}, "does not offer this SASL mechanism"},
		"token": {int16(kmsg.SASLAuthenticate), func(r kmsg.Request) kmsg.Response {
			resp := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			resp.SASLAuthBytes = []byte(`{"status":"invalid_token","scope":"kafka"}`)
			return resp
		}, `wants the scope "kafka"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t, onLoopback(), nil, kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "p"))
			g.cfg.SASL = partition.SASL{Mechanism: partition.MechanismPlain, Username: "u", Password: partition.Fixed("p")}
			if name == "token" {
				g.cfg.SASL = partition.SASL{Mechanism: partition.MechanismOAuth, Token: partition.Fixed("t")}
				g.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
					return r.ResponseKind(), nil, true
				})
			}
			g.ControlKey(tc.key, func(r kmsg.Request) (kmsg.Response, error, bool) { g.KeepControl(); return tc.answer(r), nil, true })
			diagnosed(t, topics(t, g.cfg), tc.want)
		})
	}
}

func TestMissingPermissionsAreDiagnosed(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, onLoopback(), nil, kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("SCRAM-SHA-512", "u", "secret"))
	g.cfg.SASL = partition.SASL{Mechanism: partition.MechanismScram512, Username: "u", Password: partition.Fixed("secret")}
	diagnosed(t, topics(t, g.cfg), "may not do that with the topic")
	admin := must[*partition.Admin](t)(partition.NewAdmin(g.cfg))
	defer admin.Close()
	_, err := admin.Committed(t.Context(), "g", "events")
	diagnosed(t, err, "may not use the consumer group")
	diagnosed(t, admin.Create(t.Context(), partition.TopicSpec{Name: "new", Partitions: 1, Replication: 1}), "may not")
}

// Run must not try again in silence: what waiting does not mend is an error in
// the log, with its remedy.
func TestRunSaysWhyKafkaRefusesIt(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, authority.Request{Name: "b", Hosts: []string{"127.0.0.1"}, Until: time.Now().Add(-time.Hour)}, nil)
	core, logged := observer.New(zap.ErrorLevel)
	said := make(chan struct{}, 1)
	log := zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
		if e.LoggerName == "partition" {
			select {
			case said <- struct{}{}:
			default:
			}
		}
		return nil
	}))
	c := must[*partition.Consumer](t)(partition.NewConsumer(g.cfg, partition.Options{
		Streams: []partition.Stream{{Name: "events", Topic: "events", Routes: []partition.Route{{To: 1, Workspace: "w"}}}},
		Prepare: func(string, *event.Event) {}, Log: log, Metrics: prometheus.NewRegistry(),
	}))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, time.Second) }()
	<-said
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, e := range logged.All() {
		if fields := e.ContextMap(); strings.Contains(fmt.Sprint(fields["what"]), "expired on") && fields["remedy"] != "" {
			return
		}
	}
	t.Errorf("no error names the expired certificate: %v", logged.All())
}
