package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	// keptBytes bounds the buffers that a pooled exchange holds on to: with
	// hundreds of attempts under way larger ones would be most of the memory.
	keptBytes = 128 << 10
	// keptExchanges is how many idle exchanges a client keeps.
	keptExchanges = 256
	// firstRead is where the buffer of an answer begins.
	firstRead = 512
)

// Options are what the author of a sink decides, not its user.
type Options struct {
	// AnswerBytes of an answer's body are read at most. A longer answer costs
	// its connection and is marked Truncated.
	AnswerBytes int
	// PublicOnly refuses to connect to private, link-local, metadata and other
	// reserved addresses: set it when an event's data can name the host.
	PublicOnly bool
	// WriteBytes is the buffer of a connection for writing. A request that fits
	// in goes out in one piece; for a larger one the transport takes 32 KiB
	// from the heap each time. 0: net/http's 4 KiB.
	WriteBytes int
}

// Client makes single HTTP attempts over pooled connections: HTTP/1.1 with
// keep-alive, or HTTP/2 where TLS offers it. It never follows a redirect, and
// never sends a body twice: the transport gets no way to rewind it, so it
// cannot replay one behind the budget's back. It is safe for concurrent use.
type Client struct {
	transport *http.Transport
	attempt   time.Duration
	maxAnswer int
	exchanges chan *Exchange // idle ones; a sync.Pool would leave their contexts behind
}

// NewClient returns a client that has started nothing and made no connection.
func NewClient(cfg HTTPConfig, opts Options) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check HTTP settings: %w", err)
	}
	if opts.AnswerBytes <= 0 {
		return nil, fmt.Errorf("check HTTP settings: the bound on answers must be above 0, have %d", opts.AnswerBytes)
	}
	var guard dialGuard
	if opts.PublicOnly {
		if cfg.Proxy != "" {
			return nil, errors.New("check HTTP settings: proxy: cannot be used when a host comes from a template, for the proxy would choose the address")
		}
		guard = publicOnly
	}
	transport, err := cfg.transport(guard)
	if err != nil {
		return nil, fmt.Errorf("check HTTP settings: %w", err)
	}
	transport.WriteBufferSize = opts.WriteBytes
	return &Client{
		transport: transport, attempt: cfg.Attempt, maxAnswer: opts.AnswerBytes,
		exchanges: make(chan *Exchange, keptExchanges),
	}, nil
}

// Close drops idle connections. Exchanges under way finish.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Exchange is one HTTP attempt: Begin, fill the exported fields, Do once, read
// the Answer, End. It belongs to one goroutine. The transport changes neither
// URL nor Header, so either may be shared between exchanges that leave it be.
type Exchange struct {
	Method string
	URL    *url.URL
	Header http.Header // a recycled exchange still has the one it was given
	Body   []byte      // the exchange's own buffer: append to Body[:0]

	client  *Client
	timing  timing
	request *http.Request // reused: the transport is done with it once the answer is read
	reader  bytes.Reader
	trace   *httptrace.ClientTrace
	written atomic.Bool // set by the transport when it has done with Body
	clean   bool        // an answer came, so nothing but a late write can touch Body
	// permitted is the caller's, asked once the connection is there; nil: always.
	permitted func() bool
	forbidden atomic.Bool // it said no
	answer    []byte
}

// timing bounds attempts by time, one after the other, with one context and
// one timer for as long as no attempt runs out of time.
type timing struct {
	caller context.Context //nolint:containedctx // what ctx was made of
	ctx    context.Context //nolint:containedctx // of the attempts; nil: none yet, or over
	cancel context.CancelFunc
	timer  *time.Timer
}

// begin starts an attempt's time and tells whether its context is a new one.
func (t *timing) begin(caller context.Context, limit time.Duration) bool {
	if t.ctx != nil && t.caller == caller {
		t.timer.Reset(limit)
		return false
	}
	t.drop()
	t.caller = caller
	t.ctx, t.cancel = context.WithCancel(caller)
	t.timer = time.AfterFunc(limit, t.cancel)
	return true
}

// end stops the clock. A context whose time was up cannot be used again.
func (t *timing) end() {
	if t.timer != nil && !t.timer.Stop() {
		t.drop()
	}
}

// drop lets the context go.
func (t *timing) drop() {
	if t.cancel != nil {
		t.timer.Stop()
		t.cancel()
	}
	*t = timing{}
}

// Answer is what an exchange came to.
type Answer struct {
	Status     int    // 0 when no status line came
	Body       []byte // at most Options.AnswerBytes; valid until End
	Truncated  bool   // there was more
	RetryAfter time.Duration
	Err        error // an *Error, or nil when the answer came whole
}

