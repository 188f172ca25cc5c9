package partition

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// anyInput is some fleet: rates, routes, regions, subscriptions, and claims that
// may be fresh, stale, contradictory or of partitions that do not exist.
func anyInput(rng *rand.Rand) planInput {
	in := planInput{topics: map[string]int32{}, reach: oneOf(rng, 0.0, 10, 100, 1000)}
	workspaces := 1 + rng.IntN(20)
	for i := range 1 + rng.IntN(12) {
		topic := "t" + strconv.Itoa(i)
		n := int32(rng.IntN(13))
		in.topics[topic] = n
		s := Stream{Name: topic, Topic: topic}
		for from := int32(0); from < n && rng.IntN(8) > 0; {
			to := from + int32(rng.IntN(int(n)))
			s.Routes = append(s.Routes, Route{From: from, To: to, Workspace: "w" + strconv.Itoa(rng.IntN(workspaces))})
			from = to + 1
		}
		if rng.IntN(10) > 0 {
			in.streams = append(in.streams, s)
		}
	}
	for i := range workspaces {
		if rng.IntN(6) > 0 {
			in.loads = append(in.loads, Load{
				Workspace: "w" + strconv.Itoa(i), Region: oneOf(rng, "", "", "us", "eu"), Rate: oneOf(rng, 0.0, 0.1, 10, 100, 900, 5000),
			})
		}
	}
	topics := slices.Sorted(maps.Keys(in.topics))
	alike := rng.IntN(2) == 0
	for i := range 1 + rng.IntN(15) {
		m := planMember{
			id: "m" + strconv.Itoa(i), region: oneOf(rng, "", "us", "eu"), generation: int32(rng.IntN(4) - 1),
			claims: map[string][]int32{}, demand: map[string]float64{"w" + strconv.Itoa(rng.IntN(workspaces)): oneOf(rng, -1.0, 0, 3, 300, 1e300)},
		}
		for _, t := range topics {
			if alike || rng.IntN(4) > 0 {
				m.topics = append(m.topics, t)
			}
			for n := range in.topics[t] + 2 {
				if rng.IntN(6) == 0 {
					m.claims[t] = append(m.claims[t], n)
				}
			}
		}
		in.members = append(in.members, m)
	}
	return in
}

// shuffled is the same input in another order.
func shuffled(in planInput, rng *rand.Rand) planInput {
	in.members, in.streams, in.loads = slices.Clone(in.members), slices.Clone(in.streams), slices.Clone(in.loads)
	for i := range in.members {
		in.members[i].topics = slices.Clone(in.members[i].topics)
		rng.Shuffle(len(in.members[i].topics), reflect.Swapper(in.members[i].topics))
	}
	rng.Shuffle(len(in.members), reflect.Swapper(in.members))
	rng.Shuffle(len(in.streams), reflect.Swapper(in.streams))
	rng.Shuffle(len(in.loads), reflect.Swapper(in.loads))
	return in
}

// complete checks what must hold of every plan: each partition that somebody
// subscribes to goes to exactly one member, and that one subscribes to it; the
// totals are those of the routes; what members are counted for adds up to them.
func complete(t *testing.T, in planInput, p planned) {
	t.Helper()
	reads := map[string]map[string]bool{}
	wanted := map[string]bool{}
	for _, m := range in.members {
		reads[m.id] = map[string]bool{}
		for _, topic := range m.topics {
			reads[m.id][topic], wanted[topic] = true, true
		}
	}
	seen := map[shardName]int{}
	for id, topics := range p.assigned {
		for topic, partitions := range topics {
			if !reads[id][topic] {
				t.Errorf("%s got %s, which it does not read", id, topic)
			}
			if !slices.IsSorted(partitions) {
				t.Errorf("%s: partitions of %s are not in order: %v", id, topic, partitions)
			}
			for _, n := range partitions {
				seen[shardName{topic, n}]++
			}
		}
	}
	totals := map[string]int{}
	for topic, n := range in.topics {
		for i := range n {
			if have, want := seen[shardName{topic, i}], len(wanted) > 0 && wanted[topic]; want != (have == 1) || have > 1 {
				t.Errorf("%s/%d was given to %d members", topic, i, have)
			}
			delete(seen, shardName{topic, i})
			for _, s := range in.streams {
				if w := s.workspace(i); s.Topic == topic && w != "" && wanted[topic] {
					totals[w]++
				}
			}
		}
	}
	if len(seen) > 0 {
		t.Errorf("partitions that do not exist were given away: %v", seen)
	}
	counted := map[string]int{}
	for _, of := range p.counted {
		for w, n := range of {
			counted[w] += n
		}
	}
	if !maps.Equal(p.totals, totals) || !maps.Equal(counted, totals) {
		t.Errorf("totals %v and counted %v, want %v", p.totals, counted, totals)
	}
}

// unitsWhole checks that nothing parts a unit: what of a workspace within reach
// the same members read is on one member, and so is each chunk of a larger one.
func unitsWhole(t *testing.T, in planInput, p planned) {
	t.Helper()
	l := newLayout(in)
	by := owners(p.assigned)
	for _, u := range l.units {
		first := by[shardName{l.topics[u.shards[0].topic], u.shards[0].partition}]
		for _, s := range u.shards {
			if owner := by[shardName{l.topics[s.topic], s.partition}]; owner != first {
				t.Errorf("workspace %q is torn between %s and %s", l.groups[u.group].workspace, first, owner)
			}
		}
	}
}

