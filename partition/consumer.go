package partition

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"sluice/pipeline/event"
)

// Stream is a flow of events whose partitions are routed to workspaces.
type Stream struct {
	Name     string
	Topic    string    // of the live tier
	Held     string    // topic of the held tier; empty: the stream has none
	Replay   string    // topic of the replay tier; empty: the stream has none
	Overflow string    // topic of the overflow tier; empty: the stream has none
	Delays   [3]string // topics of the delay tiers, the shortest step first; empty: the stream has none
	// OrderByClass keeps the order of a key's events of one class only.
	OrderByClass bool
	Routes       []Route
}

// topic is that of a tier, empty when the stream does not have it.
func (s Stream) topic(t Tier) string {
	return [tiers]string{s.Topic, s.Held, s.Replay, s.Overflow, s.Delays[0], s.Delays[1], s.Delays[2]}[t]
}

// stage is one tier of a stream.
type stage struct {
	Stream
	tier Tier
}

// shard names one of its shards.
func (s stage) shard(partition int32) ShardID { return ShardID{s.Name, partition, s.tier} }

// stages are the tiers of streams by their topics.
func stages(streams []Stream) map[string]stage {
	all := make(map[string]stage, len(streams))
	for _, s := range streams {
		for t := range tiers {
			if topic := s.topic(t); topic != "" {
				all[topic] = stage{Stream: s, tier: t}
			}
		}
	}
	return all
}

// Route sends the partitions From..To, both included, to a workspace.
type Route struct {
	From, To  int32
	Workspace string
}

// workspace returns where a partition goes; "" when no route covers it.
func (s Stream) workspace(partition int32) string {
	for _, r := range s.Routes {
		if r.From <= partition && partition <= r.To {
			return r.Workspace
		}
	}
	return ""
}

// Options are what a Consumer is made of beside its Config.
type Options struct {
	Streams []Stream
	// Prepare fits an event to its workspace's destination. It is called on
	// intake, by one goroutine, for every record that has no fault yet.
	Prepare func(workspace string, e *event.Event)
	// Recall tells whether a deferred event is not wanted any more, and then sets
	// its Fault. It is asked when the event is read, when it wakes and when it is
	// due, under a lock: it must return at once and call nothing back. Nil wants
	// every event.
	Recall func(workspace string, e *event.Event) bool
	// Workspaces tell the balancer how much there is to do; see SetLoads.
	Workspaces []Load
	// Granted is told of every change of this member's part of a workspace. It
	// is called under a lock: it must return at once and call nothing back. Nil
	// for nobody.
	Granted func(Grant)
	Log     *zap.Logger
	Metrics prometheus.Registerer
}

// Consumer is this member of the group: it reads the shards that the group
// gives it into Lanes and commits what is settled.
type Consumer struct {
	cfg        Config
	opts       Options
	log        *zap.Logger
	byTopic    map[string]stage
	lease      *lease
	members    membership
	unfinished *unfinished
	lanes      *Lanes
	commits    *committer
	metrics    *metrics
	gate       gate
	loads      atomic.Pointer[[]Load]
	demand     *demand

	sessionMu sync.Mutex
	session   *session // of the client in use, guarded by sessionMu
}

// NewConsumer checks its arguments and starts nothing.
func NewConsumer(cfg Config, opts Options) (*Consumer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Consumer{
		cfg: cfg, opts: opts, log: opts.Log.Named("partition"), byTopic: stages(opts.Streams),
		lease: newLease(), metrics: newMetrics(opts.Metrics), unfinished: newUnfinished(),
	}
	var workspaces []string
	for _, s := range opts.Streams {
		for _, r := range s.Routes {
			workspaces = append(workspaces, r.Workspace)
		}
	}
	c.commits = &committer{
		cfg: cfg, log: c.log, lease: c.lease, members: &c.members, metrics: c.metrics, kick: make(chan struct{}, 1),
		fenced: c.replaced,
	}
	c.SetLoads(opts.Workspaces)
	c.lanes = newLanes(lanesConfig{
		workspaces: workspaces, streams: opts.Streams, lease: c.lease, length: cfg.Lease, commitNow: c.commits.now, granted: opts.Granted,
		recall: opts.Recall, shardRecords: cfg.ShardRecords,
	})
	c.commits.lanes = c.lanes
	c.demand = newDemand(c.lanes)
	c.gate = gate{cfg: cfg, lanes: c.lanes, portion: portion{most: int32(min(cfg.FetchBytes, 1<<30))}} //nolint:gosec // bounded
	c.metrics.watch(c.lanes)
	return c, nil
}

