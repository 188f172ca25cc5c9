package partition

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// spell writes units as workspace:shards, for comparison.
func spell(l *layout) []string {
	var all []string
	for _, u := range l.units {
		var shards []string
		for _, s := range u.shards {
			shards = append(shards, fmt.Sprintf("%s/%d", l.topics[s.topic], s.partition))
		}
		all = append(all, fmt.Sprintf("%s %d %s", l.groups[u.group].workspace, u.load, strings.Join(shards, " ")))
	}
	return all
}

func routed(topic string, to int32, workspace string) Stream {
	return Stream{Name: topic, Topic: topic, Routes: []Route{{From: 0, To: to, Workspace: workspace}}}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	both := []planMember{{id: "m", topics: []string{"a", "b"}}}
	for name, c := range map[string]struct {
		in   planInput
		want []string
	}{
		"a workspace within reach is one unit over all its streams": {
			planInput{
				members: both, topics: map[string]int32{"a": 2, "b": 1}, reach: 100,
				streams: []Stream{routed("b", 9, "w"), routed("a", 9, "w")}, loads: []Load{{Workspace: "w", Rate: 100}},
			},
			[]string{"w 100000 a/0 a/1 b/0"},
		},
		"beyond reach it is cut by partition number, over its streams alike": {
			planInput{
				members: both, topics: map[string]int32{"a": 4, "b": 2}, reach: 100,
				streams: []Stream{routed("a", 9, "w"), routed("b", 9, "w")}, loads: []Load{{Workspace: "w", Rate: 101}},
			},
			[]string{"w 50500 a/0 a/2 b/0", "w 50500 a/1 a/3 b/1"},
		},
		"without a rate every partition number is one, weighed by what was measured": {
			planInput{
				members: []planMember{
					{id: "m", topics: []string{"a", "b"}, demand: map[string]float64{"w": 20, "v": 7}},
					{id: "n", topics: []string{"a", "b"}, demand: map[string]float64{"w": 10}},
				},
				topics: map[string]int32{"a": 2, "b": 1}, streams: []Stream{routed("a", 9, "w"), routed("b", 9, "w")}, reach: 100,
			},
			[]string{"w 20000 a/0 b/0", "w 10000 a/1"},
		},
		"an idle one weighs a little": {
			planInput{members: both, topics: map[string]int32{"a": 1}, streams: []Stream{routed("a", 9, "w")}},
			[]string{"w 100 a/0"},
		},
		"what no route covers goes one by one": {
			planInput{
				members: both, topics: map[string]int32{"a": 3}, reach: 100,
				streams: []Stream{routed("a", 0, "w")}, loads: []Load{{Workspace: "w", Rate: 5}},
			},
			[]string{"w 5000 a/0", " 100 a/1", " 100 a/2"},
		},
		"topics that other members read are units of their own": {
			planInput{
				members: []planMember{{id: "m", topics: []string{"a", "b"}}, {id: "n", topics: []string{"a"}}},
				topics:  map[string]int32{"a": 2, "b": 2, "c": 2}, reach: 100,
				streams: []Stream{routed("a", 9, "w"), routed("b", 9, "w")}, loads: []Load{{Workspace: "w", Rate: 8}},
			},
			[]string{"w 4000 a/0 a/1", "w 4000 b/0 b/1"},
		},
		"more chunks than partitions": {
			planInput{
				members: both, topics: map[string]int32{"a": 2}, reach: 1,
				streams: []Stream{routed("a", 9, "w")}, loads: []Load{{Workspace: "w", Rate: 1000}},
			},
			[]string{"w 500000 a/0", "w 500000 a/1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if have := spell(newLayout(c.in)); !slices.Equal(have, c.want) {
				t.Errorf("have %q\nwant %q", have, c.want)
			}
		})
	}
}

func TestLoadOf(t *testing.T) {
	t.Parallel()
	nan := 0.0
	nan /= nan
	for _, c := range []struct {
		rate float64
		want int64
	}{{0, 0}, {-5, 0}, {nan, 0}, {1e-9, 1}, {0.5, 500}, {100, 100_000}, {1e300, maxLoad}} {
		if have := loadOf(c.rate); have != c.want {
			t.Errorf("%v: have %d, want %d", c.rate, have, c.want)
		}
	}
}

