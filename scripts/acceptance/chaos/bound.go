package chaos

import (
	"time"

	"sluice/scripts/acceptance/rig"
)

// sent is what the members' logs say of a workspace's attempts.
type sent struct {
	moments []int64 // when the budget granted them, ns
	unknown int64   // events of attempts whose sender never learned what became of them
}

// readSent reads the logs of all members that ever ran.
func readSent(members []*rig.Member) (map[string]*sent, error) {
	all := map[string]*sent{}
	for _, w := range workspaces() {
		all[w.name] = &sent{}
	}
	for _, m := range members {
		attempts, err := m.Attempts()
		if err != nil {
			return nil, err
		}
		for _, a := range attempts {
			s := all[a.Workspace]
			if s == nil {
				continue
			}
			s.moments = append(s.moments, a.Sent.UnixNano())
			if unknown(a) {
				s.unknown += int64(a.Events)
			}
		}
	}
	return all, nil
}

// unknown: no answer, or one that broke off or could not be read. The events
// may have been taken, and must be sent again.
func unknown(a rig.Attempt) bool {
	switch a.Verdict {
	case "unavailable", "interrupted":
		return a.Status < 300
	}
	return false
}

// loss is a time at which members may have lost their last commits, so that
// what they settled since is delivered again.
type loss struct {
	from, to time.Time
	since    time.Duration // how long before that the last accepted commit was, at most
	members  int           // that it met, at most
}

// committing is how old a member's last accepted commit is at most while
// nothing keeps it from committing: twice the time from one to the next.
const committing = time.Second

// losses are those of a run.
//
//   - A broker that goes away, a coordinator that moves, a link to Kafka that is
//     cut, silent or slow keeps any member from committing: each may send on for
//     its lease.
//   - A kill or a freeze takes one member's latest commit, or all of a lease when
//     one of those lasts, or is just over.
//   - A member that is stopped in good order while one of those lasts cannot
//     commit its last either.
func losses(spells, leaves []spell) []loss {
	var all []loss
	for _, s := range spells {
		switch {
		case s.Kind.silences():
			all = append(all, loss{s.from, s.to, lease, fleetSize})
		case s.Kind == Kill || s.Kind == Freeze:
			l := loss{s.from, s.to, committing, 1}
			if silenced(spells, s) {
				l.since = lease
			}
			all = append(all, l)
		}
	}
	for _, leave := range leaves {
		if silenced(spells, leave) {
			all = append(all, loss{leave.from, leave.to, lease, 1})
		}
	}
	return all
}

// silenced tells whether anything kept members from committing at the time of a
// fault, or shortly before: what it did to a group may show a session later.
func silenced(spells []spell, at spell) bool {
	const after = 10 * time.Second
	for _, s := range spells {
		if s.Kind.silences() && at.from.Before(s.to.Add(after)) && s.from.Before(at.to) {
			return true
		}
	}
	return false
}

// bound is how many duplicates the faults of a run may cost a workspace: for
// each loss the most that was taken in so much time, between a lease before the
// fault and a lease after it, and what the members that it met have in flight;
// and every event of an attempt whose outcome nobody learned. firsts are when
// events were first taken.
func (w workspace) bound(losses []loss, firsts []int64, unknown int64) int64 {
	taken := rig.NewTimes(firsts)
	for _, l := range losses {
		near := taken.Between(l.from.Add(-lease), l.to.Add(lease))
		unknown += int64(near.Busiest(l.since)) + int64(min(l.members, w.units)*inFlight*w.items)
	}
	return unknown
}
