package customerio_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/customerio"
)

// recorder is a server that keeps what it was asked and answers as told.
type recorder struct {
	mu     sync.Mutex
	asked  []request
	status int
	body   string
}

type request struct{ method, uri, body, auth, contentType string }

func (r *recorder) ServeHTTP(w http.ResponseWriter, asked *http.Request) {
	body, _ := io.ReadAll(asked.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, request{
		asked.Method, asked.RequestURI, string(body), asked.Header.Get("Authorization"), asked.Header.Get("Content-Type"),
	})
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, r.body)
}

func (r *recorder) answer(status int, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.body = status, body
}

// take returns the one request since the last call.
func (r *recorder) take(t *testing.T) request {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.asked) != 1 {
		t.Fatalf("want one request, have %d", len(r.asked))
	}
	one := r.asked[0]
	r.asked = nil
	return one
}

func start(tb testing.TB) (*customerio.Sink, *recorder) {
	tb.Helper()
	r := &recorder{status: http.StatusOK, body: "{}\n"}
	server := httptest.NewServer(r)
	tb.Cleanup(server.Close)
	cfg := good()
	cfg.BaseURL = server.URL + "/base/"
	s, err := customerio.New(cfg, zap.NewNop())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s, r
}

func load(offset int64, value string, headers ...event.Header) *event.Event {
	e := new(event.Event)
	e.Load(event.Record{
		Topic: "events", Offset: offset, Key: []byte("42"), Value: []byte(value), Headers: headers,
		Time: time.Unix(1_700_000_000, 0),
	}, "cluster")
	return e
}

// prepare fails the test when the event has a fault.
func prepare(tb testing.TB, s sink.Sink, values ...string) []*event.Event {
	tb.Helper()
	var batch []*event.Event
	for i, value := range values {
		e := load(int64(i), value)
		if s.Prepare(e); e.Fault != nil {
			tb.Fatalf("%.80s: %+v", value, *e.Fault)
		}
		batch = append(batch, e)
	}
	return batch
}

func purchase(size int) string {
	return `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase","attributes":{"x":"` + strings.Repeat("x", size) + `"}}`
}

func TestBatch(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	batch := prepare(t, s, purchase(3), `{"type":"person","action":"identify","identifiers":{"email":"a@b.io"},"attributes":{"plan":"pro"}}`, purchase(5))
	if have := s.Deliver(t.Context(), batch); have.Verdict != sink.Delivered || have.Items != nil || have.Reason != "" {
		t.Errorf("%+v", have)
	}
	want := request{
		method: "POST", uri: "/base/api/v2/batch", auth: "Basic c2l0ZTpodW50ZXIy", contentType: "application/json",
		body: `{"batch":[` + string(batch[0].AppendEntity(nil)) + `,` + string(batch[1].AppendEntity(nil)) + `,` + string(batch[2].AppendEntity(nil)) + `]}`,
	}
	have := r.take(t)
	if have != want {
		t.Errorf("want %+v\nhave %+v", want, have)
	}
	if !json.Valid([]byte(have.body)) {
		t.Error("the batch is not JSON")
	}
	// One alone takes the same way.
	s.Deliver(t.Context(), batch[:1])
	if have := r.take(t); have.uri != want.uri || have.body != `{"batch":[`+string(batch[0].AppendEntity(nil))+`]}` {
		t.Errorf("one alone: %+v", have)
	}
	if have := s.Deliver(t.Context(), nil); have.Verdict != sink.Delivered || len(r.asked) != 0 {
		t.Errorf("nothing at all: %+v", have)
	}
}

