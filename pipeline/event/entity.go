package event

import "fmt"

// PrepareEntity fits e for Customer.io: its value must be a Track v2 entity,
// or the arguments of the operation that the header op names. It sets ID, Op,
// Barrier and Size (the exact length of AppendEntity), or Fault; an operation
// by header is Solo. Sizes are not judged here: only the sink knows them.
func (e *Event) PrepareEntity() {
	if e.Fault != nil {
		return
	}
	if e.Fault = checkObject(e.Value); e.Fault != nil {
		return
	}
	e.scan()
	if e.headerOp != nil {
		e.prepareArguments()
		return
	}
	op, fault := e.entityOp()
	if fault == nil {
		fault = e.require(op)
	}
	if fault != nil {
		e.Fault = fault
		return
	}
	e.Op = op
	e.Barrier = op.destroys()
	e.settleID()
	e.settleTimestamp()
	e.Size = e.entitySize()
}

func (e *Event) entityOp() (Op, *Fault) {
	for _, f := range [...]Field{FieldType, FieldAction} {
		if absent(e.Field(f)) {
			return OpNone, missing(f.String())
		}
	}
	op, reason := entityOp(text(e.Field(FieldType)), text(e.Field(FieldAction)))
	switch reason {
	case ReasonUnknownType:
		return OpNone, &Fault{Reason: reason, Detail: "type is none of person, object, delivery"}
	case ReasonUnknownAction:
		return OpNone, &Fault{Reason: reason, Detail: "action is none of its type's"}
	}
	return op, nil
}

// require says which required field of op is missing or not what it must be.
func (e *Event) require(op Op) *Fault {
	var fault *Fault
	switch op {
	case OpIdentify, OpDelete, OpSuppress, OpUnsuppress:
		fault = e.requireWho(FieldIdentifiers, personKinds)
	case OpEvent, OpPage, OpScreen:
		if fault = e.requireWho(FieldIdentifiers, personKinds|bit(KindAnonymous)); fault == nil {
			fault = e.requireText(FieldName)
		}
	case OpAddDevice, OpDeleteDevice:
		if fault = e.requireWho(FieldIdentifiers, personKinds); fault == nil {
			fault = e.requireDevice(op)
		}
	case OpAddRelationships, OpDeleteRelationships:
		if fault = e.requireWho(FieldIdentifiers, personKinds); fault == nil {
			fault = e.requireRelationships(objectKinds)
		}
	case OpMerge:
		fault = e.requireMerge()
	case OpObjectIdentify, OpObjectIdentifyAnonymous, OpObjectDelete:
		fault = e.requireWho(FieldIdentifiers, objectKinds)
	case OpObjectAddRelationships, OpObjectDeleteRelationships:
		if fault = e.requireWho(FieldIdentifiers, objectKinds); fault == nil {
			fault = e.requireRelationships(mergeKinds)
		}
	case OpDeliveryEvent:
		fault = e.requireDelivery()
	default:
		fault = &Fault{Reason: ReasonUnknownOp, Detail: "not an operation of an entity"}
	}
	if fault == nil {
		fault = e.requireAttributes()
	}
	return fault
}

// requireWho reads the identifiers in field f, which name what the operation
// is about.
func (e *Event) requireWho(f Field, kinds kindSet) *Fault {
	raw := e.Field(f)
	if absent(raw) {
		return missing(f.String())
	}
	who := identifierOf(raw)
	if !kinds.has(who.kind) {
		return badIdentifiers(f.String(), kinds)
	}
	from := e.where(f).from
	who.main = span{from + who.main.from, from + who.main.to}
	if who.kind == KindObject {
		who.group = span{from + who.group.from, from + who.group.to}
	}
	e.body.who = who
	return nil
}

func (e *Event) requireText(f Field) *Fault {
	return requireString(e.Field(f), f.String())
}

func (e *Event) requireDevice(op Op) *Fault {
	device := e.Field(FieldDevice)
	if absent(device) {
		return missing("device")
	}
	if device[0] != '{' {
		return badField("device", "an object")
	}
	if fault := requireString(lookup(device, "token"), "device.token"); fault != nil {
		return fault
	}
	if op == OpDeleteDevice {
		return nil
	}
	return requireString(lookup(device, "platform"), "device.platform")
}

// requireMerge checks the two people of a merge. The primary one is what the
// event is about.
func (e *Event) requireMerge() *Fault {
	if !absent(e.Field(FieldIdentifiers)) {
		return &Fault{Reason: ReasonBadIdentifiers, Detail: "a merge has primary and secondary, not identifiers"}
	}
	if fault := e.requireWho(FieldSecondary, mergeKinds); fault != nil {
		return fault
	}
	return e.requireWho(FieldPrimary, mergeKinds)
}

func (e *Event) requireRelationships(kinds kindSet) *Fault {
	list := e.Field(FieldRelationships)
	if absent(list) {
		return missing("cio_relationships")
	}
	if list[0] != '[' {
		return badField("cio_relationships", "an array")
	}
	w, count := walk(list), 0
	for item, ok := w.element(); ok; item, ok = w.element() {
		raw := list[item.from:item.to]
		var identifiers []byte
		if raw[0] == '{' {
			identifiers = lookup(raw, "identifiers")
		}
		if absent(identifiers) || !kinds.has(identifierOf(identifiers).kind) {
			return badIdentifiers(fmt.Sprintf("cio_relationships[%d].identifiers", count), kinds)
		}
		count++
	}
	if count == 0 {
		return missing("cio_relationships")
	}
	return nil
}

func (e *Event) requireDelivery() *Fault {
	if fault := e.requireWho(FieldIdentifiers, bit(KindID)); fault != nil {
		return fault
	}
	if fault := e.requireText(FieldName); fault != nil {
		return fault
	}
	switch string(text(e.Field(FieldName))) {
	case "opened", "converted", "delivered":
	default:
		return badField("name", "one of opened, converted, delivered")
	}
	attributes := e.Field(FieldAttributes)
	if absent(attributes) || attributes[0] != '{' {
		return missing("attributes")
	}
	return requireString(lookup(attributes, "device_token"), "attributes.device_token")
}

func (e *Event) requireAttributes() *Fault {
	if raw := e.Field(FieldAttributes); !absent(raw) && raw[0] != '{' {
		return badField("attributes", "an object")
	}
	return nil
}
