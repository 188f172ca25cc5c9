package producer

import (
	"bytes"
	"errors"
)

var (
	errBareQuote  = errors.New(`a quote inside an unquoted field: quote the field and double the quote ("")`)
	errAfterQuote = errors.New("text after a field's closing quote: double quotes inside a field")
)

// row takes one CSV row (RFC 4180) line by line: a quoted field may hold line
// breaks, so a row may need several lines. Its memory is used again for the
// next row.
type row struct {
	text []byte // the fields' bytes, one after the other
	ends []int  // where each field ends in text
	open bool   // a quoted field awaits its closing quote on the next line
}

func (r *row) reset() { r.text, r.ends, r.open = r.text[:0], r.ends[:0], false }

// field is valid until the next reset.
func (r *row) field(i int) []byte {
	start := 0
	if i > 0 {
		start = r.ends[i-1]
	}
	return r.text[start:r.ends[i]]
}

// feed adds one line, without its end. The row is whole when open is false.
func (r *row) feed(line []byte) error {
	if r.open {
		r.text = append(r.text, '\n')
	}
	for {
		if !r.open && len(line) > 0 && line[0] == '"' {
			r.open, line = true, line[1:]
		}
		var more bool
		var err error
		if r.open {
			line, more, err = r.quoted(line)
		} else {
			line, more, err = r.plain(line)
		}
		if err != nil || !more {
			return err
		}
	}
}

// plain reads a field up to its comma and says whether another one follows.
func (r *row) plain(line []byte) (rest []byte, more bool, err error) {
	value, rest, more := bytes.Cut(line, []byte{','})
	if bytes.IndexByte(value, '"') >= 0 {
		return nil, false, errBareQuote
	}
	r.text = append(r.text, value...)
	r.ends = append(r.ends, len(r.text))
	return rest, more, nil
}

// quoted reads on inside quotes, to the field's end or to the line's.
func (r *row) quoted(line []byte) (rest []byte, more bool, err error) {
	for {
		value, after, found := bytes.Cut(line, []byte{'"'})
		r.text = append(r.text, value...)
		switch {
		case !found:
			return nil, false, nil
		case len(after) > 0 && after[0] == '"':
			r.text = append(r.text, '"')
			line = after[1:]
			continue
		case len(after) > 0 && after[0] != ',':
			return nil, false, errAfterQuote
		}
		r.open = false
		r.ends = append(r.ends, len(r.text))
		if len(after) == 0 {
			return nil, false, nil
		}
		return after[1:], true, nil
	}
}
