package webhook_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/webhook"
)

// came is an event that came as an HTTP request, its headers given as name and
// value in turn.
func came(tb testing.TB, s sink.Sink, method, body string, headers ...string) []*event.Event {
	tb.Helper()
	fields := make([]event.Header, 0, len(headers)/2)
	for i := 0; i < len(headers); i += 2 {
		fields = append(fields, event.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	carried, err := event.Carry(method, fields)
	if err != nil {
		tb.Fatal(err)
	}
	return load(tb, s, body, append(carried, event.Header{Key: "id", Value: []byte("01ARZ3NDEKTSV4RRFFQ69G5FAV")})...)
}

func TestPassThrough(t *testing.T) {
	t.Parallel()
	s, asked := start(t, "/hook?a=b", func(c *webhook.Config) {
		c.PassThrough = true
		c.Headers = map[string]string{"authorization": "Bearer mine", "X-Team": "growth"}
	})
	deliver := func(batch []*event.Event) request {
		t.Helper()
		if have := s.Deliver(t.Context(), batch); have.Verdict != sink.Delivered {
			t.Fatalf("%+v", have)
		}
		return <-asked
	}
	const body = "a=1&b=\x00\xff\r\n"
	rich := came(t, s, http.MethodPatch, body,
		"content-type", "text/plain; charset=latin1", "X-CIO-Signature", "abc", "x-cio-timestamp", "1613063089", "X-Twice", "1", "X-Twice", "2",
		"User-Agent", "Customer.io Webhooks", "Idempotency-Key", "theirs", "Authorization", "Basic theirs", "X-Team", "theirs",
		"Host", "evil.example", "Content-Length", "3", "Transfer-Encoding", "chunked", "Connection", "close", "Expect", "100-continue", "Te", "trailers", "Upgrade", "h2c")
	poor := came(t, s, "GET", "")
	plain := load(t, s, "not JSON")
	for range 3 { // recycled exchanges among them: nothing of one request may stay for the next
		have := deliver(rich)
		want := http.Header{
			"Content-Type": {"text/plain; charset=latin1"}, "X-Cio-Signature": {"abc"}, "X-Cio-Timestamp": {"1613063089"}, "X-Twice": {"1", "2"},
			"User-Agent": {"Customer.io Webhooks"}, "Idempotency-Key": {"theirs"}, "Authorization": {"Bearer mine"}, "X-Team": {"growth"},
			"Content-Length": {fmt.Sprint(len(body))},
		}
		if have.method != http.MethodPatch || have.uri != "/hook?a=b" || have.body != body || fmt.Sprint(have.header) != fmt.Sprint(want) {
			t.Errorf("want %v\nhave %s %s %q %v", want, have.method, have.uri, have.body, have.header)
		}
		want = http.Header{
			"User-Agent": {"sluice"}, "Idempotency-Key": {"01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "Authorization": {"Bearer mine"}, "X-Team": {"growth"}, "Content-Length": {"0"},
		}
		if have := deliver(poor); have.method != http.MethodPost || have.body != "" || fmt.Sprint(have.header) != fmt.Sprint(want) {
			t.Errorf("want %v\nhave %s %q %v", want, have.method, have.body, have.header)
		}
		if have := deliver(plain); have.method != http.MethodPost || have.body != "not JSON" || have.header.Get("Idempotency-Key") != plain[0].ID.String() || have.header.Get("Content-Type") != "" {
			t.Errorf("have %s %q %v", have.method, have.body, have.header)
		}
	}
}

// Without the mode, what a record carries has no say in what is sent.
func TestCarriedHeadersAreNotTrusted(t *testing.T) {
	t.Parallel()
	s, asked := start(t, "/hook", nil)
	if have := s.Deliver(t.Context(), came(t, s, "DELETE", `{"a":1}`, "Authorization", "Basic evil", "Content-Type", "text/plain")); have.Verdict != sink.Delivered {
		t.Fatalf("%+v", have)
	}
	have := <-asked
	if have.method != http.MethodPost || have.header.Get("Authorization") != "" || have.header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", have)
	}
	e := new(event.Event)
	e.Load(event.Record{Key: []byte("1"), Value: []byte("no JSON")}, "cluster")
	if s.Prepare(e); e.Fault == nil || e.Fault.Reason != event.ReasonNotJSON {
		t.Errorf("%+v", e.Fault)
	}
}

func TestPassThroughIsBounded(t *testing.T) {
	t.Parallel()
	s, _ := start(t, "/hook", func(c *webhook.Config) { c.PassThrough, c.MaxBytes = true, 10 })
	for body, want := range map[string]string{strings.Repeat("x", 10): "", strings.Repeat("x", 11): event.ReasonTooLarge} {
		e := new(event.Event)
		e.Load(event.Record{Key: []byte("1"), Value: []byte(body)}, "cluster")
		s.Prepare(e)
		if (e.Fault == nil) != (want == "") || e.Fault != nil && e.Fault.Reason != want {
			t.Errorf("%d bytes: %+v", len(body), e.Fault)
		}
	}
}

// A URL may be made of what came, as long as that is JSON.
func TestPassThroughWithATemplate(t *testing.T) {
	t.Parallel()
	s, asked := start(t, "/{{.Event.metric}}", func(c *webhook.Config) { c.PassThrough = true })
	if have := s.Deliver(t.Context(), came(t, s, "PUT", `{"metric":"sent"}`)); have.Verdict != sink.Delivered {
		t.Fatalf("%+v", have)
	}
	if have := <-asked; have.uri != "/sent" || have.method != "PUT" || have.body != `{"metric":"sent"}` {
		t.Errorf("%+v", have)
	}
	if have := s.Deliver(t.Context(), came(t, s, "PUT", `metric=sent`)); have.Verdict != sink.Rejected {
		t.Errorf("%+v", have)
	}
	none(t, asked)
}
