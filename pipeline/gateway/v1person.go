package gateway

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"sluice/pipeline/event"
)

// v1Person is whom a call is about.
type v1Person struct {
	kind  event.Kind // KindID, KindEmail or KindCioID
	value string
}

// v1PersonOf reads the identifier of a path. Its kind shows in its shape; a
// phone number counts as an id.
func v1PersonOf(arg string) (v1Person, *fault) {
	who := v1Person{event.KindID, arg}
	if cio, found := strings.CutPrefix(arg, "cio_"); found {
		who = v1Person{event.KindCioID, cio}
	} else if strings.Contains(arg, "@") {
		who.kind = event.KindEmail
	}
	if f := v1PathValue("identifier", arg); f != nil {
		return v1Person{}, f
	}
	switch {
	case who.value == "":
		return v1Person{}, v1Required("identifier")
	case len(who.value) > v1MaxIDBytes:
		return v1Person{}, v1Invalid("identifier", "is longer than "+strconv.Itoa(v1MaxIDBytes)+" bytes")
	}
	return who, nil
}

// v1PathValue judges a value of a path. Dots alone mean another path to much
// of what stands between a caller and us, and between us and the API, however
// they are escaped.
func v1PathValue(name, value string) *fault {
	switch {
	case value == "":
		return v1Required(name)
	case value == "." || value == "..":
		return v1Invalid(name, "must not be dots alone")
	case !utf8.ValidString(value):
		return v1Invalid(name, "must be UTF-8")
	case len(value) > maxArgument:
		return v1Invalid(name, "is longer than "+strconv.Itoa(maxArgument)+" bytes")
	}
	return nil
}

// key is the record key: a person's calls by v1 and by v2 share a lane.
func (p v1Person) key() []byte {
	switch p.kind {
	case event.KindEmail:
		return event.KeyOfEmail(p.value)
	case event.KindCioID:
		return event.KeyOfCioID(p.value)
	default:
		return event.KeyOfID(p.value)
	}
}

// v1Entity begins the entity of a person, with room for what follows; the
// caller closes it.
func (p v1Person) v1Entity(action string, room int) []byte {
	dst := make([]byte, 0, len(p.value)+room+128)
	dst = append(dst, `{"type":"person","action":"`...)
	dst = append(dst, action...)
	dst = append(dst, `","identifiers":{"`...)
	dst = append(dst, p.kind.String()...)
	dst = append(dst, `":`...)
	dst = v1Quote(dst, p.value)
	return append(dst, '}')
}

// v1About makes the one item of a call that says no more than whom it is about.
func v1About(c *call, action string) ([]item, reply) {
	who, f := v1PersonOf(c.args[0])
	if f != nil {
		return v1Taken(nil, f)
	}
	return []item{{key: who.key(), value: append(who.v1Entity(action, 1), '}')}}, reply{}
}

// v1Delete reads DELETE /api/v1/customers/{id}. Libraries send it with {} or
// with nothing; the path says it all, so the body is not looked at.
func v1Delete(c *call) ([]item, reply) { return v1About(c, "delete") }

// v1SuppressPerson reads POST …/suppress, of which the same holds.
func v1SuppressPerson(c *call) ([]item, reply) { return v1About(c, "suppress") }

// v1UnsuppressPerson reads POST …/unsuppress.
func v1UnsuppressPerson(c *call) ([]item, reply) { return v1About(c, "unsuppress") }

// v1MergeCustomers reads POST /api/v1/merge_customers. The item's key is the
// primary person's, as it is for an entity of v2.
func v1MergeCustomers(c *call) ([]item, reply) {
	items, f := v1Merged(c.body)
	if f != nil {
		return nil, v1RefuseMerge(*f)
	}
	return items, reply{}
}

func v1Merged(raw []byte) ([]item, *fault) {
	body, f := v1Object(raw)
	if f != nil {
		return nil, f
	}
	primary, who, f := v1Identifiers(v1Field(body, "primary"), "primary")
	if f != nil {
		return nil, f
	}
	secondary, _, f := v1Identifiers(v1Field(body, "secondary"), "secondary")
	if f != nil {
		return nil, f
	}
	value := append(make([]byte, 0, len(primary)+len(secondary)+64), `{"type":"person","action":"merge","primary":`...)
	value = append(value, primary...)
	value = append(value, `,"secondary":`...)
	value = append(value, secondary...)
	return []item{{key: who.key(), value: append(value, '}')}}, nil
}

// v1Identifiers reads one of the people of a merge: exactly one of id, email
// and cio_id. It returns the object without members that are null.
func v1Identifiers(raw []byte, field string) ([]byte, v1Person, *fault) {
	const must = "must have exactly one of id, email and cio_id"
	if raw == nil {
		return nil, v1Person{}, v1Required(field)
	}
	if raw[0] != '{' {
		return nil, v1Person{}, v1Invalid(field, must)
	}
	var who v1Person
	var said []byte
	w := walkV1(raw)
	for m, ok := w.member(); ok; m, ok = w.member() {
		if v1Given(m.value) == nil {
			continue
		}
		kind := v1KindOf(string(v1Text(m.name)))
		value := v1Text(m.value)
		if value == nil && kind == event.KindID && v1Digits(m.value) {
			value = m.value
		}
		if said != nil || kind == event.KindNone || value == nil {
			return nil, v1Person{}, v1Invalid(field, must)
		}
		who, said = v1Person{kind, string(value)}, m.value
	}
	switch {
	case said == nil:
		return nil, v1Person{}, v1Invalid(field, must)
	case who.value == "":
		return nil, v1Person{}, v1Required(field + "." + who.kind.String())
	case len(who.value) > v1MaxIDBytes:
		return nil, v1Person{}, v1Invalid(field, "is longer than "+strconv.Itoa(v1MaxIDBytes)+" bytes")
	case who.kind == event.KindEmail && !strings.Contains(who.value, "@"):
		return nil, v1Person{}, v1Invalid(field+".email", "must be an address")
	}
	return bytes.Join([][]byte{[]byte(`{"` + who.kind.String() + `":`), said, {'}'}}, nil), who, nil
}

// v1KindOf is the kind of identifier by which v1 names people in a body.
func v1KindOf(name string) event.Kind {
	for _, kind := range []event.Kind{event.KindID, event.KindEmail, event.KindCioID} {
		if kind.String() == name {
			return kind
		}
	}
	return event.KindNone
}
