package partition

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// plan is what the leader sends with its SyncGroup; nil for the others.
func (p *process) plan(c *client, a joinAnswer) []kmsg.SyncGroupRequestGroupAssignment {
	if a.members == nil {
		return nil
	}
	group, err := kgo.NewConsumerBalancer(c.balancer, a.members)
	if err != nil {
		p.world.witness.violated("balancer", "%v cannot read the members: %v", p, err)
		return nil
	}
	topics := map[string]int32{}
	for topic, sites := range p.world.byTopic {
		topics[topic] = int32(len(sites))
	}
	return c.balancer.Balance(group, topics).IntoSyncAssignment()
}

// adopt takes on a new generation before any callback of it, as Consumer.adopt
// does: first what is not ours in it stops, then its commits count. A changed
// member id means that others may have owned our shards since.
func (p *process) adopt(c *client, a adoption) {
	was, _ := p.members.get()
	p.world.witness.note("%v adopts generation %d as %s: %v", p, c.generation, c.member, a.assigned)
	if p.world.rules.evicted(was, c.member) && len(p.held()) > 0 {
		p.world.witness.note("%v was %s: it begins anew", p, was)
		p.lease.end()
		p.closeAll()
		p.client = nil
	}
	for _, h := range p.held() {
		if !slices.Contains(a.assigned[h.site.topic], h.site.id.Partition) {
			h.enter((*claim).drain)
		}
	}
	p.members.adopt(c.member, c.generation)
	p.adopted = a
	for _, d := range p.desks {
		d.count()
	}
}

// assign takes in an assignment: the shipped balancer reads it and calls adopt,
// then the callbacks run.
func (p *process) assign(c *client, assignment []byte) {
	now, err := c.balancer.ParseSyncAssignment(assignment)
	if err != nil {
		p.world.witness.violated("balancer", "%v cannot read its assignment: %v", p, err)
		return
	}
	if p.client != c { // adopt gave the client up
		p.client = &client{generation: -1, joining: true}
		p.depart(c)
		p.after(p.world.between(50*time.Millisecond, 300*time.Millisecond), p.open)
		return
	}
	added, removed := p.changes(c.assigned, now), p.changes(now, c.assigned)
	c.assigned = now
	p.opened(c, added)
	if len(removed) > 0 {
		p.revoke(c, removed)
	}
}

// changes are the sites of one assignment that another does not have.
func (p *process) changes(was, is map[string][]int32) []*site {
	var fresh []*site
	for _, s := range p.world.sites {
		n := s.id.Partition
		if slices.Contains(is[s.topic], n) && !slices.Contains(was[s.topic], n) {
			fresh = append(fresh, s)
		}
	}
	return fresh
}

// opened is OnPartitionsAssigned and then OnOffsetsFetched.
func (p *process) opened(c *client, added []*site) {
	var fresh []*holding
	for _, s := range added {
		h := &holding{process: p, desk: p.desks[s.space.number], site: s, win: newWindow(0)}
		p.holdings[s.number] = h
		fresh = append(fresh, h)
	}
	if len(fresh) > 0 {
		p.fetchOffsets(c, fresh)
	}
}

func (p *process) fetchOffsets(c *client, fresh []*holding) {
	p.world.call(p, "offsets", func(answer func(func())) {
		committed := make([]*commitment, len(fresh))
		for i, h := range fresh {
			committed[i] = h.site.committed
		}
		answer(func() {
			for i, h := range fresh {
				if p.client == c && h.phase == loading {
					p.load(h, committed[i])
				}
			}
			p.commitNow()
		})
	}, func() {
		if p.client == c {
			p.fetchOffsets(c, fresh)
		}
	})
}

// load sets a shard to where the group says it stands, as Consumer.loadShard
// and Lanes.load do.
func (p *process) load(h *holding, committed *commitment) {
	released := p.members.first()
	if committed != nil {
		var err error
		h.win, released, err = decodeMetadata(committed.offset, committed.metadata)
		if err != nil {
			p.world.witness.violated("I8", "%v: metadata of %v: %v", p, h.site.id, err)
		}
	}
	p.world.witness.loaded(h, released)
	if known := p.memory[h.site.number]; known != nil {
		h.win.merge(known)
		p.memory[h.site.number] = nil
	}
	h.loaded, h.dirty = true, true
	p.world.rules.load(&h.claim, released, p.clock(), p.world.cfg.Lease)
}

// revoke is OnPartitionsRevoked: attempts in flight may end for a bounded time,
// what is settled is committed, then the fence is raised and the client joins
// again, so that others get what we gave up.
func (p *process) revoke(c *client, removed []*site) {
	p.commits.revoking++
	var held []*holding
	for _, s := range removed {
		if h := p.holdings[s.number]; h != nil {
			h.enter((*claim).drain)
			held = append(held, h)
		}
	}
	p.drain(held, p.world.cfg.Drain, func() {
		p.release(held, func() {
			for _, h := range held {
				p.close(h)
			}
			p.commits.revoking--
			p.join(c)
		})
	})
}

// held are the shards that are ours, in a fixed order.
func (p *process) held() []*holding {
	var held []*holding
	for _, h := range p.holdings {
		if h != nil {
			held = append(held, h)
		}
	}
	return held
}

func (p *process) closeAll() {
	for _, h := range p.held() {
		p.close(h)
	}
}

// close ends an assignment as Lanes.close does: late outcomes settle nothing,
// and what was settled is remembered.
func (p *process) close(h *holding) {
	if h.phase == closed {
		return
	}
	h.enter(func(c *claim) { c.phase = closed })
	if h.loaded {
		win := h.win
		p.memory[h.site.number] = &win
	}
	p.holdings[h.site.number] = nil
	p.drained()
}
