package gateway

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
)

// flaw is one entry of errors, as v2 words it.
type flaw struct {
	Index   *int   `json:"batch_index,omitempty"`
	Reason  string `json:"reason"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// refuseV2 is the 400 of the v2 endpoints.
func refuseV2(f fault) reply {
	return reply{status: http.StatusBadRequest, body: encoded(map[string]any{"errors": []flaw{{nil, f.reason, f.field, f.message}}})}
}

// partialV2 is the 207 of a batch: the items that it does not name were taken.
func partialV2(faults []fault) reply {
	slices.SortStableFunc(faults, func(a, b fault) int { return cmp.Compare(a.index, b.index) })
	list := make([]flaw, len(faults))
	for i := range faults {
		f := &faults[i]
		list[i] = flaw{&f.index, f.reason, f.field, f.message}
	}
	return reply{status: http.StatusMultiStatus, body: encoded(map[string]any{"errors": list})}
}

// refuseMeta is the 400 of v1, and of what belongs to no endpoint.
func refuseMeta(f fault) reply {
	return reply{status: http.StatusBadRequest, body: encoded(map[string]any{"meta": map[string]any{"errors": []string{f.message}}})}
}

// metaError is an answer that the API's specification does not word. Its
// libraries look for meta.error whatever they called.
func metaError(status int, message string) reply {
	return reply{status: status, body: encoded(map[string]any{"meta": map[string]any{"error": message}})}
}

// encoded is v as a line of JSON. All that is given to it can be encoded.
func encoded(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		return []byte("{}\n")
	}
	return append(raw, '\n')
}

// okReply is what the API answers when it has taken everything.
func okReply() reply { return reply{status: http.StatusOK, body: []byte("{}\n")} }

// answer sends rp, once: what comes after the first is left out. Whether the
// client can have got it shows in x.lost.
func (x *exchange) answer(rp reply) {
	if x.status != 0 {
		return
	}
	x.status = rp.status
	h := x.w.Header()
	if len(rp.body) > 0 {
		h["Content-Type"] = x.g.jsonType
	}
	if rp.status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.Itoa(len(rp.body))}
	}
	if rp.allow != "" {
		h.Set("Allow", rp.allow)
	}
	if rp.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(rp.retryAfter.Seconds()))))
	}
	if rp.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="track"`)
	}
	// Who closes its connection after the answer has it; who had gone before has not.
	gone := x.r.Context().Err() != nil
	x.w.WriteHeader(rp.status)
	_, err := x.w.Write(rp.body)
	// Only a flush can tell that the connection has gone: a short answer stays
	// in the buffer.
	if flushErr := http.NewResponseController(x.w).Flush(); err == nil {
		err = flushErr
	}
	x.lost = err != nil || gone
}

// maxRequestID bounds a request id that is taken over.
const maxRequestID = 128

// nameRequest gives the request its id: the caller's when it is fit for a log
// line, else a new one.
func (x *exchange) nameRequest() {
	given := x.r.Header["X-Request-Id"]
	if len(given) == 1 && sane(given[0]) {
		x.w.Header()["X-Request-Id"] = given
		return
	}
	x.w.Header()["X-Request-Id"] = []string{newULID(x.started).String()}
}

// requestID is the id that nameRequest gave.
func (x *exchange) requestID() string { return x.w.Header().Get("X-Request-Id") }

func sane(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// newULID is a ULID of that time; its 80 random bits are the runtime's.
func newULID(at time.Time) ulid.ULID {
	var id ulid.ULID
	ms := min(uint64(max(at.UnixMilli(), 0)), ulid.MaxTime())
	// The only error is a time above the maximum.
	_ = id.SetTime(ms)
	fillRandom(id[6:])
	return id
}
