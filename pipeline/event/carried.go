package event

import (
	"errors"
	"iter"
	"slices"
	"strings"
)

// The headers of a record that came as an HTTP request, which a destination may
// be told to repeat. They are no more to be trusted than the value: anybody who
// may write to the topic may set them.
const (
	HeaderHTTPMethod = "http-method"
	// HeaderHTTPPrefix leads one header of the request, its name in lower case.
	// One that is given twice stands twice.
	HeaderHTTPPrefix = "http-header-"
)

// Bounds on the HTTP headers of one record, their names and values together.
const (
	MaxCarried      = 64
	MaxCarriedBytes = 16 << 10
)

// ErrCarriesTooMuch says that a request has more headers to carry than a record
// takes.
var ErrCarriesTooMuch = errors.New("more than 64 headers, or more than 16 KiB of them")

// Carry makes the headers of a record that came as an HTTP request of that
// method: one for each of fields, whose Key is a header's name in any case. It
// shares their values. What no HTTP request could have is left out.
func Carry(method string, fields []Header) ([]Header, error) {
	made := make([]Header, 0, len(fields)+1)
	made = append(made, Header{Key: HeaderHTTPMethod, Value: []byte(method)})
	size := 0
	for _, f := range fields {
		name := strings.ToLower(f.Key)
		if len(name) != len(f.Key) || !fitsHTTP(name, f.Value) { // letters beyond ASCII may have one in it
			continue
		}
		if size += len(name) + len(f.Value); size > MaxCarriedBytes || len(made) > MaxCarried {
			return nil, ErrCarriesTooMuch
		}
		made = append(made, Header{Key: HeaderHTTPPrefix + name, Value: f.Value})
	}
	return made, nil
}

// CarriedMethod is the method of the HTTP request that the record came as,
// empty when it says none.
func (e *Event) CarriedMethod() string {
	for _, h := range slices.Backward(e.headers) {
		if h.Key == HeaderHTTPMethod {
			return string(h.Value)
		}
	}
	return ""
}

// Carried yields the headers of the HTTP request that the record came as, names
// in lower case, in their order. It leaves out what no request may have, and
// what exceeds MaxCarried or MaxCarriedBytes. The values are the event's own:
// they are valid until the event is loaded again and must not be changed.
func (e *Event) Carried() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		count, size := 0, 0
		for _, h := range e.headers {
			name, ok := strings.CutPrefix(h.Key, HeaderHTTPPrefix)
			if !ok || !fitsHTTP(name, h.Value) {
				continue
			}
			count++
			size += len(name) + len(h.Value)
			if count > MaxCarried || size > MaxCarriedBytes || !yield(name, h.Value) {
				return
			}
		}
	}
}

// fitsHTTP reports whether a header may stand in a request: its name is a token
// of RFC 9110, section 5.6.2, in lower case, its value has no control
// characters.
func fitsHTTP(name string, value []byte) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return name != ""
}

// PrepareBytes fits e for a destination that takes any bytes, sent as they are.
// It sets ID, Op and Size, unless there is a Fault.
func (e *Event) PrepareBytes() {
	if e.Fault != nil {
		return
	}
	e.body.from, e.body.to = 0, len(e.Value)
	e.ID = e.headerOrDerivedID()
	e.Op = OpSend
	e.Size = len(e.Value)
}
