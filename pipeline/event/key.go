package event

import (
	"bytes"
	"fmt"
)

// KeyOfID is the record key of a person known by id: its UTF-8 bytes.
func KeyOfID(id string) []byte { return []byte(id) }

// KeyOfEmail is the record key of a person known by email: lower case, for
// the API does not heed the case either.
func KeyOfEmail(email string) []byte { return bytes.ToLower([]byte(email)) }

// KeyOfCioID is the record key of a person known by Customer.io's own id.
func KeyOfCioID(id string) []byte { return []byte("cio_" + id) }

// KeyOfPhone is the record key of a person known by phone number (E.164).
func KeyOfPhone(phone string) []byte { return []byte(phone) }

// KeyOfAnonymous is the record key of a person not known yet.
func KeyOfAnonymous(id string) []byte { return []byte(id) }

// KeyOfObject is the record key of an object: its type and id.
func KeyOfObject(typeID, objectID string) []byte { return []byte(typeID + ":" + objectID) }

// KeyOfCioObject is the record key of an object known by Customer.io's own id.
func KeyOfCioObject(id string) []byte { return []byte("cio_object:" + id) }

// KeyOfDelivery is the record key of what a delivery reports.
func KeyOfDelivery(id string) []byte { return []byte(id) }

// EntityKey returns the record key of a Track v2 entity: that of whom or what
// it is about, for a merge the primary person. It checks the entity as
// PrepareEntity does, and its error holds the reason and the place of a fault,
// never the payload. The result is the caller's. Safe for concurrent use.
func EntityKey(entity []byte) ([]byte, error) {
	e := Event{Value: entity}
	if e.Fault = checkObject(entity); e.Fault == nil {
		e.scan()
		e.Op, e.Fault = e.entityOp()
	}
	if e.Fault == nil {
		e.Fault = e.require(e.Op)
	}
	if e.Fault != nil {
		return nil, fmt.Errorf("key of entity: %s: %s", e.Fault.Reason, e.Fault.Detail)
	}
	kind, id := e.Identifier()
	switch kind {
	case KindEmail:
		return KeyOfEmail(string(id)), nil
	case KindCioID:
		return KeyOfCioID(string(id)), nil
	case KindObject:
		return KeyOfObject(string(e.objectType()), string(id)), nil
	case KindCioObject:
		return KeyOfCioObject(string(id)), nil
	default:
		return bytes.Clone(id), nil
	}
}

// objectType is the object_type_id of an entity about an object.
func (e *Event) objectType() []byte {
	group := e.body.who.group
	return plain(e.Value[group.from:group.to])
}
