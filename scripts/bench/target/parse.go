package main

import (
	"bytes"
	"errors"
)

// arrival is one event of a request.
type arrival struct {
	user []byte
	seq  int64
	sent int64 // unix ns when the loader sent it; 0 when it does not say
}

var errBad = errors.New("bad event")

// field returns what follows a quoted name. The loader's events use each name
// once, which makes this enough.
func field(b []byte, quoted string) []byte {
	i := bytes.Index(b, []byte(quoted))
	if i < 0 {
		return nil
	}
	b = b[i+len(quoted):]
	for len(b) > 0 && (b[0] == ' ' || b[0] == ':' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

func number(b []byte) (n int64, ok bool) {
	for len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		n, ok = n*10+int64(b[0]-'0'), true
		b = b[1:]
	}
	return n, ok
}

func parseOne(b []byte) (arrival, error) {
	user := field(b, `"user"`)
	if len(user) < 2 || user[0] != '"' {
		return arrival{}, errBad
	}
	end := bytes.IndexByte(user[1:], '"')
	seq, ok := number(field(b, `"seq"`))
	if end < 0 || !ok {
		return arrival{}, errBad
	}
	sent, _ := number(field(b, `"ns"`)) // optional
	return arrival{user[1 : 1+end], seq, sent}, nil
}

// parse appends the events of a body to out.
func parse(b []byte, out []arrival) ([]arrival, error) {
	if i := bytes.Index(b, []byte(`"batch"`)); i < 0 || i > 40 {
		a, err := parseOne(b)
		return append(out, a), err
	}
	depth, start, inString := -1, 0, false // -1: before the batch's own brace
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{':
			if depth++; depth == 1 {
				start = i
			}
		case c == '}':
			if depth == 1 {
				a, err := parseOne(b[start : i+1])
				if err != nil {
					return out, err
				}
				out = append(out, a)
			}
			depth--
		}
	}
	if depth != -1 || inString {
		return out, errBad
	}
	return out, nil
}
