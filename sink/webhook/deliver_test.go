package webhook_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/webhook"
)

type request struct {
	method, uri, body string
	header            http.Header
}

// start makes a server that hands over what it was asked, and a sink for it
// whose URL is the server's and tail.
func start(tb testing.TB, tail string, change func(*webhook.Config)) (*webhook.Sink, <-chan request) {
	tb.Helper()
	asked := make(chan request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- request{r.Method, r.RequestURI, string(body), r.Header}
		if strings.HasSuffix(r.URL.Path, "/gone") {
			w.WriteHeader(http.StatusGone)
		}
	}))
	tb.Cleanup(server.Close)
	cfg := webhook.DefaultConfig()
	cfg.URL = server.URL + tail
	if change != nil {
		change(&cfg)
	}
	s, err := webhook.New(cfg, zap.NewNop())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s, asked
}

func load(tb testing.TB, s sink.Sink, value string, headers ...event.Header) []*event.Event {
	tb.Helper()
	e := new(event.Event)
	e.Load(event.Record{
		Topic: "events", Key: []byte("us/er"), Value: []byte(value), Headers: headers, Time: time.Unix(1_700_000_000, 5e6),
	}, "cluster")
	if s.Prepare(e); e.Fault != nil {
		tb.Fatalf("%s: %+v", value, *e.Fault)
	}
	return []*event.Event{e}
}

func none(t *testing.T, asked <-chan request) {
	t.Helper()
	select {
	case r := <-asked:
		t.Errorf("a request went out: %+v", r)
	default:
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	s, asked := start(t, "/hook?a=b", func(c *webhook.Config) {
		c.Method = http.MethodPut
		c.URL = strings.Replace(c.URL, "http://", "http://me:p%40ss@", 1)
		c.Headers = map[string]string{"x-team": "growth", "content-type": "application/vnd.acme+json"}
	})
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	const value = "{ \"b\" : 1.00,\t\"a\":\"\\u00e9\" }"
	traced := load(t, s, value, event.Header{Key: "traceparent", Value: []byte(trace)}, event.Header{Key: "id", Value: []byte("01ARZ3NDEKTSV4RRFFQ69G5FAV")})
	untraced := load(t, s, `{"id":"mine"}`)
	for range 3 { // recycled exchanges among them
		for i, batch := range [][]*event.Event{traced, untraced} {
			if have := s.Deliver(t.Context(), batch); have.Verdict != sink.Delivered || have.Reason != "" {
				t.Fatalf("%+v", have)
			}
			have := <-asked
			if have.method != http.MethodPut || have.uri != "/hook?a=b" || have.body != string(batch[0].Value) {
				t.Errorf("%+v", have)
			}
			for name, want := range map[string]string{
				"Content-Type": "application/vnd.acme+json", "X-Team": "growth", "User-Agent": "sluice",
				"Authorization": "Basic bWU6cEBzcw==", "Idempotency-Key": batch[0].ID.String(),
				"Traceparent": []string{trace, ""}[i], "Accept-Encoding": "",
			} {
				if have := have.header.Get(name); have != want {
					t.Errorf("header %s: want %q, have %q", name, want, have)
				}
			}
		}
	}
	if traced[0].ID.String() != "01ARZ3NDEKTSV4RRFFQ69G5FAV" || untraced[0].ID.String() == "mine" {
		t.Errorf("ids %v and %v", traced[0].ID, untraced[0].ID)
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	const value = `{"plan":"p/r o","n":12345678901234567890,"deep":{"list":[1,{"<a>":true}]},"quote":"\"","none":null,"dots":".."}`
	unfit := "-" // no request
	for name, c := range map[string]struct{ url, body, wantURL, wantBody string }{
		"nothing":           {"/x", "", "/x", value},
		"path and query":    {"/u/{{.User}}/{{.Event.plan}}?n={{.Event.n}}&id={{.ID}}", "", "/u/us%2Fer/p%2Fr%20o?n=12345678901234567890&id=ID", value},
		"escaped by hand":   {"/{{.User | segment}}", "", "/us%2Fer", value},
		"a part":            {"/u-{{.User}}.json", "", "/u-us%2Fer.json", value},
		"a condition":       {`/{{if eq .Event.plan "x"}}a{{else}}{{with .Event.plan}}{{.}}{{end}}{{end}}`, "", "/p%2Fr%20o", value},
		"a variable":        {`/{{$p := .Event.plan}}{{$p}}`, "", "/p%2Fr%20o", value},
		"missing":           {"/{{.Event.nope}}", "", unfit, ""},
		"null":              {"/{{.Event.none}}", "", unfit, ""},
		"dots":              {"/a/{{.Event.dots}}/b", "", unfit, ""},
		"an object":         {"/{{.Event.deep}}", "", unfit, ""},
		"absent, by index":  {`/{{index .Event "nope"}}`, "", unfit, ""},
		"body":              {"/x", `{"p":{{json .Event.plan}},"n":{{.Event.n}},"d":{{json .Event.deep}},"t":"{{.Time}}","raw":{{.Raw}}}`, "/x", `{"p":"p/r o","n":12345678901234567890,"d":{"list":[1,{"<a>":true}]},"t":"2023-11-14T22:13:20.005Z","raw":` + value + `}`},
		"body, optional":    {"/x", `{"a":{{json (index .Event "nope")}}}`, "/x", `{"a":null}`},
		"body, missing":     {"/x", `{"a":{{json .Event.nope}}}`, unfit, ""},
		"body, not JSON":    {"/x", `{"a":"{{.Event.quote}}"}`, unfit, ""},
		"body, empty":       {"/x", `{{if false}}x{{end}}`, "/x", ""},
		"body, wrong kind":  {"/x", `{{range .Event.n}}{{end}}{{.Event.plan.more}}`, unfit, ""},
		"both":              {"/{{.User}}", `[{{json .User}}]`, "/us%2Fer", `["us/er"]`},
		"fragment is local": {"/{{.User}}#x", "", "/us%2Fer", value},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, asked := start(t, c.url, func(cfg *webhook.Config) { cfg.Body = c.body })
			batch := load(t, s, value)
			have := s.Deliver(t.Context(), batch)
			if c.wantURL == unfit {
				none(t, asked)
				if have.Verdict != sink.Rejected || have.Status != 0 || have.Reason == "" || strings.Contains(have.Reason, "p/r") {
					t.Errorf("%+v", have)
				}
				return
			}
			if have.Verdict != sink.Delivered {
				t.Fatalf("%+v", have)
			}
			r := <-asked
			want := strings.ReplaceAll(c.wantURL, "ID", batch[0].ID.String())
			if r.uri != want || r.body != c.wantBody {
				t.Errorf("want %s %s\nhave %s %s", want, c.wantBody, r.uri, r.body)
			}
		})
	}
}

