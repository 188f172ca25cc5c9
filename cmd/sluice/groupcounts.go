package main

import (
	"fmt"
	"strings"
	"time"

	"sluice/partition"
)

// tierCounts are unsettled events on the tiers beside the live one.
type tierCounts struct {
	Held     int64 `json:"held"`
	Replay   int64 `json:"replay"`   // to be sent again
	Overflow int64 `json:"overflow"` // their class is over its rate, with their users' later ones
	Deferred int64 `json:"deferred"` // they wait for their time, and so are behind nothing
	Late     int64 `json:"late"`     // they woke on a delay tier, and nobody took them or moved them on since
}

// count takes in what is unsettled on one partition of a tier.
func (c *tierCounts) count(t partition.Tier, l partition.ShardLag) {
	switch t {
	case partition.Held:
		c.Held += l.Lag()
	case partition.Replay:
		c.Replay += l.Lag()
	case partition.Overflow:
		c.Overflow += l.Lag()
	case partition.Delay10s, partition.Delay10m, partition.Delay6h:
		c.Deferred += l.Deferred()
		c.Late += l.Lag()
	case partition.Live:
	}
}

func (c *tierCounts) add(o tierCounts) {
	c.Held += o.Held
	c.Replay += o.Replay
	c.Overflow += o.Overflow
	c.Deferred += o.Deferred
	c.Late += o.Late
}

// behind is how many of them could be on their way: not those that wait for
// their time.
func (c tierCounts) behind() int64 { return c.Held + c.Replay + c.Overflow + c.Late }

// words name what there is, each with its number.
func (c tierCounts) words() []string {
	var all []string
	for _, one := range []struct {
		n    int64
		what string
	}{{c.Held, "held"}, {c.Overflow, "over the rate of a class"}, {c.Replay, "to be sent again"}, {c.Late, "late"}, {c.Deferred, "deferred"}} {
		if one.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	return all
}

// listing writes words as a person says them: a, b and c.
func listing(words []string) string {
	if n := len(words) - 1; n > 0 {
		return strings.Join(words[:n], ", ") + " and " + words[n]
	}
	return strings.Join(words, "")
}

// nextDue is when the first deferred event is due.
type nextDue struct {
	NextDue     *time.Time `json:"next_due,omitempty"`      // of those looked at; null: there is none
	NextDueSure bool       `json:"next_due_sure,omitempty"` // none is due before it; else one may be

	unread bool // there are deferred events that nobody looked at
}

// count takes in what was found on one partition.
func (d *nextDue) count(l partition.ShardLag) {
	one := nextDue{unread: l.Deferred() > 0 && !l.NextDueSure}
	if at := l.NextDue.UTC(); !l.NextDue.IsZero() {
		one.NextDue = &at
	}
	d.add(one)
}

func (d *nextDue) add(o nextDue) {
	if o.NextDue != nil && (d.NextDue == nil || o.NextDue.Before(*d.NextDue)) {
		d.NextDue = o.NextDue
	}
	d.unread = d.unread || o.unread
	d.NextDueSure = d.NextDue != nil && !d.unread
}

// due is the time as text, or a dash.
func (d nextDue) due() string {
	switch {
	case d.NextDue == nil:
		return "-"
	case !d.NextDueSure:
		return "by " + stamp(*d.NextDue)
	}
	return stamp(*d.NextDue)
}
