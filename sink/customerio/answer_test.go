package customerio_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"

	"sluice/sink"
	"sluice/sink/customerio"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	batch := prepare(t, s, purchase(1), purchase(2), purchase(3))
	bad := func(index int, reason string) sink.Item {
		return sink.Item{Index: index, Verdict: sink.Rejected, Reason: reason}
	}
	for _, c := range []struct {
		status int
		body   string
		want   sink.Result // Reason: a part of it
	}{
		{200, "{}\n", sink.Result{Verdict: sink.Delivered}},
		{200, "", sink.Result{Verdict: sink.Delivered}},
		{200, ` {"errors": []} `, sink.Result{Verdict: sink.Delivered}},
		{200, `{"errors":null}`, sink.Result{Verdict: sink.Delivered}},
		{200, `"ok"`, sink.Result{Verdict: sink.Delivered}},
		{200, `{"other":{"errors":[1]}}`, sink.Result{Verdict: sink.Delivered}},
		{207, `{}`, sink.Result{Verdict: sink.Delivered}},
		{204, ``, sink.Result{Verdict: sink.Delivered}},
		{
			207, `{"errors":[{"batch_index":2,"reason":"required","field":"name","message":"Name is required"},{"batch_index":0,"reason":"invalid"}]}`,
			sink.Result{Verdict: sink.Delivered, Items: []sink.Item{bad(2, "required: name: Name is required"), bad(0, "invalid")}},
		},
		{
			200, `{"errors":[{"batch_index":1,"reason":"invalid","message":"Attribute value too long"},{"reason":"required","field":"name","message":"Name is required"}]}`,
			sink.Result{Verdict: sink.Delivered, Items: []sink.Item{bad(1, "invalid: Attribute value too long")}},
		},
		{
			207, `{"errors":[{"batch_index":1,"reason":"one"},{"batch_index":1,"reason":"two"},{"batch_index":null}]}`,
			sink.Result{Verdict: sink.Delivered, Items: []sink.Item{bad(1, "one")}},
		},
		{
			207, `{"errors":[{"batch_index":1,"reason":7,"field":null,"message":["x"]}]}`,
			sink.Result{Verdict: sink.Delivered, Items: []sink.Item{bad(1, "no reason given")}},
		},
		{200, `{"errors":[{"reason":"required","field":"name"}]}`, sink.Result{Verdict: sink.Rejected, Split: true, Reason: "required: name"}},
		{207, `{"errors":["something else"]}`, sink.Result{Verdict: sink.Rejected, Split: true, Reason: "something else"}},

		{207, ``, sink.Result{Verdict: sink.Unavailable, Reason: "unknown outcome: HTTP 207"}},
		{207, `[]`, sink.Result{Verdict: sink.Unavailable, Reason: "unknown outcome"}},
		{207, `{"errors":[{"batch_index":`, sink.Result{Verdict: sink.Unavailable, Reason: "cannot be read"}},
		{207, `<html>`, sink.Result{Verdict: sink.Unavailable, Reason: "cannot be read"}},
		{200, `<html>`, sink.Result{Verdict: sink.Unavailable, Reason: "unknown outcome: HTTP 200"}},
		{200, `{} {}`, sink.Result{Verdict: sink.Unavailable, Reason: "cannot be read"}},
		{200, `{"errors":"many"}`, sink.Result{Verdict: sink.Unavailable, Reason: "cannot be read"}},
		{207, `{"errors":[{"batch_index":3}]}`, sink.Result{Verdict: sink.Unavailable, Reason: "not sent"}},
		{207, `{"errors":[{"batch_index":0},{"batch_index":-1}]}`, sink.Result{Verdict: sink.Unavailable, Reason: "not sent"}},
		{207, `{"errors":[{"batch_index":"1"}]}`, sink.Result{Verdict: sink.Unavailable, Reason: "not sent"}},
		{207, `{"errors":[{"batch_index":1.5}]}`, sink.Result{Verdict: sink.Unavailable, Reason: "not sent"}},
		{207, `{"errors":[{"batch_index":18446744073709551616}]}`, sink.Result{Verdict: sink.Unavailable, Reason: "not sent"}},
		{200, "{}" + strings.Repeat(" ", 1<<20), sink.Result{Verdict: sink.Unavailable, Reason: "too long"}},

		{400, `{"errors":[{"reason":"invalid","field":"batch","message":"too many"}]}`, sink.Result{Verdict: sink.Rejected, Split: true, Reason: "HTTP 400 Bad Request: invalid: batch: too many"}},
		{400, `{"meta":{"errors":["no name","no id"]}}`, sink.Result{Verdict: sink.Rejected, Split: true, Reason: "HTTP 400 Bad Request: no name"}},
		{400, `{"meta":{"error":"cannot merge"}}`, sink.Result{Verdict: sink.Rejected, Split: true, Reason: "HTTP 400 Bad Request: cannot merge"}},
		{400, `{"meta":7}`, sink.Result{Verdict: sink.Rejected, Split: true, Reason: "HTTP 400 Bad Request"}},
		{413, `<html>`, sink.Result{Verdict: sink.Rejected, Split: true, Reason: "HTTP 413"}},
		{422, ``, sink.Result{Verdict: sink.Rejected, Split: true, Reason: "HTTP 422"}},
		{402, ``, sink.Result{Verdict: sink.Rejected, Split: true, Reason: "HTTP 402"}},
		{401, `{"meta":{"error":"Unauthorized request"}}`, sink.Result{Verdict: sink.Refused, Reason: "HTTP 401 Unauthorized: Unauthorized request"}},
		{301, `{"errors":[{"detail":"wrong datacenter","status":"301"}]}`, sink.Result{Verdict: sink.Refused, Reason: "other region: wrong datacenter"}},
		{429, `{}`, sink.Result{Verdict: sink.Throttled, Reason: "HTTP 429 Too Many Requests"}},
		{503, ``, sink.Result{Verdict: sink.Unavailable, Reason: "HTTP 503 Service Unavailable"}},
	} {
		r.answer(c.status, c.body)
		have := s.Deliver(t.Context(), batch)
		name := fmt.Sprintf("HTTP %d %.90s", c.status, c.body)
		if have.Verdict != c.want.Verdict || have.Split != c.want.Split || have.Status != c.status || have.Lost ||
			!slices.Equal(have.Items, c.want.Items) || !strings.Contains(have.Reason, c.want.Reason) || (have.Reason == "") != (have.Verdict == sink.Delivered) {
			t.Errorf("%s:\nwant %+v\nhave %+v", name, c.want, have)
		}
		// Of one event there is nothing to split.
		if have := s.Deliver(t.Context(), batch[:1]); have.Split {
			t.Errorf("%s: one event is to be split", name)
		}
	}
}

