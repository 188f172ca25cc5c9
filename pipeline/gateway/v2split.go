package gateway

import (
	"bytes"
	"fmt"

	"sluice/pipeline/event"
)

// splitBatch returns the raw items of a batch. It checks what is around them;
// the items are checked one by one, so that no byte is read by the parser
// twice. A body that is more than a batch takes the longer way.
func splitBatch(body []byte) ([][]byte, *fault) {
	parts, ok := splitPlain(body)
	if !ok {
		var bad *fault
		if parts, bad = splitChecked(body); bad != nil {
			return nil, bad
		}
	}
	switch {
	case len(parts) == 0:
		return nil, &fault{reason: reasonRequired, field: "batch", message: "batch is required"}
	case len(parts) > v2MaxItems:
		return nil, &fault{reason: reasonInvalid, field: "batch", message: fmt.Sprintf("batch has more than %d objects", v2MaxItems)}
	}
	return parts, nil
}

// splitPlain splits {"batch":[…]} without anything beside it. When every part
// is JSON by itself, the body is; else, and on false, nothing is known of it.
func splitPlain(body []byte) (parts [][]byte, ok bool) {
	at := v1AfterBlanks(body, 0)
	for _, token := range [...]string{`{`, `"batch"`, `:`, `[`} {
		if !bytes.HasPrefix(body[at:], []byte(token)) {
			return nil, false
		}
		at = v1AfterBlanks(body, at+len(token))
	}
	// Most items are some hundred bytes long.
	parts = make([][]byte, 0, len(body)/256+1)
	for at < len(body) && body[at] != ']' && len(parts) <= v2MaxItems {
		end := afterValue(body, at)
		if end == at || end > len(body) {
			return nil, false
		}
		parts = append(parts, body[at:end:end])
		at = v1AfterBlanks(body, end)
		if at >= len(body) || body[at] == ']' {
			break
		}
		if body[at] != ',' {
			return nil, false
		}
		if at = v1AfterBlanks(body, at+1); at >= len(body) || body[at] == ']' {
			return nil, false
		}
	}
	for _, token := range [...]string{`]`, `}`} {
		if at >= len(body) || body[at] != token[0] {
			return nil, false
		}
		at = v1AfterBlanks(body, at+1)
	}
	return parts, at == len(body)
}

// splitChecked splits any body, and says what is wrong with it.
func splitChecked(body []byte) ([][]byte, *fault) {
	e := event.Event{Value: body}
	if body == nil {
		e.Value = []byte{}
	}
	if e.PrepareObject(); e.Fault != nil {
		bad := syntaxOf(e.Value)
		return nil, &bad
	}
	batch := v1Field(bytes.Trim(body, " \t\r\n"), "batch")
	switch {
	case batch == nil:
		return nil, &fault{reason: reasonRequired, field: "batch", message: "batch is required"}
	case batch[0] != '[':
		return nil, &fault{reason: reasonInvalid, field: "batch", message: "batch must be an array"}
	}
	var parts [][]byte
	w := walkV1(batch)
	for part, ok := w.element(); ok; part, ok = w.element() {
		parts = append(parts, part)
	}
	return parts, nil
}

// afterValue is the index after the value at b[at], which need not be JSON: it
// is where one would end. It is at itself when there is none, and beyond the
// end of b when it does not end.
func afterValue(b []byte, at int) int {
	depth := 0
	for at < len(b) {
		switch b[at] {
		case '"':
			if at = afterQuotes(b, at); depth == 0 {
				return at
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return at
			}
			if depth--; depth == 0 {
				return at + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return at
			}
		}
		at++
	}
	if depth > 0 {
		return len(b) + 1
	}
	return at
}

// afterQuotes is the index after the string that begins at b[at], beyond the
// end of b when it does not end. Most strings are too short for a search by
// bytes.IndexByte to be worth its call.
func afterQuotes(b []byte, at int) int {
	for at++; at < len(b); at++ {
		switch b[at] {
		case '"':
			return at + 1
		case '\\':
			at++
		}
	}
	return len(b) + 1
}
