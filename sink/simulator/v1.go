package simulator

import "strconv"

// personCall begins a call about the person in the path.
func (q *request) personCall(o op) *call {
	c := q.add(o)
	c.user, c.flaw = pathIdent(q.args[0])
	return c
}

// decodeIdentify reads PUT /api/v1/customers/{id}: free attributes, and the
// few that steer.
func decodeIdentify(q *request) {
	c := q.personCall(opIdentify)
	body, wrong := q.object()
	c.attributes = body
	c.note(body)
	c.flaw = firstOf(c.flaw, wrong, checkAttributes(body, "attributes"))
	for name, value := range members(body) {
		switch string(name) {
		case "_timestamp":
			c.flaw = firstOf(c.flaw, c.setTimestamp(value, "_timestamp"))
		case "_update":
			c.updateOnly = string(value) == "true"
		case "cio_relationships":
			c.unrelate = string(text(field(value, "action"))) == "delete_relationships"
			c.flaw = firstOf(c.flaw, mustBeObject(value, "cio_relationships"),
				c.readRelations(field(value, "relationships"), toObject))
		}
	}
}

// decodeDelete reads DELETE /api/v1/customers/{id}. Libraries send it with
// {}, with nothing, and with a Content-Type and nothing.
func decodeDelete(q *request) { q.personCall(opDelete) }

// decodeSuppress reads POST …/suppress.
func decodeSuppress(q *request) { q.personCall(opSuppress) }

// decodeUnsuppress reads POST …/unsuppress.
func decodeUnsuppress(q *request) { q.personCall(opUnsuppress) }

// decodeAddDevice reads PUT …/devices.
func decodeAddDevice(q *request) {
	c := q.personCall(opAddDevice)
	body, wrong := q.object()
	c.flaw = firstOf(c.flaw, wrong, c.readDevice(field(body, "device"), "id"))
}

// decodeDeleteDevice reads DELETE …/devices/{device_id}.
func decodeDeleteDevice(q *request) {
	c := q.personCall(opDeleteDevice)
	c.token = q.args[1]
}

// decodeEvent reads POST /api/v1/customers/{id}/events.
func decodeEvent(q *request) {
	c := q.personCall(opTrack)
	q.readEvent(c)
}

// decodeAnonymousEvent reads POST /api/v1/events. Without an anonymous_id,
// data.recipient says who is invited.
func decodeAnonymousEvent(q *request) {
	c := q.add(opTrack)
	if who := text(field(q.body, "anonymous_id")); len(who) > 0 {
		c.user = ident{byAnonymous, string(who)}
		c.flaw = c.user.check("anonymous_id")
	}
	q.readEvent(c)
}

// readEvent reads the body of an event by v1.
func (q *request) readEvent(c *call) {
	body, wrong := q.object()
	c.flaw = firstOf(c.flaw, wrong)
	var name []byte
	for member, value := range members(body) {
		switch string(member) {
		case "name":
			name = value
		case "type":
			c.op = eventOp(string(text(value)))
		case "id":
			c.flaw = firstOf(c.flaw, c.setID(value))
		case "timestamp":
			c.flaw = firstOf(c.flaw, c.setTimestamp(value, "timestamp"))
		case "data":
			c.attributes = objectOrNil(value)
			c.note(c.attributes)
			c.flaw = firstOf(c.flaw, mustBeObject(value, "data"))
			if len(value) > maxEventData {
				c.flaw = firstOf(c.flaw, invalid("data", "data is larger than "+strconv.Itoa(maxEventData)+" bytes"))
			}
		}
	}
	c.flaw = firstOf(c.flaw, c.setEventName(name))
}

// decodeMerge reads POST /api/v1/merge_customers.
func decodeMerge(q *request) {
	c := q.add(opMerge)
	body, wrong := q.object()
	c.flaw = firstOf(wrong, c.readMerge(field(body, "primary"), field(body, "secondary")))
}