// One workspace of four partitions, and who says to own which.
func TestWhoKeepsAUnit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		members []planMember
		want    string
	}{
		"who owns most of it": {[]planMember{
			{id: "a", claims: map[string][]int32{"t": {0}}, generation: 3},
			{id: "b", claims: map[string][]int32{"t": {1, 2}}, generation: 3},
		}, "b"},
		"a claim of an older generation counts for nothing": {[]planMember{
			{id: "a", claims: map[string][]int32{"t": {0, 1, 2, 3}}, generation: 3},
			{id: "b", claims: map[string][]int32{"t": {0, 1, 2, 3}}, generation: 4},
		}, "b"},
		"one that nobody contradicts does": {[]planMember{
			{id: "a", claims: map[string][]int32{"t": {0, 1, 2}}, generation: 3},
			{id: "b", claims: map[string][]int32{"t": {0}}, generation: 4},
		}, "a"},
		"partitions that do not exist": {[]planMember{
			{id: "a", claims: map[string][]int32{"t": {4, 5, -1}, "other": {0, 1, 2}}, generation: 4},
			{id: "b", claims: map[string][]int32{"t": {3}}, generation: 4},
		}, "b"},
		"a member that gave the topic up": {[]planMember{
			{id: "a", claims: map[string][]int32{"t": {0, 1, 2, 3}}, generation: 4, topics: []string{"other"}},
			{id: "b", claims: map[string][]int32{"t": {3}}, generation: 3},
		}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := planInput{members: c.members, topics: map[string]int32{"t": 4}, streams: []Stream{routed("t", 3, "w")}, loads: []Load{{Workspace: "w", Rate: 10}}, reach: 1000}
			for i := range in.members {
				if in.members[i].topics == nil {
					in.members[i].topics = []string{"t"}
				}
			}
			have := plan(in).assigned
			if !slices.Equal(have[c.want]["t"], []int32{0, 1, 2, 3}) {
				t.Errorf("have %v, want all with %s", have, c.want)
			}
		})
	}
}

func TestRegion(t *testing.T) {
	t.Parallel()
	r := office(0, 4, slices.Repeat([]float64{100}, 12)...)
	for i := range r.in.loads {
		r.in.loads[i].Region = []string{"us", "us", "us", "eu"}[i%4]
	}
	r.join("us-1", "us")
	r.join("us-2", "us")
	r.join("eu-1", "eu")
	_, p := r.settle()
	for i, l := range r.in.loads {
		owner := owners(p.assigned)[shardName{r.in.loads[i].Workspace, 0}]
		if l.Region == "eu" && owner != "eu-1" {
			t.Errorf("%s of eu is on %s", l.Workspace, owner)
		}
	}
	loads, mean, _ := loadsOf(r.in, p)
	if float64(loads["eu-1"]) > 1.3*mean {
		t.Errorf("the member in eu is crowded: %v of a mean of %v", loads["eu-1"], mean)
	}
	// All work in one region would crowd its only member.
	for i := range r.in.loads {
		r.in.loads[i].Region = "eu"
	}
	for range 5 {
		_, p = r.settle()
	}
	if loads, mean, _ = loadsOf(r.in, p); float64(loads["eu-1"]) > 1.3*mean || float64(loads["eu-1"]) < mean {
		t.Errorf("the member in eu has %v of a mean of %v, want the mean to 1.3 of it", loads["eu-1"], mean)
	}
	// A member that comes to a region takes its work over.
	q := office(3, 4, slices.Repeat([]float64{100}, 12)...)
	for i := range q.in.loads {
		q.in.loads[i].Region = []string{"", "eu"}[i%2]
	}
	q.settle()
	q.join("eu", "eu")
	_, p = q.settle()
	for topic := range p.assigned["eu"] {
		if i := slices.IndexFunc(q.in.loads, func(l Load) bool { return l.Workspace == topic }); q.in.loads[i].Region != "eu" {
			t.Errorf("the newcomer in eu got %s, which is not of eu", topic)
		}
	}
	if len(p.assigned["eu"]) == 0 {
		t.Error("the newcomer in eu got nothing")
	}
}

// A fleet that takes a stream up, one member after the other: only members that
// read the topic get it, and in the end the workspace is whole again.
func TestRollingChangeOfStreams(t *testing.T) {
	t.Parallel()
	r := office(3, 4, 10, 10, 10)
	r.settle()
	w := r.in.streams[0].Routes[0].Workspace
	r.in.topics["new"] = 4
	r.in.streams = append(r.in.streams, routed("new", 3, w))
	for i := range r.in.members {
		r.in.members[i].topics = slices.Sorted(maps.Keys(r.in.topics))
		_, p := r.settle()
		for _, m := range r.in.members[i+1:] {
			if len(p.assigned[m.id]["new"]) > 0 {
				t.Errorf("%s got a topic that it does not read", m.id)
			}
		}
	}
	by := owners(r.told())
	for n := range int32(4) {
		if a, b := by[shardName{w, n}], by[shardName{"new", n}]; a != b || a != by[shardName{w, 0}] {
			t.Errorf("partition %d: %s is on %s, new on %s: the workspace is torn", n, w, a, b)
		}
	}
}
