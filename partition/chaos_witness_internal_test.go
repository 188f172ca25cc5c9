package partition

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// witness sees the whole fleet at once and checks what must hold:
//
//	I1  over all living processes the shares of a workspace, while leased, add up to 1 at most
//	I2  a send needs adopted assignment, own accepted claim, quarantine over, lease
//	I3  a lease moves by accepted commits of the adopted generation only, to when
//	    they were sent + L, and never inside a revoke
//	I4  released is written after the last attempt, by an owner past its own quarantine
//	I5  no second and no 100 ms holds more sends than the pacers in it may make
//	I6  nothing is committed before it is loaded, nor a watermark or a settled set
//	    beyond what was delivered, nor less than was inherited
//	I7  of one key at most one attempt in the world while leases hold; first
//	    deliveries in order
//
// and that a plan gives every shard to one member at most, and to nobody while
// another claims it from a later generation.
type witness struct {
	world      *world
	samples    int
	violations int
	found      map[string]int // violations by what was violated
	reports    []string       // of the first few
	history    [60]string     // a ring
	written    int
}

const mostReports = 3

func newWitness(w *world) *witness { return &witness{world: w, found: map[string]int{}} }

// note keeps a line of history for the report of a violation.
func (x *witness) note(format string, args ...any) {
	line := fmt.Sprintf("%9.4fs  ", x.world.now.Seconds()) + fmt.Sprintf(format, args...)
	x.history[x.written%len(x.history)] = line
	x.written++
}

// violated notes that something did not hold.
func (x *witness) violated(what, format string, args ...any) {
	x.violations++
	x.found[what]++
	if x.found[what] > 1 || len(x.reports) >= mostReports {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "at %.4f s, %s: ", x.world.now.Seconds(), what)
	fmt.Fprintf(&b, format, args...)
	b.WriteString("\nwhat came before:")
	for i := max(0, x.written-len(x.history)); i < x.written; i++ {
		b.WriteString("\n  " + x.history[i%len(x.history)])
	}
	x.reports = append(x.reports, b.String())
}

// watch samples the fleet every 20 ms.
func (x *witness) watch() {
	for _, sp := range x.world.spaces {
		x.shares(sp)
	}
	for _, p := range x.world.living {
		x.leaseMoves(p)
	}
	x.world.after(20*time.Millisecond, x.watch)
}

// shares checks I1.
func (x *witness) shares(sp *space) {
	x.samples++
	sum := 0.0
	for _, p := range x.world.living {
		if part := p.desks[sp.number].part; part.Owned > 0 && p.lease.valid(p.clock()) {
			sum += float64(part.Owned) / float64(part.Total)
		}
	}
	if sum > 1+1e-9 {
		x.violated("I1", "the shares of workspace %s add up to %.3f: %s", sp.name, sum, x.owners(sp))
	}
}

func (x *witness) owners(sp *space) string {
	var b strings.Builder
	for _, p := range x.world.living {
		part := p.desks[sp.number].part
		if part.Owned > 0 {
			left := time.Duration(p.lease.mono.Load()) - p.clock().Sub(p.lease.start)
			fmt.Fprintf(&b, "%v has %d of %d, leased for %v more; ", p, part.Owned, part.Total, left)
		}
	}
	return b.String()
}

// leaseMoves checks I3: the lease never ends after what was proven to the process.
func (x *witness) leaseMoves(p *process) {
	end := time.Duration(p.lease.mono.Load())
	if end > p.proven {
		x.violated("I3", "%v is leased until %v of its clock, %v beyond its last accepted commit's", p, end, end-p.proven)
	}
	if p.commits.revoking > 0 && p.seen.revoking && end > p.seen.lease {
		x.violated("I3", "%v renewed its lease inside a revoke", p)
	}
	p.seen.lease, p.seen.revoking = end, p.commits.revoking > 0
}

// sent checks I1, I2, I5 and I7 for a send that happens now.
func (x *witness) sent(a *attempt) {
	h, p, s := a.holding, a.process, a.holding.site
	now := p.clock()
	assigned := slices.Contains(p.adopted.assigned[s.topic], s.id.Partition)
	if h.phase != active || !assigned || !h.proven || now.Before(h.free()) || !p.lease.valid(now) {
		x.violated("I2", "%v sends for %v: phase %d, assigned %v, claim accepted %v, quarantine over %v, leased %v",
			p, s.id, h.phase, assigned, h.proven, !now.Before(h.free()), p.lease.valid(now))
	}
	x.shares(s.space)
	s.space.sends(x, p)
	if other := s.flying[a.user]; other != nil && other.process.alive && (other.process == p || other.process.lease.valid(other.process.clock())) {
		x.violated("I7", "%v sends %v offset %d while %v has offset %d of the same key in flight", p, s.id, a.offset, other.process, other.offset)
	}
	s.flying[a.user] = a
}

// free is when a shard may be sent for at the earliest, by what was read of the
// owner before: computed here a second time, not taken from the claim.
func (h *holding) free() time.Time {
	if h.clean {
		return h.loadedAt
	}
	lease := h.process.world.cfg.Lease
	return h.loadedAt.Add(lease + lease/1000 + 50*time.Millisecond)
}