// Lanes is where the records in hand are.
func (c *Consumer) Lanes() *Lanes { return c.lanes }

// errEvicted ends a session whose member the group replaced behind its back.
var errEvicted = errors.New("the group forgot this member: everything is read anew")

// errFenced ends a member whose static identity another process has taken.
var errFenced = errors.New("another process has joined the group under this instance id: two members must not share one")

// errRejoin ends a session in good order to begin another.
var errRejoin = errors.New("an operator resumed a shard")

// Run is a member of the group until ctx ends. Then it takes nothing more,
// waits at most drain for the attempts in flight, commits, and leaves. It
// returns an error only when it cannot start.
func (c *Consumer) Run(ctx context.Context, drain time.Duration) error {
	defer c.lanes.stop()
	for {
		err := c.runSession(ctx, drain)
		if !errors.Is(err, errEvicted) && !errors.Is(err, errRejoin) {
			return err
		}
		c.log.Warn("joining the group anew", zap.Error(err))
	}
}

// session is one kgo client's life.
type session struct {
	ready   chan struct{} // closed once client is set
	client  *kgo.Client
	end     context.CancelCauseFunc
	topics  map[string]topicInfo // written and read by the client's callbacks
	adopted adoption             // of the generation; as topics
	cluster string
	surveys surveys
	scratch []event.Header // intake's
	polled  []*event.Event // intake's
}

func (c *Consumer) runSession(parent context.Context, drain time.Duration) error {
	ctx, end := context.WithCancelCause(parent)
	defer end(nil)
	s := &session{ready: make(chan struct{}), end: end, surveys: surveys{kick: make(chan struct{}, 1)}}
	if err := c.discover(ctx, s); err != nil || ctx.Err() != nil {
		return err
	}
	opts := append(c.cfg.watched(c.log), c.cfg.consumerOptions(c.topicNames())...)
	opts = append(opts,
		kgo.Balancers(newBalancer(balancerConfig{
			streams: c.opts.Streams, loads: func() []Load { return *c.loads.Load() }, reach: c.cfg.Reach,
			member: c.member, adopt: func(a adoption) { c.adopt(s, a) },
			adopted: func() int32 { _, generation := c.members.get(); return generation },
		})),
		kgo.OnPartitionsAssigned(func(ctx context.Context, cl *kgo.Client, m map[string][]int32) { c.assigned(ctx, cl, s, m) }),
		kgo.OnOffsetsFetched(func(ctx context.Context, cl *kgo.Client, r *kmsg.OffsetFetchResponse) error {
			return c.offsetsFetched(ctx, cl, s, r)
		}),
		kgo.OnPartitionsRevoked(c.revoked),
		kgo.OnPartitionsLost(c.lost),
		kgo.WithHooks(&c.metrics.fetched),
	)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("make Kafka client: %w", err)
	}
	s.client = cl
	c.gate.portion.begin(cl)
	close(s.ready)
	defer cl.CloseAllowingRebalance()
	c.setSession(s)
	defer c.setSession(nil)
	c.serve(ctx, s)
	if err := context.Cause(ctx); errors.Is(err, errEvicted) || errors.Is(err, errFenced) {
		c.closeAll()
		return err
	}
	c.handBack(s, drain)
	if parent.Err() != nil {
		c.leave(s)
	}
	if parent.Err() == nil {
		return context.Cause(ctx)
	}
	return nil
}

func (c *Consumer) setSession(s *session) {
	c.sessionMu.Lock()
	defer c.sessionMu.Unlock()
	c.session = s
}

func (c *Consumer) sessionNow() *session {
	c.sessionMu.Lock()
	defer c.sessionMu.Unlock()
	return c.session
}

func (c *Consumer) topicNames() []string { return slices.Sorted(maps.Keys(c.byTopic)) }

// serve runs intake, commits and the gate until ctx ends.
func (c *Consumer) serve(ctx context.Context, s *session) {
	var g errgroup.Group
	g.Go(func() error { c.poll(ctx, s); return nil })
	g.Go(func() error { c.commits.run(ctx, s.client); return nil })
	g.Go(func() error { c.gate.run(ctx, s.client); return nil })
	g.Go(func() error { c.demand.run(ctx); return nil })
	g.Go(func() error { c.surveyor(ctx, s); return nil })
	g.Go(func() error { c.unfinished.run(ctx, c.log, s.client.ForceRebalance); return nil })
	_ = g.Wait() // none of them fails
}