// Begin returns an exchange with an empty Body, recycled when it can be.
func (c *Client) Begin() *Exchange {
	select {
	case x := <-c.exchanges:
		return x
	default:
	}
	x := &Exchange{client: c}
	x.trace = &httptrace.ClientTrace{GotConn: x.connected, WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil { // after an error the transport may yet try another connection
			x.written.Store(true)
		}
	}}
	return x
}

// Do makes the attempt and returns within the client's attempt time, or as
// soon as ctx ends. Whatever came of it is in the answer.
func (x *Exchange) Do(ctx context.Context) Answer {
	if err := ctx.Err(); err != nil {
		return Answer{Err: failureOf(ctx, ctx, err)}
	}
	fresh := x.timing.begin(ctx, x.client.attempt)
	attempt := x.timing.ctx
	defer x.timing.end()
	if fresh {
		x.permitted, _ = ctx.Value(permissionKey{}).(func() bool)
	}
	x.forbidden.Store(false)
	if fresh || x.request == nil {
		blank := &http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
		x.request = blank.WithContext(httptrace.WithClientTrace(attempt, x.trace))
	}
	response, err := x.roundTrip()
	switch {
	case x.forbidden.Load():
		if err == nil {
			_ = response.Body.Close() // it cannot be: nothing was written
		}
		x.timing.drop()
		return Answer{Err: &Error{Cause: CauseStopped}}
	case err != nil:
		return Answer{Err: failureOf(ctx, attempt, err)}
	}
	x.clean = true
	answer := Answer{Status: response.StatusCode}
	if answer.Status/100 != 2 {
		answer.RetryAfter = RetryAfter(response.Header, time.Now())
	}
	if err := x.read(response.Body, &answer); err != nil {
		answer.Err = failureOf(ctx, attempt, err)
	}
	return answer
}

func (x *Exchange) roundTrip() (*http.Response, error) {
	x.written.Store(false)
	x.clean = false
	r := x.request
	r.Method, r.URL, r.Host, r.Header = x.Method, x.URL, x.URL.Host, x.Header
	r.Body, r.ContentLength = http.NoBody, int64(len(x.Body))
	if len(x.Body) > 0 {
		x.reader.Reset(x.Body)
		r.Body = io.NopCloser(&x.reader)
	}
	return x.client.transport.RoundTrip(r)
}

// read takes the body to its end, so that the connection can be used again, or
// to the bound, after which closing it drops the connection.
func (x *Exchange) read(body io.ReadCloser, answer *Answer) error {
	defer func() { _ = body.Close() }() // nothing is owed by a body that was read
	buf := x.answer[:0]
	defer func() { x.answer, answer.Body = buf[:0], buf }()
	for {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), max(2*cap(buf), firstRead))
			copy(grown, buf)
			buf = grown
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > x.client.maxAnswer:
			buf, answer.Truncated = buf[:x.client.maxAnswer], true
			return nil
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// End recycles the exchange; neither it nor its Answer's Body may be used
// afterwards. After an attempt whose request the transport may still be
// reading (no answer, or one that came before the request was written) the
// exchange is left to the garbage collector instead: a recycled buffer would
// put another user's event on the wire.
func (x *Exchange) End() {
	if !x.clean || !x.written.Load() || cap(x.Body) > keptBytes || cap(x.answer) > keptBytes {
		x.timing.drop()
		return
	}
	x.Method, x.URL, x.Body, x.clean = "", nil, x.Body[:0], false
	select {
	case x.client.exchanges <- x:
	default:
		x.timing.drop()
	}
}

// Verdict classifies the answer.
func (a Answer) Verdict() Verdict { return Classify(a.Status, a.Err) }

// Result is the answer as a Result for every event of the attempt, with a
// reason that holds nothing of what either end wrote.
func (a Answer) Result() Result {
	return Result{
		Verdict: a.Verdict(), Status: a.Status, RetryAfter: a.RetryAfter,
		Lost: CauseOf(a.Err).Lost(), Reason: a.reason(),
	}
}

// reason is empty for a delivered event.
func (a Answer) reason() string {
	switch {
	case a.Err != nil && a.Status == 0:
		return a.Err.Error()
	case a.Err != nil:
		return fmt.Sprintf("HTTP %d, answer incomplete: %v", a.Status, a.Err)
	case a.Status/100 == 2:
		return ""
	}
	if text := http.StatusText(a.Status); text != "" {
		return fmt.Sprintf("HTTP %d %s", a.Status, text)
	}
	return fmt.Sprintf("HTTP %d", a.Status)
}
