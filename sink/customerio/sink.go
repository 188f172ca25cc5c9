// Package customerio delivers to Customer.io's Track API.
//
// What Track v2 can say and hold goes in batches to /api/v2/batch, spliced
// from the events' own bytes. A batch of one goes there as well: the limit per
// entity is the same as /api/v2/entity's, and there is one form of answer to
// read. What v2 cannot say or hold goes by v1, one call each: large events and
// identifies, anonymous events, and the operations named by header. A Sink
// makes one attempt a call and follows no redirect, for one to the other
// region would carry people's data across.
package customerio

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/sink"
)

const (
	batchOpen  = `{"batch":[`
	batchClose = `]}`

	maxEntity = 32 * 1024 // bytes of one entity in a batch
	maxBatch  = 500_000   // bytes that a batch must stay under
	maxData   = 100_000   // bytes of an event's data by v1

	// answerBytes holds a 207 that names every one of the most items.
	answerBytes = 512 << 10
	// writeBytes holds a usual batch: 100 events of 500 bytes.
	writeBytes = 64 << 10
)

// Sink is one workspace of Customer.io. It is safe for concurrent use.
type Sink struct {
	client  *sink.Client
	base    url.URL
	batch   *url.URL
	header  http.Header // shared by all requests, never changed
	limits  sink.Limits
	secrets *strings.Replacer
}

// New returns a sink that has started nothing and made no connection. Its
// error lists every fault of cfg. Log hears what an operator must know of an
// unusual setting.
func New(cfg Config, log *zap.Logger) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check workspace %s: %w", cfg.Workspace, err)
	}
	base, err := cfg.base()
	if err != nil {
		return nil, fmt.Errorf("check workspace %s: %w", cfg.Workspace, err)
	}
	client, err := sink.NewClient(cfg.HTTP, sink.Options{AnswerBytes: answerBytes, WriteBytes: writeBytes})
	if err != nil {
		return nil, fmt.Errorf("set up workspace %s: %w", cfg.Workspace, err)
	}
	warn(cfg, base, log.Named("customerio"))
	credentials := cfg.SiteID + ":" + cfg.APIKey
	auth := base64.StdEncoding.EncodeToString([]byte(credentials))
	s := &Sink{
		client: client,
		base:   *base,
		header: http.Header{
			"Authorization": {"Basic " + auth},
			"Content-Type":  {"application/json"},
			"User-Agent":    {"sluice"},
		},
		limits: sink.Limits{
			Items: cfg.MaxBatchItems,
			// Event.Size leaves the commas out.
			Bytes: maxBatch - 1 - len(batchOpen) - len(batchClose) - (cfg.MaxBatchItems - 1),
		},
		secrets: strings.NewReplacer(
			auth, "…",
			base64.URLEncoding.EncodeToString([]byte(credentials)), "…",
			cfg.APIKey, "…",
		),
	}
	s.batch = s.at("/api/v2/batch", "")
	return s, nil
}

func warn(cfg Config, base *url.URL, log *zap.Logger) {
	workspace, host := zap.String("workspace", cfg.Workspace), zap.String("host", base.Host)
	if region := regionOf(base.Hostname()); region != "" && region != cfg.Region {
		log.Warn("data leaves its region", workspace, host, zap.String("region", cfg.Region), zap.String("reason", cfg.AllowCrossRegion))
	}
	if base.Scheme == "http" && !loopback(base.Hostname()) {
		log.Warn("data and credentials travel unencrypted", workspace, host)
	}
}

// Limits are those of a batch; see sink.Sink.
func (s *Sink) Limits() sink.Limits { return s.limits }

// Close drops idle connections.
func (s *Sink) Close() { s.client.Close() }

// Prepare decodes e as a Track v2 entity, or as the arguments of the operation
// that its header names, and decides how it goes. An event that neither API
// takes has a Fault afterwards. The Size of an event that goes by v1 is its
// entity's; the call's body differs from it by a few bytes.
func (s *Sink) Prepare(e *event.Event) {
	e.PrepareEntity()
	if e.Fault != nil {
		return
	}
	if single, fault := bySingleCall(e); fault != nil {
		e.Fault = fault
	} else if single {
		e.Solo = true
		e.Fault = s.checkSingle(e)
	}
}

// Deliver makes one attempt: a batch by v2, or a Solo event by v1. A batch
// that breaks the rules of sink.Sink is sent nowhere and asked to be split.
func (s *Sink) Deliver(ctx context.Context, batch []*event.Event) sink.Result {
	if len(batch) == 0 {
		return sink.Result{Verdict: sink.Delivered}
	}
	solo := slices.ContainsFunc(batch, func(e *event.Event) bool { return e.Solo })
	if solo && len(batch) > 1 {
		return sink.Result{Verdict: sink.Unavailable, Split: true, Reason: "an event that goes alone came with others"}
	}
	x := s.client.Begin()
	defer x.End()
	x.Header = s.header
	if solo {
		s.fill(x, batch[0])
	} else {
		x.Method, x.URL = http.MethodPost, s.batch
		x.Body = appendBatch(x.Body, batch)
	}
	result := s.result(x.Do(ctx), len(batch))
	if solo && result.Verdict == sink.Refused && result.Status == http.StatusNotFound && argument(batch[0].Op) != event.FieldNone {
		// The path names a form, a segment or a delivery that does not exist:
		// that is this event's fault, and must not stop the workspace.
		result.Verdict = sink.Rejected
	}
	return result
}

// appendBatch packs what fits Limits into less than maxBatch bytes.
func appendBatch(dst []byte, batch []*event.Event) []byte {
	size := len(batchOpen) + len(batch) + len(batchClose)
	for _, e := range batch {
		size += e.Size
	}
	dst = append(slices.Grow(dst, size), batchOpen...)
	for i, e := range batch {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.AppendEntity(dst)
	}
	return append(dst, batchClose...)
}
