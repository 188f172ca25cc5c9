package producer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

var errOpenQuote = errors.New("a quoted field that never closes")

type csvInput struct {
	lines  *lines
	row    row
	layout layout
	n      int // data rows so far
}

// CSV reads comma-separated values (RFC 4180) with a header line, which it
// reads at once, and gives each row as an event in short form. A value that is
// a JSON number becomes one, true and false become booleans, all else strings;
// the user is always a string. A row whose quote never closes costs that row's
// first line alone. The error names every fault of the mapping.
func CSV(r io.Reader, m Mapping) (Input, error) {
	in := &csvInput{lines: newLines(r)}
	header, err := in.header()
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	if in.layout, err = m.apply(header); err != nil {
		return nil, err
	}
	return in, nil
}

func (in *csvInput) header() ([]string, error) {
	line, err := in.nonEmpty()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty; its first line must name the columns")
	}
	if err != nil {
		return nil, err
	}
	if _, err := in.take(line); err != nil {
		return nil, err
	}
	names := make([]string, len(in.row.ends))
	for i := range names {
		names[i] = string(bytes.TrimSpace(in.row.field(i)))
	}
	return names, nil
}

// Next implements Input.
func (in *csvInput) Next() (Line, error) {
	first, err := in.nonEmpty()
	if err != nil {
		return Line{}, err
	}
	in.n++
	raw, err := in.take(first)
	var object []byte
	if err == nil {
		object, err = in.object()
	}
	if fatal := (*readError)(nil); errors.As(err, &fatal) {
		return Line{}, fatal.err
	}
	if err != nil {
		return Line{}, &LineError{N: in.n, Number: first.number, Raw: raw, Cut: first.long, Err: err}
	}
	return Line{N: in.n, Number: first.number, Raw: raw, Object: object}, nil
}

func (in *csvInput) nonEmpty() (physical, error) {
	for {
		line, err := in.lines.next()
		if err != nil || line.long || len(line.text) > 0 {
			return line, err
		}
	}
}

// readError is a failure of the file itself, not of a row.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// take reads the row that begins with first and returns its raw text. When the
// row is bad, only its first line is used up.
func (in *csvInput) take(first physical) ([]byte, error) {
	in.row.reset()
	if first.long {
		return first.text, errLong()
	}
	if err := in.row.feed(first.text); err != nil || !in.row.open {
		return first.text, err
	}
	raw := bytes.Clone(first.text)
	var further []physical
	for in.row.open {
		line, err := in.lines.next()
		if err == nil {
			further = append(further, line)
		}
		switch {
		case errors.Is(err, io.EOF):
			err = errOpenQuote
		case err != nil:
			return nil, &readError{err}
		case line.long || len(raw)+1+len(line.text) > MaxLine:
			err = fmt.Errorf("%w within %d bytes", errOpenQuote, MaxLine)
		default:
			err = in.row.feed(line.text)
		}
		if err != nil {
			in.lines.unread(further)
			return first.text, err
		}
		raw = append(append(raw, '\n'), line.text...)
	}
	return raw, nil
}

// object writes the row in short form.
func (in *csvInput) object() ([]byte, error) {
	l := &in.layout
	if have, want := len(in.row.ends), len(l.fields); have != want {
		return nil, fmt.Errorf("the row has %d fields, the header %d", have, want)
	}
	o := make([]byte, 0, 2*len(in.row.text)+16*len(l.fields)+64)
	o = append(o, `{"`+l.personAs+`":`...)
	o, err := in.text(o, l.person)
	holder := "traits"
	switch {
	case err != nil:
	case l.event >= 0:
		holder = "data"
		o, err = in.text(append(o, `,"event":`...), l.event)
	case l.constant != "":
		holder = "data"
		o, err = jsontext.AppendQuote(append(o, `,"event":`...), l.constant)
	}
	if err == nil && l.id >= 0 && len(in.row.field(l.id)) > 0 {
		o, err = in.text(append(o, `,"id":`...), l.id)
	}
	if err == nil && l.timestamp >= 0 && len(in.row.field(l.timestamp)) > 0 {
		var unix int64
		unix, err = parseTime(string(in.row.field(l.timestamp)))
		o = strconv.AppendInt(append(o, `,"timestamp":`...), unix, 10)
	}
	if err != nil {
		return nil, err
	}
	return in.data(append(o, `,"`+holder+`":{`...))
}

// data closes the object with the columns that are no part of the event.
func (in *csvInput) data(o []byte) ([]byte, error) {
	var err error
	for i, name := range in.layout.fields {
		if name == "" {
			continue
		}
		if o[len(o)-1] != '{' {
			o = append(o, ',')
		}
		if o, err = jsontext.AppendQuote(o, name); err != nil {
			return nil, fmt.Errorf("column %d: the name is not UTF-8", i+1)
		}
		o = append(o, ':')
		if value := in.row.field(i); literal(value) {
			o = append(o, value...)
		} else if o, err = in.text(o, i); err != nil {
			return nil, err
		}
	}
	return append(o, "}}"...), nil
}

// text appends a field as a JSON string.
func (in *csvInput) text(o []byte, column int) ([]byte, error) {
	o, err := jsontext.AppendQuote(o, in.row.field(column))
	if err != nil {
		return nil, fmt.Errorf("field %d is not UTF-8", column+1)
	}
	return o, nil
}

// literal says whether a field stands in JSON as it is: a number or a boolean.
func literal(field []byte) bool {
	if len(field) == 0 {
		return false
	}
	switch c := field[0]; {
	case string(field) == "true", string(field) == "false":
		return true
	case c == '-' || c >= '0' && c <= '9':
		last := field[len(field)-1]
		return last >= '0' && last <= '9' && jsontext.Value(field).IsValid()
	default:
		return false
	}
}
