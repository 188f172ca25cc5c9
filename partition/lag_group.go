package partition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// GroupState is what the cluster tells of a consumer group.
type GroupState struct {
	Name string
	// State is Kafka's word: Stable, Empty, PreparingRebalance,
	// CompletingRebalance, or Dead, which is one that does not exist.
	State    string
	Protocol string        // how it assigns; empty while it does not
	Members  []GroupMember // by instance and id
}

// GroupMember is one member of a group. Its assignment, and what it tells of
// itself, are known while the group is stable.
type GroupMember struct {
	ID       string // that the group gave it
	Instance string // its static identity; empty for a dynamic member
	Client   string
	Host     string // where it is, as the broker sees it
	Told     Member // what it tells of itself; zero when it is not sluice's

	assigned map[ShardID]bool
}

// Owns tells whether a topic's partition is assigned to the member.
func (m GroupMember) Owns(topic string, number int32) bool {
	return m.assigned[ShardID{Stream: topic, Partition: number}]
}

// Owner returns the member to whom a topic's partition is assigned.
func (g GroupState) Owner(topic string, number int32) (m GroupMember, ok bool) {
	for _, m := range g.Members {
		if m.Owns(topic, number) {
			return m, true
		}
	}
	return GroupMember{}, false
}

// Exists tells whether the cluster knows the group.
func (g GroupState) Exists() bool { return g.State != stateDead }

// Settled tells whether the members know what is whose: the group is stable, or
// has none.
func (g GroupState) Settled() bool { return g.State == stateStable || len(g.Members) == 0 }

// Kafka's words for the states of a group that are told apart here.
const (
	stateStable = "Stable"
	stateDead   = "Dead"
)

// Group describes one group. One that does not exist is Dead and has no members.
func (a *Admin) Group(ctx context.Context, name string) (g GroupState, err error) {
	err = patiently(ctx, func() error {
		g, err = a.group(ctx, name)
		return err
	})
	return g, err
}

func (a *Admin) group(ctx context.Context, name string) (GroupState, error) {
	described, err := a.kadm.DescribeGroups(ctx, name)
	if err != nil {
		return GroupState{}, fmt.Errorf("describe group %s: %w", name, err)
	}
	d := described[name]
	switch {
	case errors.Is(d.Err, kerr.GroupIDNotFound):
		return GroupState{Name: name, State: stateDead}, nil
	case d.Err != nil:
		return GroupState{}, fmt.Errorf("describe group %s: %w", name, d.Err)
	}
	return stateOf(d), nil
}

func stateOf(d kadm.DescribedGroup) GroupState {
	g := GroupState{Name: d.Group, State: d.State, Protocol: d.Protocol}
	for _, m := range d.Members {
		one := GroupMember{ID: m.MemberID, Client: m.ClientID, Host: m.ClientHost, assigned: map[ShardID]bool{}}
		if m.InstanceID != nil {
			one.Instance = *m.InstanceID
		}
		if joined, ok := m.Join.AsConsumer(); ok {
			one.Told = parseMember(joined.UserData)
		}
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				for _, p := range t.Partitions {
					one.assigned[ShardID{Stream: t.Topic, Partition: p}] = true
				}
			}
		}
		g.Members = append(g.Members, one)
	}
	slices.SortFunc(g.Members, func(a, b GroupMember) int {
		return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.ID, b.ID))
	})
	return g
}

// GroupLag is a group with how far it is.
type GroupLag struct {
	GroupState
	Topics []TopicLag // those that it has committed offsets of, and that exist, by name
}

// TopicLag is how far a group is with one topic.
type TopicLag struct {
	Topic    string
	Lag      int64
	Deferred int64 // events that wait for their time, which Lag does not count
	Halted   int   // partitions that a member stops at
}

// Groups returns the groups of the cluster that are sluice's, by name, and
// those named in also, whatever they are, when they exist. A group is sluice's
// when it assigns by sluice's protocol, or when one of its commits is: then it
// has no members, or they are not settled yet.
func (a *Admin) Groups(ctx context.Context, also ...string) (groups []GroupLag, err error) {
	err = patiently(ctx, func() error {
		groups, err = a.groups(ctx, also)
		return err
	})
	return groups, err
}

