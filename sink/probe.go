package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Inquiry is one harmless request that a destination is asked outside the
// pipeline: nothing that it is asked may change anything there.
type Inquiry struct {
	Method string   // GET, HEAD or OPTIONS
	URL    *url.URL // an Opaque of * asks the server itself, and no endpoint of it
	Header http.Header
	Bytes  int  // of the answer's body, at most
	Public bool // refuse addresses that are not public; see Options.PublicOnly
}

// Reply is what an inquiry came to, as far as it came.
type Reply struct {
	Addresses []string // of the host's name; nil when a proxy looks it up
	Status    int      // 0 when no answer came
	Body      []byte
	Date      time.Time // the destination's clock, to the second; zero when it does not tell
	At        time.Time // our clock half way between request and answer
	Took      time.Duration
	Expires   time.Time // when the first certificate of the chain ends; zero without TLS
	Err       error     // an *Error, or nil when an answer came
}

// Inquire looks the host up, connects, and asks once, as attempts do: by the
// same proxy and authorities, without following a redirect, within Attempt.
// Its errors hold no secret and no URL.
func Inquire(ctx context.Context, cfg HTTPConfig, q Inquiry) (Reply, error) {
	if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, q.Method) {
		return Reply{}, fmt.Errorf("inquire: %s is not harmless", q.Method)
	}
	if err := cfg.Validate(); err != nil {
		return Reply{}, fmt.Errorf("check HTTP settings: %w", err)
	}
	var guard dialGuard
	if q.Public {
		guard = publicOnly
	}
	transport, err := cfg.transport(guard)
	if err != nil {
		return Reply{}, fmt.Errorf("check HTTP settings: %w", err)
	}
	defer transport.CloseIdleConnections()
	attempt, cancel := context.WithTimeout(ctx, cfg.Attempt)
	defer cancel()
	var r Reply
	if cfg.Proxy == "" {
		if r.Addresses, err = net.DefaultResolver.LookupHost(attempt, q.URL.Hostname()); err != nil {
			r.Err = failureOf(ctx, attempt, err)
			return r, nil
		}
	}
	r.ask(ctx, attempt, transport, q)
	return r, nil
}

func (r *Reply) ask(ctx, attempt context.Context, transport *http.Transport, q Inquiry) {
	request := (&http.Request{Method: q.Method, URL: q.URL, Host: q.URL.Host, Header: q.Header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(attempt)
	if request.Header == nil {
		request.Header = http.Header{}
	}
	began := time.Now()
	response, err := transport.RoundTrip(request)
	if err != nil {
		r.Err = failureOf(ctx, attempt, err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	r.Took, r.Status = time.Since(began), response.StatusCode
	r.At = began.Add(r.Took / 2)
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		r.Date = date
	}
	if response.TLS != nil {
		for _, certificate := range response.TLS.PeerCertificates {
			if r.Expires.IsZero() || certificate.NotAfter.Before(r.Expires) {
				r.Expires = certificate.NotAfter
			}
		}
	}
	r.Body, err = io.ReadAll(io.LimitReader(response.Body, int64(q.Bytes)))
	if err != nil && !errors.Is(err, io.EOF) {
		r.Err = failureOf(ctx, attempt, err)
	}
}

// Skew is how far the destination's clock is ahead of ours, and how far off
// that may be; false when it told no time.
func (r Reply) Skew() (ahead, within time.Duration, known bool) {
	if r.Date.IsZero() {
		return 0, 0, false
	}
	// A Date is cut to its second: half of one is added to be right on average.
	return r.Date.Add(time.Second / 2).Sub(r.At), time.Second/2 + r.Took/2, true
}
