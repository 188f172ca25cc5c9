package partition

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// Why a shard stops.
const (
	reasonGap      = "the watermark is not in the log any more: retention deleted events before they were settled"
	reasonNoOffset = "the group has no committed offset and the log does not begin at 0: the group is new to this topic, or its offsets expired"
)

// Stop says why a shard fetches nothing until an operator resumes it.
type Stop struct {
	Shard     ShardID   `json:"-"`
	Reason    string    `json:"reason"`
	Watermark int64     `json:"watermark"` // next offset to settle; -1 when the group has none
	LogStart  int64     `json:"log_start"` // -1 when it could not be learnt
	Since     time.Time `json:"since"`
}

// ErrNotStopped says that a shard is not waiting to be resumed.
var ErrNotStopped = errors.New("the shard is not stopped")

// ErrNotOwned says that a shard belongs to another member.
var ErrNotOwned = errors.New("the shard is not this member's")

// AtLogStart asks Resume to go on at the first offset that is still there.
const AtLogStart = -1

// Stops returns the stopped shards of this member, in order.
func (c *Consumer) Stops() []Stop {
	var stops []Stop
	for _, s := range c.lanes.owned() {
		s.queue.mu.Lock()
		if s.stop != nil {
			stops = append(stops, *s.stop)
		}
		s.queue.mu.Unlock()
	}
	slices.SortFunc(stops, func(a, b Stop) int { return compareShards(a.Shard, b.Shard) })
	return stops
}

// Resumed is what a Resume did.
type Resumed struct {
	Offset  int64 `json:"offset"`  // where the shard goes on
	Missing int64 `json:"missing"` // offsets given up, unsettled
}

// Resume sets a stopped shard going at an offset, or AtLogStart. The choice is
// committed before the shard is read again. Errors: ErrNotOwned, ErrNotStopped,
// an offset outside the log or below what was read, a commit that was refused.
func (c *Consumer) Resume(ctx context.Context, id ShardID, at int64) (Resumed, error) {
	session := c.sessionNow()
	if session == nil {
		return Resumed{}, fmt.Errorf("%s: %w", id, ErrNotOwned)
	}
	done, err := c.resume(ctx, session.client, id, at)
	if err == nil {
		session.end(errRejoin)
	}
	return done, err
}

// ResumeAll is Resume at the log start of every stopped shard of a stream that
// this member owns. It joins the group anew once, after the last of them, and
// tells what became of each, in order.
func (c *Consumer) ResumeAll(ctx context.Context, stream string, tell func(ShardID, Resumed, error)) {
	session := c.sessionNow()
	if session == nil {
		return
	}
	resumed := false
	for _, stop := range c.Stops() {
		if stop.Shard.Stream == stream {
			done, err := c.resume(ctx, session.client, stop.Shard, AtLogStart)
			resumed = resumed || err == nil
			tell(stop.Shard, done, err)
		}
	}
	if resumed {
		session.end(errRejoin)
	}
}

// resume moves one shard and commits the move. What it fetches is as before
// until the member joins the group anew.
func (c *Consumer) resume(ctx context.Context, cl *kgo.Client, id ShardID, at int64) (Resumed, error) {
	s := c.locate(id)
	if s == nil {
		return Resumed{}, fmt.Errorf("%s: %w", id, ErrNotOwned)
	}
	topic := map[string][]int32{s.topic: {id.Partition}}
	starts, err := listOffsets(ctx, cl, topic, atStart)
	if err != nil {
		return Resumed{}, err
	}
	ends, err := listOffsets(ctx, cl, topic, atEnd)
	if err != nil {
		return Resumed{}, err
	}
	start, end := starts[s.topic][id.Partition], ends[s.topic][id.Partition]
	if at == AtLogStart {
		at = start
	}
	if at < start || at > end {
		return Resumed{}, fmt.Errorf("%s: offset %d is not in the log, which holds %d to %d", id, at, start, end)
	}
	missing, err := c.lanes.resume(s, at)
	if err != nil {
		return Resumed{}, err
	}
	c.log.Warn("shard resumed by an operator", zap.Stringer("shard", id), zap.Int64("at", at), zap.Int64("missing", missing))
	if err := c.commits.commitOne(ctx, cl, s); err != nil {
		return Resumed{}, err
	}
	return Resumed{Offset: at, Missing: missing}, nil
}

func (c *Consumer) locate(id ShardID) *shard {
	for _, stream := range c.byTopic {
		if stream.Name == id.Stream {
			return c.lanes.find(stream.workspace(id.Partition), id)
		}
	}
	return nil
}

// resume moves a stopped shard's watermark over what is gone.
func (l *Lanes) resume(s *shard, at int64) (missing int64, err error) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	switch {
	case s.stop == nil:
		return 0, fmt.Errorf("%s: %w", s.id, ErrNotStopped)
	case !s.loaded:
		s.win, s.loaded = newWindow(at), true
		s.load(false, time.Now(), l.length)
	case at < s.win.read:
		return 0, fmt.Errorf("%s: offset %d was read already; resume at %d or later", s.id, at, s.win.read)
	default:
		missing = s.win.skip(at)
		s.tally.Missing += missing
	}
	s.stop, s.dirty = nil, true
	return missing, nil
}
