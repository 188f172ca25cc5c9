package partition

import (
	"testing"
	"time"
)

// Random faults meet the schedules that tell a good rule from a bad one too
// seldom, so each rule has a schedule of its own: with the rule broken the
// witness must see what it is there for, with the rule kept nothing.

// directed runs a schedule on one workspace of 100 a second with four shards,
// and more if there are.
func directed(r rules, schedule func(w *world), more []realm) *world {
	w := newWorld(7, r, append([]realm{{100, []int32{4}}}, more...))
	w.after(0, w.witness.watch)
	schedule(w)
	w.run(24 * time.Second)
	return w
}

// ablate runs a schedule with the rule broken, which must violate what it is
// said to, and with the rule kept.
func ablate(t *testing.T, violates string, breaks func(r *rules), schedule func(w *world), more ...realm) {
	t.Helper()
	broken := shippedRules()
	breaks(&broken)
	if have := directed(broken, schedule, more).witness.found; have[violates] == 0 {
		t.Errorf("the broken rule goes unseen: want a violation of %s, have %v", violates, have)
	}
	w := directed(shippedRules(), schedule, more)
	for _, report := range w.witness.reports {
		t.Errorf("with the rule kept: %s", report)
	}
	if n := w.spaces[0].sentBetween(0, w.now); n < 500 {
		t.Errorf("with the rule kept %d attempts were sent in %v: the schedule shows nothing", n, w.now)
	}
}

// quiet starts a process whose client never gives up by itself: it is told, or
// it believes what it knew.
func quiet(w *world, instance string) *process {
	p := w.start(instance)
	p.loud = false
	return p
}

// cutOffWithTwin: the owner loses Kafka, not the destination; its static twin
// takes its place at once, and is returned when it is there.
func cutOffWithTwin(w *world, at time.Duration, then func(twin *process)) {
	owner := quiet(w, "i")
	w.at(at, func() {
		owner.cut = true
		then(quiet(w, "i"))
	})
}

// Whoever does not find released waits for the lease of the owner before.
func TestAblationNoQuarantine(t *testing.T) {
	t.Parallel()
	ablate(t, "I1", func(r *rules) {
		r.load = func(c *claim, _ bool, now time.Time, lease time.Duration) { c.load(true, now, lease) }
	}, func(w *world) { cutOffWithTwin(w, 8*time.Second, func(*process) {}) })
}

// An owner whose own wait is not over must not say released: the next would
// start beside the owner before it.
func TestAblationLaunderedRelease(t *testing.T) {
	t.Parallel()
	for _, violates := range []string{"I1", "I4"} {
		ablate(t, violates, laundering, launderedRelease)
	}
}

func laundering(r *rules) {
	r.releases = func(c *claim, _ time.Time, flying int) bool { return c.phase == draining && flying == 0 }
}

func launderedRelease(w *world) {
	cutOffWithTwin(w, 8*time.Second, func(twin *process) { w.after(500*time.Millisecond, twin.leave) })
	w.at(2*time.Second, func() { quiet(w, "") })
}

// A commit carries the generation that the process acts on, not the newest that
// its client has heard of: what it still sends for belongs to the former.
func TestAblationMemberWideGeneration(t *testing.T) {
	t.Parallel()
	ablate(t, "I1", func(r *rules) {
		r.identity = func(p *process) (string, int32) { return p.client.member, p.client.generation }
	}, func(w *world) {
		owner := removedUnheard(w)
		w.hold = func(p *process, what string) time.Duration {
			if p == owner && what == "sync" {
				return 2 * time.Second
			}
			return 0
		}
		w.at(11*time.Second, func() { returns(owner) })
	})
}

// removedUnheard starts an owner and another process; at 8 s the owner loses
// Kafka and its seat in the group, which the other one gets.
func removedUnheard(w *world) *process {
	owner := quiet(w, "")
	w.at(4*time.Second, func() { quiet(w, "") })
	w.at(8*time.Second, func() {
		owner.cut = true
		w.remove(owner)
	})
	return owner
}

// returns lets a process reach Kafka again; the first that it asks for is a
// place in the group, as when its topics have changed meanwhile.
func returns(p *process) {
	p.cut = false
	p.join(p.client)
}

