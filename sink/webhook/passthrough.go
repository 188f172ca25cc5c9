package webhook

import (
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"sluice/pipeline/event"
	"sluice/sink"
)

// isOurs reports whether a header belongs to one connection, or to the way in
// which a body is sent: sluice alone sets those.
func isOurs(canonical string) bool {
	return slices.Contains([]string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization",
		"Te", "Trailer", "Upgrade", "Expect",
	}, canonical)
}

// given are the headers that the configuration sets by name.
func (c Config) given(auth string) http.Header {
	given := http.Header{}
	for name, value := range c.Headers {
		given.Set(name, value)
	}
	if auth != "" {
		given.Set("Authorization", auth)
	}
	return given
}

// passThrough makes x's method and header those of the request that e came as.
// The sender's own Idempotency-Key stays, for it is the same on every repeat as
// well.
func (s *Sink) passThrough(x *sink.Exchange, e *event.Event) {
	if method := e.CarriedMethod(); slices.Contains(methods(), method) {
		x.Method = method
	}
	if x.Header == nil {
		x.Header = make(http.Header, len(s.header)+8)
	}
	clear(x.Header)
	for name, value := range e.Carried() {
		if canonical := textproto.CanonicalMIMEHeaderKey(name); !isOurs(canonical) {
			x.Header[canonical] = append(x.Header[canonical], string(value))
		}
	}
	for name, values := range s.header {
		if x.Header[name] == nil {
			x.Header[name] = values
		}
	}
	maps.Copy(x.Header, s.given)
	if x.Header[keyHeader] == nil {
		x.Header[keyHeader] = []string{e.ID.String()}
	}
	if e.Traceparent != "" {
		x.Header[traceHeader] = []string{e.Traceparent}
	}
}

// keepFromReplay writes the names of idempotency keys in lower case, which is the
// same on the wire. The transport sends a request without a body again by
// itself when it sees one, on another connection and behind the budget's back.
func keepFromReplay(h http.Header) {
	for _, name := range [...]string{keyHeader, "X-" + keyHeader} {
		if values := h[name]; values != nil {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}
