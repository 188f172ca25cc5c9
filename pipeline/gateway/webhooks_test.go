package gateway_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/gateway"
)

const hookSecret = "cio-test-signing-secret"

// hooked is a configuration with one webhook, named in.
func hooked(scheme gateway.Scheme, change func(*gateway.Webhook)) gateway.Config {
	w := gateway.DefaultWebhook(scheme)
	w.Name, w.Stream = "in", "events-us"
	if scheme != gateway.SchemeNone {
		w.Secrets = []string{hookSecret}
	}
	if change != nil {
		change(&w)
	}
	cfg := config()
	cfg.Webhooks = []gateway.Webhook{w}
	return cfg
}

// inbound is a webhook with headers given as name and value in turn.
func inbound(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/in", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// reported is a reporting webhook of Customer.io, signed at that time.
func reported(secret, body string, at time.Time) *http.Request {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte("v0:" + timestamp + ":" + body))
	return inbound(body, "X-CIO-Timestamp", timestamp, "X-CIO-Signature", hex.EncodeToString(mac.Sum(nil)), "Content-Type", "application/json")
}

func report(id, user string) string {
	return fmt.Sprintf(`{"event_id":%q,"object_type":"email","metric":"sent","timestamp":1613063089,"data":{"identifiers":{"id":%q}}}`, id, user)
}

// headers lists a record's, by name; the values of one that is given twice are
// joined.
func headersOf(r event.Record) map[string]string {
	all := map[string]string{}
	for _, h := range r.Headers {
		if before, ok := all[h.Key]; ok {
			all[h.Key] = before + "|" + string(h.Value)
			continue
		}
		all[h.Key] = string(h.Value)
	}
	return all
}

// Each vector is judged as the official library judges it, and no byte of it
// may change.
func TestWebhookVectors(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/webhook-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Secret, Timestamp, Body, Signature string
		Official                                 bool `json:"official_result"`
	}
	if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors) < 16 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			k := &kafka{}
			g := newGateway(t, hooked(gateway.SchemeCustomerio, func(w *gateway.Webhook) { w.Secrets, w.Window = []string{v.Secret}, 0 }), k)
			ask := func(timestamp, signature, body string, want int) {
				t.Helper()
				before := len(k.taken())
				wantStatus(t, send(g, inbound(body, "X-CIO-Timestamp", timestamp, "X-CIO-Signature", signature)), want)
				if taken := k.taken()[before:]; (want == http.StatusOK) != (len(taken) == 1) || len(taken) == 1 && string(taken[0].Value) != body {
					t.Errorf("answered %d, and stored %v", want, taken)
				}
			}
			want := http.StatusUnauthorized
			if v.Official {
				want = http.StatusOK
			}
			ask(v.Timestamp, v.Signature, v.Body, want)
			if !v.Official {
				return
			}
			ask(v.Timestamp, v.Signature, v.Body+" ", http.StatusUnauthorized)
			ask(v.Timestamp, strings.ToUpper(v.Signature), v.Body, http.StatusUnauthorized)
			ask(v.Timestamp, v.Signature+", x", v.Body, http.StatusUnauthorized)
			ask(v.Timestamp+"0", v.Signature, v.Body, http.StatusUnauthorized)
			for i := range v.Signature {
				changed := []byte(v.Signature)
				changed[i] ^= 1
				ask(v.Timestamp, string(changed), v.Body, http.StatusUnauthorized)
			}
			for i := range v.Body {
				changed := []byte(v.Body)
				changed[i] ^= 1
				ask(v.Timestamp, v.Signature, string(changed), http.StatusUnauthorized)
			}
		})
	}
}

func TestReportedWebhookBecomesARecord(t *testing.T) {
	t.Parallel()
	const id = "01E4C4CT6YDC7Y5M7FE1GWWPQJ"
	k := &kafka{}
	g := newGateway(t, hooked(gateway.SchemeCustomerio, nil), k)
	body := " " + report(id, "42") + "\n"
	r := reported(hookSecret, body, time.Now())
	r.Header.Set("User-Agent", "Customer.io Webhooks")
	r.Header.Set("Cookie", "a=b")
	r.Header.Set("Authorization", "Bearer x")
	r.Header.Set("X-Forwarded-For", "10.0.0.1")
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	w := send(g, r)
	if wantStatus(t, w, http.StatusOK); w.Body.String() != "{}\n" || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("answered %q with %v", w.Body, w.Header())
	}
	taken := k.taken()
	if len(taken) != 1 {
		t.Fatalf("%d records", len(taken))
	}
	have := taken[0]
	if have.Topic != "topic-us" || have.Partition != -1 || string(have.Key) != "42" || string(have.Value) != body || time.Since(have.Time) > time.Minute {
		t.Errorf("%+v", have)
	}
	want := map[string]string{
		"http-method": "POST", "http-header-content-type": "application/json", "http-header-user-agent": "Customer.io Webhooks",
		"http-header-x-cio-timestamp": r.Header.Get("X-CIO-Timestamp"), "http-header-x-cio-signature": r.Header.Get("X-CIO-Signature"),
		"id": id, "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	if all := headersOf(have); fmt.Sprint(all) != fmt.Sprint(want) {
		t.Errorf("want headers %v\nhave         %v", want, all)
	}
}

