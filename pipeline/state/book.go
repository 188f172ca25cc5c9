package state

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"sluice/pipeline/event"
)

const (
	// headerSeen is what a Swap's writer saw: a version, or 0 for no document.
	headerSeen = "sluice-seen"
	// apart stands in the Kafka key of a Swap's record between the document's
	// key and what makes the record's one its own.
	apart = "\x00"
)

// gone is the body of a deletion. It stays in the log, unlike a tombstone, so
// that a late Swap of what was deleted is refused by every reader.
func gone() []byte { return []byte("null") }

// entry is all that is known of one key.
type entry struct {
	document Document
	deleted  bool // document holds the version alone
	// base is the version that a Swap must be newer than: what the accepted
	// record itself replaced.
	base int64
	// swaps are the Swap records of the key that stand in the log, accepted or
	// not, by their Kafka key; held is the accepted one's, "" after a Put.
	swaps map[string]time.Time
	held  string
}

// book holds the entries by key. What it holds after a log's last record
// depends on that log alone, also when compaction has removed records from it
// that were replaced or had lost.
type book map[string]*entry

// change is what a record did.
type change int

const (
	ignored  change = iota // no document has changed
	accepted               // the document of the record's key has
	foreign                // no record of ours
)

// apply takes in the next record of the log.
//
// A Swap is accepted when it is the first record of its key, or saw a version
// newer than the one that the held record replaced. In a whole log that can
// only be the held version itself, since writers see accepted versions alone.
// In a compacted log the version that it saw may be gone, and a Swap that lost
// may stand before it: that one saw an older version than the accepted one did,
// so it gives way.
func (b book) apply(r event.Record) change {
	key, unique, _ := strings.Cut(string(r.Key), apart)
	if key == "" {
		return foreign
	}
	if r.Value == nil && unique != "" {
		if e := b[key]; e != nil {
			delete(e.swaps, string(r.Key))
		}
		return ignored
	}
	body := bytes.Clone(r.Value)
	if body == nil { // a tombstone that is not ours: somebody's other tool
		body = gone()
	}
	if !json.Valid(body) {
		return foreign
	}
	version := r.Offset + 1
	seen := version - 1
	if unique != "" {
		var ok bool
		if seen, ok = seenBy(r); !ok {
			return foreign
		}
	}
	e := b[key]
	fresh := e == nil
	if fresh {
		e = &entry{swaps: map[string]time.Time{}}
		b[key] = e
	}
	if unique != "" {
		e.swaps[string(r.Key)] = r.Time
		if !fresh && seen <= e.base {
			return ignored
		}
		e.held = string(r.Key)
	} else {
		e.held = ""
	}
	e.document = Document{Key: key, Body: body, Version: version, Time: r.Time}
	e.deleted, e.base = bytes.Equal(body, gone()), seen
	return accepted
}

func seenBy(r event.Record) (int64, bool) {
	for _, h := range r.Headers {
		if h.Key == headerSeen {
			seen, err := strconv.ParseInt(string(h.Value), 10, 64)
			return seen, err == nil && seen >= 0
		}
	}
	return 0, false
}

// version is what a writer sees of a key, a deletion included; 0 for nothing.
func (b book) version(key string) int64 {
	if e := b[key]; e != nil {
		return e.document.Version
	}
	return 0
}

// leftovers are the Kafka keys of a key's Swap records that are not the
// document, as far as they were written before a time.
func (e *entry) leftovers(before time.Time) []string {
	var left []string
	for record, at := range e.swaps {
		if record != e.held && at.Before(before) {
			left = append(left, record)
		}
	}
	return left
}

// ownKey makes the Kafka key of one Swap.
func ownKey(key string) string { return key + apart + ulid.Make().String() }
