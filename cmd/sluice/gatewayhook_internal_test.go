package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/partition/embedded"
)

// TestWebhookComesOutAsItCameIn: method, body and headers of a webhook reach the
// backend behind a workspace that passes requests through, once, and signed
// anew.
func TestWebhookComesOutAsItCameIn(t *testing.T) {
	t.Parallel()
	type arrival struct{ method, body, header, signature string }
	arrived := make(chan arrival, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- arrival{r.Method, string(body), r.Header.Get("X-Shop-Topic"), r.Header.Get("X-Ours")}
	}))
	t.Cleanup(backend.Close)
	broker, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	config := write(t, "sluice.yaml", `kafka: {brokers: ["`+broker.Addrs()[0]+`"], group: hooks}
listen: {metrics: "127.0.0.1:0", actions: off}
workspaces:
  backend: {sink: webhook, url: "`+backend.URL+`", passthrough: true, sign: {secret: "${KEY}", header: X-Ours, timestamp: off, signed: "{body}", prefix: v1=}}
streams:
  hooks: {workspace: backend, partitions: 2, replication: 1}
gateway:
  listen: 127.0.0.1:0
  webhooks:
    shop: {stream: hooks, scheme: token, secrets: [old-secret, "${KEY}"], token: {query: key}, key: [customer.id], id: ["header:X-Shop-Id"], carry: ["X-Shop-*"]}
`)
	apply(t, config)
	s := serve(t, "-c", config)
	s.ready(t)
	at := s.gateway(t) + "/webhooks/shop"
	const body = `{"customer": {"id": "42"},  "note": "bytes as they are"}`
	send := func(secret string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, at+"?key="+secret, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Close = true
		request.Header.Set("X-Shop-Topic", "orders/paid")
		request.Header.Set("X-Shop-Id", "7")
		answer, err := new(http.Client).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	if have := [...]int{send("wrong"), send(testKey), send("old-secret")}; have != [...]int{http.StatusUnauthorized, http.StatusOK, http.StatusOK} {
		t.Errorf("have %v", have)
	}
	have := <-arrived
	if have.method != http.MethodPut || have.body != body || have.header != "orders/paid" || !strings.HasPrefix(have.signature, "v1=") {
		t.Errorf("have %+v", have)
	}
	if have := len(records(t, config, "hooks")); have != 1 {
		t.Errorf("want the repeat kept back, have %d", have)
	}
}
