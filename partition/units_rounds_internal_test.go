package partition

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
)

// cooperative is what each member is told in the round of a plan: without what
// another member still says it owns, which has to give it up first. It is the
// rule of kgo.BalancePlan.AdjustCooperative, which the balancer uses, over plain
// data; a test holds the two against each other.
func (p planned) cooperative(members []planMember) planned {
	newest := map[string]map[int32]int32{} // topic -> partition -> newest claim
	for _, m := range members {
		for topic, partitions := range m.claims {
			for _, n := range partitions {
				if newest[topic] == nil {
					newest[topic] = map[int32]int32{}
				}
				if g, ok := newest[topic][n]; !ok || m.generation > g {
					newest[topic][n] = m.generation
				}
			}
		}
	}
	revoked := map[string]map[int32]bool{}
	for _, m := range members {
		for topic, partitions := range m.claims {
			for _, n := range partitions {
				if !slices.Contains(p.assigned[m.id][topic], n) {
					if revoked[topic] == nil {
						revoked[topic] = map[int32]bool{}
					}
					revoked[topic][n] = true
				}
			}
		}
	}
	told := planned{assigned: map[string]map[string][]int32{}, totals: p.totals, counted: p.counted}
	for _, m := range members {
		told.assigned[m.id] = map[string][]int32{}
		for topic, partitions := range p.assigned[m.id] {
			kept := slices.DeleteFunc(slices.Clone(partitions), func(n int32) bool {
				had := slices.Contains(m.claims[topic], n) && m.generation >= newest[topic][n]
				return !had && revoked[topic][n]
			})
			if len(kept) > 0 {
				told.assigned[m.id][topic] = kept
			}
		}
	}
	return told
}

// rounds is a group without a broker: it balances until nobody has anything to
// give up.
type rounds struct {
	in         planInput
	generation int32
	demand     map[string]float64 // attempts a second of each workspace, wherever its shards are
}

// settle lets every member join and take what it is told, as often as somebody
// has to give something up first. It returns how many rounds that took, and the
// last plan.
func (r *rounds) settle() (n int, p planned) {
	for n = 1; ; n++ {
		p = plan(r.in)
		told := p.cooperative(r.in.members)
		r.generation++
		again := false
		for i := range r.in.members {
			m := &r.in.members[i]
			again = again || givesUp(m.claims, told.assigned[m.id])
			m.claims, m.generation = told.assigned[m.id], r.generation
		}
		r.measure()
		if !again || n == 10 {
			return n, p
		}
	}
}

// measure has each member report the demand of the shards that it has.
func (r *rounds) measure() {
	totals := map[string]int{}
	for _, s := range r.in.streams {
		for n := range r.in.topics[s.Topic] {
			totals[s.workspace(n)]++
		}
	}
	for i := range r.in.members {
		m := &r.in.members[i]
		m.demand = map[string]float64{}
		for _, s := range r.in.streams {
			for _, n := range m.claims[s.Topic] {
				if w := s.workspace(n); r.demand[w] > 0 {
					m.demand[w] += r.demand[w] / float64(totals[w])
				}
			}
		}
	}
}

func givesUp(had, has map[string][]int32) bool {
	for topic, partitions := range had {
		for _, n := range partitions {
			if !slices.Contains(has[topic], n) {
				return true
			}
		}
	}
	return false
}

func (r *rounds) join(id, region string) {
	r.in.members = append(r.in.members, planMember{id: id, region: region, topics: slices.Sorted(maps.Keys(r.in.topics)), generation: -1})
}

// told is what the members have.
func (r *rounds) told() map[string]map[string][]int32 {
	all := map[string]map[string][]int32{}
	for _, m := range r.in.members {
		all[m.id] = m.claims
	}
	return all
}

func (r *rounds) lose(id string) {
	r.in.members = slices.DeleteFunc(r.in.members, func(m planMember) bool { return m.id == id })
}

// owners is who has which partition.
func owners(assigned map[string]map[string][]int32) map[shardName]string {
	all := map[shardName]string{}
	for id, topics := range assigned {
		for topic, partitions := range topics {
			for _, n := range partitions {
				all[shardName{topic, n}] = id
			}
		}
	}
	return all
}

type shardName struct {
	topic     string
	partition int32
}

// moved counts partitions with another owner than before.
func moved(before, after map[shardName]string) (n int) {
	for s, owner := range before {
		if after[s] != owner {
			n++
		}
	}
	return n
}

// loadsOf weighs what each member has, by the plan's own units.
func loadsOf(in planInput, p planned) (loads map[string]int64, mean float64, largest int64) {
	l := newLayout(in)
	by := owners(p.assigned)
	loads = map[string]int64{}
	var total int64
	for _, m := range in.members {
		loads[m.id] = 0
	}
	for _, u := range l.units {
		s := u.shards[0]
		loads[by[shardName{l.topics[s.topic], s.partition}]] += u.load
		total += u.load
		largest = max(largest, u.load)
	}
	return loads, float64(total) / float64(len(loads)), largest
}

// office is a fleet of so many members, with a workspace of its own topic for
// each rate.
func office(members int, partitions int32, rates ...float64) *rounds {
	r := &rounds{in: planInput{topics: map[string]int32{}, reach: 1000}}
	for i, rate := range rates {
		w := "w" + strconv.Itoa(1000+i)
		r.in.topics[w] = partitions
		r.in.streams = append(r.in.streams, Stream{Name: w, Topic: w, Routes: []Route{{From: 0, To: partitions - 1, Workspace: w}}})
		r.in.loads = append(r.in.loads, Load{Workspace: w, Rate: rate})
	}
	for m := range members {
		r.join("m"+strconv.Itoa(100+m), "")
	}
	return r
}

func oneOf[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }
