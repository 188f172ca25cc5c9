package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func TestHookCounts(t *testing.T) {
	t.Parallel()
	w := DefaultWebhook(SchemeToken)
	w.Name, w.Stream, w.Secrets, w.ID, w.MaxBytes = "in", "s", []string{"hush"}, []string{"id"}, 20
	w.Key, w.RequireKey = []string{"user"}, true
	cfg := DefaultConfig()
	cfg.Webhooks = []Webhook{w}
	g, err := New(cfg, []Stream{{Name: "s", Topic: "t"}}, taking{}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range []struct{ secret, body string }{
		{"hush", `{"user":1}`},
		{"hush", `{"id":1,"user":1}`},
		{"hush", `{"id":1,"user":1}`},
		{"x", ""},
		{"x", ""},
		{"x", ""},
		{"hush", `{}`},
		{"hush", `{"user":1}           `},
	} {
		r := httptest.NewRequest(http.MethodPost, "/webhooks/in", strings.NewReader(request.body))
		r.Header.Set("Authorization", request.secret)
		g.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(g.access.Load().webhooks)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(len(families), err)
	}
	have := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		var name string
		for _, label := range m.GetLabel() {
			name += "/" + label.GetValue()
		}
		have[name] = m.GetCounter().GetValue()
	}
	want := "map[/busy/in:0 /keyless/in:1 /repeated/in:1 /stale/in:0 /stored/in:2 /unfit/in:1 /unproven/in:3]"
	if fmt.Sprint(have) != want || families[0].GetName() != "sluice_gateway_webhooks_total" {
		t.Errorf("want %s\nhave %v", want, have)
	}
}

func TestRepeatsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 100
	r := newRepeats(most)
	id := func(n int) ulid.ULID { return ulid.ULID{byte(n >> 8), byte(n), 1} }
	for n := range 10_000 {
		if first, err := r.claim(id(n), 0); !first || err != nil {
			t.Fatalf("%d: %v, %v", n, first, err)
		}
		r.settle(id(n), true)
		if size := len(r.recent) + len(r.older); size > 2*most || len(r.underWay) != 0 {
			t.Fatalf("after %d: %d remembered, %d under way", n, size, len(r.underWay))
		}
		if n >= most {
			if first, _ := r.look(id(n - most)); first {
				t.Fatalf("%d is forgotten after %d more", n-most, most)
			}
		}
	}
	if first, _ := r.look(id(1)); !first {
		t.Error("the first is remembered for ever")
	}
}

func TestClaimIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, id := newRepeats(10), ulid.ULID{1}
		if first, err := r.claim(id, time.Second); !first || err != nil {
			t.Fatal(first, err)
		}
		started := time.Now()
		if _, err := r.claim(id, time.Second); err == nil || time.Since(started) != time.Second {
			t.Errorf("%v after %v", err, time.Since(started))
		}
		r.settle(id, false)
		if first, err := r.claim(id, time.Second); !first || err != nil {
			t.Errorf("a claim that failed is not free: %v, %v", first, err)
		}
	})
}

// FuzzPlace compares a path into a body with what the standard library finds
// there.
func FuzzPlace(f *testing.F) {
	f.Add("data.identifiers.id", `{"data":{"identifiers":{"id":"42"}}}`)
	f.Add("a.1.b", `{"a":[0,{"b":1.50e2}]}`)
	f.Add(`a\.b.\\`, `{"a.b":{"\\":"x"}}`)
	f.Add("0", `["\ud83d\ude00"]`)
	f.Add("a.a.a", strings.Repeat(`{"a":`, 20))
	f.Add("a.a", `{"a":{"a":"\xff"}} trailing`)
	f.Add("header:x", "")
	f.Fuzz(func(t *testing.T, path, body string) {
		p, err := parsePlace(path)
		if err != nil {
			return
		}
		r := &http.Request{Header: http.Header{}}
		raw := []byte(body)
		have := p.find(r, raw)
		if string(raw) != body {
			t.Fatal("the body was changed")
		}
		if p.header != "" || !utf8.ValidString(body) || !utf8.ValidString(path) {
			return
		}
		want, sure := lookUp(body, p.steps)
		if sure && have != want {
			t.Fatalf("%q in %q: want %q, have %q", path, body, want, have)
		}
	})
}

// lookUp is not sure of what libraries read in different ways.
func lookUp(body string, steps []string) (found string, sure bool) {
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	var at any
	if decoder.Decode(&at) != nil || decoder.More() || strings.Contains(body, `\u`) || strings.ContainsRune(body, utf8.RuneError) {
		return "", false
	}
	for i, step := range steps {
		switch value := at.(type) {
		case map[string]any:
			// The last of two members of one name is kept here, the first there.
			if strings.Count(body, strconv.Quote(step)) > len(steps)-i && strings.Count(body, strconv.Quote(step)) > 1 {
				return "", false
			}
			at = value[step]
		case []any:
			n, err := strconv.ParseUint(step, 10, 31)
			if err != nil || n >= uint64(len(value)) {
				return "", true
			}
			at = value[n]
		default:
			return "", true
		}
	}
	switch value := at.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	}
	return "", true
}

// FuzzSignature gives a verifier any header: nobody is let in whose header does
// not hold the signature, and everybody whose header does, among whatever else.
func FuzzSignature(f *testing.F) {
	f.Add("v1=", "t=1,v1=00ff", "{}", true)
	f.Add("", "00ff", "", false)
	f.Add("v1,", "v1,AAAA v1,BBBB", "x", false)
	f.Add("sha256=", "sha256=,sha256=,,", "x", true)
	f.Fuzz(func(t *testing.T, prefix, value, body string, timed bool) {
		const timestamp = "1613063089"
		cfg, signed := Signature{Header: "X-Sig", Prefix: prefix}, body
		if timed {
			cfg.TimestampHeader, cfg.Signed = "X-Time", "v0:{timestamp}:{body}"
			signed = "v0:" + timestamp + ":" + body
		}
		s, err := newSignature(cfg, []string{"other", "hush"}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, []byte("hush"))
		_, _ = mac.Write([]byte(signed))
		right := hex.EncodeToString(mac.Sum(nil))
		ask := func(header, body string, at int64) outcome {
			r := &http.Request{Method: http.MethodPost, Header: http.Header{"X-Sig": {header}, "X-Time": {timestamp}}}
			if o := s.presented(r); o != outcomeNone {
				return o
			}
			if len(s.candidates(r)) > maxSignatures {
				t.Fatal("too many are tried")
			}
			return s.proven(r, []byte(body), time.Unix(at, 0))
		}
		const now = 1613063089
		if !strings.Contains(strings.ToLower(value), right) && ask(value, body, now) != outcomeUnproven {
			t.Fatalf("%q was let in", value)
		}
		good := prefix + right
		if prefix != "" && !strings.Contains(prefix, " ") && strings.Count(value, prefix) < maxSignatures {
			good = good + " " + value
		}
		if o := ask(good, body, now); o != outcomeNone {
			t.Fatalf("%q was not let in: %s", good, o)
		}
		if !strings.Contains(strings.ToLower(value), right) && ask(good, body+"x", now) != outcomeUnproven {
			t.Fatalf("%q was let in with another body", good)
		}
		if o := ask(good, body, now+61); timed && o != outcomeStale || !timed && o != outcomeNone {
			t.Fatalf("a minute later: %s", o)
		}
	})
}
