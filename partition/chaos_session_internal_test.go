package partition

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// attend serves a request, once a pause is over.
func (g *coordinator) attend(serve func()) {
	if g.world.now < g.pausedTill {
		g.queue = append(g.queue, serve)
		return
	}
	serve()
}

// pause makes every request wait: a coordinator that is restarted cleanly.
func (g *coordinator) pause(d time.Duration) {
	g.pausedTill = max(g.pausedTill, g.world.now+d)
	g.world.at(g.pausedTill, func() {
		if g.world.now < g.pausedTill {
			return
		}
		for _, s := range g.seats { // who takes over gives everybody a full session
			s.heard = g.world.now
		}
		waiting := g.queue
		g.queue = nil
		for _, serve := range waiting {
			serve()
		}
	})
}

// heartbeat keeps a session going and tells when to join again.
func (g *coordinator) heartbeat(member, instance string, generation int32) error {
	s, err := g.find(member, instance)
	switch {
	case err != nil:
		return err
	case generation != g.generation:
		return kerr.IllegalGeneration
	}
	s.heard = g.world.now
	if g.state == preparing {
		return kerr.RebalanceInProgress
	}
	return nil
}

// admits tells whether a commit is taken. While a plan is awaited none is; before
// that, the generation that ends still counts.
func (g *coordinator) admits(member, instance string, generation int32) error {
	s, err := g.find(member, instance)
	switch {
	case err != nil:
		return err
	case generation != g.generation:
		return kerr.IllegalGeneration
	case g.state == completing:
		return kerr.RebalanceInProgress
	}
	s.heard = g.world.now
	return nil
}

// remove takes a member out: it left, its session ended, or an operator did it.
func (g *coordinator) remove(s *seat) {
	g.drop(s, kerr.UnknownMemberID)
	if g.state == preparing {
		g.complete()
	} else {
		g.prepare()
		g.complete()
	}
}

func (g *coordinator) drop(s *seat, err error) {
	g.seats = slices.DeleteFunc(g.seats, func(x *seat) bool { return x == s })
	s.dismiss(err)
}

// seatOf is the seat that a process has now, nil when it has none.
func (g *coordinator) seatOf(p *process) *seat {
	for _, s := range g.seats {
		if s.process == p {
			return s
		}
	}
	return nil
}

// watch ends a session that nothing was heard of for too long. Who waits for a
// round to complete is not silent.
func (g *coordinator) watch(s *seat) {
	s.heard = g.world.now
	session := g.world.cfg.SessionTimeout
	var look func()
	look = func() {
		switch {
		case !slices.Contains(g.seats, s):
		case g.world.now < g.pausedTill || s.answerJoin != nil:
			g.world.after(session, look)
		case g.world.now-s.heard >= session:
			g.world.witness.note("the session of %s ends", s.member)
			g.remove(s)
		default:
			g.world.at(s.heard+session, look)
		}
	}
	g.world.after(session, look)
}
