package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sluice/pipeline/event"
)

// carried says which headers of a request travel with its record.
type carried struct {
	names    []string // canonical
	prefixes []string // canonical, without the star
	secret   string   // the header that holds the sender's token
}

// newCarried returns every fault, joined.
func newCarried(w Webhook) (carried, error) {
	c := carried{names: []string{"Content-Type", "User-Agent", "Idempotency-Key"}, secret: http.CanonicalHeaderKey(w.Token.Header)}
	var faults []error
	for i, pattern := range w.Carry {
		name, many := strings.CutSuffix(pattern, "*")
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case name == "" && many:
		case !isFieldName(name):
			faults = append(faults, fmt.Errorf("carry[%d]: %q is not a header's name, nor the beginning of one and a star", i, pattern))
		case !many && hopByHop(canonical):
			faults = append(faults, fmt.Errorf("carry[%d]: %s belongs to one connection and cannot travel", i, canonical))
		}
		if many {
			c.prefixes = append(c.prefixes, canonical)
		} else {
			c.names = append(c.names, canonical)
		}
	}
	// Faults of guard and places are reported where those are made.
	if g, err := newGuard(w); err == nil {
		c.names = append(c.names, g.shown()...)
	}
	for _, text := range slices.Concat(w.Key, w.ID) {
		if p, err := parsePlace(text); err == nil && p.header != "" && !c.confidential(p.header) {
			c.names = append(c.names, p.header)
		}
	}
	return c, errors.Join(faults...)
}

// confidential are headers that travel only by their full name.
func (c carried) confidential(name string) bool {
	return name == "Authorization" || name == "Cookie" || name == c.secret
}

// takes reports whether a header travels.
func (c carried) takes(name string) bool {
	switch {
	case hopByHop(name):
		return false
	case slices.Contains(c.names, name):
		return true
	case c.confidential(name):
		return false
	}
	return slices.ContainsFunc(c.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// headers are those of the record of r.
func (c carried) headers(r *http.Request) ([]event.Header, error) {
	fields := make([]event.Header, 0, 8)
	for name, values := range r.Header {
		if !c.takes(name) || namedByConnection(r, name) {
			continue
		}
		for _, value := range values {
			fields = append(fields, event.Header{Key: name, Value: []byte(value)})
		}
	}
	// A map's order is none; values of one name keep theirs.
	slices.SortStableFunc(fields, func(a, b event.Header) int { return strings.Compare(a.Key, b.Key) })
	headers, err := event.Carry(r.Method, fields)
	if err != nil {
		return nil, fmt.Errorf("carry the request's headers: %w", err)
	}
	if trace := r.Header["Traceparent"]; len(trace) == 1 {
		headers = append(headers, event.Header{Key: event.HeaderTraceparent, Value: []byte(trace[0])})
	}
	return headers, nil
}

// namedByConnection reports whether a request calls a header one of its
// connection's own.
func namedByConnection(r *http.Request, name string) bool {
	for _, line := range r.Header["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(option), name) {
				return true
			}
		}
	}
	return false
}
