package simulator

import "strconv"

// decodeBatch reads POST /api/v2/batch. Items are judged one by one: a bad
// one does not harm the others.
func decodeBatch(q *request) {
	if len(q.body) > maxBatchBytes {
		q.flaw = invalid("batch", "batch is larger than "+strconv.Itoa(maxBatchBytes)+" bytes")
		return
	}
	batch := field(q.body, "batch")
	switch {
	case !isObject(q.body):
		q.flaw = invalid("body", "body must be an object")
	case isNull(batch):
		q.flaw = required("batch")
	case !isArray(batch):
		q.flaw = invalid("batch", "batch must be an array")
	}
	if q.flaw != nil {
		return
	}
	for item := range elements(batch) {
		c := q.add(opUnreadable)
		c.flaw = c.readEntity(item)
	}
	if len(q.calls) == 0 {
		q.flaw = required("batch")
	}
}

// decodeEntity reads POST /api/v2/entity.
func decodeEntity(q *request) {
	c := q.add(opUnreadable)
	if len(q.body) == 0 {
		c.flaw = required("type")
		return
	}
	c.flaw = c.readEntity(q.body)
}

// entity is one v2 entity, its members still raw.
type entity struct {
	kind, action, identifiers []byte
	name, id, timestamp       []byte
	attributes, device        []byte
	relations                 []byte
	primary, secondary        []byte
}

func (e *entity) split(raw []byte) {
	for name, value := range members(raw) {
		switch string(name) {
		case "type":
			e.kind = text(value)
		case "action":
			e.action = text(value)
		case "identifiers":
			e.identifiers = value
		case "name":
			e.name = value
		case "id":
			e.id = value
		case "timestamp":
			e.timestamp = value
		case "attributes":
			e.attributes = value
		case "device":
			e.device = value
		case "cio_relationships":
			e.relations = value
		case "primary":
			e.primary = value
		case "secondary":
			e.secondary = value
		}
	}
}

// readEntity fills the call from one entity, and returns what is wrong with it.
func (c *call) readEntity(raw []byte) *flaw {
	if !isObject(raw) {
		return invalid("body", "entity must be an object")
	}
	var e entity
	e.split(raw)
	c.note(e.attributes)
	size := sizeFlaw(raw)
	switch {
	case len(e.kind) == 0:
		return firstOf(size, required("type"))
	case len(e.action) == 0:
		return firstOf(size, required("action"))
	}
	switch string(e.kind) {
	case "person":
		return firstOf(c.readPerson(&e), size)
	case "object":
		return firstOf(c.readObject(&e), size)
	case "delivery":
		return firstOf(c.readDelivery(&e), size)
	}
	return invalid("type", "type is not known")
}

func sizeFlaw(raw []byte) *flaw {
	if len(raw) > maxEntityBytes {
		return invalid("body", "entity is larger than "+strconv.Itoa(maxEntityBytes)+" bytes")
	}
	return nil
}

func (c *call) readPerson(e *entity) *flaw {
	if string(e.action) == "merge" {
		return c.readMerge(e.primary, e.secondary)
	}
	var whose *flaw
	c.user, whose = personIdent(e.identifiers, "identifiers", byID, byEmail, byPhone, byCio, byAnonymous)
	switch string(e.action) {
	case "identify":
		c.op = opIdentify
		c.attributes = objectOrNil(e.attributes)
		c.updateOnly = string(field(c.attributes, "_update")) == "true"
		return firstOf(whose, c.setTimestamp(e.timestamp, "timestamp"), checkAttributes(e.attributes, "attributes"),
			c.readRelations(e.relations, toObject))
	case "event", "screen", "page":
		c.op = eventOp(string(e.action))
		c.attributes = objectOrNil(e.attributes)
		return firstOf(whose, c.setEventName(e.name), c.setID(e.id), c.setTimestamp(e.timestamp, "timestamp"),
			mustBeObject(e.attributes, "attributes"))
	case "add_device", "delete_device":
		c.op = opDeleteDevice
		if string(e.action) == "add_device" {
			c.op = opAddDevice
		}
		return firstOf(whose, c.readDevice(e.device, "token"))
	case "add_relationships", "delete_relationships":
		c.op = opDeleteRelationships
		if string(e.action) == "add_relationships" {
			c.op = opAddRelationships
		}
		return firstOf(whose, mustHave(e.relations, "cio_relationships"), c.readRelations(e.relations, toObject))
	case "delete":
		c.op = opDelete
	case "suppress":
		c.op = opSuppress
	case "unsuppress":
		c.op = opUnsuppress
	default:
		return invalid("action", "action is not known")
	}
	return whose
}

func (c *call) readObject(e *entity) *flaw {
	var whose *flaw
	c.user, whose = objectIdent(e.identifiers, "identifiers")
	switch string(e.action) {
	case "identify":
		c.op = opObjectIdentify
		c.attributes = objectOrNil(e.attributes)
		return firstOf(whose, c.setTimestamp(e.timestamp, "timestamp"), checkAttributes(e.attributes, "attributes"),
			c.readRelations(e.relations, toPerson))
	case "identify_anonymous":
		c.op = opObjectIdentifyAnonymous
		return firstOf(whose, c.readRelations(e.relations, toAnonymous))
	case "delete":
		c.op = opObjectDelete
		return whose
	case "add_relationships", "delete_relationships":
		c.op = opObjectDeleteRelationships
		if string(e.action) == "add_relationships" {
			c.op = opObjectAddRelationships
		}
		return firstOf(whose, mustHave(e.relations, "cio_relationships"), c.readRelations(e.relations, toPerson))
	}
	return invalid("action", "action is not known")
}

func (c *call) readDelivery(e *entity) *flaw {
	c.op = opDelivery
	c.user = ident{byDelivery, string(text(field(e.identifiers, "id")))}
	c.name = string(text(e.name))
	switch {
	case string(e.action) != "event":
		return invalid("action", "action is not known")
	case c.user.value == "":
		return required("identifiers")
	case c.name == "":
		return required("name")
	case c.name != "opened" && c.name != "converted" && c.name != "delivered":
		return invalid("name", "name must be opened, converted or delivered")
	case len(text(field(e.attributes, "device_token"))) == 0:
		return required("attributes.device_token")
	}
	return c.setTimestamp(e.timestamp, "timestamp")
}

// eventOp is the operation of an event's type; what is not known is an event.
func eventOp(kind string) op {
	switch kind {
	case "page":
		return opPage
	case "screen":
		return opScreen
	}
	return opTrack
}
