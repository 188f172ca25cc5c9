// Package webhook delivers to any HTTP endpoint, one event a request.
//
// The event's bytes are the body, untouched, unless a template makes another;
// a template may make the URL too. Each request carries the event's id as
// Idempotency-Key, the same on every redelivery, by which a receiver can drop
// repeats. Events that came as webhooks can be passed through as they came, and
// requests signed. A Sink makes one attempt a call and follows no redirect.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"text/template"
	"time"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/sink"
)

const (
	// keyHeader is the header that the IETF's draft has for this, and that
	// receivers know already.
	keyHeader   = "Idempotency-Key"
	traceHeader = "Traceparent"

	// answerBytes of an answer are read so that its connection can be used
	// again; what the answer says beyond its status is not looked at.
	answerBytes = 64 << 10
)

// Sink is one endpoint. It is safe for concurrent use.
type Sink struct {
	client   *sink.Client
	target   target
	body     *template.Template // nil: the event's bytes
	wantJSON bool               // what a template makes must be JSON
	method   string
	header   http.Header // copied into exchanges, never changed
	given    http.Header // the part of header that a request passed through cannot change; nil: none is passed through
	signer   *signer     // nil: nothing is signed
	rejects  []int
	limits   sink.Limits
}

// New returns a sink that has started nothing and made no connection. Its
// error lists every fault of cfg. Log hears what an operator must know of an
// unusual setting.
func New(cfg Config, log *zap.Logger) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check workspace %s: %w", cfg.Workspace, err)
	}
	to, err := parseTarget(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("check workspace %s: %w", cfg.Workspace, err)
	}
	s := &Sink{
		target: to, method: cfg.Method, header: cfg.header(to.auth), rejects: slices.Clone(cfg.Rejects),
		limits: sink.Limits{Items: 1, Bytes: cfg.MaxBytes},
	}
	if cfg.PassThrough {
		s.given = cfg.given(to.auth)
	}
	s.signer = newSigner(cfg.Sign)
	s.wantJSON = strings.Contains(strings.ToLower(s.header.Get("Content-Type")), "json")
	if cfg.Body != "" {
		if s.body, err = newTemplate("body", cfg.Body); err != nil {
			return nil, fmt.Errorf("check workspace %s: %w", cfg.Workspace, err)
		}
	}
	s.client, err = sink.NewClient(cfg.HTTP, sink.Options{AnswerBytes: answerBytes, PublicOnly: to.anyHost})
	if err != nil {
		return nil, fmt.Errorf("set up workspace %s: %w", cfg.Workspace, err)
	}
	if to.anyHost {
		log.Named("webhook").Info("events name the host; private addresses are refused", zap.String("workspace", cfg.Workspace))
	}
	return s, nil
}

// Limits are one event a request; see sink.Sink.
func (s *Sink) Limits() sink.Limits { return s.limits }

// Close drops idle connections.
func (s *Sink) Close() { s.client.Close() }

// Prepare checks that e is a JSON object, or anything when requests are passed
// through, of a size that may be sent. Templates are filled when the event is
// sent, not here.
func (s *Sink) Prepare(e *event.Event) {
	if s.given != nil {
		e.PrepareBytes()
	} else {
		e.PrepareObject()
	}
	if e.Fault == nil && e.Size > s.limits.Bytes {
		e.Fault = &event.Fault{
			Reason: event.ReasonTooLarge,
			Detail: fmt.Sprintf("an event may have %d bytes, have %d", s.limits.Bytes, e.Size),
		}
	}
}

// Deliver makes one attempt for one event. More than one are sent nowhere and
// asked to be split. An event that a template cannot be filled from, or whose
// host is at an address that is not public, is rejected.
func (s *Sink) Deliver(ctx context.Context, batch []*event.Event) sink.Result {
	switch len(batch) {
	case 0:
		return sink.Result{Verdict: sink.Delivered}
	case 1:
	default:
		return sink.Result{Verdict: sink.Unavailable, Split: true, Reason: "a webhook takes one event a request"}
	}
	x := s.client.Begin()
	defer x.End()
	if err := s.fill(x, batch[0]); err != nil {
		return sink.Result{Verdict: sink.Rejected, Reason: err.Error()}
	}
	if s.given != nil && len(x.Body) == 0 {
		keepFromReplay(x.Header)
	}
	s.signer.sign(x, time.Now())
	answer := x.Do(ctx)
	result := answer.Result()
	if answer.Status != 0 && slices.Contains(s.rejects, answer.Status) && result.Verdict != sink.Interrupted {
		result.Verdict = sink.Rejected
	}
	return result
}

// fill makes x the request for e.
func (s *Sink) fill(x *sink.Exchange, e *event.Event) error {
	x.Method, x.URL = s.method, s.target.fixed
	if s.given != nil {
		s.passThrough(x, e)
	} else {
		s.fillHeader(x, e)
	}
	if x.URL != nil && s.body == nil {
		x.Body = append(x.Body, e.Value...)
		return nil
	}
	fields, err := fieldsOf(e)
	if err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	if x.URL == nil {
		if x.URL, err = s.target.of(fields); err != nil {
			return fmt.Errorf("fill in url: %w", err)
		}
	}
	if s.body == nil {
		x.Body = append(x.Body, e.Value...)
		return nil
	}
	body := bytes.NewBuffer(x.Body)
	err = s.body.Execute(body, fields)
	x.Body = body.Bytes()
	switch {
	case err != nil:
		return fmt.Errorf("fill in body: %w", errUnfit)
	case s.wantJSON && len(x.Body) > 0 && !json.Valid(x.Body):
		return errors.New("fill in body: what comes out is not JSON")
	}
	return nil
}

// fillHeader gives a new exchange a header of its own; a recycled one only
// has the values of its last event replaced.
func (s *Sink) fillHeader(x *sink.Exchange, e *event.Event) {
	if x.Header == nil {
		x.Header = s.header.Clone()
		x.Header[keyHeader] = []string{""}
	}
	x.Header[keyHeader][0] = e.ID.String()
	switch {
	case e.Traceparent != "":
		x.Header[traceHeader] = []string{e.Traceparent}
	case s.header[traceHeader] == nil:
		delete(x.Header, traceHeader)
	}
}
