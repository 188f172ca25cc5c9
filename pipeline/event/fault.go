package event

// Fault is why an event can never be delivered: it becomes a dead letter with
// this reason, and its neighbours go on. A Fault is never changed once made.
type Fault struct {
	Reason string // one of the Reason constants
	Detail string // for a person: names the place, never the payload
}

// The reasons of a Fault. The set is closed: they are values of a metric label
// and of the dead letters' reason header.
const (
	// ReasonNotJSON says that the value is not one complete JSON value.
	ReasonNotJSON = "not_json"
	// ReasonNotObject says that the value is JSON, but no object.
	ReasonNotObject = "not_object"
	// ReasonDuplicateKey says that an object names a member twice.
	ReasonDuplicateKey = "duplicate_key"
	// ReasonTooDeep says that objects and arrays are nested beyond MaxDepth.
	ReasonTooDeep = "too_deep"
	// ReasonBadUTF8 says that a string is not well-formed Unicode.
	ReasonBadUTF8 = "bad_utf8"
	// ReasonUnknownType says that an entity's type is none of the API's.
	ReasonUnknownType = "unknown_type"
	// ReasonUnknownAction says that the type has no such action.
	ReasonUnknownAction = "unknown_action"
	// ReasonMissingField says that a required field is absent, null or empty.
	ReasonMissingField = "missing_field"
	// ReasonBadField says that a field's value is of a kind, or is one of
	// those, that the API does not take there.
	ReasonBadField = "bad_field"
	// ReasonBadIdentifiers says that the identifiers are not exactly those
	// that the operation takes.
	ReasonBadIdentifiers = "bad_identifiers"
	// ReasonEmptyKey says that the record's key is empty rather than null.
	ReasonEmptyKey = "empty_key"
	// ReasonTombstone says that the record's value is null.
	ReasonTombstone = "tombstone"
	// ReasonUnknownOp says that the header op is none of the closed list.
	ReasonUnknownOp = "unknown_op"
	// ReasonBadHeader says that a public header cannot be read.
	ReasonBadHeader = "bad_header"
	// ReasonTooLarge says that the event exceeds what the destination takes;
	// sinks set it, for only they know their limits.
	ReasonTooLarge = "too_large"
	// ReasonTooFar says that the event is to be deferred for longer than the
	// rules allow; they set it.
	ReasonTooFar = "deliver_at_too_far"
	// ReasonNoDeferral says that the event is to be deferred and its stream has
	// no tiers for that.
	ReasonNoDeferral = "no_deferral"
)

// Reasons lists every reason, for labels that must exist from the start.
func Reasons() []string {
	return []string{
		ReasonNotJSON, ReasonNotObject, ReasonDuplicateKey, ReasonTooDeep, ReasonBadUTF8,
		ReasonUnknownType, ReasonUnknownAction, ReasonMissingField, ReasonBadField, ReasonBadIdentifiers,
		ReasonEmptyKey, ReasonTombstone, ReasonUnknownOp, ReasonBadHeader, ReasonTooLarge,
		ReasonTooFar, ReasonNoDeferral,
	}
}