func TestReasonsAreFitToShow(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	batch := prepare(t, s, purchase(1))
	r.answer(http.StatusBadRequest, `{"errors":[{"message":"a\nb\u0000c hunter2 c2l0ZTpodW50ZXIy`+strings.Repeat("é", 1000)+`"}]}`)
	have := s.Deliver(t.Context(), batch).Reason
	if !strings.HasPrefix(have, "HTTP 400 Bad Request: a b c … …é") || len(have) > 240 || !utf8.ValidString(have) {
		t.Errorf("%q", have)
	}
}

// Any body whatever: no panic, a verdict of the set, items that were sent, no
// reason that cannot be shown, and nothing delivered that a 207 leaves open.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		"", "{}", "null", "[]", `{"errors":[]}`, `{"errors":[{"batch_index":0,"reason":"a","field":"b","message":"c"}]}`,
		`{"errors":[{"batch_index":2},{"batch_index":2},{}]}`, `{"errors":[null,1,"x",{"batch_index":9}]}`,
		`{"meta":{"errors":["a"]}}`, `{"meta":{"error":"hunter2"}}`, `{"errors":{"a":1}}`, "{\"errors\":[\"\xff\"]}", `{"errors":[{"batch_index":1e0}]}`,
	} {
		for _, status := range []int{200, 207, 400, 401} {
			f.Add(status, []byte(body), 3)
		}
	}
	s, err := customerio.New(good(), zap.NewNop())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, status int, body []byte, events int) {
		if status < 200 || status > 599 || events < 1 || events > 1000 {
			t.Skip()
		}
		have := s.Read(sink.Answer{Status: status, Body: body}, events)
		if !slices.Contains(sink.Verdicts(), have.Verdict) || have.Status != status || (have.Split && (events == 1 || have.Verdict != sink.Rejected)) {
			t.Fatalf("%+v", have)
		}
		if have.Verdict != sink.Delivered && (len(have.Items) > 0 || have.Reason == "") {
			t.Fatalf("%+v", have)
		}
		seen := map[int]bool{}
		reasons := []string{have.Reason}
		for _, item := range have.Items {
			if item.Index < 0 || item.Index >= events || seen[item.Index] || item.Verdict != sink.Rejected {
				t.Fatalf("%+v", have)
			}
			seen[item.Index] = true
			reasons = append(reasons, item.Reason)
		}
		for _, reason := range reasons {
			bad := func(r rune) bool { return !unicode.IsPrint(r) }
			if len(reason) > 400 || strings.Contains(reason, "hunter2") || strings.ContainsFunc(reason, bad) {
				t.Fatalf("the reason %q", reason)
			}
		}
	})
}
