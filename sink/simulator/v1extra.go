package simulator

import (
	"mime"
	"slices"
	"strconv"
)

// decodePush reads POST /api/v1/push/events, and /push/events as one library
// spells it.
func decodePush(q *request) {
	c := q.add(opPush)
	body, wrong := q.object()
	c.user = ident{byDelivery, string(text(field(body, "delivery_id")))}
	c.name = string(text(field(body, "event")))
	c.flaw = firstOf(wrong, c.user.check("delivery_id"), wordOf("event", c.name, "opened", "converted", "delivered"),
		c.setTimestamp(field(body, "timestamp"), "timestamp"))
}

// decodeMetric reads POST /api/v1/metrics. Which metrics a channel has cannot
// be judged here: the delivery's channel is not known.
func decodeMetric(q *request) {
	c := q.add(opMetric)
	body, wrong := q.object()
	c.user = ident{byDelivery, string(text(field(body, "delivery_id")))}
	c.name = string(text(field(body, "metric")))
	c.flaw = firstOf(wrong, c.user.check("delivery_id"),
		wordOf("metric", c.name, "bounced", "clicked", "converted", "deferred", "delivered", "dropped", "opened", "spammed"),
		c.setTimestamp(field(body, "timestamp"), "timestamp"))
}

func wordOf(field, word string, known ...string) *flaw {
	if word == "" {
		return required(field)
	}
	if slices.Contains(known, word) {
		return nil
	}
	return invalid(field, field+" is not known")
}

// decodeUnsubscribe reads POST /unsubscribe/{delivery_id}, the one call that
// insists on its Content-Type.
func decodeUnsubscribe(q *request) {
	c := q.add(opUnsubscribe)
	c.user = ident{byDelivery, q.args[0]}
	_, wrong := q.object()
	if kind, _, err := mime.ParseMediaType(q.contentType); err != nil || kind != "application/json" {
		wrong = invalid("Content-Type", "Content-Type must be application/json")
	}
	c.flaw = wrong
}

// decodeForm reads POST /api/v1/forms/{form_id}/submit: exactly one of id and
// email, and strings.
func decodeForm(q *request) {
	c := q.add(opForm)
	c.name = q.args[0]
	body, wrong := q.object()
	data := field(body, "data")
	c.attributes = objectOrNil(data)
	c.note(c.attributes)
	if c.flaw = firstOf(wrong, mustHave(data, "data"), mustBeObject(data, "data")); c.flaw != nil {
		return
	}
	c.user, c.flaw = personIdent(data, "data", byID, byEmail)
	for name, value := range members(data) {
		if !isString(value) && string(name) != "_seq" && string(name) != "_n" {
			c.flaw = firstOf(c.flaw, invalid("data."+string(name), "values must be strings"))
		}
	}
	c.flaw = firstOf(c.flaw, checkAttributes(data, "data"))
}

// decodeSegmentAdd reads POST /api/v1/segments/{id}/add_customers.
func decodeSegmentAdd(q *request) { q.readSegment(q.add(opSegmentAdd)) }

// decodeSegmentRemove reads POST /api/v1/segments/{id}/remove_customers.
func decodeSegmentRemove(q *request) { q.readSegment(q.add(opSegmentRemove)) }

func (q *request) readSegment(c *call) {
	c.segment, c.name, c.by = q.args[0], q.args[0], byID
	if asked := q.query.Get("id_type"); asked != "" {
		c.by = personKind(asked)
	}
	body, wrong := q.object()
	c.members = field(body, "ids")
	c.flaw = firstOf(wrong, mustHave(c.members, "ids"))
	if c.flaw != nil {
		return
	}
	if c.by != byID && c.by != byEmail && c.by != byCio {
		c.flaw = invalid("id_type", "id_type must be id, email or cio_id")
		return
	}
	count := 0
	for value := range elements(c.members) {
		count++
		if !isString(value) {
			c.flaw = invalid("ids", "ids must be strings")
		}
	}
	if count == 0 || count > maxSegmentIDs {
		c.flaw = invalid("ids", "ids must be 1 to "+strconv.Itoa(maxSegmentIDs)+" strings")
	}
}
