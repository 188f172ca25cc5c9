package partition

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// commits is what a process's committer stands at: one request at a time, so
// that a late one can neither rewind a watermark nor take a release back.
type commits struct {
	busy     bool
	waiting  []func() // who wants to commit next
	kicked   bool     // one in the ordinary course is among them
	revoking int      // callbacks under way: a commit renews nothing meanwhile
}

// remark is one shard's part of a commit.
type remark struct {
	holding  *holding
	offset   int64
	metadata string
	claim    bool // it is our first of the shard
	released bool
	flying   int
}

// commit is one request.
type commit struct {
	process    *process
	member     string
	generation int32
	sent       time.Time // on the process's clock
	adopted    bool      // it carries the generation that the process acts on
	revoking   bool      // it was sent inside a callback
	remarks    []remark
}

func (h *holding) remark(released bool) remark {
	r := remark{
		holding: h, offset: h.win.base, metadata: h.process.world.rules.describe(h, released),
		claim: h.phase == claiming, released: released, flying: h.flying,
	}
	h.dirty = false
	return r
}

// exclusive runs act when no commit is out; act must end with committed.
func (p *process) exclusive(act func()) {
	if p.commits.busy {
		p.commits.waiting = append(p.commits.waiting, act)
		return
	}
	p.commits.busy = true
	act()
}

// committed lets the next one commit.
func (p *process) committed() {
	p.commits.busy = false
	if len(p.commits.waiting) > 0 {
		next := p.commits.waiting[0]
		p.commits.waiting = p.commits.waiting[1:]
		p.exclusive(next)
	}
}

// commitNow commits what changed, and always at least one shard.
func (p *process) commitNow() {
	if p.commits.kicked {
		return
	}
	p.commits.kicked = true
	p.exclusive(func() {
		p.commits.kicked = false
		remarks := p.collect()
		if len(remarks) == 0 {
			p.committed()
			return
		}
		p.send(remarks, true, func(error) { p.committed() })
	})
}

func (p *process) collect() []remark {
	var remarks []remark
	var spare *holding
	for _, h := range p.holdings {
		switch {
		case h == nil || !p.world.rules.ready(h):
		case h.dirty:
			remarks = append(remarks, h.remark(p.world.rules.early(h)))
		default:
			spare = h
		}
	}
	if len(remarks) == 0 && spare != nil {
		remarks = append(remarks, spare.remark(p.world.rules.early(spare)))
	}
	return remarks
}

// release commits shards that were revoked; a refusal is tried again for a
// bounded time, for between join and sync the group refuses what we act on.
func (p *process) release(held []*holding, done func()) {
	patience := p.clock().Add(p.world.cfg.Drain)
	var try func()
	try = func() {
		p.exclusive(func() {
			var remarks []remark
			for _, h := range held {
				if h.phase == draining && h.loaded {
					remarks = append(remarks, h.remark(p.world.rules.releases(&h.claim, p.clock(), h.flying)))
				}
			}
			end := func(err error) {
				p.committed()
				if err == nil || gone(err) || p.clock().After(patience) {
					done()
					return
				}
				p.after(releaseAgain, try)
			}
			if len(remarks) == 0 {
				end(nil)
				return
			}
			p.send(remarks, false, end)
		})
	}
	try()
}

// send makes one request, as committer.send and finish do: accepted, it renews
// the lease from when it was sent, unless a callback runs.
func (p *process) send(remarks []remark, renew bool, done func(error)) {
	m := &commit{process: p, sent: p.clock(), remarks: remarks, revoking: p.commits.revoking > 0}
	m.member, m.generation = p.world.rules.identity(p)
	member, generation := p.members.get()
	m.adopted = m.member == member && m.generation == generation
	renew = renew && p.commits.revoking == 0
	over := false
	end := func(err error) {
		if over {
			return
		}
		over = true
		if err == nil && renew && p.commits.revoking == 0 {
			p.renew(m.sent)
		}
		p.finish(m, err)
		done(err)
	}
	p.world.call(p, "commit", func(answer func(func())) {
		err := p.world.group.admits(m.member, p.instance, m.generation)
		if err == nil {
			p.world.accept(m)
		}
		answer(func() { end(err) })
	}, func() { end(context.DeadlineExceeded) })
	p.after(commitTimeout, func() { end(context.DeadlineExceeded) })
}

// accept stores a commit on the group's side.
func (w *world) accept(m *commit) {
	w.witness.accepted(m)
	for _, r := range m.remarks {
		r.holding.site.committed = &commitment{r.offset, r.metadata}
	}
}

func (p *process) renew(sent time.Time) {
	ended := !p.lease.valid(p.clock())
	p.lease.renew(sent, p.world.cfg.Lease)
	if ended {
		for _, d := range p.desks {
			d.turn()
		}
	}
}

// finish tells the shards what became of a commit, and ends the lease when the
// group has given the process up.
func (p *process) finish(m *commit, err error) {
	if gone(err) {
		p.world.witness.note("%v has a commit of generation %d refused: %v", p, m.generation, err)
		p.lease.end()
	}
	if errors.Is(err, kerr.FencedInstanceID) {
		p.replaced()
	}
	for _, r := range m.remarks {
		h := r.holding
		switch {
		case h.phase == closed:
		case err != nil:
			h.dirty = true
		case r.claim:
			h.claimed()
		}
	}
}

// claimed notes that the group took our claim: the shard is open at once, or
// when its quarantine is over.
func (h *holding) claimed() {
	p := h.process
	now := p.clock()
	h.enter(func(c *claim) { c.accepted(now) })
	if h.phase == quarantined {
		p.after(h.eligible.Sub(now), func() {
			h.enter(func(c *claim) { c.pass(p.clock()) })
			h.desk.turn()
		})
		return
	}
	h.desk.turn()
}
