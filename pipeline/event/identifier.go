package event

import "strings"

// Kind is by what an entity names whom or what it is about.
type Kind uint8

// The kinds of identifier. KindObject is a type and an id together; every
// other kind is one value.
const (
	KindNone Kind = iota
	KindID
	KindEmail
	KindPhone
	KindCioID
	KindAnonymous
	KindObject
	KindCioObject
	kindCount
)

// String is the kind's name in the JSON, for an object both names.
func (k Kind) String() string {
	names := [kindCount]string{
		KindNone:      "none",
		KindID:        "id",
		KindEmail:     "email",
		KindPhone:     "phone",
		KindCioID:     "cio_id",
		KindAnonymous: "anonymous_id",
		KindObject:    "object_type_id with object_id",
		KindCioObject: "cio_object_id",
	}
	if k >= kindCount {
		return "unknown"
	}
	return names[k] //nolint:gosec // in range: checked just above
}

// kindSet is the kinds that an operation takes, one bit each.
type kindSet uint8

const (
	mergeKinds  = kindSet(1<<KindID | 1<<KindEmail | 1<<KindCioID)
	personKinds = mergeKinds | kindSet(1<<KindPhone)
	objectKinds = kindSet(1<<KindObject | 1<<KindCioObject)
)

func bit(k Kind) kindSet { return 1 << k }

func (s kindSet) has(k Kind) bool { return k != KindNone && s&bit(k) != 0 }

// String lists the kinds for a person to read.
func (s kindSet) String() string {
	var names []string
	for k := KindNone + 1; k < kindCount; k++ {
		if s.has(k) {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, " or ")
}

// identifier is one parsed identifiers object; its spans are of the raw JSON
// values. KindNone means that it was not exactly one identifier.
type identifier struct {
	kind  Kind
	main  span // the value, for an object its object_id
	group span // an object's object_type_id
}

// identifierOf reads a valid JSON value as an identifiers object: exactly one
// kind, nothing unknown beside it, and each value a string with something in
// it or, where producers are known to number things, a whole number.
func identifierOf(raw []byte) identifier {
	var who identifier
	if raw[0] != '{' {
		return who
	}
	w, found := walk(raw), 0
	for name, value, ok := w.member(); ok; name, value, ok = w.member() {
		numbers := false
		switch string(text(raw[name.from:name.to])) {
		case "id":
			who.kind, who.main, numbers = KindID, value, true
		case "email":
			who.kind, who.main = KindEmail, value
		case "phone":
			who.kind, who.main = KindPhone, value
		case "cio_id":
			who.kind, who.main = KindCioID, value
		case "anonymous_id":
			who.kind, who.main = KindAnonymous, value
		case "cio_object_id":
			who.kind, who.main = KindCioObject, value
		case "object_id":
			who.kind, who.main, numbers = KindObject, value, true
		case "object_type_id":
			who.group, numbers = value, true
		default:
			return identifier{}
		}
		v := raw[value.from:value.to]
		if (!numbers || !wholeNumber(v)) && requireString(v, "") != nil {
			return identifier{}
		}
		found++
	}
	grouped := who.group != span{}
	if (who.kind == KindObject) != grouped || (grouped && found != 2) || (!grouped && found != 1) {
		return identifier{}
	}
	return who
}

// wholeNumber reports whether a valid JSON value is a number of digits only.
func wholeNumber(raw []byte) bool {
	for _, c := range raw {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(raw) > 0
}

// Identifier returns by what a prepared entity names whom or what it is about
// (the primary person of a merge, the delivery of a delivery event), and the
// identifier's text without quotes and escapes; of an object its object_id. It
// is KindNone for an operation by header and for an event not prepared as an
// entity. The bytes may be the event's own and must not be changed.
func (e *Event) Identifier() (Kind, []byte) {
	who := e.body.who
	return who.kind, plain(e.Value[who.main.from:who.main.to])
}

// plain is the text of a string or number.
func plain(raw []byte) []byte {
	if len(raw) > 0 && raw[0] != '"' {
		return raw
	}
	return text(raw)
}
