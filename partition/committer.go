package partition

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// commitTimeout bounds one commit: past it the lease runs on and the next
// commit tries again.
const commitTimeout = 2 * time.Second

// membership is the generation whose assignment we act on. A commit carries it,
// so the broker refuses us once the group has moved on.
type membership struct {
	mu         sync.Mutex
	member     string
	generation int32
}

func (m *membership) get() (string, int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.member, m.generation
}

// adopt notes a new generation.
func (m *membership) adopt(member string, generation int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.member, m.generation = member, generation
}

// first tells whether the group is in its first generation: nobody can have
// been a member before us.
func (m *membership) first() bool {
	_, generation := m.get()
	return generation <= 1
}

// note is one shard's part of a commit, as it stood when the commit was built.
type note struct {
	shard    *shard
	offset   int64
	metadata string
	barriers []*lane
	claim    bool
}

// snapshot describes a shard for a commit; it runs under the queue's mutex.
func (s *shard) snapshot(released bool) note {
	n := note{
		shard: s, offset: s.win.base, metadata: encodeMetadata(&s.win, released),
		barriers: s.barriers, claim: s.phase == claiming,
	}
	s.barriers = nil
	s.dirty = false
	return n
}

// committed tells a shard what became of its part of a commit.
func (n note) committed(accepted bool) {
	s := n.shard
	s.queue.mu.Lock()
	if s.phase == closed {
		for _, l := range n.barriers {
			s.queue.end(l)
		}
		s.queue.mu.Unlock()
		return
	}
	if !accepted {
		s.dirty = true
		s.barriers = append(n.barriers, s.barriers...)
		s.queue.mu.Unlock()
		return
	}
	for _, l := range n.barriers {
		s.queue.reenter(l)
	}
	s.queue.mu.Unlock()
	if n.claim {
		s.claimed()
	}
}

// committer is the only one that commits: one request in flight, so that a late
// one can neither rewind a watermark nor take a release back.
type committer struct {
	cfg     Config
	log     *zap.Logger
	lanes   *Lanes
	lease   *lease
	members *membership
	metrics *metrics
	kick    chan struct{} // capacity 1: a claim or a barrier waits
	fenced  func()        // another process has taken this member's static identity

	revoking atomic.Int32 // callbacks under way: a commit renews nothing meanwhile
	mu       sync.Mutex   // held during a commit
}

// now asks for a commit without waiting for the period.
func (c *committer) now() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// run commits until ctx ends.
func (c *committer) run(ctx context.Context, cl *kgo.Client) {
	tick := time.NewTicker(c.cfg.CommitEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.kick:
		}
		c.commit(ctx, cl)
	}
}

// commit sends what changed, and always at least one shard: an accepted commit
// renews the lease.
func (c *committer) commit(ctx context.Context, cl *kgo.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if notes := c.collect(); len(notes) > 0 {
		c.finish(notes, c.send(ctx, cl, notes, true))
	}
}

// commitOne commits one shard now and tells whether it was accepted.
func (c *committer) commitOne(ctx context.Context, cl *kgo.Client, s *shard) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.queue.mu.Lock()
	notes := []note{s.snapshot(false)}
	s.queue.mu.Unlock()
	err := c.send(ctx, cl, notes, true)
	c.finish(notes, err)
	return err
}

// releaseAgain is how soon a release that was refused is tried again.
const releaseAgain = 20 * time.Millisecond

// release commits shards that were revoked, for a new owner to start at once
// where nothing of ours is under way any more. Between a rebalance's join
// and its sync the group refuses the generation that we act on for a moment, so
// a refusal is tried again for a bounded time: what is not committed here is
// delivered twice.
func (c *committer) release(ctx context.Context, cl *kgo.Client, shards []*shard) {
	for patience := time.Now().Add(c.cfg.Drain); ; {
		err := c.releaseOnce(ctx, cl, shards)
		if err == nil || gone(err) || time.Now().After(patience) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(releaseAgain):
		}
	}
}

func (c *committer) releaseOnce(ctx context.Context, cl *kgo.Client, shards []*shard) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var notes []note
	for _, s := range shards {
		s.queue.mu.Lock()
		if s.phase == draining && s.loaded {
			notes = append(notes, s.snapshot(s.releases(time.Now(), s.flying+s.queue.lingers(s.id))))
		}
		s.queue.mu.Unlock()
	}
	if len(notes) == 0 {
		return nil
	}
	err := c.send(ctx, cl, notes, false)
	c.finish(notes, err)
	return err
}

// gone tells whether the group has given this member up for good.
func gone(err error) bool {
	return errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.FencedInstanceID)
}

// collect gathers the shards to commit.
func (c *committer) collect() []note {
	var notes []note
	var spare *shard
	for _, q := range c.lanes.queues {
		q.mu.Lock()
		for _, s := range q.shards {
			switch {
			case !s.loaded:
			case s.dirty || len(s.barriers) > 0:
				notes = append(notes, s.snapshot(false))
			default:
				spare = s
			}
		}
		q.mu.Unlock()
	}
	if len(notes) == 0 && spare != nil {
		spare.queue.mu.Lock()
		if spare.phase != closed {
			notes = append(notes, spare.snapshot(false))
		}
		spare.queue.mu.Unlock()
	}
	return notes
}

// send makes one request; renew is false inside a revoke, which renews nothing.
func (c *committer) send(ctx context.Context, cl *kgo.Client, notes []note, renew bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	sent := time.Now()
	renew = renew && c.revoking.Load() == 0
	resp, err := c.request(notes).RequestWith(ctx, cl)
	if err == nil {
		err = commitError(resp)
	}
	c.metrics.commit(time.Since(sent), err)
	if err != nil {
		return err
	}
	if renew && c.revoking.Load() == 0 && c.renew(sent) {
		for _, q := range c.lanes.queues {
			q.signal()
		}
	}
	return nil
}

// renew extends the lease and tells whether it had ended before.
func (c *committer) renew(sent time.Time) bool {
	now := time.Now()
	ended := !c.lease.valid(now)
	c.lease.renew(sent, c.cfg.Lease)
	c.lease.extend(now)
	return ended
}

// finish tells the shards, and ends the lease when the group has given us up.
func (c *committer) finish(notes []note, err error) {
	if err != nil {
		if gone(err) {
			c.lease.end()
		}
		if errors.Is(err, kerr.FencedInstanceID) {
			c.fenced()
		}
		lament(c.log, "commit not accepted", err, zap.Int("shards", len(notes)))
	}
	for _, n := range notes {
		n.committed(err == nil)
	}
}

func (c *committer) request(notes []note) *kmsg.OffsetCommitRequest {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group = c.cfg.Group
	r.MemberID, r.Generation = c.members.get()
	if c.cfg.Instance != "" {
		r.InstanceID = &c.cfg.Instance
	}
	byTopic := map[string]int{}
	for _, n := range notes {
		i, seen := byTopic[n.shard.topic]
		if !seen {
			i = len(r.Topics)
			byTopic[n.shard.topic] = i
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic, t.TopicID = n.shard.topic, n.shard.topicID
			r.Topics = append(r.Topics, t)
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.Metadata = n.shard.id.Partition, n.offset, &n.metadata
		r.Topics[i].Partitions = append(r.Topics[i].Partitions, p)
	}
	return r
}

// commitError is the first fault that the broker names; none means accepted.
func commitError(resp *kmsg.OffsetCommitResponse) error {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("commit %s/%d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}
