package gateway

import (
	"net/url"
	"time"

	"sluice/pipeline/event"
)

// call is one API request, authenticated and read. Its byte slices stay valid
// until every record made of them has been acknowledged or has failed.
type call struct {
	args        []string   // unescaped path values, in order
	query       url.Values // nil when the request had none
	contentType string     // as sent
	body        []byte     // as sent and bounded, decompressed; empty when there was none
	now         time.Time  // when the request was read, the door's timestamp
	stream      Stream     // where the records will go; without a name while a region rule has yet to pick
	faults      []fault    // of single items; only an endpoint with partial may leave any
}

// item is one record to append.
type item struct {
	key   []byte   // by event.KeyOf…; nil: no user
	value []byte   // a v2 entity, or the arguments of an operation by header
	op    event.Op // OpNone for an entity, else the operation of the header op
	index int      // where it stood in a batch
	named bool     // an event that has no id of its own and gets one at the door
	stamp bool     // has no timestamp of its own and gets the door's
}

// reply is an answer in the API's own shape. The zero reply means: go on.
type reply struct {
	status     int
	body       []byte        // JSON, or empty
	allow      string        // the methods of a 405
	retryAfter time.Duration // of a 429 or 503, sent in whole seconds
}

// fault is what is wrong with a request, or with one item of a batch. It names
// the place and never repeats what was sent.
type fault struct {
	index   int    // in a batch
	reason  string // required or invalid
	field   string // may be empty
	message string
}

// The reasons of a fault, as the API words them.
const (
	reasonRequired = "required"
	reasonInvalid  = "invalid"
)

// endpoint is one route of the API.
type endpoint struct {
	name    string // a metric label: one of endpointNames
	open    bool   // asks for no credentials on the real API: off until a stream is named for it
	maxBody int    // bytes, decompressed
	// decode makes records of a call. With a reply of status 0 the items are
	// appended and the answer is ok; any other reply is the answer, at once.
	decode func(c *call) (items []item, refused reply)
	// refuse words a fault of the whole request as this endpoint does, with
	// status 400; nil words it as {"meta":{"errors":[…]}}.
	refuse func(f fault) reply
	// partial words the faults of single items beside others that were taken;
	// nil: one faulty item refuses the request.
	partial func(faults []fault) reply
	ok      reply
}

// endpointNames is every name that an endpoint may have: the values of a metric
// label. "other" is what no endpoint takes.
func endpointNames() []string {
	return []string{
		"identify", "delete", "add_device", "delete_device", "suppress", "unsuppress", "track", "track_anonymous",
		"merge", "metrics", "push_events", "unsubscribe", "form", "segment_add", "segment_remove", "region",
		"entity", "batch", "webhook", "other",
	}
}

// maxArgument bounds a path value; no identifier of the API is longer than 150
// bytes.
const maxArgument = 1 << 10
