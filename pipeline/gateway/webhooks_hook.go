package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"sluice/pipeline/event"
)

// answerWithin bounds the time to an answer. Customer.io waits four seconds;
// whoever has given up does not hear when to come again.
const (
	answerWithin = 3500 * time.Millisecond
	leastStoring = 250 * time.Millisecond // however late the body came
)

// maxKey bounds a user's name, as maxArgument does in a path. A longer one
// names nobody.
const maxKey = maxArgument

// hook is a Webhook at work. It is safe for concurrent use.
type hook struct {
	name       string
	reports    bool // its sender waits for an hour after a refusal
	stream     Stream
	guard      guard
	keys, ids  []place
	requireKey bool
	carry      carried
	maxBytes   int

	repeats    *repeats
	counts     hookCounts
	complaints [outcomeBusy + 1]sampled
}

// newHook returns every fault of w, joined.
func newHook(w Webhook, stream Stream) (*hook, error) {
	faults := w.faults()
	h := &hook{
		name: w.Name, reports: w.Scheme == SchemeCustomerio, stream: stream, requireKey: w.RequireKey, maxBytes: w.MaxBytes, repeats: newRepeats(rememberedHooks),
	}
	var err error
	if h.guard, err = newGuard(w); err != nil {
		faults = append(faults, parts(err)...)
	}
	if h.keys, err = parsePlaces("key", w.Key); err != nil {
		faults = append(faults, parts(err)...)
	}
	if h.ids, err = parsePlaces("id", w.ID); err != nil {
		faults = append(faults, parts(err)...)
	}
	if w.RequireKey && len(w.Key) == 0 {
		faults = append(faults, errors.New("key: must name a place when one is required"))
	}
	if h.carry, err = newCarried(w); err != nil {
		faults = append(faults, parts(err)...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return h, nil
}

// serve reports whether there is such a webhook; it has then answered.
func (h *webhooks) serve(x *exchange) bool {
	found := h.byName[strings.TrimPrefix(x.r.URL.EscapedPath(), "/webhooks/")]
	if found == nil {
		return false
	}
	x.name = "webhook"
	became, rp := found.take(x, &h.reading)
	found.count(x, became)
	x.answer(rp)
	return true
}

// take brings one webhook to Kafka and returns the answer.
func (h *hook) take(x *exchange, reading *atomic.Int64) (outcome, reply) {
	if !slices.Contains(hookMethods(), x.r.Method) {
		rp := metaError(http.StatusMethodNotAllowed, "the webhook does not take this method")
		rp.allow = strings.Join(hookMethods(), ", ")
		return outcomeUnfit, rp
	}
	if o := h.guard.presented(x.r); o != outcomeNone {
		return unproven(o)
	}
	body, became, refused := h.read(x, reading)
	switch {
	case refused.status != 0:
		return became, refused
	case became != outcomeNone:
		return unproven(became)
	}
	return h.store(x, body)
}

// read returns the body of a proven webhook, or what is to be said instead.
// Whoever may upload before anything is known of him shares a half of the
// memory with his like, so that he cannot shut out the callers of the API.
func (h *hook) read(x *exchange, reading *atomic.Int64) ([]byte, outcome, reply) {
	if h.guard.needsBody() {
		size := int64(h.maxBytes)
		if x.r.ContentLength >= 0 {
			size = min(size, x.r.ContentLength)
		}
		most := x.g.room.limit / 2
		size = min(2*size+overhead, most) // as much room as the body takes, and never too much for one
		defer reading.Add(-size)
		if reading.Add(size) > most {
			return nil, outcomeBusy, x.g.busy()
		}
	}
	body, refused := x.read(h.maxBytes)
	switch refused.status {
	case 0:
		return body, h.guard.proven(x.r, body, x.started), reply{}
	case http.StatusServiceUnavailable:
		return nil, outcomeBusy, refused
	default:
		return nil, outcomeUnfit, refused
	}
}

// unproven is the answer to who cannot be let in. It does not say why: only the
// operator is to know.
func unproven(o outcome) (outcome, reply) {
	return o, metaError(http.StatusUnauthorized, "the webhook's signature or token is not accepted")
}

// store appends a proven webhook, unless that has been done.
func (h *hook) store(x *exchange, body []byte) (outcome, reply) {
	key := h.key(x.r, body)
	if key == nil && h.requireKey {
		return outcomeKeyless, x.refuse(fault{reason: reasonRequired, field: "key", message: "the webhook names no user"})
	}
	headers, err := h.carry.headers(x.r)
	if err != nil {
		return outcomeUnfit, metaError(http.StatusRequestEntityTooLarge, err.Error())
	}
	if !x.hold.take(recordSize(headers)) {
		return outcomeBusy, x.g.busy()
	}
	id, known := h.id(x.r, body)
	if !known {
		return h.append(x, h.record(x, key, body, headers))
	}
	headers = append(headers, event.Header{Key: event.HeaderID, Value: []byte(id.String())})
	claimed, err := h.repeats.claim(id, patience(x))
	switch {
	case err != nil:
		return outcomeBusy, x.g.busy()
	case !claimed:
		return outcomeRepeated, okReply()
	}
	became := outcomeBusy
	defer func() { h.repeats.settle(id, became == outcomeStored) }()
	became, rp := h.append(x, h.record(x, key, body, headers))
	return became, rp
}

// recordSize is what a record takes beside its value.
func recordSize(headers []event.Header) int64 {
	size := itemSize
	for _, f := range headers {
		size += len(f.Key) + len(f.Value)
	}
	return int64(size)
}

// record is what goes to Kafka: the body as it came.
func (h *hook) record(x *exchange, key, body []byte, headers []event.Header) event.Record {
	if body == nil {
		body = []byte{} // nil would be a tombstone
	}
	return event.Record{Topic: h.stream.Topic, Partition: -1, Key: key, Value: body, Headers: headers, Time: x.started}
}

// patience is how long a webhook may wait from now on.
func patience(x *exchange) time.Duration {
	return min(x.patience, max(answerWithin-time.Since(x.started), leastStoring))
}

func (h *hook) append(x *exchange, r event.Record) (outcome, reply) {
	x.patience = patience(x)
	tooLarge, refused := x.append([]event.Record{r})
	switch {
	case refused.status != 0:
		return outcomeBusy, refused
	case len(tooLarge) > 0:
		return outcomeUnfit, metaError(http.StatusRequestEntityTooLarge, "the webhook is larger than its stream takes")
	}
	x.g.metrics.appended([]*Stream{&h.stream}, nil)
	return outcomeStored, okReply()
}

// key is the user's, nil when no place names one.
func (h *hook) key(r *http.Request, body []byte) []byte {
	for _, p := range h.keys {
		value := p.find(r, body)
		if value == "" || len(value) > maxKey {
			continue
		}
		switch p.member() {
		case "email", "email_address":
			return event.KeyOfEmail(value)
		case "cio_id":
			return event.KeyOfCioID(strings.TrimPrefix(value, "cio_"))
		default:
			return event.KeyOfID(value)
		}
	}
	return nil
}

// count counts a webhook and tells the operator, now and then, of what should
// not be.
func (h *hook) count(x *exchange, o outcome) {
	h.counts[o].Inc()
	var what string
	switch o {
	case outcomeUnproven:
		what = "webhooks are refused: their signature or token is absent or wrong"
	case outcomeStale:
		what = "webhooks are refused: well signed, but their timestamp is outside the window; look at the clock, or set a wider one"
	case outcomeKeyless:
		what = "webhooks are refused: they name no user, and a key is required"
	case outcomeUnfit:
		what = "webhooks are refused: too large, cut short or of a method that is not taken"
	default:
		return
	}
	missed, say := h.complaints[o].now(x.started)
	if !say {
		return
	}
	level := zap.ErrorLevel
	switch {
	case o == outcomeUnfit: // anybody can bring that about
		level = zap.WarnLevel
	case h.reports:
		what += ". Customer.io holds back all later ones for an hour at each refusal, and gives up after seven days"
	}
	x.g.log.Log(level, what, zap.String("webhook", h.name), zap.String("request", x.requestID()), zap.Int64("unsaid", missed))
}
