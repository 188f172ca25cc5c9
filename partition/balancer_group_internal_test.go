package partition

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// party is a group of real clients on a Kafka in memory.
type party struct {
	t       *testing.T
	address string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	guests  map[string]*guest
}

// guest is one client, with what the group gave it.
type guest struct {
	client *kgo.Client

	mu      sync.Mutex // guards what follows: callbacks write, the test reads
	has     map[shardName]bool
	revoked int
	told    adoption
}

func newParty(t *testing.T, partitions int32, topics ...string) *party {
	t.Helper()
	network := new(kfake.VirtualNetwork)
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...), kfake.Ports(9092), kfake.ListenFn(network.Listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	p := &party{t: t, address: kafka.ListenAddrs()[0], dial: network.DialContext, guests: map[string]*guest{}}
	t.Cleanup(func() {
		for _, name := range slices.Sorted(maps.Keys(p.guests)) {
			p.leave(name)
		}
	})
	return p
}

// settles is long enough for a group to come to rest, in the bubble's time.
const settles = 20 * time.Second

// join adds a client with a balancer, made with where it is to report to.
func (p *party) join(name string, kind func(adopt func(adoption)) kgo.GroupBalancer) {
	p.t.Helper()
	g := &guest{has: map[shardName]bool{}}
	note := func(has bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			g.mu.Lock()
			defer g.mu.Unlock()
			for topic, partitions := range changed {
				for _, n := range partitions {
					if has {
						g.has[shardName{topic, n}] = true
					} else {
						delete(g.has, shardName{topic, n})
						g.revoked++
					}
				}
			}
		}
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(p.address), kgo.Dialer(p.dial), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("a", "b"),
		kgo.HeartbeatInterval(time.Second), kgo.SessionTimeout(6*time.Second), kgo.DisableAutoCommit(),
		kgo.Balancers(kind(func(a adoption) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.told = a
		})),
		kgo.OnPartitionsAssigned(note(true)), kgo.OnPartitionsRevoked(note(false)), kgo.OnPartitionsLost(note(false)),
	)
	if err != nil {
		p.t.Fatal(err)
	}
	g.client = client
	p.guests[name] = g
	time.Sleep(settles)
	synctest.Wait()
}

func (p *party) leave(name string) {
	p.guests[name].client.Close()
	delete(p.guests, name)
	time.Sleep(settles)
	synctest.Wait()
}

// owners checks that each of the 16 partitions is one guest's and tells whose.
func (p *party) owners() map[shardName]string {
	p.t.Helper()
	all := map[shardName]string{}
	for name, g := range p.guests {
		g.mu.Lock()
		for s := range g.has {
			if other, twice := all[s]; twice {
				p.t.Errorf("%v is %s's and %s's", s, name, other)
			}
			all[s] = name
		}
		g.mu.Unlock()
	}
	if len(all) != 16 {
		p.t.Errorf("%d of 16 partitions are somebody's", len(all))
	}
	return all
}

// whole checks that each of the four workspaces is on one guest, who was told
// how many shards it has, and tells how many each guest has.
func (p *party) whole() map[string]int {
	p.t.Helper()
	by := p.owners()
	streams := fleetConfig(nil).streams
	on := map[string]string{}
	for s, owner := range by {
		w := streams[0].workspace(s.partition)
		if other, torn := on[w]; torn && other != owner {
			p.t.Errorf("%s is torn between %s and %s", w, owner, other)
		}
		on[w] = owner
	}
	count := map[string]int{}
	for w, owner := range on {
		count[owner]++
		g := p.guests[owner]
		g.mu.Lock()
		if n := g.told.totals[w]; n != 4 {
			p.t.Errorf("%s was told that %s has %d shards, want 4", owner, w, n)
		}
		g.mu.Unlock()
	}
	return count
}

func ours(adopt func(adoption)) kgo.GroupBalancer { return newBalancer(fleetConfig(adopt)) }

// stock is what the client brings, under our name: how versions before this one
// balance, and any that has nothing to tell.
type stock struct{ kgo.GroupBalancer }

func (stock) ProtocolName() string { return protocolName }

func older(func(adoption)) kgo.GroupBalancer { return stock{kgo.CooperativeStickyBalancer()} }

func TestGroupKeepsWorkspacesWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 8, "a", "b")
		p.join("m1", ours)
		p.join("m2", ours)
		p.join("m3", ours)
		if have := p.whole(); len(have) != 3 {
			t.Errorf("workspaces on members: %v, want all three to have some", have)
		}
		before := p.owners()
		p.join("m4", ours)
		if have := p.whole(); len(have) != 4 {
			t.Errorf("workspaces on members: %v, want one each", have)
		}
		if n := moved(before, p.owners()); n != 4 {
			t.Errorf("the fourth member's join moved %d partitions, want one workspace of 4", n)
		}
		before = p.owners()
		p.leave("m2")
		p.whole()
		for s, owner := range before {
			if owner != "m2" && p.owners()[s] != owner {
				t.Errorf("%v moved from %s to %s when m2 left", s, owner, p.owners()[s])
			}
		}
	})
}

// A member of the older kind leads, then one of ours: whoever it is, everything
// is somebody's and no partition is two members'.
func TestGroupOfTwoKinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 8, "a", "b")
		p.join("old", older)
		p.join("m1", ours)
		p.join("m2", ours)
		p.owners()
		g := p.guests["m1"]
		g.mu.Lock()
		if g.told.totals != nil || g.told.counted != nil || len(g.told.assigned) == 0 {
			t.Errorf("under a leader that does not count m1 was told %+v", g.told)
		}
		g.mu.Unlock()
		p.leave("old") // ours lead from now on
		p.whole()
		p.join("old", older)
		p.owners()
		if n := len(p.guests["old"].has); n%4 != 0 || n == 0 {
			t.Errorf("the older one has %d partitions, want whole workspaces", n)
		}
	})
}
