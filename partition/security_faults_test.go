package partition_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/partition"
	"sluice/scripts/kafka/authority"
)

func TestCredentialsNeverTravelInTheClearBeyondThisMachine(t *testing.T) {
	t.Parallel()
	cfg := partition.DefaultConfig()
	cfg.SASL = partition.SASL{Mechanism: partition.MechanismPlain, Username: "u", Password: partition.Fixed("hunter2")}
	for broker, want := range map[string]bool{
		"localhost:9092": true, "127.0.0.1:9092": true, "[::1]:9092": true, "127.0.0.1": true,
		"kafka:9092": false, "10.0.0.1:9092": false, "[2001:db8::1]:9092": false,
	} {
		cfg.Brokers = []string{broker}
		err := cfg.Validate()
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "tls: true") {
			t.Errorf("%s: want accepted %v, have %v", broker, want, err)
		}
	}
	cfg.SASL.AllowPlaintext = "a closed network"
	if err := cfg.Validate(); err != nil || len(cfg.Warnings()) != 1 {
		t.Errorf("with a reason: have %v, warnings %q", err, cfg.Warnings())
	}
	if text := fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.SASL.Password); strings.Contains(text, "hunter2") {
		t.Errorf("printed the password: %s", text)
	}
}

func TestSecurityFaults(t *testing.T) {
	t.Parallel()
	ca := must[*authority.Authority](t)(authority.New("ours"))
	one, two := must[authority.Leaf](t)(ca.Issue(onLoopback())), must[authority.Leaf](t)(ca.Issue(onLoopback()))
	fixed := func(b []byte) partition.Source { return partition.Fixed(string(b)) }
	x := partition.Fixed("hunter2")
	for name, tc := range map[string]struct {
		tls  partition.TLS
		sasl partition.SASL
		want string
	}{
		"half a pair":      {partition.TLS{On: true, Cert: fixed(one.Cert)}, partition.SASL{}, "kafka.tls.cert: must stand together"},
		"not a pair":       {partition.TLS{On: true, Cert: fixed(one.Cert), Key: fixed(two.Key)}, partition.SASL{}, "kafka.tls.cert: the certificate and kafka.tls.key do not make a pair"},
		"no authority":     {partition.TLS{On: true, CA: x}, partition.SASL{}, "kafka.tls.ca: holds no certificate"},
		"bare yes":         {partition.TLS{On: true, InsecureSkipVerify: "yes"}, partition.SASL{}, "kafka.tls.insecure_skip_verify: must say why"},
		"server name":      {partition.TLS{On: true, ServerName: "a:9093"}, partition.SASL{}, "kafka.tls.server_name: must be a name"},
		"no mechanism":     {partition.TLS{}, partition.SASL{Username: "u", Password: x}, "kafka.sasl.mechanism: is missing"},
		"unknown":          {partition.TLS{}, partition.SASL{Mechanism: "GSSAPI", Username: "u", Password: x}, "kafka.sasl.mechanism: must be one of"},
		"no password":      {partition.TLS{}, partition.SASL{Mechanism: "PLAIN", Username: "u"}, "needs username and password"},
		"token for scram":  {partition.TLS{}, partition.SASL{Mechanism: "PLAIN", Username: "u", Password: x, Token: x}, "are for OAUTHBEARER"},
		"password for it":  {partition.TLS{}, partition.SASL{Mechanism: "OAUTHBEARER", Username: "u", Token: x}, "takes no username"},
		"no token":         {partition.TLS{}, partition.SASL{Mechanism: "OAUTHBEARER"}, "either token or token_url"},
		"both":             {partition.TLS{}, partition.SASL{Mechanism: "OAUTHBEARER", Token: x, TokenURL: "https://a", ClientID: "c", ClientSecret: x}, "either token or token_url"},
		"no client":        {partition.TLS{}, partition.SASL{Mechanism: "OAUTHBEARER", TokenURL: "https://a"}, "needs client_id"},
		"unsafe URL":       {partition.TLS{}, partition.SASL{Mechanism: "OAUTHBEARER", TokenURL: "http://a", ClientID: "c", ClientSecret: x}, "kafka.sasl.token_url: must be an https URL"},
		"reason is needed": {partition.TLS{}, partition.SASL{Mechanism: "PLAIN", Username: "u", Password: x, AllowPlaintext: "true"}, "kafka.sasl.allow_plaintext: must say why"},
	} {
		cfg := partition.DefaultConfig()
		cfg.TLS, cfg.SASL = tc.tls, tc.sasl
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: want %q, have %v", name, tc.want, err)
		}
	}
}
