package gateway

import (
	"strconv"

	"sluice/pipeline/event"
)

// v1AddToSegment reads POST /api/v1/segments/{id}/add_customers.
func v1AddToSegment(c *call) ([]item, reply) { return v1Segment(c, event.OpSegmentAdd) }

// v1RemoveFromSegment reads POST /api/v1/segments/{id}/remove_customers.
func v1RemoveFromSegment(c *call) ([]item, reply) { return v1Segment(c, event.OpSegmentRemove) }

// v1Segment makes the record of a segment call. One about a single person has
// that person's key, so that it comes after the call that made the person, for
// the API ignores ids of nobody. One about several has the segment's, so that
// adding and removing keep their order.
func v1Segment(c *call, op event.Op) ([]item, reply) {
	segment := c.args[0]
	if f := v1PathValue("segment_id", segment); f != nil {
		return v1Taken(nil, f)
	}
	by, kind := c.query.Get("id_type"), event.KindID
	if by != "" {
		kind = v1KindOf(by)
	}
	if kind == event.KindNone {
		return v1Taken(nil, v1Invalid("id_type", "must be id, email or cio_id"))
	}
	body, f := v1Object(c.body)
	if f != nil {
		return v1Taken(nil, f)
	}
	count, last, f := v1SegmentIDs(v1Field(body, "ids"))
	if f != nil {
		return v1Taken(nil, f)
	}
	key := []byte("segment:" + segment)
	if count == 1 && last != "" && len(last) <= v1MaxIDBytes {
		key = v1Person{kind, last}.key()
	}
	value := v1Argument(event.FieldSegmentID, segment, body)
	if by != "" {
		value = append(value[:len(value)-1], `,"id_type":"`+by+`"}`...)
	}
	return []item{{key: key, op: op, value: value}}, reply{}
}

// v1SegmentIDs counts the ids of a segment call and returns the last of them.
func v1SegmentIDs(raw []byte) (int, string, *fault) {
	must := "must be 1 to " + strconv.Itoa(v1MaxSegmentIDs) + " strings"
	switch {
	case raw == nil:
		return 0, "", v1Required("ids")
	case raw[0] != '[':
		return 0, "", v1Invalid("ids", must)
	}
	count, last := 0, []byte(nil)
	w := walkV1(raw)
	for id, ok := w.element(); ok; id, ok = w.element() {
		if count++; id[0] != '"' || count > v1MaxSegmentIDs {
			return 0, "", v1Invalid("ids", must)
		}
		last = id
	}
	if count == 0 {
		return 0, "", v1Invalid("ids", must)
	}
	return count, string(v1Text(last)), nil
}
