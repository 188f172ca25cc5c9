package gateway

import (
	"mime"
	"slices"
	"strconv"
	"strings"

	"sluice/pipeline/event"
)

// The calls of this file v2 cannot say: they stay operations with arguments,
// which the destination is asked one by one.

// v1Argument makes the value of an operation by header: what the path said, if
// anything, and the body.
func v1Argument(field event.Field, said string, body []byte) []byte {
	value := append(make([]byte, 0, len(said)+len(body)+64), '{')
	if field != event.FieldNone {
		value = v1Quote(value, field.String())
		value = append(v1Quote(append(value, ':'), said), ',')
	}
	value = append(append(value, `"body":`...), body...)
	return append(value, '}')
}

// v1ReportMetric reads POST /api/v1/metrics. Which metrics a delivery's channel
// has is not known here: those of any channel are taken.
func v1ReportMetric(c *call) ([]item, reply) {
	return v1Report(c, event.OpMetrics, "metric",
		"bounced", "clicked", "converted", "deferred", "delivered", "dropped", "opened", "spammed")
}

// v1ReportPush reads POST /api/v1/push/events, and /push/events as one library
// spells it.
func v1ReportPush(c *call) ([]item, reply) {
	return v1Report(c, event.OpPushEvent, "event", "opened", "converted", "delivered")
}

// v1Report is what became of a delivery. It gets the door's time when it says
// none, so that an outage moves it in time as little as an event.
func v1Report(c *call, op event.Op, what string, known ...string) ([]item, reply) {
	body, f := v1Object(c.body)
	if f != nil {
		return v1Taken(nil, f)
	}
	delivery, f := v1DeliveryID(v1Field(body, "delivery_id"))
	if f != nil {
		return v1Taken(nil, f)
	}
	said, f := v1String(v1Field(body, what), what)
	if f == nil && !slices.Contains(known, said) {
		f = v1Invalid(what, "must be one of "+strings.Join(known, ", "))
	}
	if f != nil {
		return v1Taken(nil, f)
	}
	timestamp, f := v1Timestamp(v1Field(body, "timestamp"), "timestamp")
	if f != nil {
		return v1Taken(nil, f)
	}
	if timestamp == nil {
		timestamp = strconv.AppendInt(nil, c.now.Unix(), 10)
	}
	stamped := append(append(make([]byte, 0, len(body)+32), `{"timestamp":`...), timestamp...)
	stamped = append(v1Members(append(stamped, ','), body, "timestamp"), '}')
	return []item{{
		key: event.KeyOfDelivery(delivery), op: op, value: v1Argument(event.FieldNone, "", stamped),
	}}, reply{}
}

func v1DeliveryID(raw []byte) (string, *fault) {
	id, f := v1String(raw, "delivery_id")
	if f == nil && len(id) > v1MaxIDBytes {
		f = v1Invalid("delivery_id", "is longer than "+strconv.Itoa(v1MaxIDBytes)+" bytes")
	}
	return id, f
}

// v1UnsubscribeDelivery reads POST /unsubscribe/{delivery_id}, the one call
// that insists on its Content-Type.
func v1UnsubscribeDelivery(c *call) ([]item, reply) {
	delivery := c.args[0]
	f := v1PathValue("delivery_id", delivery)
	if f == nil && len(delivery) > v1MaxIDBytes {
		f = v1Invalid("delivery_id", "is longer than "+strconv.Itoa(v1MaxIDBytes)+" bytes")
	}
	if kind, _, err := mime.ParseMediaType(c.contentType); f == nil && (err != nil || kind != "application/json") {
		f = v1Invalid("Content-Type", "must be application/json")
	}
	if f != nil {
		return v1Taken(nil, f)
	}
	body, f := v1Object(c.body)
	if f != nil {
		return v1Taken(nil, f)
	}
	if raw := v1Field(body, "unsubscribe"); raw != nil && raw[0] != 't' && raw[0] != 'f' {
		return v1Taken(nil, v1Invalid("unsubscribe", "must be true or false"))
	}
	return []item{{
		key: event.KeyOfDelivery(delivery), op: event.OpUnsubscribe,
		value: v1Argument(event.FieldDeliveryID, delivery, body),
	}}, reply{}
}

// v1SubmitForm reads POST /api/v1/forms/{form_id}/submit: data with exactly one
// of id and email, and strings beside it.
func v1SubmitForm(c *call) ([]item, reply) {
	form := c.args[0]
	if f := v1PathValue("form_id", form); f != nil {
		return v1Taken(nil, f)
	}
	body, f := v1Object(c.body)
	if f != nil {
		return v1Taken(nil, f)
	}
	data := v1Field(body, "data")
	switch {
	case data == nil:
		return v1Taken(nil, v1Required("data"))
	case data[0] != '{':
		return v1Taken(nil, v1Invalid("data", "must be an object"))
	}
	who, f := v1FormPerson(data)
	if f == nil {
		f = v1CheckAttributes(data, "data")
	}
	if f != nil {
		return v1Taken(nil, f)
	}
	return []item{{key: who.key(), op: event.OpFormSubmit, value: v1Argument(event.FieldFormID, form, body)}}, reply{}
}

// v1FormPerson is who submits a form.
func v1FormPerson(data []byte) (v1Person, *fault) {
	var who v1Person
	w := walkV1(data)
	for m, ok := w.member(); ok; m, ok = w.member() {
		if m.value[0] != '"' {
			return who, v1Invalid("data", "must hold strings only")
		}
		kind := v1KindOf(string(v1Text(m.name)))
		if kind != event.KindID && kind != event.KindEmail {
			continue
		}
		if who.kind != event.KindNone {
			return who, v1Invalid("data", "must have exactly one of id and email")
		}
		who = v1Person{kind, string(v1Text(m.value))}
	}
	switch {
	case who.kind == event.KindNone:
		return who, v1Invalid("data", "must have exactly one of id and email")
	case who.value == "":
		return who, v1Required("data." + who.kind.String())
	case len(who.value) > v1MaxIDBytes:
		return who, v1Invalid("data."+who.kind.String(), "is longer than "+strconv.Itoa(v1MaxIDBytes)+" bytes")
	case who.kind == event.KindEmail && !strings.Contains(who.value, "@"):
		return who, v1Invalid("data.email", "must be an address")
	}
	return who, nil
}
