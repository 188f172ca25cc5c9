package partition

import (
	"cmp"
	"slices"
	"strings"
)

// planInput is all that a plan follows from. Neither the order of the members
// nor that of the streams or loads matters.
type planInput struct {
	members []planMember
	topics  map[string]int32 // topic -> how many partitions it has
	streams []Stream         // which workspace a partition belongs to
	loads   []Load           // a workspace that is not there is unlimited
	reach   float64          // attempts a second within one member's reach; 0: no bound
}

// planMember is what a plan knows of a member.
type planMember struct {
	id, region string
	topics     []string           // it takes partitions of these and of no others
	claims     map[string][]int32 // topic -> partitions that it says it owns
	generation int32              // in which it was given them
	demand     map[string]float64 // workspace -> attempts a second measured there
}

// Loads are whole numbers, thousandths of an attempt a second: sums of them are
// the same in any order, so that a plan made twice is the same plan.
const (
	loadScale = 1000
	maxLoad   = 1e9 * loadScale // what one workspace weighs at most; sums stay far from overflow
	idleLoad  = loadScale / 10  // what a unit without a rate weighs at least: idle ones are spread as well
)

// group is what units are chunks of: a workspace, or a topic's partitions that
// no route covers.
type group struct {
	workspace string // empty: no route covers it
	region    string
	load      int64
	rated     bool  // load is its rate, not a measured demand
	chunks    int32 // partition number modulo this is the chunk; 0: every partition number is one
	shards    int64 // over all tiers
	live      int64 // of them, of the live one: by these a budget is divided
}

// shardAt is a shard as a plan numbers it.
type shardAt struct{ topic, partition int32 }

// unit is what moves at once: all shards of a workspace, over all its streams,
// or one chunk of them.
type unit struct {
	group  int32
	class  int32 // which members may have it
	load   int64
	shards []shardAt
	owner  int32 // number of a member; nobody: not placed yet
	rooted bool  // still where it was before the plan
}

const nobody = -1

// whole tells whether the group is one unit, which no second member should share.
func (g *group) whole() bool { return g.chunks == 1 }

// split says in how many chunks a workspace of this rate goes.
func split(rate int64, reach float64) int32 {
	bound := loadOf(reach)
	switch {
	case rate == 0:
		return 0
	case bound == 0 || rate <= bound:
		return 1
	}
	return int32(min((rate+bound-1)/bound, 1<<20)) //nolint:gosec // bounded
}

// loadOf counts attempts a second in thousandths. What is no sensible number is 0.
func loadOf(rate float64) int64 {
	if !(rate > 0) {
		return 0
	}
	return max(1, int64(min(rate*loadScale, maxLoad)))
}

// layout is the fleet and its work, numbered: members, topics and units each in
// an order that follows from their names alone.
type layout struct {
	members []planMember
	topics  []string
	classes []class
	groups  []group
	units   []unit

	partitions []int32 // by topic
	live       []bool  // by topic: whether its partitions count, or are another tier's
}

// class is a set of members that subscribe to the same topics of a kind.
type class struct {
	members []int32
	has     []bool // by member
}

// newLayout numbers everything and puts shards together to units that nobody
// owns yet. Shards of one chunk whose topics different members subscribe to, as
// while a fleet changes its streams, are units of their own meanwhile.
func newLayout(in planInput) *layout {
	l := &layout{members: slices.Clone(in.members)}
	slices.SortStableFunc(l.members, func(a, b planMember) int { return strings.Compare(a.id, b.id) })
	l.members = slices.CompactFunc(l.members, func(a, b planMember) bool { return a.id == b.id })
	subscribers := map[string][]int32{}
	for m := range l.members {
		for _, t := range l.members[m].topics {
			if of := subscribers[t]; len(of) == 0 || of[len(of)-1] != int32(m) {
				subscribers[t] = append(of, int32(m))
			}
		}
	}
	for t := range in.topics {
		if len(subscribers[t]) > 0 {
			l.topics = append(l.topics, t)
		}
	}
	slices.Sort(l.topics)
	for _, t := range l.topics {
		l.partitions = append(l.partitions, max(0, in.topics[t]))
	}
	b := newBuilder(l, in)
	for t, topic := range l.topics {
		l.live = append(l.live, b.streams[topic].tier == Live)
		b.add(int32(t), b.classOf(subscribers[topic]))
	}
	l.weigh()
	return l
}

