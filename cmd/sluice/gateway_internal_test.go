package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"sluice/partition"
)

// TestGatewayDelivers: what one process takes by HTTP it delivers, and a member
// says that it is ready.
func TestGatewayDelivers(t *testing.T) {
	t.Parallel()
	sim, url := destination(t)
	config := gatewayConfig(t, url)
	apply(t, config)
	s := serve(t, "-c", config)
	s.ready(t)
	at := s.gateway(t)
	for _, tc := range []struct {
		user, path, body string
		status           int
	}{
		{"shop:shop-key", "/api/v1/customers/42/events", purchase, http.StatusOK},
		{"shop:shop-key", "/api/v2/entity", `{"type":"person","action":"identify","identifiers":{"id":"43"},"attributes":{"plan":"pro"}}`, http.StatusOK},
		{"shop:wrong", "/api/v1/customers/44/events", purchase, http.StatusUnauthorized},
		{"", "/api/v1/customers/44/events", purchase, http.StatusUnauthorized},
		{"shop:shop-key", "/api/v1/customers/44/events", `{"nameless":true}`, http.StatusBadRequest},
		{"", "/unsubscribe/delivery", `{"unsubscribe":true}`, http.StatusNotFound},
	} {
		if status, answer := curl(t, tc.user, at+tc.path, tc.body); status != tc.status {
			t.Errorf("%s %s: want %d, have %d %s", tc.user, tc.path, tc.status, status, answer)
		}
	}
	until(t, "both to be delivered", func() bool {
		_, first := sim.Person("site", "42")
		_, second := sim.Person("site", "43")
		return first && second
	})
	if _, there := sim.Person("site", "44"); there {
		t.Error("what was refused was delivered")
	}
	if _, metrics := curl(t, "", s.probes(t)+"/metrics", ""); !strings.Contains(metrics, `sluice_gateway_appended_total{stream="events"} 2`) {
		t.Error("want the gateway's metrics beside the others")
	}
	s.halt(t)
}

// TestRolesDivide: a gateway alone joins no group and delivers nothing; a
// member that delivers alone opens no door.
func TestRolesDivide(t *testing.T) {
	t.Parallel()
	sim, url := destination(t)
	config := gatewayConfig(t, url)
	apply(t, config)
	door := serve(t, "-c", config, "--roles", "gateway")
	door.ready(t)
	if status, answer := curl(t, "shop:shop-key", door.gateway(t)+"/api/v1/customers/42/events", purchase); status != http.StatusOK {
		t.Fatalf("have %d %s", status, answer)
	}
	for path, want := range map[string]string{"/livez": `"ok"`, "/health": "{}"} {
		if status, answer := curl(t, "", door.probes(t)+path, ""); status != http.StatusOK || strings.TrimSpace(answer) != want {
			t.Errorf("%s: have %d %s", path, status, answer)
		}
	}
	withAdmin(t, config, func(ctx context.Context, a *partition.Admin) {
		if _, live, err := a.Owners(ctx, "door", "events"); live || err != nil {
			t.Errorf("want no group, have %v, %v", live, err)
		}
	})
	if len(records(t, config, "events")) != 1 || sim.Stats().Requests != 0 {
		t.Error("want the event in Kafka, and there alone")
	}

	member := serve(t, "-c", config, "--roles", "deliver")
	until(t, "the event to be delivered", func() bool { _, there := sim.Person("site", "42"); return there })
	if line, opened := member.log.line("listening", `"http"`); opened {
		t.Errorf("want no door, have %s", line)
	}
	member.halt(t)
	door.halt(t)
}

// TestReadinessNamesTheTopic: a gateway takes no traffic over before it has
// found Kafka with its topics.
func TestReadinessNamesTheTopic(t *testing.T) {
	t.Parallel()
	_, url := destination(t)
	config := gatewayConfig(t, url)
	s := serve(t, "-c", config, "--roles", "gateway")
	s.log.await(t, s.ended, "not ready yet", "no topic events")
	until(t, "the topic to be named", func() bool { // first it may be that the gateway does not listen yet
		status, answer := curl(t, "", s.probes(t)+"/readyz", "")
		return status == http.StatusServiceUnavailable && strings.Contains(answer, "sluice topics apply")
	})
	apply(t, config)
	s.ready(t)
}

