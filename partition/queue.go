package partition

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"sluice/pipeline/event"
)

// queue holds one workspace's records in hand: its shards and their lanes. The
// mutex guards everything below it, the shards included; it is never held
// across I/O or a wait.
type queue struct {
	workspace string
	lease     *lease
	seed      maphash.Seed
	events    *sync.Pool                                  // of *event.Event
	ready     chan struct{}                               // capacity 1: something may be taken
	commitNow func()                                      // asks the committer not to wait for its period
	granted   func(Grant)                                 // under mu, so it must return at once; may be nil
	stay      atomic.Pointer[stay]                        // of the attempts that begin now; stored under mu
	byClass   map[string]bool                             // streams whose order is by class
	recall    func(workspace string, e *event.Event) bool // Options.Recall
	roomy     int                                         // records of one class in hand of a shard that do not crowd it
	drained   *sync.Cond                                  // a draining shard has nothing in attempts any more
	stirred   bell                                        // for the gate: what it derives from has changed

	mu         sync.Mutex
	shards     map[ShardID]*shard
	wholes     map[ShardID]*whole // by the live tier's name
	tiered     int                // shards of other tiers than the live one
	rota       rota               // lines with ready lanes
	eras       [][]uint8          // of classes' numbers: those of an era that is over, as they are now
	waiting    heap[int64, *lane] // lanes in back-off, by time (unix ns)
	timer      *time.Timer        // fires when the first of waiting is due
	timerAt    int64
	leavers    ring[*shard] // those that have lanes that leave
	crowds     []*shard     // those that have much of a class in hand
	aside      []*lane      // idle, their head's operation is one of shutBefore
	shutBefore uint64       // Limit.Shut of the last take
	// lingering counts the records of a key that are still in an attempt of an
	// earlier assignment: the same key of the new one waits for them.
	lingering map[lingerKey]int
	blocked   bool      // the pipeline wants nothing: the gate pauses the shards
	hungry    bool      // but for a little: it is to probe with
	unblocked time.Time // when it last wanted something again
	usable    int       // shards that may be taken from
	counts    counting  // of this generation; nil: none yet
	part      Grant     // as it was told last
	records   int       // in hand
	settled   int64     // so far, in this process
	items     freelist[item]
	lanes     freelist[lane]
	spare     spares
}

type lingerKey struct {
	shard ShardID
	hash  uint64
}

func newQueue(workspace string, cfg lanesConfig) *queue {
	q := &queue{
		workspace: workspace, lease: cfg.lease, commitNow: cfg.commitNow, granted: cfg.granted,
		seed:      maphash.MakeSeed(),
		events:    &sync.Pool{New: func() any { return new(event.Event) }},
		ready:     make(chan struct{}, 1),
		shards:    map[ShardID]*shard{},
		wholes:    map[ShardID]*whole{},
		lingering: map[lingerKey]int{},
		byClass:   map[string]bool{},
		recall:    cfg.recall, roomy: roomyOf(cfg.shardRecords), stirred: cfg.stirred,
	}
	for _, s := range cfg.streams {
		if s.OrderByClass {
			q.byClass[s.Name] = true
		}
	}
	q.rota.Turns = *NewTurns(nil)
	q.rota.classes = q.flows()
	q.drained = sync.NewCond(&q.mu)
	return q
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// hash names a key's lane. Two keys with one hash would share a lane, which
// costs them speed and nothing else.
func (q *queue) hash(key []byte) uint64 { return maphash.Bytes(q.seed, key) }

// add takes a poll's records of one shard into hand. It runs under q.mu.
func (q *queue) add(s *shard, events []*event.Event) {
	for _, e := range events {
		if !s.win.see(e.Source.Offset) {
			q.events.Put(e)
			continue
		}
		var hash uint64
		if e.Key != nil {
			hash = s.laneOf(e.Key, e.Lot)
		}
		q.hungry = false
		s.read(e, hash)
		l := s.append(e, hash)
		if l == nil {
			continue
		}
		if !e.NotBefore.IsZero() {
			l.resumeAt = e.NotBefore.UnixNano()
		}
		if l.keyed && q.lingering[lingerKey{s.id, hash}] > 0 {
			l.blocked = true
			continue
		}
		q.enqueue(l)
	}
	s.dirty = true // gaps may have moved the watermark
	if q.rota.any() {
		q.signal()
	}
}

// enqueue puts an idle lane where it can be taken from, now or later.
func (q *queue) enqueue(l *lane) {
	if l.deferred {
		q.schedule(l)
	}
	if l.resumeAt > 0 {
		q.waiting.push(l.resumeAt, l)
		q.arm()
		return
	}
	if l.target != Live || len(l.shard.spills) > 0 && q.spills(l) {
		q.leaves(l)
		return
	}
	q.line(l)
}

// line puts an idle lane among those of its class.
func (q *queue) line(l *lane) {
	at := l.line()
	at.ready.push(l.head.event.Source.Offset, l)
	q.rota.add(at)
}

// promote moves lanes whose back-off is over to their shards' ready heaps.
func (q *queue) promote(now time.Time) {
	for q.waiting.len() > 0 && q.waiting.min().key <= now.UnixNano() {
		l := q.waiting.pop()
		if l.shard.phase == closed {
			q.lanes.put(l)
			continue
		}
		l.resumeAt = 0
		q.enqueue(l)
	}
	q.arm()
}

// arm sets the timer to the first lane in back-off.
func (q *queue) arm() {
	if q.waiting.len() == 0 {
		return
	}
	due := q.waiting.min().key
	if q.timer == nil {
		q.timer = time.AfterFunc(time.Until(time.Unix(0, due)), q.due)
		q.timerAt = due
		return
	}
	if q.timerAt == 0 || due < q.timerAt {
		q.timer.Reset(time.Until(time.Unix(0, due)))
		q.timerAt = due
	}
}

func (q *queue) due() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.timerAt = 0
	q.promote(time.Now())
	if q.rota.any() {
		q.signal()
	}
}

