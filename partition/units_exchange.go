package partition

import "slices"

// trade is two units that change places.
type trade struct {
	give, take *unit
	gain       int64
}

// exchange swaps a heavy unit of a crowded member for a lighter one of another,
// where moving one unit alone would only crowd the other.
func (h *holdings) exchange() bool {
	for _, from := range h.heaviestFirst() {
		if !h.crowded(from) {
			continue
		}
		best := trade{gain: h.percent(worthExchange)}
		for to := range h.members {
			h.haggle(from, int32(to), &best)
		}
		if best.give != nil {
			to := best.take.owner
			h.hand(best.take, from)
			h.hand(best.give, to)
			return true
		}
	}
	return false
}

// haggle looks for a better trade between two members. Half their difference is
// the best that a trade can move; units are in order of load, so what to take
// for a unit is near one place.
func (h *holdings) haggle(from, to int32, best *trade) {
	between := h.loads[from] - h.loads[to]
	if between/2 <= best.gain {
		return
	}
	const near = 4
	last := int64(-1)
	for _, give := range h.of[from] {
		if give.load == last || !h.mayPart(give, to) {
			continue
		}
		last = give.load
		at, _ := slices.BinarySearchFunc(h.of[to], give.load-between/2, func(u *unit, load int64) int {
			return int(min(max(u.load-load, -1), 1))
		})
		for _, take := range h.of[to][max(at-near, 0):min(at+near, len(h.of[to]))] {
			net := give.load - take.load
			if gain := min(net, between-net); gain > best.gain && take.group != give.group && h.mayPart(take, from) {
				*best = trade{give: give, take: take, gain: gain}
			}
		}
	}
}

// mayPart tells whether a unit may go to a member without any loss but load.
func (h *holdings) mayPart(u *unit, to int32) bool {
	switch {
	case u.owner == to || !h.classes[u.class].has[to] || !h.mayMove(u):
		return false
	case h.abroad(u, to) && !h.abroad(u, u.owner):
		return false
	}
	return h.groups[u.group].whole() || h.siblings(u, u.owner) >= 2 || h.siblings(u, to) == 0
}
