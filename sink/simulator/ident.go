package simulator

import (
	"strconv"
	"strings"
)

// identKind is the kind of an identifier.
type identKind uint8

const (
	byNothing identKind = iota
	byID
	byEmail
	byPhone
	byCio
	byAnonymous
	byObject    // type:id
	byCioObject // assigned by Customer.io
	byDelivery
	identKinds // how many there are
)

// ident names whom a call is about, as the caller wrote it.
type ident struct {
	kind  identKind
	value string
}

// personIdent reads the identifiers of a person: exactly one of those that
// are allowed.
func personIdent(raw []byte, field string, allowed ...identKind) (ident, *flaw) {
	if isNull(raw) {
		return ident{}, required(field)
	}
	if !isObject(raw) {
		return ident{}, invalid(field, "identifiers must be an object")
	}
	var who ident
	found := 0
	for name, value := range members(raw) {
		kind := personKind(string(name))
		if kind == byNothing || isNull(value) {
			continue
		}
		for _, k := range allowed {
			if k == kind {
				who = ident{kind, string(text(value))}
				found++
			}
		}
	}
	if found == 0 {
		return ident{}, required(field)
	}
	if found > 1 {
		return who, invalid(field, "exactly one identifier is allowed")
	}
	return who, who.check(field)
}

func personKind(name string) identKind {
	switch name {
	case "id":
		return byID
	case "email":
		return byEmail
	case "phone":
		return byPhone
	case "cio_id":
		return byCio
	case "anonymous_id":
		return byAnonymous
	}
	return byNothing
}

// check judges the form of an identifier.
func (i ident) check(field string) *flaw {
	switch {
	case i.value == "":
		return required(field)
	case len(i.value) > maxIDBytes:
		return invalid(field, "identifier is longer than "+strconv.Itoa(maxIDBytes)+" bytes")
	case i.kind == byEmail && !strings.Contains(i.value, "@"):
		return invalid(field, "email is not an address")
	case i.kind == byPhone && !isE164(i.value):
		return invalid(field, "phone is not in E.164 form")
	}
	return nil
}

func isE164(phone string) bool {
	digits, plus := strings.CutPrefix(phone, "+")
	return plus && len(digits) >= 2 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

// pathIdent reads the identifier of a v1 path: what it is shows in its shape,
// and a phone number counts as an id.
func pathIdent(segment string) (ident, *flaw) {
	who := ident{byID, segment}
	if cio, found := strings.CutPrefix(segment, "cio_"); found {
		who = ident{byCio, cio}
	} else if strings.Contains(segment, "@") {
		who.kind = byEmail
	}
	return who, who.check("identifier")
}

// objectIdent reads the identifiers of an object.
func objectIdent(raw []byte, field string) (ident, *flaw) {
	if isNull(raw) {
		return ident{}, required(field)
	}
	if !isObject(raw) {
		return ident{}, invalid(field, "identifiers must be an object")
	}
	var kind, id, cio string
	for name, value := range members(raw) {
		switch string(name) {
		case "object_type_id":
			kind = string(text(value))
		case "object_id":
			id = string(text(value))
		case "cio_object_id":
			cio = string(text(value))
		}
	}
	switch {
	case cio != "" && kind == "" && id == "":
		return ident{byCioObject, cio}, nil
	case kind == "" || id == "":
		return ident{}, required(field)
	case len(id) > maxIDBytes:
		return ident{}, invalid(field, "object_id is longer than "+strconv.Itoa(maxIDBytes)+" bytes")
	}
	return ident{byObject, kind + ":" + id}, nil
}
