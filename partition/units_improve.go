package partition

import (
	"cmp"
	"slices"
)

// improve moves units that have an owner while that is worth it. Every step
// either has a workspace's chunks on one more member, or keeps those and lowers
// the sum of squared loads, being abroad counted in; so it ends, and a plan that
// is made again from its own result is the same plan.
func (f *fleet) improve() {
	for again := true; again; {
		again = f.spread()
		h := f.holdings()
		for h.relieve() || h.exchange() {
			again = true
		}
	}
}

// spread parts chunks of one workspace that share a member while another member
// has none of them.
func (f *fleet) spread() (moved bool) {
	for first := 0; first < len(f.units); {
		end := first + 1
		for end < len(f.units) && f.units[end].group == f.units[first].group {
			end++
		}
		units := f.units[first:end]
		first = end
		if f.groups[units[0].group].whole() {
			continue
		}
		for f.spreadOnce(units) {
			moved = true
		}
	}
	return moved
}

// spreadOnce moves a chunk from the member with the most of them, the most
// loaded among equals, to the least loaded one with none.
func (f *fleet) spreadOnce(units []unit) bool {
	var most *unit
	for i := range units {
		u := &units[i]
		if f.siblings(u, u.owner) < 2 || !f.mayMove(u) || f.bare(u) == nobody {
			continue
		}
		if most == nil || cmp.Or(
			cmp.Compare(f.siblings(u, u.owner), f.siblings(most, most.owner)),
			cmp.Compare(f.loads[u.owner], f.loads[most.owner]),
		) > 0 {
			most = u
		}
	}
	if most == nil {
		return false
	}
	f.move(most, f.bare(most))
	return true
}

// bare is the least loaded member that has nothing of a unit's workspace, one
// in its region if there is any; nobody if all have some.
func (f *fleet) bare(u *unit) int32 {
	best := int32(nobody)
	for _, m := range f.classes[u.class].members {
		if f.siblings(u, m) > 0 {
			continue
		}
		if best == nobody {
			best = m
			continue
		}
		if abroad, other := f.abroad(u, m), f.abroad(u, best); abroad != other && other || abroad == other && f.loads[m] < f.loads[best] {
			best = m
		}
	}
	return best
}

// holdings are the units of each member, lightest first.
type holdings struct {
	*fleet
	of     [][]*unit
	strays []int // units of a member that are abroad there
}

func (f *fleet) holdings() *holdings {
	h := &holdings{fleet: f, of: make([][]*unit, len(f.members)), strays: make([]int, len(f.members))}
	for i := range f.units {
		u := &f.units[i]
		h.of[u.owner] = append(h.of[u.owner], u)
		if f.abroad(u, u.owner) {
			h.strays[u.owner]++
		}
	}
	for _, units := range h.of {
		slices.SortFunc(units, byLoad)
	}
	return h
}

// byLoad orders units by load, those of many shards first among equals: they
// are moved last.
func byLoad(x, y *unit) int {
	return cmp.Or(
		cmp.Compare(x.load, y.load),
		cmp.Compare(len(y.shards), len(x.shards)),
		cmp.Compare(x.group, y.group),
		cmp.Compare(x.shards[0].topic, y.shards[0].topic),
		cmp.Compare(x.shards[0].partition, y.shards[0].partition),
	)
}

func (h *holdings) hand(u *unit, to int32) {
	from := h.of[u.owner]
	at, _ := slices.BinarySearchFunc(from, u, byLoad)
	h.of[u.owner] = slices.Delete(from, at, at+1)
	if h.abroad(u, u.owner) {
		h.strays[u.owner]--
	}
	h.move(u, to)
	at, _ = slices.BinarySearchFunc(h.of[to], u, byLoad)
	h.of[to] = slices.Insert(h.of[to], at, u)
	if h.abroad(u, to) {
		h.strays[to]++
	}
}

// relieve makes the best move off the most loaded member that has one: the
// heaviest unit that may go, so that few shards pause.
func (h *holdings) relieve() bool {
	for _, m := range h.heaviestFirst() {
		if u, to := h.movable(m); u != nil {
			h.hand(u, to)
			return true
		}
	}
	return false
}

func (h *holdings) heaviestFirst() []int32 {
	order := make([]int32, len(h.members))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(x, y int32) int { return cmp.Compare(h.loads[y], h.loads[x]) })
	return order
}

// crowded tells whether a member has more than it should, for which one heavy
// unit alone is no reason: nothing can be done about that.
func (h *holdings) crowded(m int32) bool {
	base := h.mean
	if of := h.of[m]; len(of) > 0 {
		base = max(base, of[len(of)-1].load)
	}
	return h.loads[m] > base+h.percent(crowded)
}

// worth is what a move off a member must gain.
func (h *holdings) worth(from int32) int64 {
	if h.crowded(from) {
		return h.percent(worthRelief)
	}
	return h.percent(worthMoving)
}

// movable finds what a member should give to whom: the heaviest unit that goes
// home by it, else the heaviest of all.
func (h *holdings) movable(from int32) (*unit, int32) {
	if h.strays[from] > 0 {
		if u, to := h.heaviest(from, h.percent(homesick), true); u != nil {
			return u, to
		}
	}
	return h.heaviest(from, 0, false)
}

// heaviest finds the heaviest unit that gains by a move, of those abroad or of
// all. No move gains more than one to the least loaded member, and the bonus.
func (h *holdings) heaviest(from int32, bonus int64, homing bool) (*unit, int32) {
	most := h.loads[from] - slices.Min(h.loads) + bonus - h.worth(from)
	for _, u := range slices.Backward(h.of[from]) {
		if u.load >= most || !h.mayMove(u) || homing && !h.abroad(u, from) {
			continue
		}
		if to := h.target(u); to != nobody && (!homing || !h.abroad(u, to)) {
			return u, to
		}
	}
	return nil, nobody
}

// target is the member that gains most by taking a unit; nobody if none gains
// enough. What a move takes off the higher of two members is the difference of
// their loads less the unit; going home counts for it, going abroad against.
// Without one of them having too much or too little nothing moves but home.
func (h *holdings) target(u *unit) int32 {
	best, most := int32(nobody), h.worth(u.owner)
	split := !h.groups[u.group].whole()
	for _, m := range h.classes[u.class].members {
		if m == u.owner || split && h.siblings(u, u.owner) < 2 && h.siblings(u, m) > 0 {
			continue
		}
		gain := h.loads[u.owner] - h.loads[m] - u.load
		stray, abroad := h.abroad(u, u.owner), h.abroad(u, m)
		homing := stray && !abroad && h.loads[m]+u.load <= h.ceiling()
		switch {
		case homing:
			gain += h.percent(homesick)
		case !h.crowded(u.owner) && h.loads[m] >= h.percent(needy):
			continue
		case abroad && !stray:
			gain -= h.percent(homesick)
		}
		if gain > most {
			best, most = m, gain
		}
	}
	return best
}
