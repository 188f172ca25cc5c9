package pipeline

import (
	"strings"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/guard"
)

// screen takes the repeats out of an attempt that is being made up, whose users
// have nothing in flight that is not in it. They are settled by drop, for this
// runs within the budget's turn.
func (w *workspace) screen(j *job) {
	b := &j.batch
	if len(b.Events) == 0 || !w.guard.On() {
		return
	}
	w.guard.Screen(b.Events, j.sent, judged, func(i int, why guard.Reason) {
		w.metrics.dropped[why].Inc()
		j.drops = append(j.drops, b.Picks[i])
		b.Bytes -= b.Events[i].Size
		b.Events[i] = nil
	})
	if len(j.drops) == 0 {
		return
	}
	kept := 0
	for i, e := range b.Events {
		if e != nil {
			b.Events[kept], b.Picks[kept] = e, b.Picks[i]
			kept++
		}
	}
	clear(b.Events[kept:])
	clear(b.Picks[kept:])
	b.Events, b.Picks = b.Events[:kept], b.Picks[:kept]
}

// judged tells whether an event may be dropped as a repeat: what is replayed is
// delivered again on purpose.
func judged(e *event.Event) bool { return !strings.HasSuffix(e.Source.Topic, ReplaySuffix) }

// drop settles an attempt's repeats.
func (w *workspace) drop(j *job) {
	if len(j.drops) == 0 {
		return
	}
	w.finish(j.drops, partition.Outcome{Kind: partition.Dropped})
	if len(j.batch.Picks) == 0 { // there is no attempt that would do it
		w.lanes.Recycle(w.Name, j.batch)
	}
}

// confirm tells the guard what was delivered, before their lanes go on.
func (w *workspace) confirm(events []*event.Event) {
	if w.guard.On() {
		w.guard.Delivered(events, time.Now())
	}
}

// shared tells whether a workspace is fed by several streams: then a user may
// have a lane in each, and those may be on several members.
func (p *Pipeline) shared(workspace string) bool {
	streams := 0
	for _, s := range p.cfg.Streams {
		for _, r := range s.Routes {
			if r.Workspace == workspace {
				streams++
				break
			}
		}
	}
	return streams > 1
}