func (a *Admin) groups(ctx context.Context, also []string) ([]GroupLag, error) {
	candidates, err := a.candidates(ctx, also)
	if err != nil {
		return nil, err
	}
	committed := a.kadm.FetchManyOffsets(ctx, slices.Sorted(maps.Keys(candidates))...)
	topics := map[string]bool{}
	for name, g := range candidates {
		fetched := committed[name]
		certain := g.Protocol == protocolName || slices.Contains(also, name)
		switch {
		case certain && fetched.Err != nil:
			return nil, fmt.Errorf("fetch offsets of group %s: %w", name, fetched.Err)
		case !certain && (fetched.Err != nil || !committedByUs(fetched.Fetched)):
			delete(candidates, name)
			continue
		}
		for topic := range fetched.Fetched {
			topics[topic] = true
		}
	}
	held, err := a.logs(ctx, slices.Sorted(maps.Keys(topics)))
	if err != nil {
		return nil, err
	}
	deferred, err := a.deferredOn(ctx, held)
	if err != nil {
		return nil, err
	}
	var all []GroupLag
	for _, name := range slices.Sorted(maps.Keys(candidates)) {
		one, err := held.group(candidates[name], committed[name].Fetched, deferred)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// deferredOn is the first offset that waits for its time, of each partition of
// those topics that are delay tiers by their names.
func (a *Admin) deferredOn(ctx context.Context, held logs) (map[string]map[int32]int64, error) {
	known := func(live string) bool { _, ok := held[live]; return ok }
	asked, steps := map[string][]int32{}, map[string]time.Duration{}
	for topic, bounds := range held {
		if step := TierOf(topic, known).Step(); step > 0 {
			asked[topic], steps[topic] = slices.Collect(maps.Keys(bounds.End)), step
		}
	}
	return a.deferredFrom(ctx, asked, steps)
}

// candidates are the groups that may be sluice's, as far as their own state
// tells: not those that assign by another protocol.
func (a *Admin) candidates(ctx context.Context, also []string) (map[string]GroupState, error) {
	listed, err := a.kadm.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	var names []string
	for name, g := range listed {
		if g.ProtocolType == "consumer" || g.ProtocolType == "" { // "" has only ever committed from outside
			names = append(names, name)
		}
	}
	candidates := map[string]GroupState{}
	if len(names) == 0 { // kadm would describe every group
		return candidates, nil
	}
	described, err := a.kadm.DescribeGroups(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("describe groups: %w", err)
	}
	for name, d := range described {
		if d.Err != nil { // it went meanwhile, or is of a kind that we never are
			continue
		}
		if d.Protocol == protocolName || d.Protocol == "" || slices.Contains(also, name) {
			candidates[name] = stateOf(d)
		}
	}
	return candidates, nil
}

// committedByUs tells whether any of the commits is sluice's.
func committedByUs(committed kadm.OffsetResponses) bool {
	for _, partitions := range committed {
		for _, o := range partitions {
			if _, _, err := decodeMetadata(o.At, o.Metadata); o.Err == nil && err == nil {
				return true
			}
		}
	}
	return false
}

// group sums a group's lag by the topics that it has commits of; deferred is
// from where on the records of delay tiers wait for their time.
func (held logs) group(g GroupState, committed kadm.OffsetResponses, deferred map[string]map[int32]int64) (GroupLag, error) {
	of := logs{}
	for topic := range committed {
		if bounds, exists := held[topic]; exists {
			of[topic] = bounds
		}
	}
	lags, err := of.lags(committed)
	if err != nil {
		return GroupLag{}, fmt.Errorf("group %s: %w", g.Name, err)
	}
	one := GroupLag{GroupState: g}
	for _, l := range lags { // by topic
		if from, ok := deferred[l.Topic]; ok {
			l.wakesBefore(from[l.Partition])
		}
		if n := len(one.Topics); n == 0 || one.Topics[n-1].Topic != l.Topic {
			one.Topics = append(one.Topics, TopicLag{Topic: l.Topic})
		}
		t := &one.Topics[len(one.Topics)-1]
		t.Lag += l.Lag()
		t.Deferred += l.Deferred()
		if l.Halted() != "" {
			t.Halted++
		}
	}
	return one, nil
}
