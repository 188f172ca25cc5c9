package gateway

import (
	"net/http"
	"runtime"
	"strings"
	"time"

	"go.uber.org/zap"

	"sluice/pipeline/event"
)

// exchange is one request and its answer. One goroutine owns it.
type exchange struct {
	g        *Gateway
	access   *access // as it was when the request came
	w        http.ResponseWriter
	r        *http.Request
	started  time.Time
	name     string            // of the endpoint, a metric label
	refuse   func(fault) reply // words a 400
	patience time.Duration     // longest wait for Kafka
	hold     *hold             // the request's memory
	status   int               // as answered; 0 before
	lost     bool              // the answer cannot have reached the client
	ticket   ticket            // of the ids given to its events
}

// serve answers one request.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{
		g: g, access: g.access.Load(), w: w, r: r, started: time.Now(), name: "other", refuse: refuseMeta, patience: g.cfg.AppendTimeout,
		hold: g.room.enter(),
	}
	defer x.end()
	x.nameRequest()
	if x.access.cors.preflight(x) {
		return
	}
	if strings.HasPrefix(r.URL.EscapedPath(), "/webhooks/") && x.access.webhooks.serve(x) {
		return
	}
	x.track()
}

// end closes the exchange, whatever became of it.
func (x *exchange) end() {
	if cause := recover(); cause != nil {
		x.panicked(cause)
	}
	x.g.ids.settle(x.ticket, x.status < http.StatusBadRequest && !x.lost)
	x.hold.leave()
	x.g.metrics.answered(x.name, x.status, time.Since(x.started))
}

// panicked answers for a fault of our own. The cause may hold what was sent,
// so only that of the runtime, which does not, is logged.
func (x *exchange) panicked(cause any) {
	fields := []zap.Field{zap.String("endpoint", x.name), zap.String("request", x.requestID()), zap.Stack("stack")}
	if err, ok := cause.(runtime.Error); ok {
		fields = append(fields, zap.Error(err))
	}
	x.g.log.Error("a request met a fault in the gateway", fields...)
	x.answer(x.g.busy())
}

// track serves the Track API.
func (x *exchange) track() {
	path := x.r.URL.EscapedPath()
	e, args := route(x.r.Method, path)
	if e == nil {
		x.answer(nowhere(path))
		return
	}
	x.name = e.name
	if e.refuse != nil {
		x.refuse = e.refuse
	}
	who, refused := x.admit(e)
	if refused.status != 0 {
		x.answer(refused)
		return
	}
	body, refused := x.read(e.maxBody)
	if refused.status != 0 {
		x.answer(refused)
		return
	}
	c := &call{args: args, body: body, now: time.Now(), stream: who.stream, contentType: x.r.Header.Get("Content-Type")}
	if x.r.URL.RawQuery != "" {
		c.query = x.r.URL.Query()
	}
	x.answer(x.take(e, c, who))
}

// take decodes a call, appends its records and returns the answer.
func (x *exchange) take(e *endpoint, c *call, who *caller) reply {
	items, refused := e.decode(c)
	if refused.status != 0 {
		return refused
	}
	if !x.hold.take(int64(len(items)+len(c.faults)) * itemSize) {
		return x.g.busy()
	}
	items, streams := who.sort(c, items)
	if len(c.faults) > 0 && e.partial == nil {
		return x.refuse(c.faults[0])
	}
	tooLarge, refused := x.append(x.records(c, who, items, streams))
	if refused.status != 0 {
		return refused
	}
	x.g.metrics.appended(streams, tooLarge)
	for _, i := range tooLarge {
		c.faults = append(c.faults, fault{items[i].index, reasonInvalid, "", "larger than its stream takes"})
	}
	switch {
	case len(c.faults) == 0:
		return e.ok
	case e.partial == nil:
		return x.refuse(c.faults[0])
	default:
		return e.partial(c.faults)
	}
}

// itemSize is what a record takes here beside its value: item, record, header
// and what waits for its acknowledgement. The appender bounds its own.
const itemSize = 320

// records makes the records of the items, each for its stream. Events without
// an id get theirs here.
func (x *exchange) records(c *call, who *caller, items []item, streams []*Stream) []event.Record {
	records := make([]event.Record, len(items))
	headers := make([]event.Header, 0, len(items)+1)
	at := c.now
	if needsMemory(items) {
		x.ticket = x.g.ids.open(x.fingerprint(who, c.body), retried(x.r), x.r.Context().Done(), c.now)
		at = x.ticket.at
	}
	text := make([]byte, 0, len(items)*ulidSize)
	for i := range items {
		it, from := &items[i], len(headers)
		if it.named {
			start := len(text)
			text = x.ticket.appendID(text, i)
			headers = append(headers, event.Header{Key: event.HeaderID, Value: text[start:len(text):len(text)]})
		}
		if it.op.ByHeader() {
			headers = append(headers, event.Header{Key: event.HeaderOp, Value: []byte(it.op.String())})
		}
		records[i] = event.Record{
			Topic: streams[i].Topic, Partition: -1, Key: it.key, Value: it.value,
			Headers: headers[from:len(headers):len(headers)], Time: at,
		}
	}
	return records
}
