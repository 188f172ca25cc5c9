package main

import (
	"errors"
	"fmt"

	"sluice/pipeline/config"
	"sluice/pipeline/replay"
)

// errNothing says that a window holds nothing to send.
var errNothing = errors.New("there is nothing to replay")

// nothing says why there is nothing to replay; whatNow says what to try.
func (p replayPlan) nothing() error {
	all := count(int(p.Scanned), "event", "events")
	switch {
	case p.Scanned == 0 && p.Unsettled > 0:
		return fmt.Errorf("%w: the window's %s still in hand and will be delivered anyway", errNothing, count(int(p.Unsettled), "event is", "events are"))
	case p.Scanned == 0:
		return fmt.Errorf("%w: the topic holds no event of this window; is the time right (it is UTC), and is it the stream?", errNothing)
	case p.Skipped.Total() > 0:
		return fmt.Errorf("%w: what is chosen of the window's %s must not be sent again", errNothing, all)
	}
	return fmt.Errorf("%w: none of the window's %s is one that the flags choose", errNothing, all)
}

// whatNow says what is safe and what to type when there is nothing to replay.
func (p replayPlan) whatNow() string {
	switch {
	case p.Scanned == 0 && p.Unsettled > 0:
		return unchanged + "; how far they are: " + p.progress
	case p.Scanned == 0:
		return unchanged + "; all that the topic holds: " + p.all
	case p.Skipped.Total() > 0:
		return unchanged + "; another window or other users: sluice replay plan --help"
	}
	return unchanged + "; --user is the record key exactly, --event and --field heed upper and lower case\nthe whole window: " + p.whole
}

// wholeWindow is a selection without what is chosen of its window.
func wholeWindow(s replay.Selection) replay.Selection {
	whole := replay.Selection{Stream: s.Stream, From: s.From, To: s.To, FromOffset: s.FromOffset, ToOffset: s.ToOffset, TakeRest: s.TakeRest}
	if byOffset(s) { // an offset is a place of one shard
		whole.Shards = s.Shards
	}
	return whole
}

// refusedPlan says what a refusal of a plan or of its start leaves behind; every
// other error is of reading.
func refusedPlan(cfg config.Config, err error) error {
	if refused, ok := errors.AsType[*replay.RefusedError](err); ok {
		return fmt.Errorf("%s\n%s; %s; how: sluice replay plan --help", visible(refused.Reason), unchanged, visible(refused.Remedy))
	}
	return unreached(cfg.Kafka, err, 0)
}
