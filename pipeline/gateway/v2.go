package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/pipeline/event"
)

// The sizes that the Track API publishes for v2, in bytes.
const (
	v2MaxEntity = 32 << 10
	v2MaxBatch  = 500_000
	// v2MaxItems is above what a batch of that size can hold of valid entities:
	// it bounds the answer to one of nothing but faults.
	v2MaxItems = 10_000
)

const (
	v2EntityPath = "/api/v2/entity"
	v2BatchPath  = "/api/v2/batch"
)

// v2Endpoint returns the endpoint of a method and an escaped path, nil when v2
// has none. No path of v2 has values.
func v2Endpoint(method, escapedPath string) (e *endpoint, args []string) {
	if method != v2Allow(escapedPath) {
		return nil, nil
	}
	if escapedPath == v2BatchPath {
		return &endpoint{name: "batch", maxBody: v2MaxBatch, decode: decodeBatch, refuse: refuseV2, partial: partialV2, ok: okReply()}, nil
	}
	return &endpoint{name: "entity", maxBody: v2MaxEntity, decode: decodeEntity, refuse: refuseV2, ok: okReply()}, nil
}

// v2Allow is the method that a path of v2 has; empty when v2 has no such path.
func v2Allow(escapedPath string) string {
	if escapedPath == v2EntityPath || escapedPath == v2BatchPath {
		return http.MethodPost
	}
	return ""
}

// decodeEntity makes the record of POST /api/v2/entity: its body, as it is.
func decodeEntity(c *call) ([]item, reply) {
	it, bad := readEntity(c.body, 0)
	if bad != nil {
		return nil, refuseV2(*bad)
	}
	return []item{it}, reply{}
}

// decodeBatch makes the records of POST /api/v2/batch: the bytes of each of its
// items. A bad item does its neighbours no harm.
func decodeBatch(c *call) ([]item, reply) {
	parts, bad := splitBatch(c.body)
	if bad != nil {
		return nil, refuseV2(*bad)
	}
	items := make([]item, 0, len(parts))
	for i, part := range parts {
		it, bad := readEntity(part, i)
		switch {
		case bad == nil:
			items = append(items, it)
		case bad.reason == reasonSyntax || bad.field == "body" && !isLooseJSON(part):
			return nil, refuseV2(syntaxOf(c.body))
		default:
			c.faults = append(c.faults, *bad)
		}
	}
	return items, reply{}
}

