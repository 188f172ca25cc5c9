package event

// Op is what the destination is asked to do. The set is closed; its names are
// values of a metric label.
type Op uint8

// The operations. Those up to OpDeliveryEvent are said by the type and action
// of a Track v2 entity; those up to OpUnsubscribe by the header op, because v2
// cannot say them; OpSend is what every other destination is asked.
const (
	OpNone Op = iota
	OpIdentify
	OpDelete
	OpSuppress
	OpUnsuppress
	OpEvent
	OpPage
	OpScreen
	OpAddDevice
	OpDeleteDevice
	OpAddRelationships
	OpDeleteRelationships
	OpMerge
	OpObjectIdentify
	OpObjectIdentifyAnonymous
	OpObjectDelete
	OpObjectAddRelationships
	OpObjectDeleteRelationships
	OpDeliveryEvent
	OpFormSubmit
	OpSegmentAdd
	OpSegmentRemove
	OpMetrics
	OpPushEvent
	OpInvite
	OpUnsubscribe
	OpSend
	opCount
)

// String is the operation's name as metrics and logs show it.
func (o Op) String() string {
	names := [opCount]string{
		OpNone:                      "none",
		OpIdentify:                  "identify",
		OpDelete:                    "delete",
		OpSuppress:                  "suppress",
		OpUnsuppress:                "unsuppress",
		OpEvent:                     "event",
		OpPage:                      "page",
		OpScreen:                    "screen",
		OpAddDevice:                 "add_device",
		OpDeleteDevice:              "delete_device",
		OpAddRelationships:          "add_relationships",
		OpDeleteRelationships:       "delete_relationships",
		OpMerge:                     "merge",
		OpObjectIdentify:            "object_identify",
		OpObjectIdentifyAnonymous:   "object_identify_anonymous",
		OpObjectDelete:              "object_delete",
		OpObjectAddRelationships:    "object_add_relationships",
		OpObjectDeleteRelationships: "object_delete_relationships",
		OpDeliveryEvent:             "delivery_event",
		OpFormSubmit:                "form_submit",
		OpSegmentAdd:                "segment_add",
		OpSegmentRemove:             "segment_remove",
		OpMetrics:                   "metrics",
		OpPushEvent:                 "push_event",
		OpInvite:                    "invite",
		OpUnsubscribe:               "unsubscribe",
		OpSend:                      "send",
	}
	if o >= opCount {
		return "unknown"
	}
	return names[o] //nolint:gosec // in range: checked just above
}

// Ops lists every operation that an event can come to have, OpNone apart.
func Ops() []Op {
	ops := make([]Op, 0, opCount-1)
	for o := OpNone + 1; o < opCount; o++ {
		ops = append(ops, o)
	}
	return ops
}

// ByHeader reports whether the operation is said by the header op: its record
// holds the arguments of one call, not a v2 entity.
func (o Op) ByHeader() bool { return o >= OpFormSubmit && o <= OpUnsubscribe }

// sendsID reports whether the API takes an id, by which it drops a repeat.
func (o Op) sendsID() bool { return o == OpEvent || o == OpPage || o == OpScreen }

// sendsTimestamp reports whether the API takes a timestamp.
func (o Op) sendsTimestamp() bool { return o.sendsID() || o == OpIdentify }

// destroys reports whether repeating the operation after what followed it
// would undo that: such an operation is a barrier.
func (o Op) destroys() bool {
	return o == OpDelete || o == OpSuppress || o == OpMerge || o == OpObjectDelete
}

// headerOp is the operation that a header op names, OpNone for any other.
func headerOp(name []byte) Op {
	for o := OpFormSubmit; o <= OpUnsubscribe; o++ {
		if o.String() == string(name) {
			return o
		}
	}
	return OpNone
}

// entityOp is the operation of an entity's type and action, else the reason
// why there is none.
func entityOp(kind, action []byte) (Op, string) {
	op := OpNone
	switch string(kind) {
	case "person":
		op = personOp(action)
	case "object":
		op = objectOp(action)
	case "delivery":
		if string(action) == "event" {
			op = OpDeliveryEvent
		}
	default:
		return OpNone, ReasonUnknownType
	}
	if op == OpNone {
		return OpNone, ReasonUnknownAction
	}
	return op, ""
}

func personOp(action []byte) Op {
	switch string(action) {
	case "identify":
		return OpIdentify
	case "delete":
		return OpDelete
	case "suppress":
		return OpSuppress
	case "unsuppress":
		return OpUnsuppress
	case "event":
		return OpEvent
	case "page":
		return OpPage
	case "screen":
		return OpScreen
	case "add_device":
		return OpAddDevice
	case "delete_device":
		return OpDeleteDevice
	case "add_relationships":
		return OpAddRelationships
	case "delete_relationships":
		return OpDeleteRelationships
	case "merge":
		return OpMerge
	default:
		return OpNone
	}
}

func objectOp(action []byte) Op {
	switch string(action) {
	case "identify":
		return OpObjectIdentify
	case "identify_anonymous":
		return OpObjectIdentifyAnonymous
	case "delete":
		return OpObjectDelete
	case "add_relationships":
		return OpObjectAddRelationships
	case "delete_relationships":
		return OpObjectDeleteRelationships
	default:
		return OpNone
	}
}
