package producer

import (
	"context"
	"time"
)

// behind is how much lateness is caught up: timers fire late by up to a few
// milliseconds, but a stall must not turn into a burst.
const behind = 10 * time.Millisecond

// pacer spaces events evenly. It is used by one goroutine.
type pacer struct {
	each time.Duration // between two events; 0 is unlimited
	due  time.Time     // of the next event
}

func newPacer(perSecond float64) *pacer {
	if perSecond <= 0 {
		return &pacer{}
	}
	return &pacer{each: time.Duration(float64(time.Second) / perSecond)}
}

// wait returns when the next event is due, or with ctx's error.
func (p *pacer) wait(ctx context.Context) error {
	if p.each == 0 {
		return ctx.Err()
	}
	now := time.Now()
	if p.due.IsZero() {
		p.due = now
	}
	if earliest := now.Add(-behind); p.due.Before(earliest) {
		p.due = earliest
	}
	if ahead := p.due.Sub(now); ahead > 0 {
		timer := time.NewTimer(ahead)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	p.due = p.due.Add(p.each)
	return ctx.Err()
}
