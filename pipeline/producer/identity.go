package producer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/pipeline/event"
)

var (
	errNoIdentity  = errors.New("names nobody: use ID, Email, Phone, CioID, Anonymous, ObjectID or CioObjectID")
	errEmpty       = errors.New("must not be empty")
	errBadUTF8     = errors.New("must be well-formed UTF-8")
	errNotAnEmail  = errors.New("must be an address with an at sign")
	errNotAPhone   = errors.New("must be a number in E.164 form, such as +31201234567")
	errNotAPerson  = errors.New("must be a person, not an object")
	errNotDirectly = errors.New("anonymous people are related to an object by Entity, with the action identify_anonymous")
)

// Identity names a person or an object in one of the ways that Customer.io
// knows. It is a comparable value; the zero one names nobody. Two identities
// of one person are two keys: events are kept in order within each, not
// between them, so an application should choose one way and keep to it.
type Identity struct {
	kind  event.Kind
	value string
	group string // an object's type
}

// ID names a person by the application's own id, the usual way.
func ID(id string) Identity { return Identity{kind: event.KindID, value: id} }

// Email names a person by address. The case does not count.
func Email(address string) Identity { return Identity{kind: event.KindEmail, value: address} }

// Phone names a person by number in E.164 form, such as +31201234567. A merge
// and an object's relationships cannot name people so.
func Phone(number string) Identity { return Identity{kind: event.KindPhone, value: number} }

// CioID names a person by the id that Customer.io gave, without the cio_ that
// leads it in paths.
func CioID(id string) Identity { return Identity{kind: event.KindCioID, value: id} }

// Anonymous names somebody who is not known yet. Only Track, Page and Screen
// take it; an Identify with anonymous_id among its attributes later makes the
// events that person's.
func Anonymous(id string) Identity { return Identity{kind: event.KindAnonymous, value: id} }

// ObjectID names an object, such as a company or a course, by the id of its
// type and its own.
func ObjectID(typeID, id string) Identity {
	return Identity{kind: event.KindObject, value: id, group: typeID}
}

// CioObjectID names an object by the id that Customer.io gave.
func CioObjectID(id string) Identity { return Identity{kind: event.KindCioObject, value: id} }

func (i Identity) isObject() bool { return i.kind == event.KindObject || i.kind == event.KindCioObject }

// key is the record key: what the same events by any other way in have.
func (i Identity) key() []byte {
	switch i.kind {
	case event.KindEmail:
		return event.KeyOfEmail(i.value)
	case event.KindPhone:
		return event.KeyOfPhone(i.value)
	case event.KindCioID:
		return event.KeyOfCioID(i.value)
	case event.KindAnonymous:
		return event.KeyOfAnonymous(i.value)
	case event.KindObject:
		return event.KeyOfObject(i.group, i.value)
	case event.KindCioObject:
		return event.KeyOfCioObject(i.value)
	default:
		return event.KeyOfID(i.value)
	}
}

// appendTo appends the identity as an identifiers object. The fault of one
// that the API would not take names the place, never the value.
func (i Identity) appendTo(dst []byte) ([]byte, error) {
	if i.kind == event.KindNone {
		return dst, errNoIdentity
	}
	name := i.kind.String()
	dst = append(dst, '{')
	if i.kind == event.KindObject {
		name = "object_id"
		var err error
		if dst, err = appendNamed(dst, "object_type_id", i.group); err != nil {
			return dst, err
		}
		dst = append(dst, ',')
	}
	dst, err := appendNamed(dst, name, i.value)
	if err == nil {
		err = wellFormed(i.kind, i.value)
	}
	if err != nil {
		return dst, err
	}
	return append(dst, '}'), nil
}

// appendNamed appends one member that identifies.
func appendNamed(dst []byte, name, value string) ([]byte, error) {
	switch {
	case value == "":
		return dst, fmt.Errorf("%s: %w", name, errEmpty)
	case len(value) > maxIDBytes:
		return dst, fmt.Errorf("%s: %w", name, over(len(value), maxIDBytes))
	}
	dst = append(append(append(dst, '"'), name...), `":`...)
	quoted, err := jsontext.AppendQuote(dst, value)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", name, errBadUTF8)
	}
	return quoted, nil
}

// wellFormed judges the kinds whose form the API publishes.
func wellFormed(kind event.Kind, value string) error {
	switch kind {
	case event.KindEmail:
		if !strings.Contains(value, "@") {
			return fmt.Errorf("email: %w", errNotAnEmail)
		}
	case event.KindPhone:
		digits, plus := strings.CutPrefix(value, "+")
		if !plus || len(digits) < 2 || len(digits) > 15 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
			return fmt.Errorf("phone: %w", errNotAPhone)
		}
	default: // any text
	}
	return nil
}
