package main

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// replace changes texts of a configuration that a member runs.
func replace(t *testing.T, path string, pairs ...string) {
	t.Helper()
	text := readFile(t, path)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("want %q in\n%s", pairs[i], text)
		}
	}
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestGatewayReloads: who may come in changes while the member serves; where it
// listens does not, and neither does what names a stream that does not run.
func TestGatewayReloads(t *testing.T) {
	t.Parallel()
	_, url := destination(t)
	config := gatewayConfig(t, url)
	apply(t, config)
	s := serve(t, "-c", config, "--roles", "gateway")
	s.ready(t)
	at := s.gateway(t) + "/api/v1/customers/1/events"
	judge := func(when string, want map[string]int) {
		t.Helper()
		for user, status := range want {
			if have, _ := curl(t, user, at, purchase); have != status {
				t.Errorf("%s: %s: want %d, have %d", when, user, status, have)
			}
		}
	}
	judge("at first", map[string]int{"shop:shop-key": http.StatusOK, "shop:new-key": http.StatusUnauthorized, "app:app-key": http.StatusUnauthorized})

	replace(t, config,
		"{site_id: shop, api_key: shop-key, stream: events}", "{site_id: shop, api_key: new-key, stream: events}\n    - {site_id: app, api_key: app-key, stream: events}",
		"  listen: 127.0.0.1:0", "  listen: 127.0.0.1:1")
	s.hup <- syscall.SIGHUP
	s.log.await(t, s.ended, "applied", `"gateway.credentials"`)
	s.log.await(t, s.ended, "restart to apply", `"gateway.listen"`)
	judge("reloaded", map[string]int{"shop:shop-key": http.StatusUnauthorized, "shop:new-key": http.StatusOK, "app:app-key": http.StatusOK})

	replace(t, config,
		"{site_id: app, api_key: app-key, stream: events}", "{site_id: app, api_key: other-key, stream: more}",
		"streams:\n", "streams:\n  more: {workspace: acme, partitions: 2, replication: 1}\n")
	s.hup <- syscall.SIGHUP
	s.log.await(t, s.ended, "restart to apply", `"gateway.credentials"`)
	judge("with a stream that does not run", map[string]int{"shop:new-key": http.StatusOK, "app:app-key": http.StatusOK, "app:other-key": http.StatusUnauthorized})
	for _, secret := range []string{"shop-key", "new-key", "app-key", "other-key"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("%s is in the log:\n%s", secret, s.log)
		}
	}
}
