package chaos

import (
	"encoding/json"
	"fmt"
	"slices"

	"sluice/scripts/acceptance/rig"
)

// ledger judges a workspace's arrivals, in their order. An event is taken when
// the destination answered that it was, or when it took effect although the
// answer never came; its first taking alone counts for the order. One goroutine
// at a time may use it.
type ledger struct {
	Duplicates    int64 // takings beyond an event's first
	OrderBreaks   int64 // first takings after that of a later event of the same user
	DoubleEffects int64 // effects beyond an event's first

	taken    map[int64]bool // by _n
	effects  map[int64]bool
	last     map[string]int64 // the highest _seq of a user
	firsts   []int64          // when events were first taken, ns
	breaks   []string         // the first few order breaks, in words
	requests []int64          // when requests arrived, ns
	attempt  int64            // the last request's number
	letters  map[int64]string // reasons of dead letters, by _n
	faulty   []string         // dead letters that lack something
}

func newLedger() *ledger {
	return &ledger{taken: map[int64]bool{}, effects: map[int64]bool{}, last: map[string]int64{}, letters: map[int64]string{}}
}

// add enters one arrival.
func (l *ledger) add(a rig.Arrival) {
	if a.Attempt != l.attempt { // the events of a request stand together
		l.requests = append(l.requests, a.Time)
		l.attempt = a.Attempt
	}
	if a.Effect {
		if l.effects[a.N] {
			l.DoubleEffects++
		}
		l.effects[a.N] = true
	}
	switch {
	case !a.Accepted() && !a.Effect:
		return
	case l.taken[a.N]:
		l.Duplicates++
		return
	}
	l.taken[a.N] = true
	l.firsts = append(l.firsts, a.Time)
	if last := l.last[a.User]; a.Seq < last {
		l.OrderBreaks++
		if len(l.breaks) < examples {
			l.breaks = append(l.breaks, fmt.Sprintf("%s: event %d (line %d, request %d) first taken after event %d", a.User, a.Seq, a.N, a.Attempt, last))
		}
	}
	l.last[a.User] = max(l.last[a.User], a.Seq)
}

// examples is how many of a kind of breach are told in words.
const examples = 5

// bury enters the dead letters, in place of those before.
func (l *ledger) bury(records []rig.Record) {
	clear(l.letters)
	l.faulty = nil
	for _, r := range records {
		var value struct {
			Attributes struct {
				N int64 `json:"_n"`
			} `json:"attributes"`
		}
		where := fmt.Sprintf("dead letter %d/%d", r.Partition, r.Offset)
		if err := json.Unmarshal(r.Value, &value); err != nil || value.Attributes.N == 0 {
			l.faulty = append(l.faulty, where+" is none of the events that were produced")
			continue
		}
		for _, header := range []string{"sluice-reason", "sluice-verdict", "sluice-source", "sluice-id"} {
			if r.Headers[header] == "" {
				l.faulty = append(l.faulty, where+" has no "+header)
			}
		}
		l.letters[value.Attributes.N] = r.Headers["sluice-reason"]
	}
}

// unsettled are the lines from 1 to n that were neither taken nor set aside.
func (l *ledger) unsettled(n int64) []int64 {
	var left []int64
	for i := int64(1); i <= n; i++ {
		if _, dead := l.letters[i]; !dead && !l.taken[i] {
			left = append(left, i)
		}
	}
	return left
}

// twoWays are the lines that were both taken and set aside.
func (l *ledger) twoWays() []int64 {
	var both []int64
	for n := range l.letters {
		if l.taken[n] {
			both = append(both, n)
		}
	}
	slices.Sort(both)
	return both
}