// What an event fills in cannot lead anywhere else.
func TestTemplateKeepsToItsHost(t *testing.T) {
	t.Parallel()
	s, asked := start(t, "/{{.Event.x}}", nil)
	for _, x := range []string{"@evil.example/", "//evil.example", `\\evil.example`, "%2e%2e", "?a=b", "#", "a:b@c", "\\u0000", "\\r\\nX: y"} {
		batch := load(t, s, `{"x":"`+strings.ReplaceAll(strings.ReplaceAll(x, `\\e`, `\\\\e`), "\\\\u", "\\u")+`"}`)
		if have := s.Deliver(t.Context(), batch); have.Verdict != sink.Delivered {
			t.Errorf("%q: %+v", x, have)
			continue
		}
		if r := <-asked; strings.Count(r.uri, "/") != 1 || strings.ContainsAny(r.uri, "?#@\\") {
			t.Errorf("%q asks for %q", x, r.uri)
		}
	}
}

func TestHostFromATemplateMustBePublic(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://{{.Event.host}}/x", "http://127.0.0.{{.Event.n}}:{{.Event.port}}/x", "http://127.0.0.1:{{.Event.port}}/x"} {
		s, asked := start(t, "", func(c *webhook.Config) {
			_, port, _ := net.SplitHostPort(strings.TrimPrefix(c.URL, "http://"))
			c.URL = strings.ReplaceAll(url, "{{.Event.port}}", port+"{{if false}}{{.Event.port}}{{end}}")
		})
		for _, host := range []string{"127.0.0.1", "169.254.169.254", "10.1.2.3", "localhost", "0.0.0.0"} {
			have := s.Deliver(t.Context(), load(t, s, `{"host":"`+host+`","n":1,"port":80}`))
			if have.Verdict != sink.Rejected || have.Lost || have.Reason != "address not allowed: private or reserved address" {
				t.Errorf("%s with %s: %+v", url, host, have)
			}
			if outcome := sink.OutcomeOf(have); outcome != sink.Neutral {
				t.Errorf("the breaker hears %d of an address that was not asked", outcome)
			}
		}
		have := s.Deliver(t.Context(), load(t, s, `{"host":"a b/c@d","n":"@evil.example","port":80}`))
		if have.Verdict != sink.Rejected {
			t.Errorf("%s with no host: %+v", url, have)
		}
		none(t, asked)
	}
}

func TestRejects(t *testing.T) {
	t.Parallel()
	s, asked := start(t, "/{{.Event.x}}", func(c *webhook.Config) { c.Rejects = []int{410, 302} })
	have := s.Deliver(t.Context(), load(t, s, `{"x":"gone"}`))
	if <-asked; have.Verdict != sink.Rejected || have.Status != 410 || have.Split || have.Reason != "HTTP 410 Gone" {
		t.Errorf("%+v", have)
	}
	for status, want := range map[int]sink.Verdict{404: sink.Rejected, 403: sink.Refused, 410: sink.Rejected, 503: sink.Unavailable, 200: sink.Delivered} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		cfg := webhook.DefaultConfig()
		cfg.URL, cfg.Rejects = server.URL, []int{404}
		s, err := webhook.New(cfg, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		if have := s.Deliver(t.Context(), load(t, s, `{}`)); have.Verdict != want || have.Status != status {
			t.Errorf("HTTP %d: want %v, have %+v", status, want, have)
		}
		s.Close()
		server.Close()
	}
}

func TestOneEventARequest(t *testing.T) {
	t.Parallel()
	s, asked := start(t, "/x", nil)
	batch := append(load(t, s, `{"a":1}`), load(t, s, `{"a":2}`)...)
	if have := s.Deliver(t.Context(), batch); have.Verdict != sink.Unavailable || !have.Split {
		t.Errorf("%+v", have)
	}
	if have := s.Deliver(t.Context(), nil); have.Verdict != sink.Delivered {
		t.Errorf("%+v", have)
	}
	none(t, asked)
	if have := s.Limits(); have.Items != 1 {
		t.Errorf("%+v", have)
	}
}

func BenchmarkDeliver(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	b.Cleanup(server.Close)
	cfg := webhook.DefaultConfig()
	cfg.URL = server.URL + "/hook"
	s, err := webhook.New(cfg, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	batch := load(b, s, `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase","attributes":{"x":"`+strings.Repeat("x", 200)+`"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if result := s.Deliver(b.Context(), batch); result.Verdict != sink.Delivered {
			b.Fatal(result.Reason)
		}
	}
}