func checkPlan(t *testing.T, seed uint64) {
	t.Helper()
	rng := seeded(seed)
	in := anyInput(rng)
	p := plan(in)
	complete(t, in, p)
	unitsWhole(t, in, p)
	if again := plan(shuffled(in, rng)); !reflect.DeepEqual(p, again) {
		t.Errorf("another order gives another plan:\n%v\n%v", p, again)
	}
	r := &rounds{in: in, generation: 5}
	for range 30 { // a plan moves a tenth at most
		before := owners(r.told())
		if r.settle(); maps.Equal(before, owners(r.told())) {
			break
		}
	}
	before := r.told()
	last := plan(r.in)
	if !reflect.DeepEqual(owners(last.assigned), owners(before)) {
		t.Errorf("the plan never comes to rest:\n%v\n%v", before, last.assigned)
	}
	spreadOut(t, r.in, last)
	if t.Failed() {
		t.Fatalf("seed %d", seed)
	}
}

// spreadOut checks that the chunks of a workspace are on as many members as
// there can be. While subscriptions differ there may be reasons not to.
func spreadOut(t *testing.T, in planInput, p planned) {
	t.Helper()
	l := newLayout(in)
	if len(l.classes) != 1 {
		return
	}
	on, units := map[int32]map[string]bool{}, map[int32]int{}
	by := owners(p.assigned)
	for _, u := range l.units {
		if on[u.group] == nil {
			on[u.group] = map[string]bool{}
		}
		on[u.group][by[shardName{l.topics[u.shards[0].topic], u.shards[0].partition}]] = true
		units[u.group]++
	}
	for g, members := range on {
		if want := min(units[g], len(l.classes[0].members)); len(members) != want {
			t.Errorf("%d units of workspace %q are on %d members, want %d", units[g], l.groups[g].workspace, len(members), want)
		}
	}
}

func TestPlanOfAnyFleet(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		checkPlan(t, seed)
	}
}

func FuzzPlan(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed << 40)
	}
	f.Fuzz(checkPlan)
}

// A fleet that starts is balanced by its first plan; made again, it is the same.
func TestFirstPlanStands(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		in := anyInput(seeded(seed))
		for i := range in.members {
			in.members[i].claims, in.members[i].demand = nil, nil
		}
		first := plan(in)
		for i := range in.members {
			in.members[i].claims, in.members[i].generation = first.assigned[in.members[i].id], 1
		}
		if again := plan(in); !reflect.DeepEqual(first, again) {
			t.Fatalf("seed %d:\n%v\n%v", seed, first.assigned, again.assigned)
		}
	}
}

// Sixty workspaces of 10 and of 100 a second on twelve members, which join and
// are lost in turn.
func TestMixedFleet(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rng := seeded(seed)
		rates := make([]float64, 60)
		for i := range rates {
			rates[i] = oneOf(rng, 10.0, 100)
		}
		r := office(12, 12, rates...)
		_, p := r.settle()
		balanced(t, r, p, 1.3)
		for step := range 4 {
			before := owners(r.told())
			r.join(fmt.Sprint("n", step), "")
			n, p := r.settle()
			balanced(t, r, p, 1.3)
			if m := moved(before, owners(r.told())); n > 2 || m > len(before)/10 || len(r.told()[fmt.Sprint("n", step)]) == 0 {
				t.Errorf("a join moved %d of %d partitions in %d rounds", m, len(before), n)
			}
			lost := r.in.members[rng.IntN(12)].id
			lose(t, r, lost)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func balanced(t *testing.T, r *rounds, p planned, most float64) {
	t.Helper()
	loads, mean, _ := loadsOf(r.in, p)
	for id, load := range loads {
		if float64(load) > most*mean {
			t.Errorf("%s has %.2f of the mean load", id, float64(load)/mean)
		}
	}
}

// lose takes a member away and checks that nothing moves but what it had.
func lose(t *testing.T, r *rounds, id string) {
	t.Helper()
	before := owners(r.told())
	r.lose(id)
	if n, _ := r.settle(); n != 1 {
		t.Errorf("a loss took %d rounds", n)
	}
	after := owners(r.told())
	for s, owner := range before {
		if owner != id && after[s] != owner {
			t.Errorf("%v moved from %s to %s, neither of which was lost", s, owner, after[s])
		}
		if after[s] == "" {
			t.Errorf("%v is nobody's", s)
		}
	}
}

// Any fleet of ten and more, with large, unlimited and idle workspaces among
// them: a join moves a tenth of the partitions at most, over all its rounds.
func TestJoinMovesATenth(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		rng := seeded(seed)
		rates := make([]float64, 40+rng.IntN(40))
		for i := range rates {
			rates[i] = oneOf(rng, 0.0, 0, 10, 10, 100, 100, 300, 2500)
		}
		r := office(10+rng.IntN(10), 12, rates...)
		r.demand = map[string]float64{}
		for i, rate := range rates {
			if rate == 0 {
				r.demand[r.in.loads[i].Workspace] = oneOf(rng, 0.0, 1, 50, 800)
			}
		}
		for range 20 {
			r.settle()
		}
		for step := range 3 {
			before := owners(r.told())
			id := fmt.Sprint("n", step)
			r.join(id, "")
			n, _ := r.settle()
			if m := moved(before, owners(r.told())); n > 3 || m > len(before)/10 || len(r.told()[id]) == 0 {
				t.Fatalf("seed %d: a join moved %d of %d partitions in %d rounds", seed, m, len(before), n)
			}
			lose(t, r, r.in.members[rng.IntN(10)].id)
		}
	}
}

// What members are told in one round is what kgo makes of the plan.
func TestCooperativeAsTheClientDoesIt(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		in := anyInput(seeded(seed))
		p := plan(in)
		want := owners(adjusted(t, in, p))
		if have := owners(p.cooperative(in.members).assigned); !maps.Equal(have, want) {
			t.Fatalf("seed %d:\nhave %v\nwant %v", seed, have, want)
		}
	}
}
