package partition

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// joining is what a member of a plan's input would send to join.
func joining(m planMember, userData []byte) kmsg.JoinGroupResponseMember {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version, meta.Topics, meta.Generation, meta.UserData = 3, slices.Clone(m.topics), m.generation, userData
	for _, topic := range slices.Sorted(maps.Keys(m.claims)) {
		owned := kmsg.NewConsumerMemberMetadataOwnedPartition()
		owned.Topic, owned.Partitions = topic, m.claims[topic]
		meta.OwnedPartitions = append(meta.OwnedPartitions, owned)
	}
	join := kmsg.NewJoinGroupResponseMember()
	join.MemberID, join.ProtocolMetadata = m.id, meta.AppendTo(nil)
	return join
}

// adjusted is a plan after kgo made it cooperative.
func adjusted(t *testing.T, in planInput, p planned) map[string]map[string][]int32 {
	t.Helper()
	var joins []kmsg.JoinGroupResponseMember
	for _, m := range in.members {
		joins = append(joins, joining(m, nil))
	}
	group, err := kgo.NewConsumerBalancer(nil, joins)
	if err != nil {
		t.Fatal(err)
	}
	next := group.NewPlan()
	for id, topics := range p.assigned {
		for topic, partitions := range topics {
			next.AsMemberIDMap()[id][topic] = slices.Clone(partitions)
		}
	}
	next.AdjustCooperative(group)
	return next.AsMemberIDMap()
}

// fleetConfig is a member of a fleet with two streams and four workspaces.
func fleetConfig(adopt func(adoption)) balancerConfig {
	var routes []Route
	var loads []Load
	for i := range int32(4) {
		w := "w" + strconv.Itoa(int(i))
		routes = append(routes, Route{From: 2 * i, To: 2*i + 1, Workspace: w})
		loads = append(loads, Load{Workspace: w, Rate: 100})
	}
	return balancerConfig{
		streams: []Stream{{Name: "a", Topic: "a", Routes: routes}, {Name: "b", Topic: "b", Routes: routes}},
		loads:   func() []Load { return loads }, reach: 1000,
		member: func() Member { return Member{Version: 1} }, adopt: adopt,
	}
}

// balanceAs leads a group of members that said this, and has each read what it
// is told.
func balanceAs(t *testing.T, leader *balancer, topics map[string]int32, said map[string][]byte) map[string]adoption {
	t.Helper()
	var joins []kmsg.JoinGroupResponseMember
	for _, id := range slices.Sorted(maps.Keys(said)) {
		joins = append(joins, joining(planMember{id: id, topics: slices.Sorted(maps.Keys(topics)), generation: -1}, said[id]))
	}
	group, _, err := leader.MemberBalancer(joins)
	if err != nil {
		t.Fatal(err)
	}
	into, err := group.(kgo.GroupMemberBalancerOrError).BalanceOrError(topics)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]adoption{}
	for _, a := range into.IntoSyncAssignment() {
		reader := newBalancer(fleetConfig(func(read adoption) { told[a.MemberID] = read }))
		if _, err := reader.ParseSyncAssignment(a.MemberAssignment); err != nil {
			t.Fatal(err)
		}
	}
	return told
}

// said is the user data of a balancer's own join.
func said(t *testing.T, b *balancer) []byte {
	t.Helper()
	var meta kmsg.ConsumerMemberMetadata
	if err := meta.ReadFrom(b.JoinGroupMetadata([]string{"a", "b"}, nil, -1)); err != nil {
		t.Fatal(err)
	}
	return meta.UserData
}

