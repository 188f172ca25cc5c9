package event

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// walker steps over the members of an object or the elements of an array that
// is known to be valid JSON, without copying. It checks nothing.
type walker struct {
	b    []byte
	open int // of the bracket
	at   int // of the next byte to read; after the closing bracket at the end
}

// walk starts before the first member of the object or array in b.
func walk(b []byte) walker {
	open := skipSpace(b, 0)
	return walker{b: b, open: open, at: open + 1}
}

// member returns the next member of an object, its name in quotes, as spans of
// the walked bytes; false at the end.
func (w *walker) member() (name, value span, ok bool) {
	if !w.more() {
		return span{}, span{}, false
	}
	name = span{w.at, skipString(w.b, w.at)}
	w.at = skipSpace(w.b, skipSpace(w.b, name.to)+1) // the colon
	value = w.value()
	return name, value, true
}

// element returns the next element of an array; false at the end.
func (w *walker) element() (value span, ok bool) {
	if !w.more() {
		return span{}, false
	}
	return w.value(), true
}

// more moves to the next name or element, or past the closing bracket.
func (w *walker) more() bool {
	w.at = skipSpace(w.b, w.at)
	switch w.b[w.at] {
	case ',':
		w.at = skipSpace(w.b, w.at+1)
		return true
	case '}', ']':
		w.at++
		return false
	default:
		return true
	}
}

func (w *walker) value() span {
	from := w.at
	w.at = skipValue(w.b, from)
	return span{from, w.at}
}

// skipValue is the index after the valid JSON value at b[at].
func skipValue(b []byte, at int) int {
	switch b[at] {
	case '"':
		return skipString(b, at)
	case '{', '[':
		return skipNested(b, at)
	}
	for at < len(b) {
		switch b[at] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			return at
		}
		at++
	}
	return at
}

// skipNested is the index after the bracket that closes the one at b[at].
func skipNested(b []byte, at int) int {
	depth := 0
	for {
		switch b[at] {
		case '"':
			at = skipString(b, at)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		at++
		if depth == 0 {
			return at
		}
	}
}

// skipString is the index after the string whose opening quote is at b[at].
func skipString(b []byte, at int) int {
	for at++; b[at] != '"'; at++ {
		if b[at] == '\\' {
			at++
		}
	}
	return at + 1
}

func skipSpace(b []byte, at int) int {
	for at < len(b) {
		switch b[at] {
		case ' ', '\t', '\r', '\n':
			at++
		default:
			return at
		}
	}
	return at
}

// text is what the valid JSON string raw says: a part of raw itself unless it
// holds escapes. It is nil when raw is no string.
func text(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	if bytes.IndexByte(raw, '\\') >= 0 {
		return unquote(raw)
	}
	return raw[1 : len(raw)-1]
}

func unquote(raw []byte) []byte {
	b, err := jsontext.AppendUnquote(make([]byte, 0, len(raw)), raw)
	if err != nil {
		return nil
	}
	return b
}

// absent reports whether a field is missing or null.
func absent(raw []byte) bool { return raw == nil || raw[0] == 'n' }
