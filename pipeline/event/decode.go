package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how many objects and arrays may be nested in one another, the
// root object included.
const MaxDepth = 64

// checkObject says what keeps value from being one JSON object as RFC 7493
// has it: well-formed Unicode, no name twice in an object, nothing after it.
// Beyond that it bounds the depth. Nil means that value is fine.
func checkObject(value []byte) *Fault {
	if tooDeep(value) {
		return &Fault{Reason: ReasonTooDeep, Detail: fmt.Sprintf("nested more than %d deep", MaxDepth)}
	}
	// IsValid recycles its decoders and does not allocate; it does not say
	// what is wrong either, which only a faulty event has to pay for.
	if !jsontext.Value(value).IsValid() {
		return diagnose(value)
	}
	if value[skipSpace(value, 0)] != '{' {
		return &Fault{Reason: ReasonNotObject, Detail: "the value is JSON, but not an object"}
	}
	return nil
}

// tooDeep reports whether brackets outside strings are nested beyond MaxDepth.
// It runs before the JSON is known to be valid, so that nothing deep reaches a
// parser that recurses.
func tooDeep(value []byte) bool {
	if bytes.Count(value, []byte{'{'})+bytes.Count(value, []byte{'['}) <= MaxDepth {
		return false
	}
	depth, quoted := 0, false
	for at := 0; at < len(value); at++ {
		switch c := value[at]; {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '{' || c == '['):
			if depth++; depth > MaxDepth {
				return true
			}
		case !quoted && (c == '}' || c == ']'):
			depth--
		case quoted && c == '\\':
			at++
		}
	}
	return false
}

// diagnose says what is wrong with a value that is not valid.
func diagnose(value []byte) *Fault {
	dec := jsontext.NewDecoder(bytes.NewReader(value))
	_, err := dec.ReadValue()
	if err == nil {
		return &Fault{Reason: ReasonNotJSON, Detail: fmt.Sprintf("trailing data at byte %d", dec.InputOffset())}
	}
	where := place(value, err)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &Fault{Reason: ReasonDuplicateKey, Detail: "a name stands twice in one object, " + where}
	case jsontext.Value(value).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)):
		return &Fault{Reason: ReasonBadUTF8, Detail: "a string is not well-formed Unicode, " + where}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return &Fault{Reason: ReasonNotJSON, Detail: "the JSON ends too early, " + where}
	default:
		return &Fault{Reason: ReasonNotJSON, Detail: "a byte that JSON does not allow there, " + where}
	}
}

// place names where a decoder stopped: the byte, and the root field if it is
// one that every payload shares, for any other name is payload.
func place(value []byte, err error) string {
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return fmt.Sprintf("at byte %d", len(value))
	}
	for name := range syntax.JSONPointer.Tokens() {
		if f := fieldOf([]byte(name)); f != FieldNone {
			return fmt.Sprintf("at byte %d, in %s", syntax.ByteOffset, f)
		}
		break
	}
	return fmt.Sprintf("at byte %d", syntax.ByteOffset)
}
