package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/embedded"
	"sluice/sink/simulator"
)

// stageSet is a broker with the topics of a configuration whose Customer.io
// workspaces a simulator plays.
type stageSet struct {
	config string
	sim    *simulator.Simulator
}

func newStageSet(t *testing.T) stageSet {
	t.Helper()
	broker, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	sim, err := simulator.New(simulator.DefaultConfig(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	set := stageSet{sim: sim, config: write(t, "sluice.yaml", `kafka: {brokers: ["`+broker.Addrs()[0]+`"], group: tests}
listen: {metrics: off, actions: "127.0.0.1:0"}
workspaces:
  acme-us: {sink: customerio, region: us, site_id: site, api_key: "${KEY}", base_url: "`+server.URL+`"}
  acme-eu: {sink: customerio, region: eu, site_id: eu, api_key: "${KEY}", base_url: "`+server.URL+`"}
  acme-copy: {sink: customerio, region: us, site_id: copy, api_key: "${KEY}", base_url: "`+server.URL+`"}
  hook: {sink: webhook, url: "http://127.0.0.1:1/"}
streams:
  purchases: {workspace: acme-us, partitions: 3, replication: 1}
  kept: {workspace: acme-eu, partitions: 2, replication: 1, residency: eu}
  copies: {workspace: acme-copy, partitions: 2, replication: 1}
  hooked: {workspace: hook, partitions: 2, replication: 1}
`)}
	if o := sluice(t, "", "topics", "apply", "--force", "-c", set.config); o.code != exitDone {
		t.Fatalf("topics apply: %d %s", o.code, o.err)
	}
	return set
}

// produce puts events of some users on a stream, and says until where they are
// settled, when settled is true.
func (s stageSet) produce(t *testing.T, stream string, settled bool) {
	t.Helper()
	var lines strings.Builder
	for n := range 30 {
		fmt.Fprintf(&lines, `{"user":"u%d","event":"%s","data":{"n":%d}}`+"\n", n%5, []string{"purchase", "visit"}[n%2], n)
	}
	for user := range 5 {
		fmt.Fprintf(&lines, `{"user":"u%d","traits":{"plan":"gold"}}`+"\n", user)
	}
	if o := sluice(t, lines.String(), "produce", stream, "-", "-c", s.config); o.code != exitDone {
		t.Fatalf("produce: %d %s", o.code, o.err)
	}
	if !settled {
		return
	}
	withAdmin(t, s.config, func(ctx context.Context, a *partition.Admin) {
		bounds, err := a.Bounds(ctx, stream)
		if err != nil {
			t.Fatal(err)
		}
		stand(t, s.config, stream, bounds.End)
	})
}

func (s stageSet) replay(t *testing.T, args ...string) outcome {
	t.Helper()
	return sluice(t, "", append(append([]string{"replay"}, args...), "-c", s.config)...)
}

func (s stageSet) behind(t *testing.T, stream string) int {
	t.Helper()
	n := 0
	withAdmin(t, s.config, func(ctx context.Context, a *partition.Admin) {
		var err error
		if n, err = inHand(ctx, a, "tests", stream); err != nil {
			t.Fatal(err)
		}
	})
	return n
}

// await looks until something is so.
func await(t *testing.T, so func() bool) {
	t.Helper()
	for range 1000 {
		if so() {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatal("it never came")
}
