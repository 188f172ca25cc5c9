package partition

import (
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// protocolName is the group protocol that all members must share.
const protocolName = "sluice"

// Member is what a member tells the group about itself, in its user data.
// Unknown fields of later versions are ignored.
type Member struct {
	Version int    `json:"v"`
	Region  string `json:"region,omitempty"`
	Admin   string `json:"admin,omitempty"` // host:port of its action endpoints
}

// balancer is cooperative-sticky under our own name. It carries Member in the
// user data and tells the consumer of each assignment before any callback runs.
type balancer struct {
	kgo.GroupBalancer
	member func() Member
	adopt  func()
}

func newBalancer(member func() Member, adopt func()) *balancer {
	return &balancer{GroupBalancer: kgo.CooperativeStickyBalancer(), member: member, adopt: adopt}
}

// ProtocolName implements kgo.GroupBalancer.
func (*balancer) ProtocolName() string { return protocolName }

// JoinGroupMetadata implements kgo.GroupBalancer. The sticky balancer's own user
// data repeats what the metadata's owned partitions say, so ours replaces it.
func (b *balancer) JoinGroupMetadata(topics []string, current map[string][]int32, generation int32) []byte {
	raw := b.GroupBalancer.JoinGroupMetadata(topics, current, generation)
	var meta kmsg.ConsumerMemberMetadata
	if err := meta.ReadFrom(raw); err != nil {
		return raw
	}
	data, err := json.Marshal(b.member())
	if err != nil {
		return raw
	}
	meta.UserData = data
	return meta.AppendTo(nil)
}

// ParseSyncAssignment implements kgo.GroupBalancer. It runs once a generation,
// before any callback, when the client already knows the new generation.
func (b *balancer) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	parsed, err := b.GroupBalancer.ParseSyncAssignment(assignment)
	if err != nil {
		return nil, fmt.Errorf("parse assignment: %w", err)
	}
	b.adopt()
	return parsed, nil
}

// MemberBalancer implements kgo.GroupBalancer: it hides our user data from the
// sticky balancer, which would read it as its own.
func (b *balancer) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	bare := make([]kmsg.JoinGroupResponseMember, len(members))
	copy(bare, members)
	for i := range bare {
		var meta kmsg.ConsumerMemberMetadata
		if err := meta.ReadFrom(bare[i].ProtocolMetadata); err != nil {
			return nil, nil, fmt.Errorf("read metadata of member %s: %w", bare[i].MemberID, err)
		}
		meta.UserData = nil
		bare[i].ProtocolMetadata = meta.AppendTo(nil)
	}
	return b.GroupBalancer.MemberBalancer(bare)
}

// parseMember reads a member's user data; the zero Member when it is not ours.
func parseMember(userData []byte) Member {
	var m Member
	if json.Unmarshal(userData, &m) != nil {
		return Member{}
	}
	return m
}
