package partition

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"sluice/pipeline/event"
)

// Lanes holds every record in hand, by workspace, shard and key. Intake fills
// it, one dispatcher a workspace takes from it, attempts finish what was taken.
// It is safe for concurrent use; workspaces share no lock.
type Lanes struct {
	lease   *lease
	queues  map[string]*queue // fixed once made
	length  time.Duration     // of a lease, ours or another member's
	streams map[string]Stream // by name
	stirred bell              // for the gate: what it derives from has changed

	mu      sync.Mutex
	tallies map[ShardID]*Tally // guarded by mu; each Tally by its queue's mutex
	memory  map[ShardID]memory // guarded by mu
}

// memory is what an earlier assignment in this process settled.
type memory struct {
	topicID [16]byte
	win     window
}

// lanesConfig is what Lanes are made of.
type lanesConfig struct {
	workspaces []string
	streams    []Stream
	lease      *lease
	length     time.Duration // of a lease, this member's or another's
	commitNow  func()        // asks the committer not to wait for its period
	granted    func(Grant)   // Options.Granted
	// recall is Options.Recall.
	recall       func(workspace string, e *event.Event) bool
	shardRecords int  // Config.ShardRecords; 0: its default
	stirred      bell // newLanes makes it
}

func newLanes(cfg lanesConfig) *Lanes {
	cfg.stirred = make(bell, 1)
	lanes := &Lanes{
		lease: cfg.lease, length: cfg.length, stirred: cfg.stirred,
		queues: map[string]*queue{}, tallies: map[ShardID]*Tally{}, memory: map[ShardID]memory{}, streams: map[string]Stream{},
	}
	for _, s := range cfg.streams {
		lanes.streams[s.Name] = s
	}
	for _, name := range cfg.workspaces {
		lanes.queues[name] = newQueue(name, cfg)
	}
	return lanes
}

// Ready receives a value when something of the workspace may be taken. A value
// may be stale: Take may still return an empty batch.
func (l *Lanes) Ready(workspace string) <-chan struct{} { return l.queues[workspace].ready }

// Take returns what may be sent now, at most limit: nothing when no lane is
// ready or when this member's lease has ended. Everything taken must be given
// to Finish, whatever becomes of it.
func (l *Lanes) Take(workspace string, limit Limit) Batch {
	q := l.queues[workspace]
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.take(&limit, time.Now())
}

// Finish gives picks of one batch the same outcome. A lane is free for its next
// run when every pick of its run has one. A pick of an assignment that is over
// settles nothing, but frees its key.
func (*Lanes) Finish(picks []Pick, o Outcome) {
	if len(picks) == 0 {
		return
	}
	q := picks[0].lane.shard.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range picks {
		q.finish(p, o)
	}
	q.stirred.ring()
}

// Recycle takes back a batch that Take made, once it is over: every pick has
// been given to Finish, or to somebody who keeps a copy of it and will. It is
// optional, and saves the next batch its memory.
func (l *Lanes) Recycle(workspace string, b Batch) {
	q := l.queues[workspace]
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare.put(b)
}

// Block tells the gate whether the workspace takes nothing for now: while it is
// blocked and has something in hand to probe with, its shards, and no others,
// are not fetched. Hungry lets a little through, for what is in hand is no good
// to probe with: until something came.
func (l *Lanes) Block(workspace string, blocked, hungry bool) {
	q := l.queues[workspace]
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.blocked == blocked && q.hungry == hungry {
		return
	}
	if q.blocked && !blocked {
		q.unblocked = time.Now()
	}
	q.blocked, q.hungry = blocked, hungry
	q.stirred.ring()
}

// Classes says which classes a workspace has, by number: the first is the
// default one. Of more than 64 the rest counts as default, as does an event
// whose number there is no class for. It may be called at any time: what is in
// hand stays in the class of its class's name, and its number in Event.Lot
// changes with it before it is next taken. What a class has had so far counts on
// under its name. It may wait for a take, and takes as long as it takes to sort
// what is ready. New rules are used after it only: a number that the lanes have
// not heard of is the default class's for good.
func (l *Lanes) Classes(workspace string, classes []Class) {
	q := l.queues[workspace]
	q.mu.Lock()
	defer q.mu.Unlock()
	q.classify(classes)
	if q.rota.any() { // what was shut may not be so any more
		q.signal()
	}
}

// InHand is the number of records of a workspace in hand, and of them in attempts.
func (l *Lanes) InHand(workspace string) (records, flying int) {
	q := l.queues[workspace]
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.shards {
		records += s.records
		flying += s.flying
	}
	return records, flying
}

// Tallies returns the balance of every shard this process has held, in order.
func (l *Lanes) Tallies() []Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range l.queues {
		q.mu.Lock()
		defer q.mu.Unlock()
	}
	all := make([]Tally, 0, len(l.tallies))
	for _, t := range l.tallies {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Tally) int { return compareShards(a.Shard, b.Shard) })
	return all
}

