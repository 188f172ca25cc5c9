package simulator

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// request is one decoded HTTP request. Requests are reused, with their memory.
type request struct {
	endpoint     *endpoint
	target       string   // the path and query as asked
	args         []string // the parts of the path that vary
	query        url.Values
	contentType  string
	site, secret string // of the credentials; empty without

	buffer bytes.Buffer
	body   []byte // without blanks around it
	calls  []call // what it asks for, at least one after decode, save for the region
	flaw   *flaw  // what is wrong with the whole
}

// read takes in a request and decodes it. It returns an error when the body
// did not arrive whole: then nothing was asked.
func (q *request) read(r *http.Request, e *endpoint, args []string) error {
	*q = request{endpoint: e, args: args, target: r.URL.RequestURI(), buffer: q.buffer, calls: q.calls[:0]}
	if r.URL.RawQuery != "" {
		q.query = r.URL.Query()
	}
	q.contentType = r.Header.Get("Content-Type")
	q.site, q.secret, _ = basicAuth(r.Header.Get("Authorization"))

	q.buffer.Reset()
	if r.ContentLength > 0 && r.ContentLength <= maxBodyBytes {
		// One allocation, and room for the read that finds the end.
		q.buffer.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	if _, err := q.buffer.ReadFrom(io.LimitReader(r.Body, maxBodyBytes+1)); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	q.body = bytes.TrimSpace(q.buffer.Bytes())
	q.decode()
	return nil
}

// decode fills calls or flaw. An empty body counts as none.
func (q *request) decode() {
	switch {
	case len(q.body) > maxBodyBytes:
		q.flaw = invalid("body", "body is too large")
	case len(q.body) > 0 && !valid(q.body):
		q.flaw = invalid("body", "body is not valid JSON")
	default:
		q.endpoint.decode(q)
	}
	if len(q.calls) == 0 && q.endpoint.shape != shapeRegion {
		q.calls = append(q.calls, q.unread())
	}
}

// unread is the one call of a request that could not be read.
func (q *request) unread() call {
	c := call{op: opUnreadable, flaw: q.flaw}
	if len(q.endpoint.segments) > 3 && q.endpoint.segments[2] == "customers" {
		c.user, _ = pathIdent(q.args[0])
	}
	return c
}

// add appends an empty call and returns it, valid until the next one.
func (q *request) add(o op) *call {
	q.calls = append(q.calls, call{op: o})
	return &q.calls[len(q.calls)-1]
}

// object returns the body's members as raw JSON. An absent or null body is an
// empty object; anything but an object is a flaw.
func (q *request) object() ([]byte, *flaw) {
	if isNull(q.body) {
		return nil, nil
	}
	if !isObject(q.body) {
		return nil, invalid("body", "body must be an object")
	}
	return q.body, nil
}

// mentions reports whether the request is about one of the users, in any role.
func (q *request) mentions(users map[string]bool) bool {
	if len(users) == 0 {
		return false
	}
	for i := range q.calls {
		if users[q.calls[i].user.value] || users[q.calls[i].other.value] {
			return true
		}
	}
	return false
}