func TestLeaderUnderstandsOtherVersions(t *testing.T) {
	t.Parallel()
	leader := newBalancer(fleetConfig(nil))
	sticky := kgo.CooperativeStickyBalancer().JoinGroupMetadata([]string{"a"}, map[string][]int32{"a": {1}}, 3)
	var meta kmsg.ConsumerMemberMetadata
	if err := meta.ReadFrom(sticky); err != nil {
		t.Fatal(err)
	}
	told := balanceAs(t, leader, map[string]int32{"a": 8, "b": 8}, map[string][]byte{
		"ours":    said(t, leader),
		"older":   []byte(`{"v":1,"region":"us","admin":"10.0.0.1:9091"}`),
		"newer":   []byte(`{"v":9,"region":"us","weights":{"w0":[1,2]},"demand":{"w0":3}}`),
		"odd":     []byte(`{"v":1,"demand":[1]}`),
		"garbage": {0xff, 0x00, 0x7b},
		"sticky":  meta.UserData,
		"nothing": nil,
	})
	have := map[shardName]string{}
	for id, a := range told {
		for topic, partitions := range a.assigned {
			for _, n := range partitions {
				if other, twice := have[shardName{topic, n}]; twice {
					t.Errorf("%s/%d is %s's and %s's", topic, n, other, id)
				}
				have[shardName{topic, n}] = id
			}
		}
	}
	if len(have) != 16 || len(told) != 7 {
		t.Errorf("%d of 16 partitions went to %d of 7 members", len(have), len(told))
	}
	for w := range int32(4) {
		for _, s := range []shardName{{"a", 2*w + 1}, {"b", 2 * w}, {"b", 2*w + 1}} {
			if have[s] != have[shardName{"a", 2 * w}] {
				t.Errorf("workspace w%d is torn", w)
			}
		}
	}
}

func TestWhatMembersAreTold(t *testing.T) {
	t.Parallel()
	leader := newBalancer(fleetConfig(nil))
	topics := map[string]int32{"a": 8, "b": 8}
	told := balanceAs(t, leader, topics, map[string][]byte{"m": said(t, leader), "n": said(t, leader), "other": []byte(`{"v":1}`)})
	for _, id := range []string{"m", "n"} {
		if told[id].counted != nil || len(told[id].totals) == 0 || len(told[id].totals) == 4 {
			t.Errorf("%s was told %+v, want the totals of its own workspaces alone", id, told[id])
		}
		for w, n := range told[id].totals {
			if n != 4 {
				t.Errorf("%s of %d shards, want 4", w, n)
			}
		}
	}
	if other := told["other"]; len(other.totals) != 4 || len(other.counted) != 1 {
		t.Errorf("who routes otherwise was told %+v, want every total and what counts as its own", other)
	}
}

// While a fleet changes its routes some members know more shards of a workspace
// than others. Whoever leads, the parts never add up to more than the whole.
func TestPartsNeverExceedTheWhole(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		rng := seeded(seed)
		configs := []balancerConfig{fleetConfig(nil), fleetConfig(nil)}
		for i := range configs {
			configs[i].streams = nil
			for _, topic := range []string{"a", "b"} {
				if rng.IntN(3) > 0 {
					configs[i].streams = append(configs[i].streams, Stream{Name: topic, Topic: topic, Routes: []Route{
						{From: 0, To: int32(rng.IntN(5)), Workspace: "w"}, {From: 5, To: 7, Workspace: oneOf(rng, "w", "v")},
					}})
				}
			}
		}
		leader := newBalancer(configs[0])
		of := map[string]balancerConfig{}
		joined := map[string][]byte{}
		for i := range 1 + rng.IntN(4) {
			id := "m" + strconv.Itoa(i)
			of[id] = configs[min(i, 1)]
			joined[id] = said(t, newBalancer(of[id]))
		}
		sum := map[string]float64{}
		for id, a := range balanceAs(t, leader, map[string]int32{"a": 8, "b": 8}, joined) {
			for _, w := range []string{"w", "v"} {
				active, own := 0, 0
				for _, s := range of[id].streams {
					for n := range int32(8) {
						if s.workspace(n) == w {
							own++
							if slices.Contains(a.assigned[s.Topic], n) {
								active++
							}
						}
					}
				}
				if owned, total := a.share(w, active, own); total > 0 {
					sum[w] += float64(owned) / float64(total)
				}
			}
		}
		for w, s := range sum {
			if s > 1+1e-9 {
				t.Fatalf("seed %d: the parts of %s add up to %v", seed, w, s)
			}
		}
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		told         adoption
		owned, total int
	}{
		"the leader's count":             {adoption{totals: map[string]int{"w": 12}}, 3, 12},
		"a leader that does not say":     {adoption{}, 3, 8},
		"a workspace that it says not":   {adoption{totals: map[string]int{"v": 12}}, 3, 8},
		"no more than it counts as ours": {adoption{totals: map[string]int{"w": 12}, counted: map[string]int{"w": 2}}, 2, 12},
		"nothing that it counts as ours": {adoption{totals: map[string]int{"w": 12}, counted: map[string]int{}}, 0, 12},
		"more active than there can be":  {adoption{totals: map[string]int{"w": 2}}, 2, 2},
		"a total that cannot be":         {adoption{totals: map[string]int{"w": 0}}, 3, 8},
		"what is ours is there, unasked": {adoption{counted: map[string]int{"w": 2}}, 3, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if owned, total := c.told.share("w", 3, 8); owned != c.owned || total != c.total {
				t.Errorf("have %d of %d, want %d of %d", owned, total, c.owned, c.total)
			}
		})
	}
}

