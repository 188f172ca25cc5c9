package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrOutside says that an offset is not in the log.
var ErrOutside = errors.New("the offset is not in the log")

// Move is what it means to set a group's watermark of one partition to To.
type Move struct {
	ShardLag
	To int64
	// Again is how many settled offsets come after To: they are sent once more.
	Again int64
	// Skipped is how many unsettled offsets of the log come before To: they are
	// never sent.
	Skipped int64
	// Unknown is how many offsets come after To of which nothing is known, for the
	// group has no watermark in this log: they may have been sent before, or never.
	Unknown int64
}

// Move plans to set the watermark to an offset, or says with ErrOutside that
// the log does not hold it. The one after the last is in it: there the next
// event goes.
func (l ShardLag) Move(to int64) (Move, error) {
	if to < l.Start || to > l.End {
		return Move{}, fmt.Errorf("%s/%d holds the offsets %d to %d, not %d: %w", l.Topic, l.Partition, l.Start, l.End, to, ErrOutside)
	}
	m := Move{ShardLag: l, To: to, Skipped: l.open(l.Start, to)}
	if !l.known() {
		m.Unknown = l.End - to
		return m, nil
	}
	m.Again = max(0, l.Watermark-to) + l.settled(to, l.End)
	return m, nil
}

// Changes tells whether the move sets anything.
func (m Move) Changes() bool { return m.To != m.Watermark || m.Again > 0 }

// OffsetsAt returns, for each partition of a topic, the first offset whose
// record is of that time or later, and the log's end where there is none.
func (a *Admin) OffsetsAt(ctx context.Context, topic string, at time.Time) (map[int32]int64, error) {
	var offsets map[int32]int64
	err := patiently(ctx, func() error {
		bounds, err := a.bounds(ctx, topic)
		if err != nil {
			return err
		}
		all := map[string][]int32{}
		for p := range bounds.End {
			all[topic] = append(all[topic], p)
		}
		found, err := listOffsets(ctx, a.client, all, max(0, at.UnixMilli()))
		if err != nil {
			return err
		}
		offsets = found[topic]
		for p, offset := range offsets {
			if offset < 0 {
				offsets[p] = bounds.End[p]
			}
		}
		return nil
	})
	return offsets, err
}

// SetOffsets carries out moves of one topic for a group that has no members, in
// one request: plain offsets, without what is known to be settled above them.
// ErrGroupActive says that the group has members and nothing was set. The
// result holds the partitions that the broker refused, each with its reason.
func (a *Admin) SetOffsets(ctx context.Context, group string, moves []Move) (refused map[int32]error, err error) {
	if len(moves) == 0 {
		return nil, nil
	}
	state, err := a.Group(ctx, group)
	if err != nil {
		return nil, err
	}
	if n := len(state.Members); n > 0 {
		return nil, fmt.Errorf("group %s has %d members: %w", group, n, ErrGroupActive)
	}
	offsets := kadm.Offsets{}
	for _, m := range moves {
		offsets.Add(kadm.Offset{Topic: m.Topic, Partition: m.Partition, At: m.To, LeaderEpoch: -1})
	}
	answers, err := a.kadm.CommitOffsets(ctx, group, offsets)
	if err != nil {
		return nil, fmt.Errorf("commit offsets of group %s: %w", group, err)
	}
	refused = map[int32]error{}
	for _, m := range moves {
		switch err := answers[m.Topic][m.Partition].Err; {
		case joined(err):
			return nil, fmt.Errorf("commit offset of %s/%d: %w (%w)", m.Topic, m.Partition, ErrGroupActive, err)
		case err != nil:
			refused[m.Partition] = fmt.Errorf("commit offset of %s/%d: %w", m.Topic, m.Partition, err)
		}
	}
	return refused, nil
}

// joined tells whether a broker refused a commit from outside of the group
// because it has members by now: it refuses all partitions alike.
func joined(err error) bool {
	for _, sign := range []error{kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.StaleMemberEpoch} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}