// open starts a new assignment of a shard; it is not taken from before load.
func (l *Lanes) open(id ShardID, t topicInfo, workspace string) *shard {
	q := l.queues[workspace]
	l.mu.Lock()
	tally := l.tallies[id]
	if tally == nil {
		tally = &Tally{Shard: id}
		l.tallies[id] = tally
	}
	l.mu.Unlock()
	s := &shard{
		id: id, topic: t.name, topicID: t.id, partitions: t.partitions,
		queue: q, tally: tally, win: newWindow(0), lanes: map[uint64]*lane{},
		stagger: rand.N(staggerMost),
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shards[id] = s
	s.whole = q.wholeOf(id, t.name, l.streams[id.Stream])
	if id.Tier != Live && s.whole.owned[id.Tier] == nil {
		q.tiered++
	}
	s.whole.owned[id.Tier] = s
	q.stirred.ring()
	return s
}

// load tells an open shard where it stands: w is what the group committed, and
// released whether the owner before had stopped by then. What this process
// settled in an earlier assignment and could not commit is added.
func (l *Lanes) load(s *shard, w window, released bool) {
	l.mu.Lock()
	known, remembered := l.memory[s.id]
	delete(l.memory, s.id)
	l.mu.Unlock()
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	if s.phase != loading {
		return
	}
	if remembered && known.topicID == s.topicID {
		w.merge(&known.win)
	}
	s.win = w
	s.loaded = true
	s.load(released, time.Now(), l.length)
	s.dirty = true
}

// claimed notes that the group took our claim. The shard is open to Take at
// once, or when its quarantine is over.
func (s *shard) claimed() {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	now := time.Now()
	s.enter(func(c *claim) { c.accepted(now) })
	if s.phase == quarantined && s.opens == nil {
		s.opens = time.AfterFunc(s.eligible.Sub(now), s.pass)
		return
	}
	s.open()
}

// pass ends the quarantine.
func (s *shard) pass() {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	now := time.Now()
	s.enter(func(c *claim) { c.pass(now) })
	s.open()
}

// open lets an active shard's lanes be taken from. It runs under the queue's mutex.
func (s *shard) open() {
	for line := range s.lines.all() {
		s.queue.rota.add(line)
	}
	s.queue.list(s)
	if s.queue.rota.any() {
		s.queue.signal()
	}
}

// halt stops taking from a shard at once.
func (s *shard) halt() {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	s.enter((*claim).drain)
	s.queue.stirred.ring()
}

// drain stops taking from a shard and waits until nothing of it is in an
// attempt, at most until the deadline; it reports whether that was reached.
func (s *shard) drain(deadline time.Time) bool {
	q := s.queue
	wake := time.AfterFunc(time.Until(deadline), func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.drained.Broadcast()
	})
	defer wake.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	s.enter((*claim).drain)
	for s.flying > 0 && time.Now().Before(deadline) {
		q.drained.Wait()
	}
	if s.flying > 0 { // the next owner will not wait for it
		q.cut()
	}
	return s.flying == 0
}

// close ends an assignment: what is in hand goes back to the group, what is in
// an attempt settles nothing any more, and its keys stay busy in this process
// until the attempt ends. What was settled is remembered in case the shard
// comes back before anybody could commit it.
func (l *Lanes) close(s *shard) {
	q := s.queue
	q.mu.Lock()
	if s.phase == closed {
		q.mu.Unlock()
		return
	}
	loaded := s.loaded
	s.enter(func(c *claim) { c.phase = closed })
	if s.opens != nil {
		s.opens.Stop()
	}
	s.tally.HandedBack += int64(s.records)
	s.tally.InHand -= int64(s.records)
	q.records -= s.records
	s.records, s.bytes = 0, 0
	for _, ln := range s.lanes {
		if ln.unsettled > 0 {
			q.lingering[lingerKey{s.id, ln.hash}] += ln.unsettled
		}
	}
	if q.shards[s.id] == s {
		delete(q.shards, s.id)
		s.whole.owned[s.id.Tier] = nil
		if s.id.Tier != Live {
			q.tiered--
		}
	}
	for _, ln := range s.barriers {
		q.end(ln)
	}
	win := s.win
	s.win, s.leaving = window{}, ring[*lane]{}
	s.lanes, s.lines, s.classed, s.barriers, s.captured = nil, nil, nil, nil, captured{}
	q.unblockAll(s.whole)
	q.stirred.ring()
	q.mu.Unlock()
	if loaded {
		l.mu.Lock()
		l.memory[s.id] = memory{topicID: s.topicID, win: win}
		l.mu.Unlock()
	}
}

// find returns the present assignment of a shard, nil when it is not ours.
func (l *Lanes) find(workspace string, id ShardID) *shard {
	q := l.queues[workspace]
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shards[id]
}

// owned returns every shard assigned to this member.
func (l *Lanes) owned() []*shard {
	var all []*shard
	for _, q := range l.queues {
		q.mu.Lock()
		for _, s := range q.shards {
			all = append(all, s)
		}
		q.mu.Unlock()
	}
	return all
}

// stop ends what would go on by itself.
func (l *Lanes) stop() {
	l.lease.close()
	for _, q := range l.queues {
		q.stop()
	}
}

// add hands a poll's records of one shard, whose log ended there, to its lanes.
func (s *shard) add(events []*event.Event, misplaced, end int64) {
	q := s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	s.end = end
	s.tally.Misplaced += misplaced
	switch s.phase {
	case claiming, quarantined, active:
		q.add(s, events)
		q.stirred.ring()
	case loading, draining, closed: // not taken in: read again by whoever owns the shard next
		for _, e := range events {
			q.events.Put(e)
		}
	}
}
