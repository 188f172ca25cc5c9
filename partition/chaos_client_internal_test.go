package partition

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// client is the life of one Kafka client. What comes back to an earlier one is
// dropped.
type client struct {
	member     string
	generation int32 // the newest that it knows
	assigned   map[string][]int32
	joining    bool
	beating    bool // a heartbeat is out
	balancer   *balancer
	heardAt    time.Time
}

// open makes a Kafka client, which joins the group.
func (p *process) open() {
	c := &client{generation: -1, heardAt: p.clock()}
	c.balancer = newBalancer(balancerConfig{
		streams: p.world.streams,
		loads:   func() []Load { return p.world.loads },
		reach:   p.world.cfg.Reach,
		member:  func() Member { return Member{Version: 1} },
		adopt:   func(a adoption) { p.adopt(c, a) },
	})
	p.client = c
	p.join(c)
}

// heard notes a sign of life of the coordinator.
func (p *process) heard() {
	p.client.beating = false
	p.client.heardAt = p.clock()
	p.world.rules.heartbeat(p, p.clock())
}

// join asks for a place in the next generation, again and again. A client that
// the group does not know any more drops its id and says nothing of it (K16).
func (p *process) join(c *client) {
	if c.joining || p.client != c || p.leaving {
		return
	}
	c.joining = true
	again := func() {
		c.joining = false
		p.join(c)
	}
	metadata := c.balancer.JoinGroupMetadata(p.world.topics(), c.assigned, p.world.rules.claimed(p))
	p.world.call(p, "join", func(answer func(func())) {
		p.world.group.join(p, c.member, metadata, func(a joinAnswer) {
			answer(func() {
				switch {
				case p.client != c:
				case errors.Is(a.err, kerr.UnknownMemberID):
					c.member = ""
					again()
				case a.err != nil:
					p.replaced()
				default:
					c.member, c.generation, c.heardAt = a.member, a.generation, p.clock()
					p.sync(c, a)
				}
			})
		})
	}, func() {
		if p.loud && p.cut && c.assigned != nil {
			p.lost(c, errors.New("no broker to be reached"))
		}
		again()
	})
}

func (w *world) topics() []string {
	topics := make([]string, 0, len(w.streams))
	for _, s := range w.streams {
		topics = append(topics, s.Topic)
	}
	return topics
}

// sync gets the assignment; the leader makes the plan with the shipped balancer.
func (p *process) sync(c *client, a joinAnswer) {
	again := func() {
		c.joining = false
		p.join(c)
	}
	request := p.plan(c, a)
	p.world.call(p, "sync", func(answer func(func())) {
		p.world.group.sync(a.member, p.instance, a.generation, request, func(assignment []byte, err error) {
			answer(func() {
				switch {
				case p.client != c:
				case errors.Is(err, kerr.RebalanceInProgress):
					again()
				case errors.Is(err, kerr.FencedInstanceID):
					p.replaced()
				case err != nil:
					p.lost(c, err)
					again()
				default:
					c.joining, c.heardAt = false, p.clock()
					p.assign(c, assignment)
				}
			})
		})
	}, again)
}

// beat sends a heartbeat; its answer says whether to join again.
func (p *process) beat() {
	c := p.client
	if p.loud && !c.joining && c.assigned != nil && p.clock().Sub(c.heardAt) > 4500*time.Millisecond {
		p.lost(c, errors.New("nothing heard"))
		p.join(c)
	}
	if c.joining || c.beating || c.member == "" {
		return
	}
	c.beating = true
	sent := p.clock()
	p.world.call(p, "heartbeat", func(answer func(func())) {
		err := p.world.group.heartbeat(c.member, p.instance, c.generation)
		answer(func() {
			c.beating = false
			switch {
			case p.client != c:
			case err == nil || errors.Is(err, kerr.RebalanceInProgress):
				c.heardAt = p.clock()
				p.world.rules.heartbeat(p, sent)
				if err != nil && p.commits.revoking == 0 {
					p.join(c)
				}
			case errors.Is(err, kerr.FencedInstanceID):
				p.replaced()
			case !c.joining:
				p.lost(c, err)
				if errors.Is(err, kerr.UnknownMemberID) {
					c.member = ""
				}
				p.join(c)
			}
		})
	}, func() { c.beating = false })
}
