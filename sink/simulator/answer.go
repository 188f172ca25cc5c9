package simulator

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// batchFlaw is one entry of a v2 answer's errors.
type batchFlaw struct {
	BatchIndex *int   `json:"batch_index,omitempty"`
	Reason     string `json:"reason"`
	Field      string `json:"field"`
	Message    string `json:"message"`
}

func wording(f *flaw, index *int) batchFlaw {
	return batchFlaw{BatchIndex: index, Reason: f.reason, Field: f.field, Message: f.message}
}

// answerBody is what the documentation says for the outcome.
func answerBody(q *request, o outcome) []byte {
	switch o.status {
	case http.StatusOK:
		if q.endpoint.shape == shapeRegion {
			return encode(map[string]any{
				"url": trackHost(o.home), "region": o.home, "environment_id": environmentOf(q.site),
			})
		}
		return []byte("{}\n")
	case http.StatusNoContent, 0:
		return nil
	case http.StatusMultiStatus:
		var errs []batchFlaw
		for i := range q.calls {
			if q.calls[i].flaw != nil {
				errs = append(errs, wording(q.calls[i].flaw, &i))
			}
		}
		return encode(map[string]any{"errors": errs})
	case http.StatusBadRequest:
		return flawBody(q)
	case http.StatusMovedPermanently:
		return encode(map[string]any{"errors": []map[string]string{{"detail": "wrong datacenter", "status": "301"}}})
	case http.StatusUnauthorized:
		return metaError("Unauthorized request")
	}
	return metaError(http.StatusText(o.status))
}

// flawBody words a 400 as the endpoint does.
func flawBody(q *request) []byte {
	f := q.flaw
	if f == nil {
		f = q.calls[0].flaw
	}
	switch q.endpoint.shape {
	case shapeEntity, shapeBatch:
		return encode(map[string]any{"errors": []batchFlaw{wording(f, nil)}})
	case shapeMerge:
		return metaError(f.message)
	case shapeV1, shapeForm, shapeRegion:
	}
	return encode(map[string]any{"meta": map[string][]string{"errors": {f.message}}})
}

func metaError(message string) []byte {
	return encode(map[string]any{"meta": map[string]string{"error": message}})
}

// encode returns v as one line of JSON. All that is given to it can be encoded.
func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		return []byte("{}\n")
	}
	return append(raw, '\n')
}

// exchange is one request on the wire.
type exchange struct {
	w        http.ResponseWriter
	r        *http.Request
	stopping <-chan struct{} // closed when the server stops; nil when nobody will
}

// answer gives the client its answer, or what it gets instead.
func (x exchange) answer(q *request, o outcome) {
	w, r := x.w, x.r
	if o.hang {
		select {
		case <-r.Context().Done():
		case <-x.stopping:
		}
		sever(w, o, nil)
		return
	}
	if !pause(r.Context(), o.delay) {
		sever(w, outcome{}, nil)
		return
	}
	body := answerBody(q, o)
	if o.cut {
		sever(w, o, body)
		return
	}
	if o.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(o.retryAfter))
	}
	if o.status == http.StatusMovedPermanently {
		w.Header().Set("Location", trackHost(o.home)+q.target)
	}
	write(w, o.status, body)
}

// write sends an answer as the API does: JSON with its length, or nothing.
func write(w http.ResponseWriter, status int, body []byte) {
	if len(body) > 0 {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	// A client that has gone is told nothing.
	_, _ = w.Write(body) //nolint:gosec // JSON by its Content-Type: no browser runs it
}

// pause waits for d, and reports false when the client went first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// sever closes the connection without an answer, or after half of one.
func sever(w http.ResponseWriter, o outcome, body []byte) {
	half := body[:len(body)/2]
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// HTTP/2 has no connection to give away: an answer that is shorter than
		// its stated length ends there as a broken stream.
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(half)
		return
	}
	if o.half {
		head := "HTTP/1.1 " + strconv.Itoa(o.status) + " " + http.StatusText(o.status) +
			"\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
		if len(body) == 0 {
			// A head without a body would be a whole answer.
			head = head[:len(head)/2]
		}
		_, _ = conn.Write(append([]byte(head), half...))
	}
	_ = conn.Close()
}
