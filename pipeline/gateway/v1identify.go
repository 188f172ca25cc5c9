package gateway

import "strconv"

// v1Identify reads PUT /api/v1/customers/{id}: free attributes, among which a
// few steer. All but two of them v2 takes among the attributes as well. The
// time that orders the update and the relationships stand beside them there,
// and taking relationships away is a second entity, after the first.
func v1Identify(c *call) ([]item, reply) {
	who, f := v1PersonOf(c.args[0])
	if f != nil {
		return v1Taken(nil, f)
	}
	body, f := v1Object(c.body)
	if f != nil {
		return v1Taken(nil, f)
	}
	if f = v1CheckAttributes(body, "attributes"); f != nil {
		return v1Taken(nil, f)
	}
	beside := v1ReadBeside(body)
	timestamp, f := v1Timestamp(beside.timestamp, v1TimestampName)
	if f != nil {
		return v1Taken(nil, f)
	}
	links, f := v1ReadRelations(v1Given(beside.relations))
	if f != nil {
		return v1Taken(nil, f)
	}
	value := who.v1Entity("identify", len(body))
	if timestamp != nil {
		value = append(append(value, `,"timestamp":`...), timestamp...)
	}
	value = append(value, `,"attributes":`...)
	if beside.timestamp == nil && beside.relations == nil {
		value = append(value, body...)
	} else {
		value = append(v1Members(append(value, '{'), body, v1TimestampName, v1RelationsName), '}')
	}
	if !links.remove && links.list != nil {
		value = append(append(value, `,"cio_relationships":`...), links.list...)
	}
	items := []item{{key: who.key(), value: append(value, '}'), stamp: timestamp == nil}}
	if links.remove {
		items = append(items, links.removals(who)...)
	}
	return items, reply{}
}

// The members of an identify that v2 has beside the attributes.
const (
	v1TimestampName = "_timestamp"
	v1RelationsName = "cio_relationships"
)

// v1Beside is what they hold, raw; nil when absent.
type v1Beside struct{ timestamp, relations []byte }

func v1ReadBeside(body []byte) v1Beside {
	var beside v1Beside
	w := walkV1(body)
	for m, ok := w.member(); ok; m, ok = w.member() {
		switch string(v1Text(m.name)) {
		case v1TimestampName:
			beside.timestamp = m.value
		case v1RelationsName:
			beside.relations = m.value
		}
	}
	return beside
}

// v1Relations is cio_relationships as v1 has it: what is done, and to which.
type v1Relations struct {
	remove bool
	list   []byte // an array; nil without
}

// v1ReadRelations reads cio_relationships, nil when absent.
func v1ReadRelations(raw []byte) (v1Relations, *fault) {
	const field = v1RelationsName
	if raw == nil {
		return v1Relations{}, nil
	}
	if raw[0] != '{' {
		return v1Relations{}, v1Invalid(field, "must be an object")
	}
	var links v1Relations
	action, f := v1String(v1Field(raw, "action"), field+".action")
	if f != nil {
		return v1Relations{}, f
	}
	switch action {
	case "add_relationships":
	case "delete_relationships":
		links.remove = true
	default:
		return v1Relations{}, v1Invalid(field+".action", "must be add_relationships or delete_relationships")
	}
	links.list = v1Field(raw, "relationships")
	switch {
	case links.list == nil:
		return v1Relations{}, v1Required(field + ".relationships")
	case links.list[0] != '[':
		return v1Relations{}, v1Invalid(field+".relationships", "must be an array")
	}
	w := walkV1(links.list)
	for link, ok := w.element(); ok; link, ok = w.element() {
		if f := v1CheckRelation(link, field+".relationships"); f != nil {
			return v1Relations{}, f
		}
	}
	return links, nil
}

// v1CheckRelation judges one relationship of a person with an object.
func v1CheckRelation(link []byte, field string) *fault {
	if link[0] != '{' {
		return v1Invalid(field, "must hold objects")
	}
	if !v1NamesObject(v1Field(link, "identifiers")) {
		return v1Invalid(field, "must each have identifiers with object_type_id and object_id, or with cio_object_id")
	}
	attributes := v1Field(link, "relationship_attributes")
	switch {
	case attributes == nil:
		return nil
	case attributes[0] != '{':
		return v1Invalid(field, "must have objects as relationship_attributes")
	case len(attributes) > v1MaxRelatedBytes:
		return v1Invalid(field, "has relationship_attributes of more than "+strconv.Itoa(v1MaxRelatedBytes)+" bytes")
	}
	return v1CheckAttributes(attributes, field)
}

// v1NamesObject reports whether identifiers name one object as v2 takes it: by
// type and id, or by Customer.io's own id, and by nothing else.
func v1NamesObject(raw []byte) bool {
	if raw == nil || raw[0] != '{' {
		return false
	}
	var kind, id, cio bool
	w := walkV1(raw)
	for m, ok := w.member(); ok; m, ok = w.member() {
		numbers := true
		switch string(v1Text(m.name)) {
		case "object_type_id":
			kind = true
		case "object_id":
			id = true
		case "cio_object_id":
			cio, numbers = true, false
		default:
			return false
		}
		text := v1Text(m.value)
		if text == nil && numbers && v1Digits(m.value) {
			text = m.value
		}
		if len(text) == 0 || len(text) > v1MaxIDBytes {
			return false
		}
	}
	return kind == id && kind != cio
}

// removals makes the entities that take relationships away, as many as it
// needs for each to fit. Only whom they are with counts: what the
// relationships held goes with them.
func (l v1Relations) removals(who v1Person) []item {
	const room = v1MaxEntityBytes - 4096 // for the person, escaped, and one more relationship
	var items []item
	var value []byte
	end := func() {
		if value != nil {
			items = append(items, item{key: who.key(), value: append(value, `]}`...)})
		}
		value = nil
	}
	w := walkV1(l.list)
	for link, ok := w.element(); ok; link, ok = w.element() {
		if len(value) > room {
			end()
		}
		if value == nil {
			value = append(who.v1Entity("delete_relationships", 256), `,"cio_relationships":[`...)
		} else {
			value = append(value, ',')
		}
		value = append(append(append(value, `{"identifiers":`...), v1Field(link, "identifiers")...), '}')
	}
	end()
	return items
}
