package config_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/scripts/kafka/authority"
)

const secureTail = `
workspaces: {a: {sink: customerio, region: us, site_id: s, api_key: k}}
streams: {s: {workspace: a}}
`

// secured reads a file with these settings of kafka, and files by their path.
func secured(t *testing.T, kafka string, files map[string]string) (config.Config, error) {
	t.Helper()
	read := func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, errors.New("open " + path + ": no such file")
	}
	lookup := func(name string) (string, bool) { return "hunter2-env", name == "PW" }
	return config.Parse(strings.NewReader("kafka: {"+kafka+"}"+secureTail), lookup, read)
}

func certificates(t *testing.T) map[string]string {
	t.Helper()
	ca, err := authority.New("ours")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(authority.Request{Name: "client"})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"ca.pem": string(ca.PEM), "c.pem": string(leaf.Cert), "c.key": string(leaf.Key), "pw": "hunter2-file\r\n", "t": "hunter2-token"}
}

func TestSecurityIsRead(t *testing.T) {
	t.Parallel()
	files := certificates(t)
	for keys, want := range map[string]func(partition.Config) bool{
		"tls: true":    func(c partition.Config) bool { return c.TLS.On && !c.TLS.CA.Given() },
		"tls: {}":      func(c partition.Config) bool { return c.TLS.On },
		"tls: false":   func(c partition.Config) bool { return !c.TLS.On },
		"client_id: c": func(c partition.Config) bool { return !c.TLS.On && c.SASL.Mechanism == "" },
		"tls: {ca: file:ca.pem, cert: file:c.pem, key: file:c.key, server_name: k}": func(c partition.Config) bool {
			return c.TLS.On && c.TLS.CA.Given() && c.TLS.Cert.Given() && c.TLS.Key.Given() && c.TLS.ServerName == "k"
		},
		"tls: {enabled: false, ca: file:ca.pem}":                   func(c partition.Config) bool { return !c.TLS.On },
		"tls: {insecure_skip_verify: a rehearsal}":                 func(c partition.Config) bool { return c.TLS.InsecureSkipVerify == "a rehearsal" },
		`sasl: {mechanism: PLAIN, username: u, password: "${PW}"}`: func(c partition.Config) bool { return c.SASL.Password.Reveal() == "hunter2-env" },
		"tls: true, brokers: [k:9093], sasl: {mechanism: SCRAM-SHA-256, username: u, password: file:pw}": func(c partition.Config) bool {
			return c.SASL.Mechanism == partition.MechanismScram256 && c.SASL.Username == "u"
		},
		"sasl: {mechanism: OAUTHBEARER, token: file:t}": func(c partition.Config) bool { return c.SASL.Token.Reveal() == "file:t" },
		`sasl: {mechanism: OAUTHBEARER, token_url: "https://a/t", client_id: i, client_secret: file:pw, scope: s}`: func(c partition.Config) bool {
			return c.SASL.TokenURL == "https://a/t" && c.SASL.ClientID == "i" && c.SASL.ClientSecret.Given() && c.SASL.Scope == "s"
		},
		"brokers: [k:9092], sasl: {mechanism: PLAIN, username: u, password: file:pw, allow_plaintext: a closed network}": func(c partition.Config) bool {
			return c.SASL.AllowPlaintext == "a closed network"
		},
	} {
		cfg, err := secured(t, keys, files)
		if err != nil || !want(cfg.Kafka) {
			t.Errorf("%s: have %+v, %v", keys, cfg.Kafka, err)
			continue
		}
		shown, err := cfg.YAML()
		if err != nil || strings.Contains(string(shown)+fmt.Sprintf("%v %+v %#v", cfg, cfg.Kafka, cfg.Kafka), "hunter2") {
			t.Errorf("%s: shows a secret, %v:\n%s", keys, err, shown)
		}
		// What is shown can be read again, and is the same.
		again, err := config.Parse(strings.NewReader(string(shown)), func(name string) (string, bool) { return "hunter2-env", name == "PW" },
			func(path string) ([]byte, error) { return []byte(files[path]), nil })
		if _, ok := cfg.Workspace("a"); !ok || err != nil && !strings.Contains(err.Error(), "api_key") || again.Kafka.TLS.On != cfg.Kafka.TLS.On || again.Kafka.SASL.Mechanism != cfg.Kafka.SASL.Mechanism {
			t.Errorf("%s: read again: %v\n%s", keys, err, shown)
		}
	}
}

// What stands in a file is read anew for each connection.
func TestRotatedFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	var held atomic.Value
	held.Store("one\n")
	cfg, err := config.Parse(strings.NewReader("kafka: {sasl: {mechanism: PLAIN, username: u, password: file:pw}}"+secureTail), nil,
		func(string) ([]byte, error) { return []byte(held.Load().(string)), nil })
	if err != nil {
		t.Fatal(err)
	}
	held.Store("two\n")
	if have, err := cfg.Kafka.SASL.Password.Now(); err != nil || string(have) != "two" {
		t.Errorf("want two, have %s, %v", have, err)
	}
	if _, changes := cfg.Reload(cfg); len(changes) > 0 {
		t.Errorf("a rotated file is no change of the configuration, have %v", changes)
	}
}

func TestSecurityFaultsNamePlaceAndRemedy(t *testing.T) {
	t.Parallel()
	files := certificates(t)
	for keys, want := range map[string][2]string{
		"tls: maybe":                        {"config:1:14: kafka.tls: must be true or false", "true or false"},
		"tls: {ca: file:none.pem}":          {"config:1:19: kafka.tls.ca: open none.pem", "readable"},
		"tls: {ca: file:pw}":                {"config:1:19: kafka.tls.ca: holds no certificate", "BEGIN CERTIFICATE"},
		"tls: {cert: file:c.pem}":           {"config:1:21: kafka.tls.cert: must stand together", "give both"},
		"tls: {verify: false}":              {"config:1:15: kafka.tls.verify: is not a known key", "insecure_skip_verify"},
		"tls: {insecure_skip_verify: true}": {"config:1:37: kafka.tls.insecure_skip_verify: must say why", "in words"},
		"sasl: {mechanism: SCRAM-SHA512, username: u, password: file:pw}":             {"config:1:27: kafka.sasl.mechanism: is not a word", "write SCRAM-SHA-512"},
		"sasl: {username: u, password: file:pw}":                                      {"config:1:15: kafka.sasl.mechanism: is missing", "write one of"},
		"sasl: {mechanism: PLAIN, username: u}":                                       {"config:1:15: kafka.sasl: PLAIN needs username and password", "add them"},
		"brokers: [k:9092], sasl: {mechanism: PLAIN, username: u, password: file:pw}": {"config:1:34: kafka.sasl: credentials would travel unencrypted", "tls: true"},
	} {
		_, err := secured(t, keys, files)
		if err == nil || !strings.HasPrefix(err.Error(), want[0]) || !strings.Contains(err.Error(), want[1]) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s:\nwant %q with %q\nhave %v", keys, want[0], want[1], err)
		}
	}
}
