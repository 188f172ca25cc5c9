// Package checker judges what a destination received against what was to be
// sent: the simulator records, the checker holds the input and says what was
// lost, repeated or out of order, and how evenly the requests came.
//
// An arrival is matched to its event by the number that produce --seq puts
// into every event (_n), else by the event's id. Two identical rows of a file
// are two events.
package checker

import (
	"fmt"
	"iter"
)

// Extra is what the caller knows from elsewhere: events of the input that are
// settled, or still on their way, without having been delivered.
type Extra struct {
	DeadLettered int
	Dropped      int // by a rule
	InHand       int
	Deferred     int // of those in hand: they wait for their time
}

// Check reads the input, then the arrivals in the order in which they came,
// and returns the judgement. It keeps some ten bytes for each event of the
// input and nothing for an arrival but its request's time, so that millions
// fit. The error is the first of either sequence.
func Check(input iter.Seq2[Expected, error], arrivals iter.Seq2[Arrival, error], extra Extra) (Report, error) {
	events, err := load(input)
	if err != nil {
		return Report{}, fmt.Errorf("read the input: %w", err)
	}
	var requests requests
	report := Report{DeadLettered: extra.DeadLettered, Dropped: extra.Dropped, InHand: extra.InHand, Deferred: extra.Deferred}
	j := &judge{events: events, report: &report, highest: make([]uint32, events.users)}
	for arrival, err := range arrivals {
		if err != nil {
			return Report{}, fmt.Errorf("read the history: %w", err)
		}
		if err := requests.add(arrival); err != nil {
			return Report{}, err
		}
		j.add(arrival)
	}
	report.Read = events.count
	report.Lost = max(0, events.count-report.settled())
	report.Seconds = float64(j.last-j.first) / 1e9
	requests.fill(&report)
	return report, nil
}

// judge takes the arrivals in their order.
type judge struct {
	events      *events
	report      *Report
	highest     []uint32 // of each user, the highest sequence accepted
	first, last int64    // acceptances, unix ns
}

func (j *judge) add(a Arrival) {
	n, found := j.events.match(a)
	if !found {
		j.report.Foreign++
		return
	}
	state := &j.events.states[n]
	// An effect counts whatever the answer was: a connection that was cut after
	// it leaves the sender in doubt, and the effect in place.
	if a.Effect {
		switch {
		case *state&effectTwice != 0:
		case *state&effectOnce != 0:
			*state |= effectTwice
			j.report.DoubleEffects++
		default:
			*state |= effectOnce
		}
	}
	if a.Status < 200 || a.Status > 299 {
		return
	}
	j.accepted(n, a)
}

func (j *judge) accepted(n uint32, a Arrival) {
	if j.first == 0 || a.Time < j.first {
		j.first = a.Time
	}
	j.last = max(j.last, a.Time)
	state := &j.events.states[n]
	if *state&takenOnce != 0 {
		j.report.Duplicates++
		return
	}
	*state |= takenOnce
	j.report.Delivered++
	seq := j.events.seqs[n]
	if a.Seq > 0 {
		seq = uint32(min(a.Seq, maxEvents))
	}
	user := j.events.owners[n]
	if seq < j.highest[user] {
		j.report.OrderBreaks++
		return
	}
	j.highest[user] = seq
}
