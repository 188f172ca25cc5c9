package producer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

var errNotObject = errors.New("not a JSON object")

// object is the root of one JSON object: its members in order, as places in
// its text. Its memory is used again for the next one.
type object struct {
	text    []byte
	members []member
	decoder jsontext.Decoder
	buffer  bytes.Buffer
}

// member is one member of the root; its value is text[start:end].
type member struct {
	name       string
	start, end int
}

// scan reads text strictly: one object, nothing after it, valid UTF-8, no name
// twice at any depth. The errors name places, never values.
func (o *object) scan(text []byte) error {
	o.text, o.members = text, o.members[:0]
	o.buffer = *bytes.NewBuffer(text)
	o.decoder.Reset(&o.buffer)
	if o.decoder.PeekKind() != '{' {
		if _, err := o.decoder.ReadValue(); err != nil {
			return notJSON(err)
		}
		return errNotObject
	}
	if _, err := o.decoder.ReadToken(); err != nil {
		return notJSON(err)
	}
	for o.decoder.PeekKind() != '}' {
		name, err := o.decoder.ReadToken()
		if err != nil {
			return notJSON(err)
		}
		m := member{name: name.String()}
		value, err := o.decoder.ReadValue()
		if err != nil {
			return notJSON(err)
		}
		m.end = int(o.decoder.InputOffset())
		m.start = m.end - len(value)
		o.members = append(o.members, m)
	}
	if _, err := o.decoder.ReadToken(); err != nil {
		return notJSON(err)
	}
	if _, err := o.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("not JSON: text after the object's end")
	}
	return nil
}

// find returns a member, nil when the root has none of that name.
func (o *object) find(name string) *member {
	for i := range o.members {
		if o.members[i].name == name {
			return &o.members[i]
		}
	}
	return nil
}

// value is a member's text, nil for a nil member and for null.
func (o *object) value(m *member) jsontext.Value {
	if m == nil || string(o.text[m.start:m.end]) == "null" {
		return nil
	}
	return o.text[m.start:m.end]
}

// notJSON words a decoder's error for the file's owner. The pointer that the
// decoder names holds member names of the payload, so only the offset is kept.
func notJSON(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("not JSON: it ends too early")
	}
	if !errors.As(err, &syntax) {
		return fmt.Errorf("not JSON: %w", err)
	}
	return fmt.Errorf("not JSON: %s, at byte %d", strings.TrimPrefix(syntax.Err.Error(), "jsontext: "), syntax.ByteOffset+1)
}
