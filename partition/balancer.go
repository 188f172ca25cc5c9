package partition

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// protocolName is the group protocol that all members must share.
const protocolName = "sluice"

// adoption is what a member learns when a generation begins, before any callback.
type adoption struct {
	assigned map[string][]int32 // topic -> partitions: all that is this member's in the generation

	// totals are the shards of each workspace, as the leader counts them; nil:
	// it does not say. A workspace of which nothing is assigned here is left out.
	totals map[string]int

	// counted bounds how many shards of a workspace count as this member's: it
	// is given while leader and member have different routes, and nil otherwise.
	counted map[string]int

	pending bool // some shards are nobody's until who had them gives them up
}

// share says how much of a workspace is this member's, of which so many shards
// are active here and own is their number over the fleet by its own count. The
// leader's count goes before that: one generation divides by one number, else
// the parts could add up to more than the whole.
func (a adoption) share(workspace string, active, own int) (owned, total int) {
	total = a.totals[workspace]
	if total <= 0 {
		return active, max(own, active)
	}
	if a.counted != nil {
		active = min(active, a.counted[workspace])
	}
	return min(active, total), total
}

// balancerConfig is what a balancer is made of. The functions are called by the
// client's group goroutine.
type balancerConfig struct {
	streams []Stream
	loads   func() []Load  // asked at each plan
	reach   float64        // attempts a second within one member's reach
	member  func() Member  // asked at each join
	adopt   func(adoption) // told of each generation, before any callback of it
	adopted func() int32   // the generation whose assignment this member acts on; nil: the client's
}

// balancer is a cooperative kgo.GroupBalancer that moves units. Its protocol on
// the wire is that of cooperative-sticky, under our own name and with user data
// of our own, so that members of other versions mix with it: whoever leads, each
// reads what it understands.
type balancer struct {
	cfg    balancerConfig
	routes string
}

func newBalancer(cfg balancerConfig) *balancer {
	return &balancer{cfg: cfg, routes: fingerprint(cfg.streams)}
}

// ProtocolName implements kgo.GroupBalancer.
func (*balancer) ProtocolName() string { return protocolName }

// IsCooperative implements kgo.GroupBalancer.
func (*balancer) IsCooperative() bool { return true }

// JoinGroupMetadata implements kgo.GroupBalancer.
func (b *balancer) JoinGroupMetadata(topics []string, current map[string][]int32, generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version = 3 // the newest that kmsg knows: owned partitions and their generation
	meta.Topics = topics
	meta.Generation = generation
	if b.cfg.adopted != nil { // the client may have heard of a later one, and claims by that
		meta.Generation = min(generation, b.cfg.adopted())
	}
	for _, topic := range slices.Sorted(maps.Keys(current)) {
		owned := kmsg.NewConsumerMemberMetadataOwnedPartition()
		owned.Topic, owned.Partitions = topic, current[topic]
		meta.OwnedPartitions = append(meta.OwnedPartitions, owned)
	}
	member := b.cfg.member()
	member.Routes = b.routes
	member.Demand = brief(member.Demand)
	if data, err := json.Marshal(member); err == nil { // it always is: brief leaves numbers that JSON has
		meta.UserData = data
	}
	return meta.AppendTo(nil)
}

// ParseSyncAssignment implements kgo.GroupBalancer. It runs once a generation,
// before any callback, when the client already knows the new generation.
func (b *balancer) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	assigned, err := kgo.ParseConsumerSyncAssignment(assignment)
	if err != nil {
		return nil, fmt.Errorf("parse assignment: %w", err)
	}
	var raw kmsg.ConsumerMemberAssignment
	a := adoption{assigned: assigned}
	if raw.ReadFrom(assignment) == nil {
		h := parseHandout(raw.UserData)
		a.totals, a.counted, a.pending = h.Totals, h.Counted, h.Pending
	}
	b.cfg.adopt(a)
	return assigned, nil
}

// MemberBalancer implements kgo.GroupBalancer.
func (b *balancer) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	group, err := kgo.NewConsumerBalancer(b, members)
	if err != nil {
		return nil, nil, fmt.Errorf("read the members' metadata: %w", err)
	}
	return group, group.MemberTopics(), nil
}

// Balance implements kgo.ConsumerBalancerBalance: it runs on the leader alone.
func (b *balancer) Balance(group *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	in := planInput{topics: topics, streams: b.cfg.streams, loads: b.cfg.loads(), reach: b.cfg.reach}
	alike := map[string]bool{}
	group.EachMember(func(m *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		said := parseMember(meta.UserData)
		alike[m.MemberID] = said.Routes == b.routes
		claims := make(map[string][]int32, len(meta.OwnedPartitions))
		for _, owned := range meta.OwnedPartitions {
			claims[owned.Topic] = append(claims[owned.Topic], owned.Partitions...)
		}
		in.members = append(in.members, planMember{
			id: m.MemberID, region: said.Region, topics: meta.Topics,
			claims: claims, generation: meta.Generation, demand: said.Demand,
		})
	})
	goal := plan(in)
	next := group.NewPlan()
	maps.Copy(next.AsMemberIDMap(), goal.assigned)
	all := partitionsOf(next.AsMemberIDMap())
	next.AdjustCooperative(group)
	return assignment{BalancePlan: next, goal: goal, alike: alike, pending: partitionsOf(next.AsMemberIDMap()) < all}
}

// partitionsOf is how many partitions the members have together.
func partitionsOf(members map[string]map[string][]int32) (n int) {
	for _, topics := range members {
		for _, partitions := range topics {
			n += len(partitions)
		}
	}
	return n
}

// assignment is a plan with what the leader tells each member beside it.
type assignment struct {
	*kgo.BalancePlan
	goal    planned
	alike   map[string]bool // members that route as the leader does
	pending bool            // some of it waits for the next generation
}

// IntoSyncAssignment implements kgo.IntoSyncAssignment. A member is told of the
// workspaces that it is to have and not of all: the broker keeps what the
// members are told in one record of 1 MiB. One that routes otherwise may have
// shards in mind that the leader does not, so it is told everything.
func (a assignment) IntoSyncAssignment() []kmsg.SyncGroupRequestGroupAssignment {
	all := a.BalancePlan.IntoSyncAssignment()
	for i := range all {
		counted := a.goal.counted[all[i].MemberID]
		h := handout{Version: handoutVersion, Totals: a.goal.totals, Counted: counted, Pending: a.pending}
		if a.alike[all[i].MemberID] {
			h.Counted, h.Totals = nil, make(map[string]int, len(counted))
			for workspace := range counted {
				h.Totals[workspace] = a.goal.totals[workspace]
			}
		}
		data, err := json.Marshal(h)
		var raw kmsg.ConsumerMemberAssignment
		if err != nil || raw.ReadFrom(all[i].MemberAssignment) != nil {
			continue // neither can be; a member that is told nothing counts by itself
		}
		raw.UserData = data
		all[i].MemberAssignment = raw.AppendTo(nil)
	}
	return all
}
