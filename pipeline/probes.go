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
	mu     sync.Mutex
	number uint64                  // of the last that was in vain; guarded by mu
	vain   map[event.Source]uint64 // guarded by mu
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
	p.vain = nil
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
		b.Faults, oldest = chosen.Faults, last
		if chosen = b; last == 0 {
			break
		}
	}
	for _, b := range passed { // as they were
		w.lanes.Finish(b.Picks, partition.Outcome{Kind: partition.Retry, Mark: b.Picks[0].Mark})
		w.lanes.Recycle(w.Name, b)
	}
	return chosen
}
