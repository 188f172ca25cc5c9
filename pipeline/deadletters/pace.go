package deadletters

import (
	"context"
	"time"
)

// pace spaces letters evenly: a stall is not made up for by a burst. It is used
// by one goroutine.
type pace struct {
	each time.Duration // between two letters; 0 is unlimited
	due  time.Time     // of the next one
}

// ready returns when the next letter is due, or with ctx's error.
func (p *pace) ready(ctx context.Context) error {
	ahead := time.Until(p.due)
	if p.each == 0 || ahead <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// wait returns when a letter is due and counts it, or with ctx's error.
func (p *pace) wait(ctx context.Context) error {
	if err := p.ready(ctx); err != nil || p.each == 0 {
		return err
	}
	// A timer that fires a little late must not slow the whole run down.
	const behind = 10 * time.Millisecond
	if earliest := time.Now().Add(-behind); p.due.Before(earliest) {
		p.due = earliest
	}
	p.due = p.due.Add(p.each)
	return nil
}
