package gateway_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline/gateway"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	// The pair holds bytes that the two alphabets write differently.
	const site, key = "s~?>o", "k?~>>?~"
	pair := site + ":" + key
	cfg := config()
	cfg.Credentials = []gateway.Credential{
		{SiteID: "other", APIKey: "key", Stream: "events-us"},
		{SiteID: site, APIKey: key, Stream: "events-eu"},
	}
	g := newGateway(t, cfg, &kafka{})
	std, url := base64.StdEncoding.EncodeToString([]byte(pair)), base64.URLEncoding.EncodeToString([]byte(pair))
	if std == url {
		t.Fatal("the pair does not tell the alphabets apart")
	}
	for _, tc := range []struct {
		name, header string
		want         int
	}{
		{"standard alphabet", "Basic " + std, 200},
		{"URL alphabet", "Basic " + url, 200},
		{"no padding", "Basic " + strings.TrimRight(std, "="), 200},
		{"scheme in capitals", "BASIC " + std, 200},
		{"scheme in small letters", "basic " + url, 200},
		{"first credential", basic("other:key"), 200},
		{"none", "", 401},
		{"no scheme", std, 401},
		{"bearer", "Bearer " + std, 401},
		{"only a scheme", "Basic ", 401},
		{"no colon", basic("site"), 401},
		{"wrong key", basic(site + ":key"), 401},
		{"wrong site", basic("site:" + key), 401},
		{"halves of two credentials", basic("other:" + key), 401},
		{"empty key", basic(site + ":"), 401},
		{"longer key", basic(pair + "x"), 401},
		{"shorter key", basic(pair[:len(pair)-1]), 401},
		{"not base64", "Basic !!!!", 401},
		{"huge", basic(pair + strings.Repeat("x", 4000)), 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/api/v2/entity", strings.NewReader(purchase))
			if tc.header != "" {
				r.Header.Set("Authorization", tc.header)
			}
			w := send(g, r)
			wantStatus(t, w, tc.want)
			// Whichever half is wrong, the answer is the same to the byte.
			if want := `{"meta":{"error":"Unauthorized request"}}` + "\n"; tc.want == 401 && w.Body.String() != want {
				t.Errorf("want %q, have %q", want, w.Body)
			}
		})
	}
}

// A refused caller must not make the gateway read what he sends.
func TestUnknownCallerIsNotRead(t *testing.T) {
	t.Parallel()
	g := newGateway(t, config(), &kafka{})
	r := httptest.NewRequest(http.MethodPost, "/api/v2/entity", unreadable{t})
	wantStatus(t, send(g, r), 401)
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errAway
}

func TestCredentialRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Credentials[0].Rate = 2
		cfg.Credentials = append(cfg.Credentials, gateway.Credential{SiteID: "free", APIKey: "key", Stream: "events-us"})
		g := newGateway(t, cfg, &kafka{})
		try := func(want int) *httptest.ResponseRecorder {
			t.Helper()
			w := send(g, request("POST", "/api/v2/entity", purchase))
			wantStatus(t, w, want)
			return w
		}
		try(200)
		try(200)
		if have := try(429).Header().Get("Retry-After"); have != "1" {
			t.Errorf("Retry-After: want 1, have %q", have)
		}
		r := request("POST", "/api/v2/entity", purchase)
		r.Header.Set("Authorization", basic("free:key"))
		wantStatus(t, send(g, r), 200)
		time.Sleep(500 * time.Millisecond)
		try(200)
		try(429)
	})
}

func TestSlowRateSaysWhenToComeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Credentials[0].Rate = 0.1
		g := newGateway(t, cfg, &kafka{})
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
		w := send(g, request("POST", "/api/v2/entity", purchase))
		wantStatus(t, w, 429)
		if have := w.Header().Get("Retry-After"); have != "10" {
			t.Errorf("Retry-After: want 10, have %q", have)
		}
		time.Sleep(10 * time.Second)
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
	})
}

const metric = `{"delivery_id":"d","metric":"opened","timestamp":1700000000}`

func TestOpenEndpoints(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.Open = map[string]string{"metrics": "events-eu"}
	k := &kafka{}
	g := newGateway(t, cfg, k)
	for _, tc := range []struct {
		name, path, header, topic string
		want                      int
	}{
		{"named for nobody", "/api/v1/push/events", "", "", 404},
		{"without credentials", "/api/v1/metrics", "", "topic-eu", 200},
		{"with unknown ones", "/api/v1/metrics", basic("who:knows"), "topic-eu", 200},
		{"with good ones", "/api/v1/metrics", basic("site:key"), "topic-us", 200},
	} {
		before := len(k.taken())
		r := httptest.NewRequest(http.MethodPost, tc.path, strings.NewReader(metric))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", tc.header)
		w := send(g, r)
		wantStatus(t, w, tc.want)
		if records := k.taken()[before:]; tc.want == 200 && (len(records) != 1 || records[0].Topic != tc.topic) {
			t.Errorf("%s: want one record to %s, have %v", tc.name, tc.topic, records)
		}
	}
}

func TestAddressRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Open = map[string]string{"metrics": "events-us"}
		cfg.RatePerAddress = 1
		g := newGateway(t, cfg, &kafka{})
		try := func(peer string, want int) {
			t.Helper()
			r := httptest.NewRequest(http.MethodPost, "/api/v1/metrics", strings.NewReader(metric))
			r.RemoteAddr = peer
			w := send(g, r)
			wantStatus(t, w, want)
			if (w.Header().Get("Retry-After") != "") != (want == 429) {
				t.Errorf("Retry-After: have %q with %d", w.Header().Get("Retry-After"), w.Code)
			}
		}
		try("192.0.2.1:1000", 200)
		try("192.0.2.1:1001", 429)
		try("192.0.2.2:1000", 200)
		try("[2001:db8::1]:1", 200)
		try("[2001:db8::2]:1", 429) // the same /64
		try("[2001:db8:0:1::1]:1", 200)
		time.Sleep(time.Second)
		try("192.0.2.1:1000", 200)
		// More addresses than are told apart: the first ones are forgotten, which
		// costs nobody more than a limit that begins anew.
		for i := range 10_001 {
			try("10."+strconv.Itoa(i>>16)+"."+strconv.Itoa(i>>8&255)+"."+strconv.Itoa(i&255)+":1", 200)
		}
		try("192.0.2.1:1000", 200)
	})
}
