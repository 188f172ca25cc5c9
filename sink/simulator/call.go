package simulator

import "github.com/oklog/ulid/v2"

// op is what a call asks for.
type op uint8

const (
	opUnreadable op = iota // nobody can say
	opIdentify
	opTrack
	opPage
	opScreen
	opDelete
	opSuppress
	opUnsuppress
	opAddDevice
	opDeleteDevice
	opAddRelationships
	opDeleteRelationships
	opMerge
	opObjectIdentify
	opObjectIdentifyAnonymous
	opObjectDelete
	opObjectAddRelationships
	opObjectDeleteRelationships
	opDelivery
	opMetric
	opPush
	opUnsubscribe
	opForm
	opSegmentAdd
	opSegmentRemove
)

// String is the word that the history shows.
func (o op) String() string {
	return [...]string{
		"unreadable", "identify", "track", "page", "screen", "delete", "suppress", "unsuppress",
		"add_device", "delete_device", "add_relationships", "delete_relationships", "merge",
		"object_identify", "object_identify_anonymous", "object_delete",
		"object_add_relationships", "object_delete_relationships",
		"delivery", "metric", "push", "unsubscribe", "form", "segment_add", "segment_remove",
	}[o]
}

// call is one thing that a request asks for: one event, in the sense of the
// history. Its byte slices point into the request's body.
type call struct {
	op     op
	user   ident // whom it is about
	other  ident // merge: the person who is merged away
	name   string
	id     string    // an event's id as sent
	ulid   ulid.ULID // the same, when it is a ULID
	hasID  bool
	isULID bool

	at    int64 // unix seconds, when timed
	timed bool

	attributes []byte // an object, or nil
	updateOnly bool   // _update: never create the person
	relations  []byte // an array, or nil
	unrelate   bool   // identify by v1: take relations away

	token    string // of the device
	platform string
	device   []byte // the device as sent

	segment string    // of the segment calls
	members []byte    // their ids, an array
	by      identKind // what the ids are

	seq, n int64 // _seq and _n, 0 when absent
	flaw   *flaw // why it is not taken; nil when it is
}

// flaw is what is wrong with a call, in the words of the v2 answers.
type flaw struct {
	reason  string // required or invalid
	field   string
	message string
}

func required(field string) *flaw {
	return &flaw{reason: "required", field: field, message: field + " is required"}
}

func invalid(field, message string) *flaw {
	return &flaw{reason: "invalid", field: field, message: message}
}
