package event

import (
	"strconv"

	"github.com/oklog/ulid/v2"
)

// splice is what happens to a root field on the way out.
type splice uint8

const (
	spliceKeep    splice = iota // as produced, present or not
	spliceInsert                // put right after the brace
	spliceReplace               // a new value where the old one stands
)

const (
	idOpen        = `"id":"`
	idClose       = `",`
	timestampOpen = `"timestamp":`
)

// AppendEntity appends what a prepared event sends: the v2 entity with its id
// and timestamp in place and every other byte as produced; for an operation by
// header the body of its call; after PrepareObject the value as it is. It
// appends exactly Size bytes, and appends nothing for a faulty event.
func (e *Event) AppendEntity(dst []byte) []byte {
	if e.Fault != nil || e.body.len() == 0 {
		return dst
	}
	at := e.body.from
	if e.body.id == spliceInsert || e.body.time == spliceInsert {
		dst = append(dst, '{')
		at++
	}
	if e.body.id == spliceInsert {
		dst = append(dst, idOpen...)
		dst = appendULID(dst, e.ID)
		dst = append(dst, idClose...)
	}
	if e.body.time == spliceInsert {
		dst = append(dst, timestampOpen...)
		dst = strconv.AppendInt(dst, e.Unix(), 10)
		dst = append(dst, ',')
	}
	first, second := FieldID, FieldTimestamp
	if e.where(second).from < e.where(first).from {
		first, second = second, first
	}
	dst, at = e.appendReplaced(dst, at, first)
	dst, at = e.appendReplaced(dst, at, second)
	return append(dst, e.Value[at:e.body.to]...)
}

// appendReplaced appends the value's bytes from at up to field f and the
// field's new value, if it has one, and says from where to go on.
func (e *Event) appendReplaced(dst []byte, at int, f Field) ([]byte, int) {
	old := e.where(f)
	switch {
	case f == FieldID && e.body.id == spliceReplace:
		dst = append(dst, e.Value[at:old.from]...)
		dst = append(dst, '"')
		dst = appendULID(dst, e.ID)
		return append(dst, '"'), old.to
	case f == FieldTimestamp && e.body.time == spliceReplace:
		dst = append(dst, e.Value[at:old.from]...)
		return strconv.AppendInt(dst, e.Unix(), 10), old.to
	default:
		return dst, at
	}
}

// entitySize is the exact length of what AppendEntity appends.
func (e *Event) entitySize() int {
	size := e.body.len()
	switch e.body.id {
	case spliceInsert:
		size += len(idOpen) + ulid.EncodedSize + len(idClose)
	case spliceReplace:
		size += len(`""`) + ulid.EncodedSize - e.where(FieldID).len()
	case spliceKeep:
	}
	switch e.body.time {
	case spliceInsert:
		size += len(timestampOpen) + digits(e.Unix()) + len(`,`)
	case spliceReplace:
		size += digits(e.Unix()) - e.where(FieldTimestamp).len()
	case spliceKeep:
	}
	return size
}

// digits is how many a number that is not negative has.
func digits(n int64) int {
	count := 1
	for ; n >= 10; n /= 10 {
		count++
	}
	return count
}

// appendULID appends the 26 characters of id.
func appendULID(dst []byte, id ulid.ULID) []byte {
	from := len(dst)
	dst = append(dst, "00000000000000000000000000"...)
	// The only error is a destination of another length.
	_ = id.MarshalTextTo(dst[from:])
	return dst
}
