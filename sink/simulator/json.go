package simulator

import (
	"bytes"
	"iter"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// valid reports whether raw is one JSON value in UTF-8. As with the server's
// own decoder, a repeated name is no fault: the last one wins.
func valid(raw []byte) bool {
	return jsontext.Value(raw).IsValid(jsontext.AllowDuplicateNames(true))
}

// members yields names and raw values of the object raw, which must be valid
// JSON; anything else yields nothing.
func members(raw []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i, ok := open(raw, '{')
		for ok && i < len(raw) && raw[i] == '"' {
			nameEnd := endOf(raw, i)
			start := blank(raw, nameEnd)
			if start >= len(raw) || raw[start] != ':' {
				return
			}
			start = blank(raw, start+1)
			end := endOf(raw, start)
			if end <= start || !yield(unquote(raw[i:nameEnd]), raw[start:end]) {
				return
			}
			i = comma(raw, end)
		}
	}
}

// elements yields the raw elements of the array raw, which must be valid
// JSON; anything else yields nothing.
func elements(raw []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		i, ok := open(raw, '[')
		for ok && i < len(raw) && raw[i] != ']' {
			end := endOf(raw, i)
			if end <= i || !yield(raw[i:end]) {
				return
			}
			i = comma(raw, end)
		}
	}
}

// open returns where the first member of raw stands.
func open(raw []byte, bracket byte) (int, bool) {
	i := blank(raw, 0)
	if i >= len(raw) || raw[i] != bracket {
		return 0, false
	}
	return blank(raw, i+1), true
}

// comma steps over the comma at i, with blanks; without one it returns the end.
func comma(raw []byte, i int) int {
	i = blank(raw, i)
	if i >= len(raw) || raw[i] != ',' {
		return len(raw)
	}
	return blank(raw, i+1)
}

func blank(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// endOf returns where the value that begins at i ends.
func endOf(raw []byte, i int) int {
	depth := 0
	for i < len(raw) {
		switch raw[i] {
		case '"':
			i = endOfString(raw, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			i++
		default:
			i = endOfWord(raw, i)
		}
		if depth <= 0 {
			return i
		}
	}
	return i
}

// endOfWord returns where a number, true, false or null ends.
func endOfWord(raw []byte, i int) int {
	for ; i < len(raw); i++ {
		switch raw[i] {
		case ',', ':', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

func endOfString(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// unquote returns what a JSON string says; it shares raw's memory when
// nothing in it is escaped.
func unquote(raw []byte) []byte {
	if len(raw) < 2 {
		return nil
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return nil
	}
	return text
}

func isNull(raw []byte) bool   { return len(raw) == 0 || string(raw) == "null" }
func isString(raw []byte) bool { return len(raw) > 0 && raw[0] == '"' }
func isObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }
func isArray(raw []byte) bool  { return len(raw) > 0 && raw[0] == '[' }
func isNumber(raw []byte) bool {
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// text returns what a string or a number says, and nothing for other values:
// identifiers come as both.
func text(raw []byte) []byte {
	switch {
	case isString(raw):
		return unquote(raw)
	case isNumber(raw):
		return raw
	}
	return nil
}

// whole returns a number, or a string of digits, as an integer.
func whole(raw []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(text(raw)), 10, 64)
	return n, err == nil
}

// field returns the raw value of one member of the object raw, nil when it
// has none.
func field(raw []byte, name string) []byte {
	var found []byte
	for have, value := range members(raw) {
		if string(have) == name {
			found = value
		}
	}
	return found
}
