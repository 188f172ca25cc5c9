package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxSteps bounds a path into a body.
const maxSteps = 32

// place is where a value may stand in a request.
type place struct {
	header string   // canonical; empty: in the body
	steps  []string // members of objects and indexes of arrays, from the root
}

// parsePlaces returns every fault, joined; under is the configuration's key.
func parsePlaces(under string, texts []string) ([]place, error) {
	places := make([]place, 0, len(texts))
	var faults []error
	for i, text := range texts {
		p, err := parsePlace(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s[%d]: %w", under, i, err))
		}
		places = append(places, p)
	}
	return places, errors.Join(faults...)
}

// parsePlace reads header:NAME or a path of steps parted by dots; a backslash
// takes the meaning from the character behind it.
func parsePlace(text string) (place, error) {
	if name, ok := strings.CutPrefix(text, "header:"); ok {
		if !isFieldName(name) {
			return place{}, fmt.Errorf("%q is not a header's name", name)
		}
		return place{header: http.CanonicalHeaderKey(name)}, nil
	}
	var p place
	var step strings.Builder
	escaped := false
	for _, c := range text + "." {
		switch {
		case escaped, c != '.' && c != '\\':
			step.WriteRune(c)
			escaped = false
		case c == '\\':
			escaped = true
		default:
			if step.Len() == 0 {
				return place{}, fmt.Errorf("%q is not a path: a step is empty", text)
			}
			p.steps = append(p.steps, step.String())
			step.Reset()
		}
	}
	if escaped || step.Len() > 0 || len(p.steps) > maxSteps {
		return place{}, fmt.Errorf("%q is not a path of 1 to %d steps, such as data.items.0.id", text, maxSteps)
	}
	return p, nil
}

// member is the last step of a path.
func (p place) member() string {
	if len(p.steps) == 0 {
		return ""
	}
	return p.steps[len(p.steps)-1]
}

// find is the string or number that stands there, empty when there is none or
// the body is not JSON up to there. It is a copy.
func (p place) find(r *http.Request, body []byte) string {
	if p.header != "" {
		if given := r.Header[p.header]; len(given) == 1 {
			return given[0]
		}
		return ""
	}
	// What the sender signed is not for us to judge: of two members of one name
	// the first counts, as long as it is the same one each time.
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for _, step := range p.steps {
		if !enter(dec, step) {
			return ""
		}
	}
	kind := dec.PeekKind()
	if kind != '"' && kind != '0' {
		return ""
	}
	value, err := dec.ReadToken()
	if err != nil {
		return ""
	}
	return value.String()
}

// enter moves to the member or element of that name or index.
func enter(dec *jsontext.Decoder, step string) bool {
	open, err := dec.ReadToken()
	if err != nil {
		return false
	}
	switch open.Kind() {
	case '{':
		return enterMember(dec, step)
	case '[':
		return enterElement(dec, step)
	default:
		return false
	}
}

func enterMember(dec *jsontext.Decoder, name string) bool {
	for dec.PeekKind() == '"' {
		have, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if have.String() == name {
			return true
		}
		if dec.SkipValue() != nil {
			return false
		}
	}
	return false
}

func enterElement(dec *jsontext.Decoder, index string) bool {
	n, err := strconv.ParseUint(index, 10, 31)
	if err != nil {
		return false
	}
	for ; n > 0; n-- {
		if kind := dec.PeekKind(); kind == ']' || kind == 0 || dec.SkipValue() != nil {
			return false
		}
	}
	return dec.PeekKind() != ']'
}
