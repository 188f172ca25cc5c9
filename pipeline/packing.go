package pipeline

import (
	"sync/atomic"

	"sluice/partition"
	"sluice/sink"
)

// packing bounds how many events go into one attempt while batches fail: an
// error for a batch of many users may be the fault of one of them. Smaller
// batches find out whose. It is safe for concurrent use.
type packing struct {
	most   atomic.Int64 // events of one attempt; 0: as many as fit
	unsure atomic.Int64 // batches that failed since an attempt succeeded
}

// unsureMost is how many failed batches in a row the breaker hears of: the rest
// of its count must come from attempts that leave no doubt.
const unsureMost = 2

// limit is how many of so many events an attempt may take.
func (p *packing) limit(items int) int {
	if most := p.most.Load(); most > 0 {
		return min(items, int(most))
	}
	return items
}

// learn takes in what came of an attempt and says what the breaker is to hear.
// That one event fails again which has failed by itself, while others got
// through, is no news. A batch that was cut or not answered is never one event's
// doing; one that was answered may be.
func (p *packing) learn(b partition.Batch, r sink.Result, probe bool) sink.Outcome {
	o := sink.OutcomeOf(r)
	n := int64(len(b.Picks))
	switch {
	case probe:
	case n == 1 && o != sink.Success && known(b.Picks[0]):
		return sink.Neutral
	case o == sink.Success:
		p.unsure.Store(0)
		if most := p.most.Load(); most > 0 && n >= most {
			p.most.CompareAndSwap(most, grown(most))
		}
	case o == sink.Failure && r.Status > 0 && n > 1:
		unsure := p.unsure.Add(1)
		if most := p.most.Load(); most == 0 || n <= most {
			p.most.CompareAndSwap(most, max(1, n/2))
		}
		if unsure > unsureMost {
			p.most.Store(1)
			return sink.Neutral
		}
	}
	return o
}

// known tells whether an event has failed by itself before, here or on the tier
// that it came from.
func known(p partition.Pick) bool { return p.Attempts > 0 || p.Event.Tries > 0 }

// doubtful tells whether several batches have failed and nothing has succeeded.
func (p *packing) doubtful() bool { return p.unsure.Load() > unsureMost }

// packed is a number of events that no batch exceeds.
const packed = 1 << 12

// grown is twice as many, or no bound.
func grown(most int64) int64 {
	if most *= 2; most < packed {
		return most
	}
	return 0
}