// unitKey tells units apart while shards are put together.
type unitKey struct{ group, chunk, class int32 }

// builder puts shards together to units.
type builder struct {
	*layout
	streams map[string]stage  // by topic
	loads   map[string]group  // what is known of a workspace beforehand
	numbers map[string]int32  // of groups
	found   map[unitKey]int32 // units
}

func newBuilder(l *layout, in planInput) *builder {
	b := &builder{
		layout: l, streams: stages(in.streams),
		loads: make(map[string]group, len(in.loads)), numbers: map[string]int32{}, found: map[unitKey]int32{},
	}
	for _, w := range in.loads {
		rate := loadOf(w.Rate)
		b.loads[w.Workspace] = group{region: w.Region, load: rate, rated: rate > 0, chunks: split(rate, in.reach)}
	}
	return b
}

func (b *builder) classOf(members []int32) int32 {
	for i, c := range b.classes {
		if slices.Equal(c.members, members) {
			return int32(i)
		}
	}
	has := make([]bool, len(b.members))
	for _, m := range members {
		has[m] = true
	}
	b.classes = append(b.classes, class{members: members, has: has})
	return int32(len(b.classes) - 1) //nolint:gosec // at most one a topic
}

// add puts a topic's partitions into units.
func (b *builder) add(topic, class int32) {
	name := b.topics[topic]
	stream := b.streams[name]
	g, of := int32(nobody), "" // of the partition before: routes are ranges
	for p := range b.partitions[topic] {
		if w := stream.workspace(p); g == nobody || w != of {
			g, of = b.groupOf(w, name), w
		}
		b.groups[g].shards++
		if b.live[topic] {
			b.groups[g].live++
		}
		key := unitKey{group: g, chunk: p, class: class}
		if n := b.groups[g].chunks; n > 0 {
			key.chunk = p % n
		}
		u, known := b.found[key]
		if !known {
			u = int32(len(b.units)) //nolint:gosec // at most one a partition
			b.found[key] = u
			b.units = append(b.units, unit{group: g, class: class, owner: nobody})
		}
		b.units[u].shards = append(b.units[u].shards, shardAt{topic, p})
	}
}

// groupOf returns the number of a workspace, or of a topic's uncovered rest.
func (b *builder) groupOf(workspace, topic string) int32 {
	key := "w" + workspace
	if workspace == "" {
		key = "t" + topic
	}
	g, known := b.numbers[key]
	if !known {
		g = int32(len(b.groups)) //nolint:gosec // at most one a partition
		b.numbers[key] = g
		b.groups = append(b.groups, b.describe(workspace))
	}
	return g
}

// describe says how heavy a workspace is: its rate, or, where it has none, what
// its owners measured.
func (b *builder) describe(workspace string) group {
	if workspace == "" {
		return group{}
	}
	g := b.loads[workspace]
	g.workspace = workspace
	if !g.rated {
		for _, m := range b.members {
			g.load = min(g.load+loadOf(m.demand[workspace]), maxLoad)
		}
	}
	return g
}

// weigh gives each unit its part of its group's load, by shards as the budget
// is divided, and puts the units into an order of their own.
func (l *layout) weigh() {
	for i := range l.units {
		u := &l.units[i]
		g := &l.groups[u.group]
		u.load = g.load * int64(len(u.shards)) / g.shards
		floor := int64(idleLoad)
		if g.rated {
			floor = 1
		}
		u.load = max(u.load, floor)
	}
	slices.SortStableFunc(l.units, func(a, b unit) int {
		return cmp.Or(
			cmp.Compare(a.group, b.group),
			cmp.Compare(a.shards[0].topic, b.shards[0].topic),
			cmp.Compare(a.shards[0].partition, b.shards[0].partition),
		)
	})
}