// A heartbeat proves nothing: a coordinator that was deposed says yes to it from
// memory, while another gives the shards away.
func TestAblationHeartbeatRenews(t *testing.T) {
	t.Parallel()
	ablate(t, "I1", func(r *rules) {
		r.heartbeat = func(p *process, sent time.Time) { p.lease.renew(sent, p.world.cfg.Lease) }
	}, func(w *world) {
		owner := quiet(w, "")
		w.at(4*time.Second, func() { quiet(w, "") })
		w.at(8*time.Second, func() { owner.deposed = true })
	})
}

// An evicted client that joins again changes its id and says nothing: others
// may have owned the shards that it still believes to be its own.
func TestAblationSilentIdentity(t *testing.T) {
	t.Parallel()
	ablate(t, "I1", ignoringIdentity, silentIdentity)
}

func ignoringIdentity(r *rules) { r.evicted = func(string, string) bool { return false } }

func silentIdentity(w *world) {
	first := removedUnheard(w)
	w.at(6*time.Second, func() { quiet(w, "") }) // so that the group is never empty
	w.at(13*time.Second, func() {
		for _, p := range w.living {
			if p.desks[0].part.Owned > 0 && p != first {
				p.cut = true
				w.remove(p)
			}
		}
		returns(first)
	})
}

// TestTraps holds what was got wrong on the way to this design.
func TestTraps(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, violates string
		breaks         func(r *rules)
		schedule       func(w *world)
		more           []realm
	}{
		{"1 a commit before the offsets are known rewinds the shard", "I6", func(r *rules) {
			r.ready = func(*holding) bool { return true }
		}, func(w *world) {
			dies(w)
			w.hold = func(_ *process, what string) time.Duration {
				if what == "offsets" {
					return time.Second
				}
				return 0
			}
		}, nil},
		{"2 a claim overwrites the settled set that it inherits", "I6", func(r *rules) {
			r.describe = func(h *holding, released bool) string {
				if h.phase == claiming {
					bare := newWindow(h.win.base)
					return encodeMetadata(&bare, released)
				}
				return encodeMetadata(&h.win, released)
			}
		}, dies, nil},
		{"3 an evicted member comes back with old claims", "I1", func(r *rules) {
			ignoringIdentity(r)
			r.claimed = func(p *process) int32 {
				if p.client.member == "" && p.client.assigned != nil {
					return p.world.group.generation + 1 // a balancer that believes it
				}
				return p.client.generation
			}
		}, staleClaims, []realm{{100, []int32{4}}}},
		{"4 an owner in quarantine hands its shard on as released", "I4", laundering, launderedRelease, nil},
		{"5 a commit during a drain says released early", "I4", func(r *rules) {
			r.early = func(h *holding) bool { return h.phase == draining }
		}, func(w *world) {
			owner := quiet(w, "")
			w.at(4*time.Second, func() { quiet(w, "") })
			w.at(7*time.Second, func() { w.slowness = time.Second })
			w.at(8*time.Second, owner.leave)
		}, nil},
		{"11 an identity changes silently", "I1", ignoringIdentity, silentIdentity, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ablate(t, tc.violates, tc.breaks, tc.schedule, tc.more...)
		})
	}
}

// dies: the owner crashes with answers outstanding, and another takes over.
func dies(w *world) {
	owner := quiet(w, "")
	w.at(4*time.Second, func() { quiet(w, "") })
	w.at(8*time.Second, owner.die)
}

// staleClaims: of two workspaces, the second process has one; it is evicted
// unawares, the third gets its shards, and the second comes back and claims them.
// The third is slow to hear what becomes of that.
func staleClaims(w *world) {
	quiet(w, "") // leads throughout
	var evicted, heir *process
	w.at(3*time.Second, func() { evicted = quiet(w, "") })
	w.at(6*time.Second, func() { heir = quiet(w, "") })
	w.at(9*time.Second, func() {
		evicted.cut = true
		w.remove(evicted)
	})
	w.at(14*time.Second, func() {
		w.hold = func(p *process, what string) time.Duration {
			if p == heir && what == "sync" {
				return 2 * time.Second
			}
			return 0
		}
		returns(evicted)
	})
}