// Whatever keeps to Limits stays under 500,000 bytes, and not by much.
func TestBatchKeepsToTheLimit(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	limits := s.Limits()
	if limits.Items != 100 {
		t.Errorf("want 100 items, have %d", limits.Items)
	}
	left := limits.Bytes
	var values []string
	empty := prepare(t, s, purchase(0))[0].Size
	for range limits.Items - 1 {
		values = append(values, purchase(4900-empty))
		left -= 4900
	}
	values = append(values, purchase(left-empty))
	batch := prepare(t, s, values...)
	total := 0
	for _, e := range batch {
		total += e.Size
	}
	if total != limits.Bytes {
		t.Fatalf("the batch sums up to %d, not to the limit %d", total, limits.Bytes)
	}
	s.Deliver(t.Context(), batch)
	if have := len(r.take(t).body); have != 499_999 {
		t.Errorf("a full batch has %d bytes", have)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	overhead := prepare(t, s, purchase(0))[0].Size
	phone := strings.Replace(purchase(40_000), `{"id":"42"}`, `{"phone":"+4512345678"}`, 1)
	person := func(action string, size int) string {
		return `{"type":"person","action":"` + action + `","identifiers":{"id":"42"},"attributes":{"x":"` + strings.Repeat("x", size) + `"}}`
	}
	for name, c := range map[string]struct {
		value  string
		solo   bool
		reason string // of a fault
	}{
		"small":                 {purchase(1), false, ""},
		"32 KiB":                {purchase(32*1024 - overhead), false, ""},
		"a byte more":           {purchase(32*1024 - overhead + 1), true, ""},
		"100,000 B of data":     {purchase(100_000 - len(`{"x":""}`)), true, ""},
		"a byte more than that": {purchase(100_000 - len(`{"x":""}`) + 1), false, event.ReasonTooLarge},
		"large phone":           {phone, false, event.ReasonBadIdentifiers},
		"large cio_ as id":      {strings.Replace(purchase(40_000), `"42"`, `"cio_0"`, 1), false, event.ReasonBadIdentifiers},
		"large dots":            {strings.Replace(purchase(40_000), `"42"`, `".."`, 1), false, event.ReasonBadIdentifiers},
		"large email":           {strings.Replace(purchase(40_000), `{"id":"42"}`, `{"email":"a@b.io"}`, 1), true, ""},
		"large email, no at":    {strings.Replace(purchase(40_000), `{"id":"42"}`, `{"email":"ab"}`, 1), false, event.ReasonBadIdentifiers},
		"large cio_id":          {strings.Replace(purchase(40_000), `{"id":"42"}`, `{"cio_id":"0a"}`, 1), true, ""},
		"large page":            {strings.Replace(purchase(40_000), `"event"`, `"page"`, 1), true, ""},
		"small phone":           {strings.Replace(purchase(4), `{"id":"42"}`, `{"phone":"+4512345678"}`, 1), false, ""},
		"large identify":        {person("identify", 300_000), true, ""},
		"larger identify":       {person("identify", 600_000), true, event.ReasonTooLarge},
		"large delete":          {person("delete", 40_000), false, event.ReasonTooLarge},
		"large object": {`{"type":"object","action":"identify","identifiers":{"object_type_id":"1","object_id":"a"},"attributes":{"x":"` +
			strings.Repeat("x", 40_000) + `"}}`, false, event.ReasonTooLarge},
		"anonymous":       {strings.Replace(purchase(1), `{"id":"42"}`, `{"anonymous_id":"a"}`, 1), true, ""},
		"large anonymous": {strings.Replace(purchase(100_000), `{"id":"42"}`, `{"anonymous_id":"a"}`, 1), true, event.ReasonTooLarge},
		"not JSON":        {"{", false, event.ReasonNotJSON},
	} {
		e := load(1, c.value)
		s.Prepare(e)
		reason := ""
		if e.Fault != nil {
			reason = e.Fault.Reason
		}
		if reason != c.reason || (reason == "" && e.Solo != c.solo) {
			t.Errorf("%s: want solo %t, fault %q; have solo %t, fault %+v", name, c.solo, c.reason, e.Solo, e.Fault)
		}
		if e.Fault == nil && e.Size > s.Limits().Bytes {
			t.Errorf("%s: the size %d never fits", name, e.Size)
		}
	}
}

func TestSingleCalls(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	pad := strings.Repeat("x", 33_000)
	op := func(name string) []event.Header { return []event.Header{{Key: "op", Value: []byte(name)}} }
	for name, c := range map[string]struct {
		value   string
		headers []event.Header
		want    request // ID stands for the event's id, PAD for pad
	}{
		"event": {
			`{"type":"person","action":"event","identifiers":{"id":"a b/c+é"},"name":"buy \"it\"","attributes":{"x":"PAD"}}`, nil,
			request{"POST", "/base/api/v1/customers/a%20b%2Fc%2B%C3%A9/events", `{"name":"buy \"it\"","type":"event","id":"ID","timestamp":1700000000,"data":{"x":"PAD"}}`, "", ""},
		},
		"screen by email": {
			`{"type":"person","action":"screen","identifiers":{"email":"a+b@c.io"},"name":"home","timestamp":12,"attributes":{"x":"PAD"}}`, nil,
			request{"POST", "/base/api/v1/customers/a%2Bb%40c.io/events", `{"name":"home","type":"screen","id":"ID","timestamp":12,"data":{"x":"PAD"}}`, "", ""},
		},
		"page by cio_id": {
			`{"type":"person","action":"page","identifiers":{"cio_id":"0a"},"name":"home","id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","attributes":{"x":"PAD"}}`, nil,
			request{"POST", "/base/api/v1/customers/cio_0a/events", `{"name":"home","type":"page","id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","timestamp":1700000000,"data":{"x":"PAD"}}`, "", ""},
		},
		"anonymous": {
			`{"type":"person","action":"event","identifiers": { "anonymous_id" : "q\"q" } ,"name":"visit"}`, nil,
			request{"POST", "/base/api/v1/events", `{"name":"visit","type":"event","id":"ID","timestamp":1700000000, "anonymous_id" : "q\"q" }`, "", ""},
		},
		"identify": {
			`{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"a":"PAD","_timestamp":1,"b":{"c":[1, 2]},"cio_relationships":0,"_update":true}}`, nil,
			request{"PUT", "/base/api/v1/customers/42", `{"_timestamp":1700000000,"a":"PAD","b":{"c":[1, 2]},"_update":true}`, "", ""},
		},
		"identify with relationships": {
			`{"type":"person","action":"identify","identifiers":{"id":7},"timestamp":5,"attributes":{"a":"PAD"},"cio_relationships":[{"identifiers":{"object_type_id":"1","object_id":"x"}}]}`, nil,
			request{"PUT", "/base/api/v1/customers/7", `{"_timestamp":5,"cio_relationships":{"action":"add_relationships","relationships":[{"identifiers":{"object_type_id":"1","object_id":"x"}}]},"a":"PAD"}`, "", ""},
		},
		"form": {
			`{"form_id":"f/1","body":{"data":{"email":"a@b.io"}}}`, op("form_submit"),
			request{"POST", "/base/api/v1/forms/f%2F1/submit", `{"data":{"email":"a@b.io"}}`, "", ""},
		},
		"segment": {
			`{"segment_id":7,"body":{"ids":["1"]}}`, op("segment_add"),
			request{"POST", "/base/api/v1/segments/7/add_customers", `{"ids":["1"]}`, "", ""},
		},
		"segment by email": {
			`{"segment_id":"7","id_type":"email","body":{"ids":["a@b.io"]}}`, op("segment_remove"),
			request{"POST", "/base/api/v1/segments/7/remove_customers?id_type=email", `{"ids":["a@b.io"]}`, "", ""},
		},
		"metrics": {
			`{"body":{"delivery_id":"d","metric":"opened"}}`, op("metrics"),
			request{"POST", "/base/api/v1/metrics", `{"delivery_id":"d","metric":"opened"}`, "", ""},
		},
		"push": {
			`{"body":{"delivery_id":"d","event":"opened"}}`, op("push_event"),
			request{"POST", "/base/api/v1/push/events", `{"delivery_id":"d","event":"opened"}`, "", ""},
		},
		"unsubscribe": {
			`{"delivery_id":"d?d","body":{"unsubscribe":true}}`, op("unsubscribe"),
			request{"POST", "/base/unsubscribe/d%3Fd", `{"unsubscribe":true}`, "", ""},
		},
	} {
		e := load(1, strings.ReplaceAll(c.value, "PAD", pad), c.headers...)
		if s.Prepare(e); e.Fault != nil || !e.Solo {
			t.Errorf("%s: solo %t, fault %+v", name, e.Solo, e.Fault)
			continue
		}
		if have := s.Deliver(t.Context(), []*event.Event{e}); have.Verdict != sink.Delivered {
			t.Errorf("%s: %+v", name, have)
		}
		c.want.body = strings.ReplaceAll(strings.ReplaceAll(c.want.body, "PAD", pad), "ID", e.ID.String())
		c.want.auth, c.want.contentType = "Basic c2l0ZTpodW50ZXIy", "application/json"
		have := r.take(t)
		if have != c.want || !json.Valid([]byte(have.body)) {
			t.Errorf("%s: want %.400v\nhave %.400v", name, c.want, have)
		}
	}
	for _, value := range []string{`{"form_id":"..","body":{"data":{}}}`, `{"form_id":".","body":{"data":{}}}`} {
		e := load(1, value, op("form_submit")...)
		if s.Prepare(e); e.Fault == nil || e.Fault.Reason != event.ReasonBadField {
			t.Errorf("%s: fault %+v", value, e.Fault)
		}
	}
}

// A form that does not exist is the event's fault; a call whose path holds
// nothing of the event's is the workspace's.
func TestNotFound(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	r.answer(http.StatusNotFound, "")
	for op, c := range map[string]struct {
		value string
		want  sink.Verdict
	}{
		"form_submit": {`{"form_id":"gone","body":{"data":{"email":"a@b.io"}}}`, sink.Rejected},
		"unsubscribe": {`{"delivery_id":"gone","body":{"unsubscribe":true}}`, sink.Rejected},
		"metrics":     {`{"body":{"delivery_id":"d","metric":"opened"}}`, sink.Refused},
		"":            {purchase(40_000), sink.Refused},
	} {
		e := load(1, c.value, event.Header{Key: "op", Value: []byte(op)})
		s.Prepare(e)
		if have := s.Deliver(t.Context(), []*event.Event{e}); have.Verdict != c.want || have.Status != http.StatusNotFound {
			t.Errorf("%q: want %v, have %+v", op, c.want, have)
		}
	}
}

// An event that goes alone never shares a request, whoever packs it.
func TestSoloInABatch(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	batch := prepare(t, s, purchase(1), purchase(40_000))
	have := s.Deliver(t.Context(), batch)
	if have.Verdict != sink.Unavailable || !have.Split || len(r.asked) != 0 {
		t.Errorf("%+v, %d requests", have, len(r.asked))
	}
}