// stop ends the timer.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timer != nil {
		q.timer.Stop()
	}
}

// finish gives one pick its outcome. It runs under q.mu.
func (q *queue) finish(p Pick, o Outcome) {
	l, s := p.lane, p.lane.shard
	s.flying--
	l.unsettled--
	if s.phase == closed {
		if l.unsettled == 0 {
			q.end(l)
		}
		q.letGo(l, p)
		return
	}
	if p.target == Overflow && !p.copied {
		s.bound--
	}
	if o.Kind == Retry {
		q.putBack(p, o)
	} else {
		if by := p.captor(o); by != nil {
			by.moved(l, p.Event.Source.Offset, o.Offset, cost(p.Event))
		}
		s.settle(p.item, o.Kind)
		if l.barrier = l.barrier || p.Event.Barrier; p.Event.Barrier && o.Kind == Delivered && s.id.Tier != Replay {
			s.whole.undo(p.Event)
		}
	}
	if l.unsettled == 0 {
		q.free(l)
	}
	if s.phase == draining && s.flying == 0 {
		q.drained.Broadcast()
	}
}

func (*queue) putBack(p Pick, o Outcome) {
	l := p.lane
	if o.Counted {
		l.shard.win.fail(p.Event.Source.Offset, time.Now())
		l.shard.dirty = true
	}
	p.item.mark = o.Mark
	if !o.At.IsZero() {
		l.resumeAt = max(l.resumeAt, o.At.UnixNano())
	}
	l.narrow = o.Narrow
}

// free ends a lane's run: settled records leave it, and it waits for its
// commit, its back-off or its turn, or goes when it is empty.
func (q *queue) free(l *lane) {
	s := l.shard
	kept := &l.head
	for n := l.taken; n > 0; n-- {
		it := *kept
		if !it.settled {
			kept = &it.next
			continue
		}
		*kept = it.next
		q.events.Put(it.event)
		q.items.put(it)
	}
	l.taken = 0
	l.fixTail()
	if l.barrier {
		l.barrier, l.committing = false, true
		s.barriers = append(s.barriers, l)
		q.commitNow()
		return
	}
	q.reenter(l)
}

// reenter queues an idle lane again, or lets it go when it is empty.
func (q *queue) reenter(l *lane) {
	s, hash, keyed := l.shard, l.hash, l.keyed
	l.committing = false
	q.end(l)
	if l.head == nil {
		if keyed {
			delete(s.lanes, hash)
			s.release(hash)
		} else if l.deferred && s.lanes[hash] == nil { // it may have captured its user before it was
			s.release(hash)
		}
		q.lanes.put(l)
	} else {
		q.enqueue(l)
		if q.rota.any() {
			q.signal()
		}
	}
	if keyed && (len(s.whole.waiters) > 0 || q.tiered > 0 && (s.id.Tier != Live || s.whole.elsewhere())) {
		q.unblock(s.whole, hash, s)
	}
}

// fixTail finds the tail after records left from the head on.
func (l *lane) fixTail() {
	if l.head == nil {
		l.tail = nil
	} else if l.tail == nil || l.tail.event == nil {
		for l.tail = l.head; l.tail.next != nil; {
			l.tail = l.tail.next
		}
	}
}

// lingers counts a shard's records that are in attempts of earlier assignments.
func (q *queue) lingers(id ShardID) int {
	n := 0
	for key, records := range q.lingering {
		if key.shard == id {
			n += records
		}
	}
	return n
}

// letGo ends a pick of an assignment that is over: it settles nothing, and
// frees its key for the assignment that came after.
func (q *queue) letGo(l *lane, p Pick) {
	q.events.Put(p.Event)
	if !l.keyed {
		return
	}
	key := lingerKey{l.shard.id, l.hash}
	if q.lingering[key]--; q.lingering[key] > 0 {
		return
	}
	delete(q.lingering, key)
	q.unblock(l.shard.whole, l.hash, nil)
}
