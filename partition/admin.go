package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Admin asks the cluster about topics and groups and changes them. It is safe
// for concurrent use.
type Admin struct {
	cfg    Config
	client *kgo.Client
	kadm   *kadm.Client
}

// NewAdmin makes an Admin; nothing is sent before the first call.
func NewAdmin(cfg Config) (*Admin, error) {
	cl, err := kgo.NewClient(cfg.options(zap.NewNop())...)
	if err != nil {
		return nil, fmt.Errorf("make Kafka client: %w", err)
	}
	return &Admin{cfg: cfg, client: cl, kadm: kadm.NewClient(cl)}, nil
}

// Close ends the Admin.
func (a *Admin) Close() { a.client.Close() }

// ErrNoOwner says that no live member of ours owns a shard.
var ErrNoOwner = errors.New("no member owns the shard")

// ErrGroupActive says that a group has members, which alone may commit.
var ErrGroupActive = errors.New("the group has members")

// Bounds are the offsets that a topic's partitions hold: Start is the first,
// End the one after the last.
type Bounds struct{ Start, End map[int32]int64 }

// Bounds returns where a topic's partitions start and end. A topic that is not
// there is an error.
func (a *Admin) Bounds(ctx context.Context, topic string) (b Bounds, err error) {
	err = patiently(ctx, func() error {
		b, err = a.bounds(ctx, topic)
		return err
	})
	return b, err
}

func (a *Admin) bounds(ctx context.Context, topic string) (Bounds, error) {
	found, _, err := describe(ctx, a.client, []string{topic})
	if err != nil {
		return Bounds{}, err
	}
	all := map[string][]int32{}
	for p := range found[topic].partitions {
		all[topic] = append(all[topic], p)
	}
	if len(all) == 0 {
		return Bounds{}, fmt.Errorf("topic %s does not exist", topic)
	}
	starts, err := listOffsets(ctx, a.client, all, atStart)
	if err != nil {
		return Bounds{}, err
	}
	ends, err := listOffsets(ctx, a.client, all, atEnd)
	return Bounds{Start: starts[topic], End: ends[topic]}, err
}

// Committed is one shard's commit.
type Committed struct {
	Offset   int64 // the watermark: next offset to settle
	Settled  int64 // offsets above it that are settled
	Released bool  // handed over in good order
}

// Committed returns what a group committed for a topic, by partition.
func (a *Admin) Committed(ctx context.Context, group, topic string) (map[int32]Committed, error) {
	offsets, err := a.kadm.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) { // nobody has been in it yet
		return map[int32]Committed{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetch offsets of group %s: %w", group, err)
	}
	found := map[int32]Committed{}
	for _, o := range offsets[topic] {
		if o.Err != nil {
			return nil, fmt.Errorf("fetch offset of %s/%d: %w", topic, o.Partition, o.Err)
		}
		c := Committed{Offset: o.At}
		if w, released, err := decodeMetadata(o.At, o.Metadata); err == nil {
			c.Released = released
			for length, settled := range w.runs {
				if settled {
					c.Settled += length
				}
			}
		}
		found[o.Partition] = c
	}
	return found, nil
}

// SetOffset commits an offset for a group that has no members; ErrGroupActive
// when it has.
func (a *Admin) SetOffset(ctx context.Context, group string, at ShardID, offset int64) error {
	described, err := a.kadm.DescribeGroups(ctx, group)
	if err != nil {
		return fmt.Errorf("describe group %s: %w", group, err)
	}
	if n := len(described[group].Members); n > 0 {
		return fmt.Errorf("group %s has %d members: %w", group, n, ErrGroupActive)
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: at.Stream, Partition: at.Partition, At: offset, LeaderEpoch: -1})
	resp, err := a.kadm.CommitOffsets(ctx, group, offsets)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		return fmt.Errorf("commit offset of %s: %w", at, err)
	}
	return nil
}

// Owner returns the action endpoints' address of the member that owns a
// topic's partition; ErrNoOwner when nobody does, or none that tells it.
func (a *Admin) Owner(ctx context.Context, group, topic string, partition int32) (string, error) {
	owners, _, err := a.Owners(ctx, group, topic)
	if err != nil {
		return "", err
	}
	addr, owned := owners[partition]
	switch {
	case !owned:
		return "", fmt.Errorf("%s/%d: %w", topic, partition, ErrNoOwner)
	case addr == "":
		return "", fmt.Errorf("%s/%d: its member tells no address: %w", topic, partition, ErrNoOwner)
	}
	return addr, nil
}

// Owners returns the action endpoints' address of the member that owns each of
// a topic's partitions, "" when that member tells none, and whether the group
// has members at all. Partitions that nobody owns are left out.
func (a *Admin) Owners(ctx context.Context, group, topic string) (owners map[int32]string, live bool, err error) {
	described, err := a.kadm.DescribeGroups(ctx, group)
	if err != nil {
		return nil, false, fmt.Errorf("describe group %s: %w", group, err)
	}
	owners = map[int32]string{}
	for _, m := range described[group].Members {
		assigned, ok := m.Assigned.AsConsumer()
		if !ok {
			continue
		}
		for _, t := range assigned.Topics {
			for _, p := range t.Partitions {
				if t.Topic == topic {
					owners[p] = adminAddr(m)
				}
			}
		}
	}
	return owners, len(described[group].Members) > 0, nil
}

func adminAddr(m kadm.DescribedGroupMember) string {
	var meta kmsg.ConsumerMemberMetadata
	if joined, ok := m.Join.AsConsumer(); ok {
		meta = *joined
	}
	return parseMember(meta.UserData).Admin
}
