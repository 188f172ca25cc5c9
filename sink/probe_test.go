package sink_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sluice/sink"
)

func inquire(t *testing.T, method, raw string) (sink.Reply, error) {
	t.Helper()
	target, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return sink.Inquire(t.Context(), sink.DefaultHTTPConfig(), sink.Inquiry{Method: method, URL: target, Bytes: 3})
}

func TestInquireAsksOnceAndFollowsNothing(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked++
		rw.Header().Set("Location", "/elsewhere")
		rw.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		rw.WriteHeader(http.StatusMovedPermanently)
		_, _ = rw.Write([]byte("long"))
	}))
	t.Cleanup(server.Close)
	reply, err := inquire(t, http.MethodGet, server.URL)
	if err != nil || reply.Status != http.StatusMovedPermanently || string(reply.Body) != "lon" || asked != 1 || len(reply.Addresses) != 1 || !reply.Expires.IsZero() {
		t.Errorf("have %+v, %v, asked %d times", reply, err, asked)
	}
	if ahead, within, known := reply.Skew(); !known || (ahead-time.Hour).Abs() > within {
		t.Errorf("want an hour, have %v within %v, %t", ahead, within, known)
	}
}

func TestInquireRefusesWhatMayActThere(t *testing.T) {
	t.Parallel()
	if _, err := inquire(t, http.MethodPost, "http://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "POST") {
		t.Errorf("have %v", err)
	}
}

func TestInquireTellsWhatFailed(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]sink.Cause{
		"http://nowhere.invalid/?token=hunter2": sink.CauseLookup,
		"http://127.0.0.1:1/?token=hunter2":     sink.CauseConnect,
	} {
		reply, err := inquire(t, http.MethodHead, raw)
		if err != nil || sink.CauseOf(reply.Err) != want || strings.Contains(reply.Err.Error(), "hunter2") {
			t.Errorf("%s: want %v and no secret, have %v, %v", raw, want, reply.Err, err)
		}
		if _, _, known := reply.Skew(); known {
			t.Errorf("%s: no answer tells no time", raw)
		}
	}
}
