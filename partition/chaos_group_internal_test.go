package partition

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinator is Kafka's side of the classic group protocol, as measured on a
// real broker: what it accepts and refuses in which state, session timers, the
// rebalance timeout, static members that are replaced at once, and the offsets
// that the group has committed.
type coordinator struct {
	world      *world
	state      groupState
	generation int32
	seats      []*seat // in the order of joining
	leader     *seat
	ids        int // member ids given out
	round      int // rebalances begun
	pausedTill time.Duration
	queue      []func() // requests that wait for the end of a pause
}

type groupState uint8

const (
	empty groupState = iota
	preparing
	completing
	stable
)

// seat is a member as the group knows it.
type seat struct {
	member, instance string
	process          *process
	metadata         []byte
	assignment       []byte
	joined           bool             // in the round that is being prepared
	answerJoin       func(joinAnswer) // waits for the round to complete
	answerSync       func([]byte, error)
	heard            time.Duration // when it was last heard of
}

// joinAnswer is what a member learns from JoinGroup.
type joinAnswer struct {
	err        error
	member     string
	generation int32
	members    []kmsg.JoinGroupResponseMember // for the leader, which makes the plan
}

// commitment is what the group has committed of a shard.
type commitment struct {
	offset   int64
	metadata string
}

// find returns a member's seat, or the error of one that has none (any more).
func (g *coordinator) find(member, instance string) (*seat, error) {
	for _, s := range g.seats {
		switch {
		case s.member == member:
			return s, nil
		case instance != "" && s.instance == instance:
			return nil, kerr.FencedInstanceID
		}
	}
	return nil, kerr.UnknownMemberID
}

// join asks for a place in the next generation; the answer comes when it begins.
func (g *coordinator) join(p *process, member string, metadata []byte, answer func(joinAnswer)) {
	s, err := g.find(member, p.instance)
	switch {
	case member != "" && err != nil:
		answer(joinAnswer{err: err})
		return
	case member == "":
		if s = g.replace(p); s == nil {
			s = &seat{member: g.newID(), instance: p.instance, process: p}
			g.seats = append(g.seats, s)
			g.watch(s)
		} else if g.state == stable { // KIP-345: the same generation, at once
			s.heard = g.world.now
			answer(joinAnswer{member: s.member, generation: g.generation})
			return
		}
	}
	g.prepare()
	s.metadata, s.joined, s.answerJoin, s.heard = metadata, true, answer, g.world.now
	g.complete()
}

func (g *coordinator) newID() string {
	g.ids++
	return fmt.Sprintf("m%d", g.ids)
}

// replace gives the seat of a static identity to a newcomer who claims it.
func (g *coordinator) replace(p *process) *seat {
	for _, s := range g.seats {
		if p.instance != "" && s.instance == p.instance {
			s.dismiss(kerr.FencedInstanceID)
			s.member, s.process = g.newID(), p
			return s
		}
	}
	return nil
}

// dismiss answers whatever the seat's process waits for.
func (s *seat) dismiss(err error) {
	if s.answerJoin != nil {
		s.answerJoin(joinAnswer{err: err})
		s.answerJoin = nil
	}
	if s.answerSync != nil {
		s.answerSync(nil, err)
		s.answerSync = nil
	}
}

// prepare begins a round: everybody must join again in time.
func (g *coordinator) prepare() {
	if g.state == preparing {
		return
	}
	fresh := g.state == empty
	g.state = preparing
	g.round++
	for _, s := range g.seats {
		s.joined = false
		if s.answerSync != nil {
			s.answerSync(nil, kerr.RebalanceInProgress)
			s.answerSync = nil
		}
	}
	round := g.round
	limit := g.world.cfg.RebalanceTimeout
	if fresh { // the initial delay: whoever comes till then is of the first generation
		limit = g.world.between(0, 2*time.Second)
	}
	g.world.after(limit, func() {
		if g.state == preparing && g.round == round {
			for _, s := range slices.Clone(g.seats) {
				if !s.joined {
					g.drop(s, kerr.UnknownMemberID)
				}
			}
			g.begin()
		}
	})
}

// complete begins the generation when all have joined.
func (g *coordinator) complete() {
	for _, s := range g.seats {
		if !s.joined {
			return
		}
	}
	if g.generation > 0 {
		g.begin()
	}
}

// begin is the start of a generation: the leader is asked for a plan.
func (g *coordinator) begin() {
	if g.state != preparing {
		return
	}
	g.generation++
	if len(g.seats) == 0 {
		g.state = empty
		return
	}
	g.state = completing
	if !slices.Contains(g.seats, g.leader) {
		g.leader = g.seats[0]
	}
	var members []kmsg.JoinGroupResponseMember
	for _, s := range g.seats {
		m := kmsg.NewJoinGroupResponseMember()
		m.MemberID, m.ProtocolMetadata = s.member, s.metadata
		members = append(members, m)
	}
	for _, s := range slices.Clone(g.seats) {
		a := joinAnswer{member: s.member, generation: g.generation}
		if s == g.leader {
			a.members = members
		}
		s.heard = g.world.now
		answer := s.answerJoin
		s.answerJoin, s.assignment = nil, nil
		answer(a)
	}
}

// sync brings the leader's plan, or asks for one's part in it.
func (g *coordinator) sync(member, instance string, generation int32, plan []kmsg.SyncGroupRequestGroupAssignment, answer func([]byte, error)) {
	s, err := g.find(member, instance)
	switch {
	case err != nil:
		answer(nil, err)
		return
	case generation != g.generation:
		answer(nil, kerr.IllegalGeneration)
		return
	case g.state == preparing:
		answer(nil, kerr.RebalanceInProgress)
		return
	}
	s.heard = g.world.now
	if g.state == stable {
		answer(s.assignment, nil)
		return
	}
	s.answerSync = answer
	if s != g.leader || plan == nil {
		return
	}
	g.state = stable
	g.world.witness.planned(g, plan)
	for _, s := range g.seats {
		for _, a := range plan {
			if a.MemberID == s.member {
				s.assignment = a.MemberAssignment
			}
		}
		if s.answerSync != nil {
			s.answerSync(s.assignment, nil)
			s.answerSync = nil
		}
	}
}
