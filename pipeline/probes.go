package pipeline

import (
	"sync"

	"sluice/partition"
	"sluice/pipeline/event"
)

// probes remembers which events a workspace was asked with in vain since it was
// last well. The next probe is another lane's, so that one event which fails
// whatever happens cannot keep the workspace down. It is safe for concurrent use.
type probes struct {
	mu      sync.Mutex
	number  uint64                  // of the last that was in vain; guarded by mu
	vain    map[event.Source]uint64 // guarded by mu
	starved bool                    // all there is in hand was asked with in vain; guarded by mu
}

// failed notes a probe in vain.
func (p *probes) failed(s event.Source) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.vain == nil {
		p.vain = map[event.Source]uint64{}
	}
	p.number++
	p.vain[s] = p.number
}

// last is the number of the last probe in vain with an event; 0: there was none.
func (p *probes) last(s event.Source) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vain[s]
}

// forget begins anew: the workspace is well.
func (p *probes) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vain, p.starved = nil, false
}

// vainMost is with how many lanes a workspace must have been asked in vain
// until it is certain that it is not their fault.
const vainMost = 16

// starve notes with what the workspace is asked next, and whether there are so
// few to ask with that new ones are needed. It reports whether the gate is to hear
// of it.
func (p *probes) starve(s event.Source) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.starved
	p.starved = p.vain[s] > 0 && len(p.vain) < vainMost
	return p.starved || was
}

func (p *probes) starving() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starved
}

// takeProbe takes one event to ask with: that of a lane which has not been asked
// with in vain, else of the one for which that is longest ago.
func (w *workspace) takeProbe(limit partition.Limit) partition.Batch {
	limit.Items, limit.Probe = 1, true
	var chosen partition.Batch
	var passed []partition.Batch
	for oldest := uint64(0); ; {
		b := w.lanes.Take(w.Name, limit)
		if b.Empty() {
			break
		}
		chosen.Faults = append(chosen.Faults, b.Faults...)
		chosen.Moves = append(chosen.Moves, b.Moves...)
		if len(b.Picks) == 0 {
			continue
		}
		last := w.probes.last(b.Picks[0].Event.Source)
		if len(chosen.Picks) > 0 && last >= oldest {
			passed = append(passed, b)
			continue
		}
		if len(chosen.Picks) > 0 {
			passed = append(passed, partition.Batch{Picks: chosen.Picks, Events: chosen.Events})
		}
		b.Faults, b.Moves, oldest = chosen.Faults, chosen.Moves, last
		if chosen = b; last == 0 {
			break
		}
	}
	if len(chosen.Picks) > 0 && w.probes.starve(chosen.Picks[0].Event.Source) {
		w.block()
	}
	for _, b := range passed { // as they were
		w.lanes.Finish(b.Picks, partition.Outcome{Kind: partition.Retry, Mark: b.Picks[0].Mark})
		w.lanes.Recycle(w.Name, b)
	}
	return chosen
}
