package deadletters

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/pipeline/event"
)

// HeaderMark tells a mark from a dead letter; its value is the kind of mark.
const HeaderMark = "sluice-mark"

// HeaderRedrive is on every event that a redrive put on the live topic. It
// names the claim, and the letter's partition and offset: RUN/PARTITION/OFFSET.
const HeaderRedrive = "sluice-redrive"

// Deed is what is done with letters.
type Deed string

// The deeds.
const (
	Redrive Deed = "redrive" // put back on the live topic
	Drop    Deed = "drop"    // acknowledged as handled without it
)

// The kinds of mark.
const (
	markClaim   = "claim"   // these letters are about to be touched
	markDone    = "done"    // these letters of a claim are handled, and it is over
	markRelease = "release" // a claim is over and nothing was done
	markAction  = "action"  // the line of the audit about a whole command
)

// mark is a record of the dead topic that speaks of letters of its partition.
type mark struct {
	Kind    string          `json:"kind"`
	Run     string          `json:"run"` // names one call of Redrive or Drop
	Deed    Deed            `json:"deed"`
	By      string          `json:"by"`
	Why     string          `json:"why,omitempty"`
	Filter  string          `json:"filter,omitempty"`
	Letters []Span          `json:"letters,omitempty"`
	Live    map[int32]int64 `json:"live,omitempty"` // of a claim: where the live topic ended
	Counts  *Counts         `json:"counts,omitempty"`
}

// record is the mark as it is appended.
func (m mark) record(topic string, partition int32) (event.Record, error) {
	value, err := json.Marshal(m)
	if err != nil {
		return event.Record{}, fmt.Errorf("write a mark: %w", err)
	}
	return event.Record{
		Topic: topic, Partition: partition, Value: value,
		Headers: []event.Header{{Key: HeaderMark, Value: []byte(m.Kind)}},
	}, nil
}

// isMark reports whether a record of the dead topic is a mark.
func isMark(r event.Record) bool {
	for _, h := range r.Headers {
		if h.Key == HeaderMark {
			return true
		}
	}
	return false
}

// maxMarked bounds the letters that one mark may name: a mark that says more
// was not written by this program, and would fill the memory.
const maxMarked = 1 << 20

var errMark = errors.New("it is no mark that this version knows")

func parseMark(r event.Record) (mark, error) {
	var m mark
	if err := json.Unmarshal(r.Value, &m); err != nil {
		return m, errMark
	}
	switch m.Kind {
	case markClaim, markDone, markRelease, markAction:
	default:
		return m, errMark
	}
	if m.Run == "" || m.Deed != Redrive && m.Deed != Drop {
		return m, errMark
	}
	total := int64(0)
	for _, s := range m.Letters {
		if s[0] < 0 || s[1] < s[0] || s[1] >= r.Offset || s[1]-s[0] >= maxMarked {
			return m, errMark
		}
		if total += s[1] - s[0] + 1; total > maxMarked {
			return m, errMark
		}
	}
	return m, nil
}

// Action is one line of the audit.
type Action struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Deed   Deed      `json:"deed"`
	Why    string    `json:"why,omitempty"`
	Filter string    `json:"filter"`
	Counts Counts    `json:"counts"`
}

// Unfinished is a claim that is open: its command runs, or ended without
// saying so.
type Unfinished struct {
	Partition int32     `json:"partition"`
	At        time.Time `json:"at"`
	By        string    `json:"by"`
	Deed      Deed      `json:"deed"`
	Letters   int       `json:"letters"`
}
