package partition_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/partition"
)

func TestTokensAreAskedForAndKept(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		id, secret, _ := r.BasicAuth()
		if err := r.ParseForm(); err != nil || id != "me" || secret != "s%3A1" || r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("scope") != "kafka" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"access_token":"t-1","expires_in":300}`))
	}))
	t.Cleanup(server.Close)
	sasl := partition.SASL{
		Mechanism: partition.MechanismOAuth, TokenURL: server.URL, ClientID: "me", ClientSecret: partition.Fixed("s:1"), Scope: "kafka",
	}
	g := newGuarded(t, onLoopback(), nil, kfake.EnableSASL())
	g.cfg.SASL = sasl
	var tokens []string
	g.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		g.KeepControl()
		return r.ResponseKind(), nil, true
	})
	g.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		g.KeepControl()
		tokens = append(tokens, string(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes))
		resp := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code // kfake knows no bearer
		return resp, nil, true
	})
	if err := g.cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	admin := must[*partition.Admin](t)(partition.NewAdmin(g.cfg))
	defer admin.Close()
	for range 2 {
		_, err := admin.Topics(t.Context(), "events")
		diagnosed(t, err, "refuses the credentials")
	}
	if n := asked.Load(); n != 1 || len(tokens) < 2 || !strings.Contains(tokens[0], "auth=Bearer t-1\x01") {
		t.Errorf("want one request and its token on each connection, have %d and %q", n, tokens)
	}
	g.cfg.SASL.ClientSecret = partition.Fixed("wrong")
	diagnosed(t, topics(t, g.cfg), "refuses the client")
	server.Close()
	diagnosed(t, topics(t, g.cfg), "does not answer")
}
