package gateway

import (
	"strconv"

	"sluice/pipeline/event"
)

// v1CustomerEvent reads POST /api/v1/customers/{id}/events.
func v1CustomerEvent(c *call) ([]item, reply) {
	who, f := v1PersonOf(c.args[0])
	if f != nil {
		return v1Taken(nil, f)
	}
	body, f := v1Object(c.body)
	if f != nil {
		return v1Taken(nil, f)
	}
	told, f := v1ReadEvent(body)
	if f != nil {
		return v1Taken(nil, f)
	}
	value := told.append(who.v1Entity(told.action, len(body)))
	return []item{told.item(who.key(), value)}, reply{}
}

// v1AnonymousEvent reads POST /api/v1/events: what somebody did who is not
// known yet.
func v1AnonymousEvent(c *call) ([]item, reply) {
	body, f := v1Object(c.body)
	if f != nil {
		return v1Taken(nil, f)
	}
	told, f := v1ReadEvent(body)
	if f != nil {
		return v1Taken(nil, f)
	}
	raw := v1Field(body, "anonymous_id")
	if raw == nil || len(raw) == len(`""`) && raw[0] == '"' {
		return []item{told.invite(c, body)}, reply{}
	}
	who, f := v1String(raw, "anonymous_id")
	switch {
	case f != nil:
		return v1Taken(nil, f)
	case len(who) > v1MaxIDBytes:
		return v1Taken(nil, v1Invalid("anonymous_id", "is longer than "+strconv.Itoa(v1MaxIDBytes)+" bytes"))
	}
	value := make([]byte, 0, len(body)+128)
	value = append(value, `{"type":"person","action":"`...)
	value = append(value, told.action...)
	value = append(value, `","identifiers":{"anonymous_id":`...)
	value = append(append(value, raw...), '}')
	return []item{told.item(event.KeyOfAnonymous(who), told.append(value))}, reply{}
}

// invite is an event about nobody, sent to data.recipient, which v2 cannot say.
// It says when it happened and, unless the destination names it, who it is.
func (t v1Told) invite(c *call, body []byte) item {
	at := t.timestamp
	if at == nil {
		at = strconv.AppendInt(nil, c.now.Unix(), 10)
	}
	without := []string{"timestamp", "anonymous_id"}
	if t.id == nil {
		without = append(without, "id")
	}
	stamped := append(append(make([]byte, 0, len(body)+32), `{"timestamp":`...), at...)
	stamped = append(v1Members(append(stamped, ','), body, without...), '}')
	var key []byte // nobody, so that each has a lane of its own
	if to := v1Text(v1InData(t.data, "recipient")); len(to) > 0 && len(to) <= v1MaxIDBytes {
		key = event.KeyOfEmail(string(to))
	}
	return item{key: key, op: event.OpInvite, named: t.id == nil, value: v1Argument(event.FieldNone, "", stamped)}
}

// v1InData is a member of an event's data, nil without.
func v1InData(data []byte, name string) []byte {
	if data == nil {
		return nil
	}
	return v1Field(data, name)
}

// v1Told is an event as v1's body tells it, in raw JSON. All but the name may
// be absent.
type v1Told struct {
	action              string // event, page or screen
	name                []byte
	id, timestamp, data []byte
}

// v1ReadEvent reads the body of an event. A type that is not known is an
// event, as it is for the API.
func v1ReadEvent(body []byte) (v1Told, *fault) {
	told := v1Told{action: "event"}
	var at []byte
	w := walkV1(body)
	for m, ok := w.member(); ok; m, ok = w.member() {
		switch string(v1Text(m.name)) {
		case "type":
			if kind := string(v1Text(m.value)); kind == "page" || kind == "screen" {
				told.action = kind
			}
		case "name":
			told.name = v1Given(m.value)
		case "id":
			told.id = v1Given(m.value)
		case "timestamp":
			at = m.value
		case "data":
			told.data = v1Given(m.value)
		}
	}
	name, f := v1String(told.name, "name")
	if f != nil {
		return v1Told{}, f
	}
	told.timestamp, f = v1Timestamp(at, "timestamp")
	switch {
	case f != nil:
		return v1Told{}, f
	case len(name) > v1MaxEventName:
		return v1Told{}, v1Invalid("name", "is longer than "+strconv.Itoa(v1MaxEventName)+" bytes")
	case told.id != nil && told.id[0] != '"':
		return v1Told{}, v1Invalid("id", "must be a string")
	case told.data != nil && told.data[0] != '{':
		return v1Told{}, v1Invalid("data", "must be an object")
	case len(told.data) > v1MaxEventData:
		return v1Told{}, v1Invalid("data", "is larger than "+strconv.Itoa(v1MaxEventData)+" bytes")
	}
	if len(told.id) == len(`""`) { // an empty id is none
		told.id = nil
	}
	return told, nil
}

// append ends an entity with the event. The data stay as they were written.
func (t v1Told) append(dst []byte) []byte {
	dst = append(append(dst, `,"name":`...), t.name...)
	if t.id != nil {
		dst = append(append(dst, `,"id":`...), t.id...)
	}
	if t.timestamp != nil {
		dst = append(append(dst, `,"timestamp":`...), t.timestamp...)
	}
	if t.data != nil {
		dst = append(append(dst, `,"attributes":`...), t.data...)
	}
	return append(dst, '}')
}

func (t v1Told) item(key, value []byte) item {
	return item{key: key, value: value, named: t.id == nil, stamp: t.timestamp == nil}
}
