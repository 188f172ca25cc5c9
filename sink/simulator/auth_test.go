package simulator_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"sluice/sink/simulator"
)

func keys(t *testing.T, pairs ...string) func(*simulator.Config) {
	t.Helper()
	var list []simulator.Key
	for _, pair := range pairs {
		key, err := simulator.ParseKey(pair)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, key)
	}
	return func(cfg *simulator.Config) { cfg.Keys = list }
}

// TestBasicAuth: one library encodes in the URL-safe alphabet, on purpose.
func TestBasicAuth(t *testing.T) {
	t.Parallel()
	const pair = "s~?:k:??>~~" // its encodings differ, and the key has a colon
	sim := start(t, keys(t, pair, "second:key"))
	for name, c := range map[string]struct {
		header string
		want   int
	}{
		"standard":         {"Basic " + base64.StdEncoding.EncodeToString([]byte(pair)), 200},
		"URL-safe":         {"Basic " + base64.URLEncoding.EncodeToString([]byte(pair)), 200},
		"without padding":  {"Basic " + base64.RawURLEncoding.EncodeToString([]byte(pair)), 200},
		"lower-case":       {"basic " + base64.StdEncoding.EncodeToString([]byte(pair)), 200},
		"second":           {basic("second:key"), 200},
		"none":             {"", 401},
		"wrong key":        {basic("second:no"), 401},
		"another's key":    {basic("second:k:??>~~"), 401},
		"empty key":        {basic("second:"), 401},
		"no colon":         {basic("second"), 401},
		"not base64":       {"Basic !!", 401},
		"another scheme":   {"Bearer " + base64.StdEncoding.EncodeToString([]byte(pair)), 401},
		"scheme and space": {"Basic ", 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request(t, http.MethodPut, "/api/v1/customers/5", "{}")
			r.Header.Set("Authorization", c.header)
			if have := serve(sim, r).Code; have != c.want {
				t.Errorf("want %d, have %d", c.want, have)
			}
		})
	}
}

// TestOpenEndpoints need no credentials, and no others do without.
func TestOpenEndpoints(t *testing.T) {
	t.Parallel()
	sim := start(t, keys(t, "site:key"))
	for target, want := range map[string]int{
		"/api/v1/metrics": 200, "/api/v1/push/events": 200, "/push/events": 200, "/unsubscribe/d": 200,
		"/api/v2/batch": 401, "/api/v2/entity": 401, "/api/v1/events": 401, "/api/v1/forms/f/submit": 401,
	} {
		r := request(t, http.MethodPost, target, `{"delivery_id":"d","metric":"opened","event":"opened"}`)
		r.Header.Del("Authorization")
		if have := serve(sim, r).Code; have != want {
			t.Errorf("%s: want %d, have %d", target, want, have)
		}
	}
}

// TestRegion: an account of the other region is told so and nothing takes
// effect; where it lives can be asked of either host.
func TestRegion(t *testing.T) {
	t.Parallel()
	for region, other := range map[string]string{"us": "eu", "eu": "us"} {
		sim := start(t, keys(t, "here:key", "there:key@"+other), func(cfg *simulator.Config) { cfg.Region = region })
		r := request(t, http.MethodPost, "/api/v1/customers/a%2Fb/events?x=1", `{"name":"x"}`)
		r.Header.Set("Authorization", basic("there:key"))
		w := serve(sim, r)
		host := map[string]string{"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}[other]
		if want := `{"errors":[{"detail":"wrong datacenter","status":"301"}]}` + "\n"; w.Code != 301 || w.Body.String() != want {
			t.Errorf("want 301 %s, have %d %s", want, w.Code, w.Body)
		}
		if want, have := host+"/api/v1/customers/a%2Fb/events?x=1", w.Header().Get("Location"); have != want {
			t.Errorf("want Location %s, have %s", want, have)
		}
		if a := last(t, sim); a.Status != 301 || a.Effect {
			t.Errorf("want 301 without effect, have %+v", a)
		}
		r = request(t, http.MethodGet, "/api/v1/accounts/region", "")
		r.Header.Set("Authorization", basic("there:key"))
		if w := serve(sim, r); w.Code != 200 || !strings.Contains(w.Body.String(), `"region":"`+other+`"`) {
			t.Errorf("want region %s, have %d %s", other, w.Code, w.Body)
		}
		r.Header.Set("Authorization", basic("here:key"))
		if w := serve(sim, r); !strings.Contains(w.Body.String(), `"region":"`+region+`"`) {
			t.Errorf("want region %s, have %s", region, w.Body)
		}
	}
}