func TestJoinIsTheSameTwice(t *testing.T) {
	t.Parallel()
	cfg := fleetConfig(nil)
	cfg.member = func() Member {
		return Member{Version: 1, Region: "eu", Admin: "h:1", Demand: map[string]float64{"w0": 123.4, "w1": -1, "w2": 0, "w3": 1e300, "w4": 0.0123}}
	}
	b := newBalancer(cfg)
	current := map[string][]int32{"b": {1}, "a": {0, 2}}
	raw := b.JoinGroupMetadata([]string{"a", "b"}, current, 7)
	if !slices.Equal(raw, b.JoinGroupMetadata([]string{"a", "b"}, current, 7)) {
		t.Error("two joins differ")
	}
	var meta kmsg.ConsumerMemberMetadata
	if err := meta.ReadFrom(raw); err != nil {
		t.Fatal(err)
	}
	if meta.Generation != 7 || len(meta.OwnedPartitions) != 2 || meta.OwnedPartitions[0].Topic != "a" {
		t.Errorf("have %+v", meta)
	}
	m := parseMember(meta.UserData)
	want := map[string]float64{"w0": 120, "w3": 1e9, "w4": 0.012}
	if m.Region != "eu" || m.Admin != "h:1" || m.Routes == "" || !maps.Equal(m.Demand, want) {
		t.Errorf("have %+v, want demand %v", m, want)
	}
}

func TestUnreadableHandout(t *testing.T) {
	t.Parallel()
	for _, data := range []string{``, `{}`, `null`, `[]`, `{"v":0,"totals":{"w":1}}`, `{"v":1,"totals":{"w":-1}}`, `{"v":1,"totals":{"w":1},"counted":{"w":-1}}`, `{"v":1,"totals":{"w":"x"}}`, "\x00\x01"} {
		if h := parseHandout([]byte(data)); h.Totals != nil || h.Counted != nil {
			t.Errorf("%q was read as %+v", data, h)
		}
	}
	if h := parseHandout([]byte(`{"v":2,"totals":{"w":3},"weights":[1]}`)); h.Totals["w"] != 3 {
		t.Errorf("of a later version: have %+v", h)
	}
	b := newBalancer(fleetConfig(func(adoption) { t.Error("told of an assignment that cannot be read") }))
	if _, err := b.ParseSyncAssignment([]byte{0, 0, 0}); err == nil {
		t.Error("half an assignment was taken for one")
	}
}

func FuzzUserData(f *testing.F) {
	f.Add([]byte(`{"v":1,"region":"us","demand":{"w":3}}`))
	f.Add([]byte(`{"v":1,"totals":{"w":3},"counted":{"w":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, limit := range []map[string]int{parseHandout(data).Totals, parseHandout(data).Counted} {
			for w, n := range limit {
				if n < 0 {
					t.Errorf("%d shards of %q", n, w)
				}
			}
		}
		m := parseMember(data)
		for w, rate := range brief(m.Demand) {
			if !(rate > 0) || loadOf(rate) > maxLoad {
				t.Errorf("demand of %q is %v", w, rate)
			}
		}
	})
}

func TestMetadataThatIsNone(t *testing.T) {
	t.Parallel()
	join := kmsg.NewJoinGroupResponseMember()
	join.MemberID, join.ProtocolMetadata = "m", []byte{7}
	if _, _, err := newBalancer(fleetConfig(nil)).MemberBalancer([]kmsg.JoinGroupResponseMember{join}); err == nil {
		t.Error("a member without readable metadata was given a part")
	}
}
