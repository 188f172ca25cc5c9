package event

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/oklog/ulid/v2"
)

// EventID returns the event's ID, and settles it first when the event was
// never prepared or found faulty: it is then the header's or the derived one.
func (e *Event) EventID() ulid.ULID {
	if e.ID.IsZero() {
		e.ID = e.headerOrDerivedID()
	}
	return e.ID
}

// settleID chooses the ID of an entity: the header's, else the body's where
// the API takes one, else the derived one. It notes what must happen to the
// body's, so that what goes out is always the chosen one.
func (e *Event) settleID() {
	raw := e.Field(FieldID)
	carried := e.Op.sendsID() && names(raw)
	fit := false
	switch {
	case e.headerID != nil || !carried:
		e.ID = e.headerOrDerivedID()
	default:
		e.ID, fit = parseULID(text(raw))
		if !fit {
			e.ID = hashedID(e.Key, text(e.Field(FieldName)), plain(raw))
		}
	}
	if !e.Op.sendsID() {
		return
	}
	switch {
	case raw == nil:
		e.body.id = spliceInsert
	case !fit:
		e.body.id = spliceReplace
	}
}

// names reports whether a body's id tells its event from others: only a
// string with something in it and a number do. To hash anything else would
// give all of a user's events of that name one id, and all but one be dropped.
func names(raw []byte) bool {
	if absent(raw) {
		return false
	}
	return (raw[0] == '"' && len(raw) > len(`""`)) || raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9')
}

// headerOrDerivedID is the header's id when there is one, else the derived.
func (e *Event) headerOrDerivedID() ulid.ULID {
	if e.headerID == nil {
		return e.derivedID()
	}
	if id, ok := parseULID(e.headerID); ok {
		return id
	}
	return hashedID(e.Key, e.headerID)
}

// derivedID is the ID of an event that carries none. Its time is the record's
// and its entropy the first 80 bits of the SHA-256 over where the record
// stood first: the cluster id and the topic, each led by its length as 8 bytes,
// then the partition as 4 bytes and the offset as 8, all big-endian. None of
// this may ever change, or a redelivery after an upgrade has another ID.
func (e *Event) derivedID() ulid.ULID {
	var space [128]byte
	at := e.First()
	b := appendPart(space[:0], []byte(e.cluster))
	b = appendPart(b, []byte(at.Topic))
	b = binary.BigEndian.AppendUint32(b, uint32(at.Partition)) // #nosec G115 -- the bits are what is hashed
	b = binary.BigEndian.AppendUint64(b, uint64(at.Offset))    // #nosec G115 -- the bits are what is hashed
	sum := sha256.Sum256(b)

	ms := min(max(e.Time.UnixMilli(), 0), int64(ulid.MaxTime())) // #nosec G115 -- 48 bits
	var id ulid.ULID
	var clock [8]byte
	binary.BigEndian.PutUint64(clock[:], uint64(ms)) // #nosec G115 -- not negative
	copy(id[:6], clock[2:])
	copy(id[6:], sum[:])
	return id
}

// hashedID makes an ID of one that is no ULID. All its bits are the hash's,
// for the same event produced twice must get the same ID at any time.
func hashedID(parts ...[]byte) ulid.ULID {
	var space [256]byte
	b := space[:0]
	for _, part := range parts {
		b = appendPart(b, part)
	}
	sum := sha256.Sum256(b)
	return ulid.ULID(sum[:16])
}

// appendPart appends a part led by its length, so that no two lists of parts
// read the same.
func appendPart(b, part []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
	return append(b, part...)
}

// parseULID reads a ULID strictly: 26 characters of its alphabet, in 128 bits.
func parseULID(b []byte) (ulid.ULID, bool) {
	if len(b) != ulid.EncodedSize {
		return ulid.ULID{}, false
	}
	id, err := ulid.ParseStrict(string(b))
	return id, err == nil
}
