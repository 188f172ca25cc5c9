package partition

import "time"

// dueSoon is how long a deferred event waits in memory: what is due later goes
// to a delay tier.
const dueSoon = 10 * time.Second

// Step is how long each record of a delay tier sleeps there; 0 for the tiers
// that are no delay.
func (t Tier) Step() time.Duration {
	switch t {
	case Delay10s:
		return 10 * time.Second
	case Delay10m:
		return 10 * time.Minute
	case Delay6h:
		return 6 * time.Hour
	case Live, Held, Replay, Overflow, tiers:
	}
	return 0
}

// Delays tells whether the tier is one of the delay tiers.
func (t Tier) Delays() bool { return t.Step() > 0 }

// DelayFor tells which delay tier an event goes to that is due in left: the one
// with the longest step that is not longer. It reports false for an event that
// is due within ten seconds, or was: that one waits in memory.
func DelayFor(left time.Duration) (Tier, bool) {
	if left <= dueSoon {
		return Live, false
	}
	for t := Delay6h; t > Delay10s; t-- {
		if left >= t.Step() {
			return t, true
		}
	}
	return Delay10s, true
}

// sleepMost is how many records of a delay tier's shard are read ahead that
// sleep: the others may as well sleep in the log, but for those that wake soon.
const sleepMost = 64

// earlyMargin is how long a record is read before it wakes beside what the
// brokers may make a fetch wait.
const earlyMargin = 500 * time.Millisecond

// sleeps returns until when nothing more of a shard need be read, for so many of
// it sleep; zero when fewer do. What comes after them wakes no sooner than the
// last of them, and is read early enough: a fetch under way must end before the
// next one asks for a shard that was paused, and that one may wait as well. It
// runs under q.mu.
func (s *shard) sleeps(many int, fetchWait time.Duration) time.Time {
	if s.asleep < many {
		return time.Time{}
	}
	return time.Unix(0, s.wakes).Add(-2*fetchWait - earlyMargin)
}

// schedule says where an idle deferred lane waits: asleep until its record wakes,
// in memory until it is due, or on the delay tier that it has to move to. What
// is recalled, or due, waits for nothing. It runs under q.mu.
func (q *queue) schedule(l *lane) {
	s, e := l.shard, l.head.event
	if l.asleep {
		l.asleep = false
		s.asleep--
		q.stirred.ring()
	}
	if l.resumeAt > 0 {
		return
	}
	if e.Fault != nil || q.recall != nil && q.recall(q.workspace, e) && e.Fault != nil {
		return
	}
	now := time.Now()
	switch {
	case !e.Due.After(now):
	case s.id.Tier.Delays() && e.Wake.After(now):
		l.resumeAt = min(e.Wake.UnixNano(), e.Due.UnixNano())
		l.asleep = true
		s.asleep++
		s.wakes = max(s.wakes, l.resumeAt)
	default:
		if l.target = s.whole.delayFor(e.Due.Sub(now)); l.target == Live {
			l.resumeAt = e.Due.UnixNano()
		}
	}
}

// delayFor is the delay tier, of those that the stream has, where an event waits
// next that is due in left; Live when it waits in memory.
func (w *whole) delayFor(left time.Duration) Tier {
	t, far := DelayFor(left)
	if !far {
		return Live
	}
	for ; t >= Delay10s; t-- {
		if w.topics[t] != "" {
			return t
		}
	}
	return Live
}
