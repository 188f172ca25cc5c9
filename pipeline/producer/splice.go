package producer

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

var errStamped = errors.New("its attributes have _seq or _n already: produce it without the sequence")

// splice appends text to dst with members put first into the object that
// stands at place, or with an object of them instead of a null there.
func splice(dst, text []byte, place member, members []byte) []byte {
	if text[place.start] == 'n' {
		dst = append(append(dst, text[:place.start]...), '{')
		dst = append(append(dst, members...), '}')
		return append(dst, text[place.end:]...)
	}
	dst = append(dst, text[:place.start+1]...)
	dst = append(dst, members...)
	rest := text[place.start+1:]
	if bytes.TrimLeft(rest, " \t\r\n")[0] != '}' {
		dst = append(dst, ',')
	}
	return append(dst, rest...)
}

// has says whether an object has a member of that name at its root.
func has(value jsontext.Value, name string) bool {
	// Almost no payload has the quoted name or an escape anywhere, so that the
	// second parse is rare.
	if !bytes.Contains(value, []byte(`"`+name+`"`)) && bytes.IndexByte(value, '\\') < 0 {
		return false
	}
	var o object
	return o.scan(value) == nil && o.find(name) != nil
}