func TestWebhookUser(t *testing.T) {
	t.Parallel()
	const none = "-"
	for name, test := range map[string]struct {
		body string
		key  []string // nil: Customer.io's
		want string
	}{
		"id first":          {`{"data":{"identifiers":{"email":"A@b.c","id":"42"}}}`, nil, "42"},
		"null, then email":  {`{"data":{"identifiers":{"id":null,"email":"Ann@Example.com"}}}`, nil, "ann@example.com"},
		"empty, then cio":   {`{"data":{"identifiers":{"id":"","cio_id":"d9c1"}}}`, nil, "cio_d9c1"},
		"legacy":            {`{"data":{"customer_id":"7"}}`, nil, "7"},
		"address":           {`{"data":{"email_address":"X@Y.z"}}`, nil, "x@y.z"},
		"nobody":            {`{"data":{}}`, nil, none},
		"number":            {`{"user":12345678901234567890}`, []string{"user"}, "12345678901234567890"},
		"by index":          {`{"a":[{"id":1},{"id":"two"}]}`, []string{"a.1.id"}, "two"},
		"beyond the end":    {`{"a":[1]}`, []string{"a.1", "a.0"}, "1"},
		"dot in a name":     {`{"a":{"b":1},"a.b":2}`, []string{`a\.b`}, "2"},
		"escapes":           {`{"\u0061":"\u00e9"}`, []string{"a"}, "é"},
		"an object":         {`{"a":{"b":1}}`, []string{"a"}, none},
		"true":              {`{"a":true}`, []string{"a"}, none},
		"a root array":      {`[["x"]]`, []string{"0.0"}, "x"},
		"not JSON":          {`user=42`, []string{"user"}, none},
		"broken later":      {`{"a":"x","b":`, []string{"a"}, "x"},
		"broken before":     {`{"b":nope,"a":"x"}`, []string{"a"}, none},
		"twice":             {`{"a":"x","a":"y"}`, []string{"a"}, "x"},
		"header":            {`{"a":"x"}`, []string{"header:x-user", "a"}, "of-header"},
		"header, absent":    {`{"a":"x"}`, []string{"header:x-none", "a"}, "x"},
		"as long as may be": {`{"a":"` + strings.Repeat("x", 1024) + `"}`, []string{"a"}, strings.Repeat("x", 1024)},
		"too long":          {`{"a":"` + strings.Repeat("x", 1025) + `"}`, []string{"a"}, none},
		"empty body":        {``, nil, none},
		"deep":              {strings.Repeat(`{"b":`, 20_000) + `1` + strings.Repeat("}", 20_000), []string{"a"}, none},
		"deeper":            {strings.Repeat("[", 500_000), []string{"1"}, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, required := range []bool{false, true} {
				k := &kafka{}
				g := newGateway(t, hooked(gateway.SchemeNone, func(w *gateway.Webhook) {
					w.RequireKey = required
					if w.Key = test.key; test.key == nil {
						w.Key = gateway.DefaultWebhook(gateway.SchemeCustomerio).Key
					}
				}), k)
				w := send(g, inbound(test.body, "X-User", "of-header"))
				if required && test.want == none {
					wantStatus(t, w, http.StatusBadRequest)
					continue
				}
				wantStatus(t, w, http.StatusOK)
				have := k.taken()[0]
				if test.want == none && have.Key != nil || test.want != none && string(have.Key) != test.want || have.Value == nil || string(have.Value) != test.body {
					t.Errorf("want %q, have %q with %q", test.want, have.Key, have.Value)
				}
			}
		})
	}
}

