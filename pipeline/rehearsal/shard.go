package rehearsal

import (
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// item is one event under way.
type item struct {
	event    *event.Event
	number   int
	shard    *shard
	next     *item // in its lane
	lot      uint8
	judged   bool
	deferred bool
	due      time.Time // zero: at once
	closes   time.Time
}

// alone tells whether an event travels alone.
func (it *item) alone() bool { return it.event.Solo }

// lane is the queue of one key in one shard.
type lane struct {
	shard      *shard
	key        string // empty: of one event alone
	head, tail *item
}

// shard is one partition of the stream, in the hand of its member.
type shard struct {
	member    *member
	partition int32
	unread    []*item
	lanes     map[string]*lane // by key
	lines     []*line          // by class; nil where it has had nothing yet
	inHand    []int            // events by class
	hand      int              // of them those that keep others from being read
}

// crowd is what of one class a shard has in hand at most before more of it goes
// to the overflow: an eighth of the hand, and at least 64. A class with a rate
// of its own keeps nobody from being read beyond that.
func (s *shard) crowd() int { return max(64, s.member.play.cfg.Hand/8) }

// count adds n events of a class to the hand.
func (s *shard) count(lot uint8, n int) {
	weight := func() int {
		if s.member.rota.Limited(lot) {
			return min(s.inHand[lot], s.crowd())
		}
		return s.inHand[lot]
	}
	before := weight()
	s.inHand[lot] += n
	s.hand += weight() - before
}

// read judges what has come until the hand is full.
func (s *shard) read() {
	p := s.member.play
	n := 0
	for ; n < len(s.unread) && s.hand < p.cfg.Hand; n++ {
		it := s.unread[n]
		it.shard = s
		s.unread[n] = nil
		switch {
		case !p.judge(it):
		case it.due.After(p.now):
			p.postpone(it)
		default:
			s.add(it)
		}
	}
	s.unread = s.unread[n:]
}

// add puts an event into its lane. One that was deferred has left its user's
// order, and one without a user has none: each has a lane of its own.
func (s *shard) add(it *item) {
	s.member.fresh = true
	it.next = nil
	s.count(it.lot, 1)
	if it.deferred || it.event.Key == nil {
		s.member.enqueue(&lane{shard: s, head: it, tail: it})
		return
	}
	key := string(it.event.Key)
	if s.member.play.cfg.OrderByClass {
		key = string(rune(it.lot)) + key
	}
	if l, ok := s.lanes[key]; ok {
		l.tail.next = it
		l.tail = it
		return
	}
	l := &lane{shard: s, key: key, head: it, tail: it}
	s.lanes[key] = l
	s.member.enqueue(l)
}

// line is where ready lanes wait whose head is of a class.
func (s *shard) line(class uint8) *line {
	if s.lines[class] == nil {
		s.lines[class] = &line{class: class}
	}
	return s.lines[class]
}

// release lets a lane go on after an attempt, or ends it.
func (l *lane) release() {
	switch {
	case l.head != nil:
		l.shard.member.enqueue(l)
	case l.key != "":
		delete(l.shard.lanes, l.key)
	}
}

// far tells whether what is due in left has to wait on a delay topic.
func far(left time.Duration) bool {
	_, is := partition.DelayFor(left)
	return is
}