// TestStoppingLetsRequestsEnd: a request whose body is under way when the
// member is asked to stop is still taken, while the member says that it is not
// ready for more.
func TestStoppingLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	_, url := destination(t)
	config := gatewayConfig(t, url)
	apply(t, config)
	s := serve(t, "-c", config)
	s.ready(t)
	probes, at := s.probes(t), strings.TrimPrefix(s.gateway(t), "http://")
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// shop:shop-key
	_, err = fmt.Fprintf(conn, "POST /api/v1/customers/7/events HTTP/1.1\r\nHost: h\r\nAuthorization: Basic c2hvcDpzaG9wLWtleQ==\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(purchase))
	if err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	if n, err := conn.Read(answer); err != nil || !strings.Contains(string(answer[:n]), "100 Continue") { // it reads the body now
		t.Fatalf("have %v %s", err, answer[:n])
	}
	s.stop()
	until(t, "the member to take nothing more", func() bool {
		status, answer := curl(t, "", probes+"/readyz", "")
		return status == http.StatusServiceUnavailable && strings.Contains(answer, "stopping")
	})
	if _, err := io.WriteString(conn, purchase); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(answer)
	if err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200") {
		t.Errorf("have %v %s", err, answer[:n])
	}
	s.halt(t)
	if have := len(records(t, config, "events")); have != 1 {
		t.Errorf("want the event in Kafka, have %d", have)
	}
}

// TestTwoDoorsAtOneAddress: the second says which key to change.
func TestTwoDoorsAtOneAddress(t *testing.T) {
	t.Parallel()
	_, url := destination(t)
	config := gatewayConfig(t, url)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	text := strings.Replace(readFile(t, config), "  listen: 127.0.0.1:0", "  listen: "+taken.Addr().String(), 1)
	o := sluice(t, "", "run", "-c", write(t, "taken.yaml", text))
	if o.code != exitFailed || !strings.Contains(o.err, "set gateway.listen") {
		t.Errorf("have %d\n%s", o.code, o.err)
	}
}

// TestProbesAtATakenAddress: what was built before that is let go.
func TestProbesAtATakenAddress(t *testing.T) {
	t.Parallel()
	_, url := destination(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	text := strings.Replace(readFile(t, gatewayConfig(t, url)), `metrics: "127.0.0.1:0"`, `metrics: "`+taken.Addr().String()+`"`, 1)
	o := sluice(t, "", "run", "-c", write(t, "taken.yaml", text))
	if o.code != exitFailed || !strings.Contains(o.err, "listen.metrics") {
		t.Errorf("have %d\n%s", o.code, o.err)
	}
}

// TestDevTakesHTTP: with nothing installed and no configuration, curl works.
func TestDevTakesHTTP(t *testing.T) {
	t.Parallel()
	p := startDev(t)
	var at, simulator string
	for line := range p.lines {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[0] == "gateway" && fields[1] == "at" {
			at = fields[2]
			break
		}
		if len(fields) > 1 && fields[0] == "simulator" {
			simulator = fields[1]
		}
	}
	if status, answer := curl(t, "demo:demo", at+"/api/v1/customers/42/events", purchase); status != http.StatusOK {
		t.Fatalf("have %d %s", status, answer)
	}
	until(t, "the event to arrive", func() bool {
		_, text := curl(t, "", simulator+"/_sim/stats", "")
		var stats struct{ Effects int }
		return json.Unmarshal([]byte(text), &stats) == nil && stats.Effects == 1
	})
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

// TestGatewayUsage tells what run does not begin.
func TestGatewayUsage(t *testing.T) {
	t.Parallel()
	config := configFor(t, "127.0.0.1:1")
	local := write(t, "local.yaml", `listen: {metrics: off, actions: off}
workspaces: {hook: {sink: webhook, url: "http://127.0.0.1:1/"}}
streams: {hooked: {workspace: hook, partitions: 1}}
`)
	for args, want := range map[string]string{
		"run --roles gateway -c " + config:                                                  "the configuration has no gateway",
		"run --roles deliver,console -c " + config:                                          `"console" is not a role`,
		"run --roles , -c " + config:                                                        `"" is not a role`,
		"dev --demo --gateway 127.0.0.1:0":                                                  "leave out --gateway",
		"dev --kafka 127.0.0.1:0 --simulator 127.0.0.1:0 --gateway 127.0.0.1:0 -c " + local: "the configuration has none",
	} {
		if o := sluice(t, "", strings.Fields(args)...); o.code != exitUsage || !strings.Contains(o.err, want) || o.out != "" {
			t.Errorf("%s: want exit 2 and %q, have %d\n%s%s", args, want, o.code, o.out, o.err)
		}
	}
}
