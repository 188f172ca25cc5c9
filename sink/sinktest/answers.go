package sinktest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"sluice/pipeline/event"
	"sluice/sink"
)

func (t trial) prepare() {
	to, _ := t.serve(func(http.ResponseWriter, *http.Request) {})
	good := one(t, to, "a")[0]
	if good.ID.IsZero() || good.Op == event.OpNone || good.Size < len(good.Value) || good.Size > to.Limits().Bytes {
		t.Errorf("prepared: id %v, op %v, size %d of at most %d", good.ID, good.Op, good.Size, to.Limits().Bytes)
	}
	if again := one(t, to, "a")[0]; again.ID != good.ID {
		t.Errorf("a redelivery has the id %v, the first delivery %v", again.ID, good.ID)
	}
	for _, value := range []string{"", "null", "[]", "nonsense", `{"a":1`, `{"a":1,"a":2}`, strings.Repeat(`{"a":`, 100)} {
		e := loaded(value)
		if to.Prepare(e); e.Fault == nil {
			t.Errorf("%.20q has no fault", value)
		}
	}
	large := loaded(strings.Replace(form, "MARKER", strings.Repeat("x", to.Limits().Bytes), 1))
	if to.Prepare(large); large.Fault == nil || large.Fault.Reason != event.ReasonTooLarge {
		t.Errorf("an event over the limit has the fault %v", large.Fault)
	}
	if limits := to.Limits(); limits.Items < 1 || limits.Bytes < 1 {
		t.Errorf("limits %+v", limits)
	}
}

func (t trial) statuses() {
	var status, requests atomic.Int64
	to, _ := t.serve(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(status.Load()))
		_, _ = fmt.Fprint(w, "{}")
	})
	batch := one(t, to, "a")
	for code := 200; code <= 599; code++ {
		status.Store(int64(code))
		before := requests.Load()
		result := to.Deliver(t.Context(), batch)
		if result.Verdict != verdictOf(code) || result.Status != code || result.Lost || result.Split {
			t.Errorf("HTTP %d: want %v, have %+v", code, verdictOf(code), result)
		}
		if sent := requests.Load() - before; sent != 1 {
			t.Errorf("HTTP %d: %d requests for one attempt", code, sent)
		}
		check(t, result, verdictOf(code), false)
	}
}

// verdictOf is the table of the design, written down a second time on purpose.
func verdictOf(status int) sink.Verdict {
	switch {
	case status < 300:
		return sink.Delivered
	case status < 400:
		return sink.Refused
	case status >= 500:
		return sink.Unavailable
	}
	special := map[int]sink.Verdict{
		429: sink.Throttled, 408: sink.Unavailable, 425: sink.Unavailable,
		401: sink.Refused, 403: sink.Refused, 404: sink.Refused, 405: sink.Refused, 407: sink.Refused, 421: sink.Refused,
	}
	if verdict, ok := special[status]; ok {
		return verdict
	}
	return sink.Rejected
}

func (t trial) retryAfter() {
	var value, date atomic.Value
	value.Store("")
	date.Store("")
	to, _ := t.serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", value.Load().(string))
		if d := date.Load().(string); d != "" {
			w.Header().Set("Date", d)
		}
		w.WriteHeader(http.StatusTooManyRequests)
	})
	batch := one(t, to, "a")
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value, date string
		want        time.Duration
	}{
		{"7", "", 7 * time.Second},
		{"0", "", 0},
		{" 12 ", "", 12 * time.Second},
		{noon.Add(9 * time.Second).Format(http.TimeFormat), noon.Format(http.TimeFormat), 9 * time.Second},
		{noon.Format(http.TimeFormat), noon.Add(time.Minute).Format(http.TimeFormat), 0},
		{noon.AddDate(1, 0, 0).Format(http.TimeFormat), noon.Format(http.TimeFormat), sink.MaxRetryAfter},
		{"86400", "", sink.MaxRetryAfter},
		{"99999999999999999999999", "", sink.MaxRetryAfter},
		{"-5", "", 0},
		{"soon", "", 0},
		{"1.5", "", 0},
		{"5 minutes", "", 0},
		{"", "", 0},
	} {
		value.Store(c.value)
		date.Store(c.date)
		if have := to.Deliver(t.Context(), batch); have.RetryAfter != c.want || have.Verdict != sink.Throttled {
			t.Errorf("Retry-After %q at %q: want %v, have %v (%v)", c.value, c.date, c.want, have.RetryAfter, have.Verdict)
		}
	}
}

func (t trial) redirects() {
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(elsewhere.Close)
	var status, requests atomic.Int64
	to, _ := t.serve(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Location", elsewhere.URL+"/?q="+secret)
		w.WriteHeader(int(status.Load()))
	})
	batch := one(t, to, "a")
	codes := []int{301, 302, 303, 307, 308}
	for _, code := range codes {
		status.Store(int64(code))
		check(t, to.Deliver(t.Context(), batch), sink.Refused, false)
	}
	if followed.Load() != 0 || requests.Load() != int64(len(codes)) {
		t.Errorf("%d redirects followed, %d requests for %d attempts", followed.Load(), requests.Load(), len(codes))
	}
}