func TestWebhookTokens(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		token gateway.Token
		set   func(*http.Request)
		want  int
	}{
		"header":              {gateway.Token{Header: "x-token"}, func(r *http.Request) { r.Header.Set("X-Token", hookSecret) }, 200},
		"header, other":       {gateway.Token{Header: "x-token"}, func(r *http.Request) { r.Header.Set("X-Token", hookSecret+"x") }, 401},
		"header, part":        {gateway.Token{Header: "x-token"}, func(r *http.Request) { r.Header.Set("X-Token", hookSecret[1:]) }, 401},
		"header, none":        {gateway.Token{Header: "x-token"}, func(*http.Request) {}, 401},
		"header, empty":       {gateway.Token{Header: "x-token"}, func(r *http.Request) { r.Header.Set("X-Token", "") }, 401},
		"header, twice":       {gateway.Token{Header: "x-token"}, func(r *http.Request) { r.Header["X-Token"] = []string{hookSecret, hookSecret} }, 401},
		"bearer":              {gateway.Token{Header: "Authorization", Prefix: "Bearer "}, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+hookSecret) }, 200},
		"bearer, without":     {gateway.Token{Header: "Authorization", Prefix: "Bearer "}, func(r *http.Request) { r.Header.Set("Authorization", hookSecret) }, 401},
		"parameter":           {gateway.Token{Query: "token"}, func(r *http.Request) { r.URL.RawQuery = "a=b&token=" + hookSecret }, 200},
		"parameter, other":    {gateway.Token{Query: "token"}, func(r *http.Request) { r.URL.RawQuery = "token=x" }, 401},
		"parameter, twice":    {gateway.Token{Query: "token"}, func(r *http.Request) { r.URL.RawQuery = "token=x&token=" + hookSecret }, 401},
		"parameter, absurd":   {gateway.Token{Query: "token"}, func(r *http.Request) { r.URL.RawQuery = "token=" + hookSecret + "&" + strings.Repeat("a", 5000) }, 401},
		"second of secrets":   {gateway.Token{Header: "x-token"}, func(r *http.Request) { r.Header.Set("X-Token", "next") }, 200},
		"header in the query": {gateway.Token{Header: "x-token"}, func(r *http.Request) { r.URL.RawQuery = "x-token=" + hookSecret }, 401},
	} {
		k := &kafka{}
		g := newGateway(t, hooked(gateway.SchemeToken, func(w *gateway.Webhook) {
			w.Token, w.Secrets, w.Carry = test.token, []string{hookSecret, "next"}, []string{"*"}
		}), k)
		r := inbound("x=1")
		test.set(r)
		w := send(g, r)
		if w.Code != test.want || (test.want == 200) != (len(k.taken()) == 1) {
			t.Errorf("%s: want %d, have %d, %d records", name, test.want, w.Code, len(k.taken()))
		}
		for _, stored := range k.taken() {
			if strings.Contains(fmt.Sprint(headersOf(stored)), hookSecret) {
				t.Errorf("%s: the token travels: %v", name, headersOf(stored))
			}
		}
	}
}

// What is refused for its secret is refused before its body is read, unless the
// body is what is signed.
func TestUnprovenWebhookIsNotRead(t *testing.T) {
	t.Parallel()
	for _, scheme := range []gateway.Scheme{gateway.SchemeCustomerio, gateway.SchemeCustomerioAction, gateway.SchemeToken} {
		g := newGateway(t, hooked(scheme, nil), &kafka{})
		r := httptest.NewRequest(http.MethodPost, "/webhooks/in", unreadable{t})
		wantStatus(t, send(g, r), http.StatusUnauthorized)
	}
}

func TestWebhookWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kafka{}
		g := newGateway(t, hooked(gateway.SchemeCustomerio, nil), k)
		wide := newGateway(t, hooked(gateway.SchemeCustomerio, func(w *gateway.Webhook) { w.Window = 0 }), k)
		for i, test := range []struct {
			age  time.Duration
			want int
		}{
			{0, 200}, {5 * time.Minute, 200}, {5*time.Minute + time.Second, 401}, {-5 * time.Minute, 200}, {-5*time.Minute - time.Second, 401}, {7 * 24 * time.Hour, 401},
		} {
			r := reported(hookSecret, report(fmt.Sprint("id-", i), "42"), time.Now().Add(-test.age))
			if w := send(g, r.Clone(t.Context())); w.Code != test.want {
				t.Errorf("%v old: want %d, have %d", test.age, test.want, w.Code)
			}
			r = reported(hookSecret, report(fmt.Sprint("wide-", i), "42"), time.Now().Add(-test.age))
			wantStatus(t, send(wide, r), http.StatusOK)
		}
		// The same request, sent again later, is judged by the clock of then.
		again := func() *http.Request { return reported(hookSecret, `{"a":1}`, time.Unix(946684800, 0)) }
		wantStatus(t, send(g, again()), http.StatusOK)
		time.Sleep(5*time.Minute + time.Second)
		wantStatus(t, send(g, again()), http.StatusUnauthorized)
	})
}

func TestWebhookSecretsRotate(t *testing.T) {
	t.Parallel()
	g := newGateway(t, hooked(gateway.SchemeCustomerio, func(w *gateway.Webhook) { w.Secrets = []string{"new", "old"} }), &kafka{})
	for secret, want := range map[string]int{"new": 200, "old": 200, "older": 401, "": 401} {
		if w := send(g, reported(secret, report("id"+secret, "1"), time.Now())); w.Code != want {
			t.Errorf("%q: want %d, have %d", secret, want, w.Code)
		}
	}
}

func TestWebhookIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := newGateway(t, hooked(gateway.SchemeNone, func(w *gateway.Webhook) { w.Carry = []string{"X-Team", "X-GitHub-*", "cookie"} }), k)
	body := "a=1&b=%00\x00\xff\r\n"
	r := inbound(body, "Content-Type", "application/x-www-form-urlencoded", "X-Team", "growth", "X-Team", "sales", "X-GitHub-Event", "push",
		"X-GitHub-Hop", "1", "X-Other", "no", "Cookie", "c=d", "Authorization", "Bearer x", "Connection", "close, x-github-hop", "Idempotency-Key", "k1")
	r.Method = http.MethodPut
	wantStatus(t, send(g, r), http.StatusOK)
	want := map[string]string{
		"http-method": "PUT", "http-header-content-type": "application/x-www-form-urlencoded", "http-header-x-team": "growth|sales",
		"http-header-x-github-event": "push", "http-header-cookie": "c=d", "http-header-idempotency-key": "k1",
	}
	have := k.taken()[0]
	if all := headersOf(have); string(have.Value) != body || fmt.Sprint(all) != fmt.Sprint(want) {
		t.Errorf("have %q, %v", have.Value, all)
	}
	for method, want := range map[string]int{"GET": 405, "HEAD": 405, "OPTIONS": 405, "PATCH": 200, "DELETE": 200} {
		r := inbound("x")
		r.Method = method
		w := send(g, r)
		if w.Code != want || (want == 405) != (w.Header().Get("Allow") == "POST, PUT, PATCH, DELETE") {
			t.Errorf("%s: want %d, have %d, allow %q", method, want, w.Code, w.Header().Get("Allow"))
		}
	}
	for path, want := range map[string]int{"/webhooks/in": 200, "/webhooks/in/": 404, "/webhooks/": 404, "/webhooks": 404, "/webhooks/other": 404, "/webhooks/i%6e": 404, "/webhooks/../webhooks/in": 404} {
		r := inbound("x")
		r.URL.Path, r.URL.RawPath = path, path
		if w := send(g, r); w.Code != want {
			t.Errorf("%s: want %d, have %d", path, want, w.Code)
		}
	}
}

func TestWebhookBounds(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := newGateway(t, hooked(gateway.SchemeNone, func(w *gateway.Webhook) { w.MaxBytes, w.Carry = 100, []string{"X-*"} }), k)
	wantStatus(t, send(g, inbound(strings.Repeat("x", 100))), http.StatusOK)
	wantStatus(t, send(g, inbound(strings.Repeat("x", 101))), http.StatusBadRequest)
	wantStatus(t, send(g, inbound("x", "X-Large", strings.Repeat("x", event.MaxCarriedBytes))), http.StatusRequestEntityTooLarge)
	k.set(func() {
		k.refuse = func(event.Record) error { return fmt.Errorf("append: %w", partition.ErrTooLarge) }
	})
	wantStatus(t, send(g, inbound("x")), http.StatusRequestEntityTooLarge)
	if n := len(k.taken()); n != 1 {
		t.Errorf("%d records", n)
	}
}

// stalled is a body that comes only when it is let.
type stalled struct{ let <-chan struct{} }

func (s stalled) Read([]byte) (int, error) {
	<-s.let
	return 0, io.EOF
}

// Uploads of whoever comes along leave the callers of the API their memory.
func TestUnknownSendersCannotTakeAllMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kafka{}
		g := newGateway(t, hooked(gateway.SchemeCustomerio, nil), k)
		let := make(chan struct{})
		codes := make(chan int, 100)
		for range cap(codes) {
			go func() {
				r := inbound("", "X-CIO-Timestamp", "1", "X-CIO-Signature", "00")
				r.Body, r.ContentLength = io.NopCloser(stalled{let}), -1
				codes <- send(g, r).Code
			}()
		}
		synctest.Wait()
		busy := len(codes)
		if busy < 50 || busy == cap(codes) {
			t.Errorf("%d of %d uploads were put off", busy, cap(codes))
		}
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), http.StatusOK)
		wantStatus(t, send(g, reported(hookSecret, report("a", "42"), time.Now())), http.StatusOK)
		close(let)
		synctest.Wait()
		for i := range cap(codes) {
			want := http.StatusServiceUnavailable
			if i >= busy {
				want = http.StatusUnauthorized
			}
			if have := <-codes; have != want {
				t.Errorf("upload %d: want %d, have %d", i, want, have)
			}
		}
		wantStatus(t, send(g, inbound("x", "X-CIO-Timestamp", "1", "X-CIO-Signature", "00")), http.StatusUnauthorized)
	})
}
