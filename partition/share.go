package partition

import "time"

// Grant is the part of a workspace that is this member's: it may use that part
// of the workspace's rate and no more. Of Total shards a shard counts for one
// member at a time, so over all members the parts never add up to more than 1.
type Grant struct {
	Workspace string
	Owned     int // shards that may be taken from here
	Total     int // shards of the workspace, over all its streams
}

// Load is what the balancer must know of a workspace.
type Load struct {
	Workspace string
	Region    string  // members of the same region are preferred
	Rate      float64 // attempts a second; 0: unlimited
}

// SetLoads replaces Options.Workspaces. It counts from the next rebalance on
// that this member leads.
func (c *Consumer) SetLoads(loads []Load) { c.loads.Store(&loads) }

// Share is what Options.Granted was told last of a workspace.
func (l *Lanes) Share(workspace string) Grant {
	q := l.queues[workspace]
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.part
}

// Leased tells whether this member may send, by both clocks.
func (l *Lanes) Leased() bool { return l.lease.valid(time.Now()) }

// counting is a generation's way to count a workspace's shards: of so many that
// may be taken from here, how many count, and out of how many.
type counting func(workspace string, usable int) (owned, total int)

// count changes to another generation's counting.
func (l *Lanes) count(by counting) {
	for _, q := range l.queues {
		q.mu.Lock()
		q.counts = by
		q.grant()
		q.mu.Unlock()
	}
}

// grant tells the pipeline when its part has changed. It runs under q.mu.
func (q *queue) grant() {
	if q.counts == nil {
		return
	}
	owned, total := q.counts(q.workspace, q.usable)
	part := Grant{Workspace: q.workspace, Owned: owned, Total: max(owned, total)}
	if part == q.part {
		return
	}
	q.part = part
	if q.granted != nil {
		q.granted(part)
	}
}

// enter moves a shard on and keeps the share up to date. It runs under q.mu.
func (s *shard) enter(step func(*claim)) {
	was := s.phase == active
	step(&s.claim)
	if is := s.phase == active; is != was && s.id.Tier == Live { // a shard counts once
		if is {
			s.queue.usable++
		} else {
			s.queue.usable--
		}
		s.queue.grant()
	}
}

// staggerMost bounds how long after its workspace came back a shard is fetched
// again: what is in hand feeds the restart, so that a fleet need not fetch at once.
const staggerMost = time.Second