// arrived notes a delivery and checks the order of first ones.
func (x *witness) arrived(a *attempt) {
	s := a.holding.site
	for int64(len(s.hits)) <= a.offset {
		s.hits = append(s.hits, 0)
	}
	if s.hits[a.offset] == 0 && a.offset < s.newest[a.user] {
		x.violated("I7", "%v: offset %d is delivered after %d of the same key", s.id, a.offset, s.newest[a.user])
	}
	s.hits[a.offset] = min(s.hits[a.offset], 200) + 1
	s.newest[a.user] = max(s.newest[a.user], a.offset)
}

func (*witness) ended(a *attempt) {
	if s := a.holding.site; s.flying[a.user] == a {
		s.flying[a.user] = nil
	}
}

// loaded notes what a process read of a shard, and checks that all of it is true.
func (x *witness) loaded(h *holding, released bool) {
	h.loadedAt, h.clean = h.process.clock(), released
	x.delivered(h.site, &h.win)
	at := h.win.base
	for length, done := range h.win.runs {
		for ; length > 0; length-- {
			if done && !h.site.delivered(at) {
				x.violated("I6", "%v: the group says that offset %d is settled; nobody delivered it", h.site.id, at)
			}
			at++
		}
	}
}

func (s *site) delivered(offset int64) bool { return offset < int64(len(s.hits)) && s.hits[offset] > 0 }

// delivered checks that everything below a watermark was.
func (x *witness) delivered(s *site, w *window) {
	for ; s.proven < w.base; s.proven++ {
		if !s.delivered(s.proven) {
			x.violated("I6", "%v: the watermark %d passes offset %d, which nobody delivered", s.id, w.base, s.proven)
		}
	}
}

// accepted checks a commit that the group takes, before it is stored.
func (x *witness) accepted(m *commit) {
	p := m.process
	if m.adopted && !m.revoking {
		p.proven = max(p.proven, m.sent.Sub(p.lease.start)+p.world.cfg.Lease)
	}
	for _, r := range m.remarks {
		h := r.holding
		if !h.loaded {
			x.violated("I6", "%v commits %v at %d before it has loaded it", p, h.site.id, r.offset)
			continue
		}
		if r.claim && !h.proven && h.site.committed != nil { // a late one, of which nothing was heard, may rewind
			x.inherits(h.site, r)
		}
		switch {
		case !r.released:
			h.proven = true
		case r.flying > 0:
			x.violated("I4", "%v releases %v with %d attempts in flight", p, h.site.id, r.flying)
		case m.sent.Before(h.free()):
			x.violated("I4", "%v releases %v, %v before its own quarantine of it ends", p, h.site.id, h.free().Sub(m.sent))
		}
	}
}

// inherits checks that a claim says all that the group knew before.
func (x *witness) inherits(s *site, r remark) {
	was, _, err := decodeMetadata(s.committed.offset, s.committed.metadata)
	is, _, err2 := decodeMetadata(r.offset, r.metadata)
	if err != nil || err2 != nil {
		x.violated("I6", "%v: metadata cannot be read: %v, %v", s.id, err, err2)
		return
	}
	for at := was.base; at < was.next; at++ {
		if was.settled(at) && !is.settled(at) {
			x.violated("I6", "%v: a claim forgets that offset %d is settled", s.id, at)
			return
		}
	}
}

// planned checks a leader's plan against what the members claim. Of those who
// claim a shard from the same generation any may keep it: franz-go claims what it
// was last given under the newest generation that it has heard of, so one of them
// may be evicted and unaware. That one's changed id is what stops it.
func (x *witness) planned(g *coordinator, plan []kmsg.SyncGroupRequestGroupAssignment) {
	claims, newest := map[ShardID]map[string]int32{}, map[ShardID]int32{}
	for _, s := range g.seats {
		var meta kmsg.ConsumerMemberMetadata
		if err := meta.ReadFrom(s.metadata); err != nil {
			x.violated("balancer", "metadata of %s: %v", s.member, err)
		}
		for _, t := range meta.OwnedPartitions {
			for _, n := range t.Partitions {
				id := ShardID{Stream: t.Topic, Partition: n}
				if claims[id] == nil {
					claims[id] = map[string]int32{}
					newest[id] = meta.Generation
				}
				claims[id][s.member] = meta.Generation
				newest[id] = max(newest[id], meta.Generation)
			}
		}
	}
	given := map[ShardID]string{}
	for _, a := range plan {
		assigned, err := kgo.ParseConsumerSyncAssignment(a.MemberAssignment)
		if err != nil {
			x.violated("balancer", "assignment of %s: %v", a.MemberID, err)
		}
		for topic, numbers := range assigned {
			for _, n := range numbers {
				id := ShardID{Stream: topic, Partition: n}
				if other, twice := given[id]; twice {
					x.violated("balancer", "%v is given to %s and to %s", id, other, a.MemberID)
				}
				own, claimed := claims[id][a.MemberID]
				if len(claims[id]) > 0 && (!claimed || own < newest[id]) {
					x.violated("balancer", "%v is given to %s while others hold it: %v", id, a.MemberID, claims[id])
				}
				given[id] = a.MemberID
			}
		}
	}
}
