package partition

import (
	"cmp"
	"slices"
)

// planned is who is to have what.
type planned struct {
	assigned map[string]map[string][]int32 // member -> topic -> partitions, ascending
	totals   map[string]int                // workspace -> its shards
	counted  map[string]map[string]int     // member -> workspace -> how many of those shards it is to have
}

// plan says who is to have what: every partition of every topic that somebody
// subscribes to, exactly once, a workspace within reach whole on one member, a
// larger one in chunks on different members. It is a function of its input
// alone. Nothing about safety rests on it: it decides how well budgets are used
// and how evenly the work lies, never whether they hold.
//
// Who owns most of a unit keeps it. What nobody owns goes to the least loaded,
// heaviest first, in the workspace's region as long as that crowds nobody. Then
// units move, chunks of one workspace off a member that has several of them, and
// from members that have too much to those that have too little, while that
// gains enough to be worth the pause of a move and a plan has not moved a tenth
// of all shards already, or the newcomers' part. After a loss, when there is
// something to place and nobody is new, nothing moves that has an owner.
//
// The plan is the goal. A cooperative group reaches it in two rounds: in the
// first, owners give up what is to move; in the second nobody owns it, and it is
// placed where it was to go.
func plan(in planInput) planned {
	l := newLayout(in)
	l.claimed()
	f := newFleet(l)
	lost := f.place()
	if !lost || f.new > 0 {
		f.improve()
	}
	return l.result()
}

// fleet is a plan in the making: who has how much.
type fleet struct {
	*layout
	loads    []int64 // by member
	kin      []int32 // units of a group on a member, by group and member
	mean     int64   // load of a member if all had the same
	new      int     // members that could own something and owned nothing at the start
	uproot   int     // shards that may still leave their owners
	uprooted bool    // some have, in this plan or in the round before
}

// uprootPart is the part of all shards that one plan may take from their
// owners, unless newcomers make up a larger part of the members.
const uprootPart = 10

// The plan's patience, in parts of the mean load.
const (
	needy         = 75 // per cent of the mean: a member should have as much
	crowded       = 20 // per cent above the mean: a member should not have more
	worthMoving   = 20 // per cent of the mean that a move must take off the higher of two members
	worthRelief   = 2  // the same, from a member that is crowded
	worthExchange = 5  // the same, for two units that change places
	homesick      = 25 // per cent of the mean that a unit's being in its region is worth
)

func newFleet(l *layout) *fleet {
	f := &fleet{layout: l, loads: make([]int64, len(l.members)), kin: make([]int32, len(l.groups)*len(l.members))}
	able := make([]bool, len(l.members))
	var total, count int64
	var shards int
	for _, c := range l.classes {
		for _, m := range c.members {
			if !able[m] {
				able[m] = true
				count++
			}
		}
	}
	owning := make([]bool, len(l.members))
	for i := range l.units {
		u := &l.units[i]
		total += u.load
		shards += len(u.shards)
		if u.owner != nobody {
			f.give(u, u.owner)
			u.rooted = true
			owning[u.owner] = true
		}
	}
	for m := range able {
		if able[m] && !owning[m] {
			f.new++
		}
	}
	f.mean = total / max(count, 1)
	f.uproot = max(1, shards/uprootPart, shards*f.new/int(max(count, 1)))
	return f
}

// percent of the mean load.
func (f *fleet) percent(n int64) int64 { return f.mean * n / 100 }

// ceiling is the load from which on a member counts as crowded.
func (f *fleet) ceiling() int64 { return f.mean + f.percent(crowded) }

func (f *fleet) siblings(u *unit, m int32) int32 {
	return f.kin[int(u.group)*len(f.members)+int(m)]
}

func (f *fleet) give(u *unit, m int32) {
	u.owner = m
	f.loads[m] += u.load
	f.kin[int(u.group)*len(f.members)+int(m)]++
}

// mayMove tells whether the plan has the patience for one more unit to leave
// its owner. The first may be of any size, or a large one could never move.
func (f *fleet) mayMove(u *unit) bool {
	return !u.rooted || len(u.shards) <= f.uproot || !f.uprooted && f.uproot > 0
}

func (f *fleet) move(u *unit, to int32) {
	if u.rooted {
		u.rooted = false
		f.uprooted = true
		f.uproot -= len(u.shards)
	}
	f.loads[u.owner] -= u.load
	f.kin[int(u.group)*len(f.members)+int(u.owner)]--
	f.give(u, to)
}

// abroad tells whether a member is outside the region that a unit belongs to.
func (f *fleet) abroad(u *unit, m int32) bool {
	region := f.groups[u.group].region
	return region != "" && f.members[m].region != region
}

// place gives away what nobody owns, heaviest first, and tells whether there was any.
func (f *fleet) place() bool {
	var orphans []*unit
	for i := range f.units {
		if u := &f.units[i]; u.owner == nobody {
			orphans = append(orphans, u)
		}
	}
	slices.SortStableFunc(orphans, func(x, y *unit) int { return cmp.Compare(y.load, x.load) })
	for _, u := range orphans {
		members := f.classes[u.class].members
		best := members[0]
		for _, m := range members[1:] {
			if f.better(u, m, best) {
				best = m
			}
		}
		f.give(u, best)
		// What the first round of a move took from its owners is placed in the
		// second, which must not begin a third.
		f.uproot -= len(u.shards)
		f.uprooted = true
	}
	return len(orphans) > 0
}

// better compares two members that a unit could go to, by what improve goes by:
// what the first round of a move takes from its owner must go in the second to
// whom it was taken for. Chunks of one workspace go to different members, as
// they are chunks because it is beyond one's reach.
func (f *fleet) better(u *unit, m, than int32) bool {
	if !f.groups[u.group].whole() {
		if alone, other := f.siblings(u, m) == 0, f.siblings(u, than) == 0; alone != other {
			return alone
		}
	}
	return f.draw(u, m) < f.draw(u, than)
}

// draw is the load of a member as a unit that looks for a place sees it: less
// where the unit is at home, unless it crowds that member.
func (f *fleet) draw(u *unit, m int32) int64 {
	if f.groups[u.group].region == "" || f.abroad(u, m) || f.loads[m]+u.load > f.ceiling() {
		return f.loads[m]
	}
	return f.loads[m] - f.percent(homesick)
}

// result spells the layout out.
func (l *layout) result() planned {
	p := planned{assigned: make(map[string]map[string][]int32, len(l.members)), totals: map[string]int{}, counted: map[string]map[string]int{}}
	for _, m := range l.members {
		p.assigned[m.id] = map[string][]int32{}
		p.counted[m.id] = map[string]int{}
	}
	for _, g := range l.groups {
		if g.workspace != "" {
			p.totals[g.workspace] = int(g.live)
		}
	}
	for _, u := range l.units {
		id := l.members[u.owner].id
		topics := p.assigned[id]
		w := l.groups[u.group].workspace
		for _, s := range u.shards {
			topics[l.topics[s.topic]] = append(topics[l.topics[s.topic]], s.partition)
			if w != "" && l.live[s.topic] {
				p.counted[id][w]++
			}
		}
	}
	for _, topics := range p.assigned {
		for _, partitions := range topics {
			slices.Sort(partitions)
		}
	}
	return p
}