// topicPatience is how long a topic may be missing at the start: a broker hears
// of one that was just created a little later than the one that was asked.
const topicPatience = 10 * time.Second

// refusedRest is the wait after brokers refused us: somebody must act first, and
// users who keep trying a wrong password get locked out.
const refusedRest = 5 * time.Second

// discover waits for the cluster and checks that every topic is there. It uses
// a client of its own: the member's joins the group as soon as it exists.
func (c *Consumer) discover(ctx context.Context, s *session) error {
	cl, err := kgo.NewClient(c.cfg.options(c.log)...)
	if err != nil {
		return fmt.Errorf("make Kafka client: %w", err)
	}
	defer cl.Close()
	patience := time.Now().Add(topicPatience)
	for {
		asking, cancel := context.WithTimeout(ctx, 5*time.Second)
		s.topics, s.cluster, err = describe(asking, cl, c.topicNames())
		cancel()
		missing := c.missing(s.topics)
		rest := time.Second
		switch {
		case ctx.Err() != nil || err == nil && missing == nil:
			return nil
		case err != nil:
			lament(c.log, "Kafka gives no answer that helps; trying again", err, zap.Strings("brokers", c.cfg.Brokers))
			if what, _ := Diagnose(err); what != "" {
				rest = refusedRest
			}
		case time.Now().After(patience):
			return missing
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}

// missing names the streams whose topic is not among those described.
func (c *Consumer) missing(topics map[string]topicInfo) error {
	var faults []error
	for _, name := range c.topicNames() {
		if _, ok := topics[name]; !ok {
			faults = append(faults, fmt.Errorf("topic %q of stream %q does not exist: create it with `sluice topics apply`", name, c.byTopic[name].Name))
		}
	}
	return errors.Join(faults...)
}

// handBack gives everything back: attempts in flight may end, under a lease that
// is renewed meanwhile, then the watermarks are committed as released, so that
// the next owner may start at once.
func (c *Consumer) handBack(s *session, drain time.Duration) {
	shards := c.lanes.owned()
	renewing, done := context.WithCancel(context.Background())
	var renewal sync.WaitGroup
	renewal.Go(func() { c.commits.run(renewing, s.client) })
	drainAll(shards, drain)
	done()
	renewal.Wait()
	c.commits.release(context.Background(), s.client, shards)
	c.closeAll()
	c.lease.end()
}

// leaveTimeout bounds the request by which a static member leaves: without it
// the shards wait for the session to end.
const leaveTimeout = 2 * time.Second

// leave takes a static member out of the group, unless it is to come back: the
// client itself leaves only as a dynamic one.
func (c *Consumer) leave(s *session) {
	if c.cfg.Instance == "" || c.cfg.Remain {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	s.client.AllowRebalance()
	if err := s.client.LeaveGroupContext(ctx); err != nil { // it stops, and leaves nothing
		c.log.Warn("stop the group's client", zap.Error(err))
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = c.cfg.Group
	m := kmsg.NewLeaveGroupRequestMember()
	m.InstanceID = &c.cfg.Instance
	req.MemberID, _ = c.members.get()
	m.MemberID = req.MemberID
	req.Members = append(req.Members, m)
	resp, err := req.RequestWith(ctx, s.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	for i := 0; err == nil && i < len(resp.Members); i++ {
		err = kerr.ErrorForCode(resp.Members[i].ErrorCode)
	}
	if err != nil {
		c.log.Warn("leave the group; the shards wait for the session to end", zap.String("instance", c.cfg.Instance), zap.Error(err))
	}
}

// replaced ends this member: whoever has its static identity has its shards.
func (c *Consumer) replaced() {
	if s := c.sessionNow(); s != nil {
		s.end(errFenced)
	}
}

func (c *Consumer) closeAll() {
	for _, s := range c.lanes.owned() {
		c.lanes.close(s)
	}
}

func (c *Consumer) member() Member {
	return Member{Version: 1, Region: c.cfg.Region, Admin: c.cfg.AdminAddr, Demand: c.demand.of(*c.loads.Load()), Asked: c.unfinished.asks()}
}

// Joined tells whether the group has given this member an assignment, be it an
// empty one.
func (c *Consumer) Joined() bool {
	member, _ := c.members.get()
	return member != ""
}
