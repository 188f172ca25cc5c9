package guard

import (
	"bytes"
	"hash/maphash"

	"sluice/pipeline/event"
)

// identifyOf is the digest of what an identify says, its timestamp apart. It
// reports false for any event a repeat of which may have an effect that the
// first one had not:
//
//   - without a user: its neighbours are not known;
//   - of somebody named by Customer.io's own id: it does nothing until there is
//     such a person, and there may be one by now;
//   - with relationships, which others may have changed meanwhile, or with
//     anything beside identifiers and attributes;
//   - with an attribute that is an instruction (_update and all that begin with
//     _ or cio_) or that merges profiles (anonymous_id), or whose name cannot be
//     read at a glance.
func identifyOf(seed maphash.Seed, e *event.Event) (uint64, bool) {
	if e.Op != event.OpIdentify || e.Key == nil {
		return 0, false
	}
	switch kind, _ := e.Identifier(); kind {
	case event.KindID, event.KindEmail, event.KindPhone:
	default:
		return 0, false
	}
	fit := true
	var who, what uint64
	r := reader{seed: seed, b: e.Value}
	r.object(func(name []byte) {
		switch string(name) {
		case `"type"`, `"action"`, `"timestamp"`:
			r.value(1)
		case `"identifiers"`:
			who = r.value(1)
		case `"attributes"`:
			what = r.attributes(&fit)
		default:
			fit = false
			r.value(1)
		}
	})
	return mix(who, what), fit && !r.wrong
}

// attributes is the digest of attributes; fit is cleared when one of them makes
// a repeat more than a repeat.
func (r *reader) attributes(fit *bool) uint64 {
	if r.skipSpace() != '{' {
		return r.value(1) // null
	}
	sum, n := uint64(0), uint64(1)
	r.object(func(name []byte) {
		if reserved(name) {
			*fit = false
		}
		sum += mix(maphash.Bytes(r.seed, name), r.value(2))
		n++
	})
	return mix(sum, n)
}

// reserved tells whether an attribute of that name, in quotes, may be more than
// a value that is set.
func reserved(name []byte) bool {
	return bytes.IndexByte(name, '\\') >= 0 || bytes.HasPrefix(name, []byte(`"_`)) || bytes.HasPrefix(name, []byte(`"cio_`)) ||
		string(name) == `"anonymous_id"`
}

// contentOf is the digest of what an event says, its id apart; its timestamp
// counts when it carries one. It reports false for what is not to be judged by
// its content: without a user, or an operation that is no happening.
func contentOf(seed maphash.Seed, e *event.Event) (uint64, bool) {
	if e.Key == nil {
		return 0, false
	}
	switch e.Op {
	case event.OpEvent, event.OpPage, event.OpScreen:
		return happening(seed, e.Value)
	case event.OpSend:
		return request(seed, e), true
	default:
		return 0, false
	}
}

// happening is the digest of an entity without its id.
func happening(seed maphash.Seed, value []byte) (uint64, bool) {
	var sum uint64
	r := reader{seed: seed, b: value}
	r.object(func(name []byte) {
		member := mix(maphash.Bytes(seed, name), r.value(1))
		if string(name) != `"id"` {
			sum += member
		}
	})
	return mix(sum, 1), !r.wrong
}

// request is the digest of what a destination is sent that takes any bytes:
// they, and the HTTP request that they came as.
func request(seed maphash.Seed, e *event.Event) uint64 {
	sum := mix(maphash.Bytes(seed, e.Value), maphash.String(seed, e.CarriedMethod()))
	for name, value := range e.Carried() {
		sum = mix(sum, mix(maphash.String(seed, name), maphash.Bytes(seed, value)))
	}
	return sum
}

// secondaryKey is the record key of the other person of a merge. It reports
// false when that cannot be told at a glance.
func secondaryKey(seed maphash.Seed, e *event.Event) ([]byte, bool) {
	var key []byte
	r := reader{seed: seed, b: e.Field(event.FieldSecondary)}
	r.object(func(name []byte) {
		from := r.at
		r.value(1)
		id := string(bytes.Trim(bytes.TrimSpace(r.b[from:r.at]), `"`))
		switch string(name) {
		case `"id"`:
			key = event.KeyOfID(id)
		case `"email"`:
			key = event.KeyOfEmail(id)
		case `"cio_id"`:
			key = event.KeyOfCioID(id)
		}
	})
	return key, key != nil && !r.wrong && bytes.IndexByte(r.b, '\\') < 0
}
