package event

// Field names a root field that a prepared event remembers.
type Field uint8

// The remembered fields: first a v2 entity's, then the arguments of an
// operation that is said by the header op.
const (
	FieldNone Field = iota
	FieldType
	FieldAction
	FieldIdentifiers
	FieldName
	FieldID
	FieldTimestamp
	FieldAttributes
	FieldDevice
	FieldRelationships
	FieldPrimary
	FieldSecondary
	FieldBody
	FieldFormID
	FieldSegmentID
	FieldIDType
	FieldDeliveryID
	fieldCount
)

// String is the field's name in the JSON.
func (f Field) String() string {
	names := [fieldCount]string{
		FieldType:          "type",
		FieldAction:        "action",
		FieldIdentifiers:   "identifiers",
		FieldName:          "name",
		FieldID:            "id",
		FieldTimestamp:     "timestamp",
		FieldAttributes:    "attributes",
		FieldDevice:        "device",
		FieldRelationships: "cio_relationships",
		FieldPrimary:       "primary",
		FieldSecondary:     "secondary",
		FieldBody:          "body",
		FieldFormID:        "form_id",
		FieldSegmentID:     "segment_id",
		FieldIDType:        "id_type",
		FieldDeliveryID:    "delivery_id",
	}
	if f >= fieldCount {
		return ""
	}
	return names[f] //nolint:gosec // in range: checked just above
}

// fieldOf is the field of that name, FieldNone for any other.
func fieldOf(name []byte) Field {
	switch string(name) {
	case "type":
		return FieldType
	case "action":
		return FieldAction
	case "identifiers":
		return FieldIdentifiers
	case "name":
		return FieldName
	case "id":
		return FieldID
	case "timestamp":
		return FieldTimestamp
	case "attributes":
		return FieldAttributes
	case "device":
		return FieldDevice
	case "cio_relationships":
		return FieldRelationships
	case "primary":
		return FieldPrimary
	case "secondary":
		return FieldSecondary
	case "body":
		return FieldBody
	case "form_id":
		return FieldFormID
	case "segment_id":
		return FieldSegmentID
	case "id_type":
		return FieldIDType
	case "delivery_id":
		return FieldDeliveryID
	default:
		return FieldNone
	}
}

// span is a range of an event's Value. Both ends are 0 for what is absent.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// mark is a span at half the size, for every event in hand holds one for each
// field. A Kafka record is below 2 GiB, so its offsets fit.
type mark struct{ from, to uint32 }

// body is what preparing an event learned about its Value.
type body struct {
	span   // the root object, or the header op's request body
	fields [fieldCount]mark
	who    identifier
	id     splice
	time   splice
	timed  bool  // unix is the body's own
	unix   int64 // seconds since 1970
}

// Field returns the raw JSON of a root field as it was produced, nil when the
// field is absent or the event was not prepared as an entity. The bytes are
// the event's own and must not be changed.
func (e *Event) Field(f Field) []byte {
	s := e.where(f)
	if s.to == 0 {
		return nil
	}
	return e.Value[s.from:s.to:s.to]
}

// where is the span of a field's value.
func (e *Event) where(f Field) span {
	if f >= fieldCount {
		return span{}
	}
	m := e.body.fields[f]
	return span{int(m.from), int(m.to)}
}

// scan remembers where the root fields stand in a Value that was checked.
func (e *Event) scan() {
	w := walk(e.Value)
	for name, value, ok := w.member(); ok; name, value, ok = w.member() {
		if f := fieldOf(text(e.Value[name.from:name.to])); f != FieldNone {
			e.body.fields[f] = mark{uint32(value.from), uint32(value.to)} // #nosec G115 -- see mark
		}
	}
	e.body.span = span{w.open, w.at}
}
