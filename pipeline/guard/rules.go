package guard

import (
	"errors"
	"fmt"
	"time"
)

// How much a guard remembers of one workspace at most, whatever its windows. One
// that is full takes about 15 MB by the default rules and 22 MB by all.
const (
	// MaxIdentifies is of how many users the last identify is known.
	MaxIdentifies = 10_000
	// MaxEventIDs is how many event ids are known.
	MaxEventIDs = 100_000
	// MaxContents is of how many events the content is known.
	MaxContents = 50_000
)

// Rules say which repeats are dropped: each is the time after the delivery of
// the first in which another is one. 0 turns a rule off; the zero Rules drop
// nothing.
type Rules struct {
	// Identify drops an identify that says the same as the one before it, when
	// nothing else of that user was sent in between.
	Identify time.Duration
	// LaterToo makes Identify drop those too whose timestamp (without one: the
	// record's time) is later than the first's. Their time is then lost: an
	// identify that comes late, from between the two, wins where it would have
	// lost.
	LaterToo bool
	// EventID drops an event whose id, user and operation are those of another.
	EventID time.Duration
	// Content drops an event, page, screen or webhook that says the same as
	// another of that user, whatever was sent in between. It drops genuine
	// repeats.
	Content time.Duration
}

// DefaultRules are an identify within a minute and an id within five.
func DefaultRules() Rules {
	return Rules{Identify: time.Minute, EventID: 5 * time.Minute}
}

// On tells whether any rule is.
func (r Rules) On() bool { return r.Identify > 0 || r.EventID > 0 || r.Content > 0 }

// Validate returns every fault, joined, each with its path.
func (r Rules) Validate() error {
	var faults []error
	for _, rule := range []struct {
		name   string
		window time.Duration
	}{{"identify", r.Identify}, {"event_id", r.EventID}, {"content", r.Content}} {
		if rule.window < 0 {
			faults = append(faults, fmt.Errorf("dedup.%s: must not be below 0, have %v", rule.name, rule.window))
		}
	}
	return errors.Join(faults...)
}

// longest is the longest window.
func (r Rules) longest() time.Duration { return max(r.Identify, r.EventID, r.Content) }

// Reason is the rule by which an event is dropped.
type Reason uint8

// The reasons, and None for an event that is to be sent.
const (
	None Reason = iota
	SameIdentify
	SameEventID
	SameContent
	reasonCount
)

// String is the reason as configuration and metrics name it.
func (r Reason) String() string {
	switch r {
	case SameIdentify:
		return "identify"
	case SameEventID:
		return "event_id"
	case SameContent:
		return "content"
	case None, reasonCount:
	}
	return "none"
}

// Reasons lists why an event may be dropped.
func Reasons() []Reason { return []Reason{SameIdentify, SameEventID, SameContent} }
