package gateway

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/pipeline/event"
)

// v1Object returns the body as one JSON object without blanks around it. No
// body at all and null count as an object without members, for libraries send
// both when there is nothing to say. Anything that the record could not hold
// is refused: a name twice in one object, ill-formed Unicode, too much depth.
func v1Object(body []byte) ([]byte, *fault) {
	body = bytes.Trim(body, " \t\r\n")
	if len(body) == 0 || string(body) == "null" {
		return []byte(`{}`), nil
	}
	// An entity holds the body one level further in.
	if tooDeepForV1(body, event.MaxDepth-1) {
		return nil, v1Invalid("body", "is nested more than "+strconv.Itoa(event.MaxDepth-1)+" deep")
	}
	if value := jsontext.Value(body); !value.IsValid() {
		switch {
		case value.IsValid(jsontext.AllowDuplicateNames(true)):
			return nil, v1Invalid("body", "names a member twice in one object")
		case value.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
			return nil, v1Invalid("body", "is not well-formed UTF-8")
		default:
			return nil, v1Invalid("body", "is not valid JSON")
		}
	}
	if body[0] != '{' {
		return nil, v1Invalid("body", "must be an object")
	}
	return body, nil
}

// tooDeepForV1 reports whether brackets outside strings are nested beyond
// most. It runs before the JSON is known to be valid, so that nothing deep
// reaches a parser that recurses.
func tooDeepForV1(body []byte, most int) bool {
	if bytes.Count(body, []byte{'{'})+bytes.Count(body, []byte{'['}) <= most {
		return false
	}
	depth, quoted := 0, false
	for at := 0; at < len(body); at++ {
		switch c := body[at]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			at++
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// v1Walk steps over an object or an array that is known to be valid JSON. All
// that it returns is a part of what it walks.
type v1Walk struct {
	raw []byte
	at  int // of the next byte to read
}

// walkV1 starts before the first member or element of raw, which must begin
// with its bracket.
func walkV1(raw []byte) v1Walk { return v1Walk{raw: raw, at: 1} }

// v1Member is one member of an object, raw.
type v1Member struct {
	name  []byte // with its quotes
	value []byte
	whole []byte // name, colon and value
}

func (w *v1Walk) member() (m v1Member, ok bool) {
	if !w.more() {
		return v1Member{}, false
	}
	from := w.at
	w.at = v1AfterString(w.raw, from)
	m.name = w.raw[from:w.at]
	w.at = v1AfterBlanks(w.raw, v1AfterBlanks(w.raw, w.at)+1) // the colon
	m.value = w.value()
	m.whole = w.raw[from:w.at]
	return m, true
}

func (w *v1Walk) element() (value []byte, ok bool) {
	if !w.more() {
		return nil, false
	}
	return w.value(), true
}

// more moves to the next name or element; false at the closing bracket.
func (w *v1Walk) more() bool {
	w.at = v1AfterBlanks(w.raw, w.at)
	switch w.raw[w.at] {
	case ',':
		w.at = v1AfterBlanks(w.raw, w.at+1)
		return true
	case '}', ']':
		return false
	default:
		return true
	}
}

func (w *v1Walk) value() []byte {
	from, depth := w.at, 0
	for w.at < len(w.raw) {
		switch w.raw[w.at] {
		case '"':
			w.at = v1AfterString(w.raw, w.at)
			if depth == 0 {
				return w.raw[from:w.at]
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // of the object or array around a number or a word
				return w.raw[from:w.at]
			}
			if depth--; depth == 0 {
				w.at++
				return w.raw[from:w.at]
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return w.raw[from:w.at]
			}
		}
		w.at++
	}
	return w.raw[from:]
}

func v1AfterString(raw []byte, at int) int {
	for at++; raw[at] != '"'; at++ {
		if raw[at] == '\\' {
			at++
		}
	}
	return at + 1
}

func v1AfterBlanks(raw []byte, at int) int {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\t' || raw[at] == '\r' || raw[at] == '\n') {
		at++
	}
	return at
}

// v1Field is the value of an object's member, nil when it is absent or null.
func v1Field(object []byte, name string) []byte {
	w := walkV1(object)
	for m, ok := w.member(); ok; m, ok = w.member() {
		if string(v1Text(m.name)) == name {
			return v1Given(m.value)
		}
	}
	return nil
}

// v1Given is value, nil for a null.
func v1Given(value []byte) []byte {
	if len(value) > 0 && value[0] == 'n' {
		return nil
	}
	return value
}

// v1Text is what a valid JSON string says, a part of raw unless it holds
// escapes; nil when raw is no string.
func v1Text(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, err := jsontext.AppendUnquote(make([]byte, 0, len(raw)), raw)
	if err != nil {
		return nil
	}
	return text
}

// v1Quote appends text as a JSON string. The text must be UTF-8.
func v1Quote(dst []byte, text string) []byte {
	quoted, err := jsontext.AppendQuote(dst, text)
	if err != nil {
		return append(dst, `""`...)
	}
	return quoted
}

// v1Digits reports whether raw is a number of digits only.
func v1Digits(raw []byte) bool {
	for _, c := range raw {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(raw) > 0
}

// v1Members appends the members of an object as they stand, in their order,
// joined by commas, apart from those of the names given.
func v1Members(dst, object []byte, without ...string) []byte {
	w, first := walkV1(object), true
	for m, ok := w.member(); ok; m, ok = w.member() {
		if slices.Contains(without, string(v1Text(m.name))) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		dst, first = append(dst, m.whole...), false
	}
	return dst
}
