package rig_test

import (
	"os"
	"strings"
	"testing"

	"sluice/scripts/acceptance/rig"
)

func TestConfigWritesItsDoor(t *testing.T) {
	t.Parallel()
	door := &rig.Door{
		Listen: "127.0.0.1:1", ListenTLS: "127.0.0.1:2", Cert: "c.pem", Key: "k.pem",
		Credentials: map[string]string{"shop:a:b": "events"},
		Open:        map[string]string{"metrics": "events"},
		Webhooks:    []rig.Webhook{{Name: "reports", Settings: map[string]string{"stream": "hooks", "scheme": "customerio"}}},
		Settings:    map[string]string{"append_timeout": "2s"},
	}
	c := rig.Config{
		Brokers: "127.0.0.1:3", Group: "g", Door: door,
		Streams: []rig.Stream{{Name: "events", Workspace: "w", Partitions: 2, Settings: map[string]string{"residency": "eu"}}},
	}
	file, err := c.Write(&rig.Rig{Dir: t.TempDir()}, "off", "off")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `streams:
  events:
    workspace: w
    partitions: 2
    replication: 3
    residency: eu
gateway:
  listen: "127.0.0.1:1"
  tls: {listen: "127.0.0.1:2", cert: "c.pem", key: "k.pem"}
  credentials:
    - {site_id: "shop", api_key: "a:b", stream: events}
  open:
    metrics: events
  webhooks:
    reports:
      scheme: customerio
      stream: hooks
  append_timeout: 2s
`
	if !strings.HasSuffix(string(text), want) {
		t.Errorf("want it to end with:\n%s\nhave:\n%s", want, text)
	}
}