// isLooseJSON reports whether an item that is refused for its size, its depth,
// a name given twice or bad UTF-8 is JSON at all. If not, neither is its batch.
func isLooseJSON(part []byte) bool {
	return jsontext.Value(part).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// reasonSyntax marks what is not JSON at all; it leaves as reasonInvalid.
const reasonSyntax = "syntax"

// syntaxOf says what is wrong with a body that is not JSON as it must be.
func syntaxOf(body []byte) fault {
	e := event.Event{Value: body}
	if e.PrepareObject(); e.Fault == nil {
		return fault{reason: reasonInvalid, field: "body", message: "body must be valid JSON"}
	}
	f := faultOf(e.Fault, 0)
	f.reason, f.field = reasonInvalid, "body"
	return f
}

// readEntity makes the item of one entity, judged as it will be judged on its
// way out, and by the published sizes.
func readEntity(raw []byte, index int) (item, *fault) {
	if len(raw) > v2MaxEntity {
		return item{}, &fault{index, reasonInvalid, "body", fmt.Sprintf("entity is larger than %d bytes", v2MaxEntity)}
	}
	if raw == nil {
		raw = []byte{} // a nil value would be a tombstone
	}
	e := event.Event{Value: raw}
	e.PrepareEntity()
	if e.Fault != nil {
		f := faultOf(e.Fault, index)
		return item{}, &f
	}
	if field, message := beyondSizes(&e); message != "" {
		return item{}, &fault{index, reasonInvalid, field, message}
	}
	timed := e.Op == event.OpEvent || e.Op == event.OpPage || e.Op == event.OpScreen
	return item{
		key: keyOf(&e), value: raw, index: index,
		named: timed && !hasID(e.Field(event.FieldID)),
		stamp: (timed || e.Op == event.OpIdentify) && v1Given(e.Field(event.FieldTimestamp)) == nil,
	}, nil
}

// hasID reports whether a body's id tells its event from others, as a string
// with something in it and a number do.
func hasID(raw []byte) bool {
	if len(raw) == 0 {
		return false
	}
	return raw[0] == '"' && len(raw) > len(`""`) || raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'
}

// keyOf is the record key of a prepared entity: by the identifier that the
// caller used.
func keyOf(e *event.Event) []byte {
	kind, id := e.Identifier()
	switch kind {
	case event.KindEmail:
		return event.KeyOfEmail(string(id))
	case event.KindCioID:
		return event.KeyOfCioID(string(id))
	case event.KindObject:
		group := plainText(v1Field(e.Field(event.FieldIdentifiers), "object_type_id"))
		return event.KeyOfObject(group, string(id))
	case event.KindCioObject:
		return event.KeyOfCioObject(string(id))
	default:
		return id
	}
}

// beyondSizes says which published size an entity exceeds.
func beyondSizes(e *event.Event) (field, message string) {
	for _, f := range [...]event.Field{event.FieldIdentifiers, event.FieldPrimary, event.FieldSecondary} {
		if message := unfitIdentifiers(e.Field(f)); message != "" {
			return f.String(), f.String() + message
		}
	}
	switch e.Op {
	case event.OpEvent, event.OpPage, event.OpScreen:
		if len(v1Text(e.Field(event.FieldName))) > v1MaxEventName {
			return "name", "name is longer than " + strconv.Itoa(v1MaxEventName) + " bytes"
		}
	case event.OpIdentify, event.OpObjectIdentify:
		if raw := v1Given(e.Field(event.FieldAttributes)); raw != nil {
			if bad := v1CheckAttributes(raw, "attributes"); bad != nil {
				return bad.field, bad.message
			}
		}
	default:
	}
	return "", ""
}

// unfitIdentifiers says what keeps the values of an identifiers object from
// being ones that the API takes.
func unfitIdentifiers(raw []byte) string {
	if len(raw) == 0 || raw[0] != '{' {
		return ""
	}
	w := walkV1(raw)
	for m, ok := w.member(); ok; m, ok = w.member() {
		text := m.value
		if m.value[0] == '"' {
			text = v1Text(m.value)
		}
		switch name := string(v1Text(m.name)); {
		case len(text) > v1MaxIDBytes:
			return " holds a value of more than " + strconv.Itoa(v1MaxIDBytes) + " bytes"
		case name == "email" && !strings.Contains(string(text), "@"):
			return ".email is not an address"
		case name == "phone" && !isE164(string(text)):
			return ".phone is not in E.164 form"
		}
	}
	return ""
}

func isE164(phone string) bool {
	digits, plus := strings.CutPrefix(phone, "+")
	return plus && len(digits) >= 2 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

// faultOf words a fault of the event package as the API does.
func faultOf(f *event.Fault, index int) fault {
	// A detail begins with the place, where there is one.
	place, _, _ := strings.Cut(f.Detail, " ")
	bad := fault{index: index, reason: reasonInvalid, field: "body", message: f.Detail}
	switch f.Reason {
	case event.ReasonMissingField:
		bad.reason, bad.field = reasonRequired, place
	case event.ReasonBadField, event.ReasonUnknownType, event.ReasonUnknownAction:
		bad.field = place
	case event.ReasonBadIdentifiers:
		bad.field = "identifiers"
		if strings.Contains(place, ".") || place == "primary" || place == "secondary" {
			bad.field = place
		}
	case event.ReasonNotJSON:
		bad.reason = reasonSyntax
	default:
	}
	return bad
}
