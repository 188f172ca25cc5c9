package event

// prepareArguments reads the value as the arguments of the operation that the
// header op names.
func (e *Event) prepareArguments() {
	op := headerOp(e.headerOp)
	if op == OpNone {
		e.Fault = &Fault{Reason: ReasonUnknownOp, Detail: "header op is none of the list"}
		return
	}
	if e.Fault = e.requireArguments(op); e.Fault != nil {
		return
	}
	e.body.span = e.where(FieldBody)
	e.ID = e.headerOrDerivedID()
	e.Op = op
	e.Solo = true
	e.Size = e.body.len()
}

// requireArguments says which argument of op is missing or not what it must
// be. The arguments stay fields: the sink escapes them into a path of its own.
func (e *Event) requireArguments(op Op) *Fault {
	content := e.Field(FieldBody)
	if absent(content) {
		return missing("body")
	}
	if content[0] != '{' {
		return badField("body", "an object")
	}
	switch op {
	case OpFormSubmit:
		return e.requireName(FieldFormID)
	case OpSegmentAdd, OpSegmentRemove:
		return e.requireSegment(content)
	case OpInvite:
		return requireString(lookup(content, "name"), "body.name")
	case OpUnsubscribe:
		return e.requireName(FieldDeliveryID)
	case OpMetrics:
		if fault := requireString(lookup(content, "delivery_id"), "body.delivery_id"); fault != nil {
			return fault
		}
		return requireString(lookup(content, "metric"), "body.metric")
	default:
		return nil
	}
}

// requireName checks an argument that names one thing: a string, or a number
// as producers write them.
func (e *Event) requireName(f Field) *Fault {
	if raw := e.Field(f); !absent(raw) && wholeNumber(raw) {
		return nil
	}
	return e.requireText(f)
}

func (e *Event) requireSegment(content []byte) *Fault {
	if fault := e.requireName(FieldSegmentID); fault != nil {
		return fault
	}
	if raw := e.Field(FieldIDType); !absent(raw) {
		switch string(text(raw)) {
		case "id", "email", "cio_id":
		default:
			return badField("id_type", "one of id, email, cio_id")
		}
	}
	ids := lookup(content, "ids")
	if absent(ids) {
		return missing("body.ids")
	}
	if ids[0] != '[' {
		return badField("body.ids", "an array")
	}
	w := walk(ids)
	if _, ok := w.element(); !ok {
		return missing("body.ids")
	}
	return nil
}

// Argument returns a root field's text without quotes and escapes: what a
// string says, the digits of a number, nil when the field is absent or null.
// The bytes may be the event's own and must not be changed.
func (e *Event) Argument(f Field) []byte {
	raw := e.Field(f)
	if absent(raw) {
		return nil
	}
	return plain(raw)
}
