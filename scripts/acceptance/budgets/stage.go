package budgets

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"sluice/scripts/acceptance/rig"
)

// plan is what a check plays on.
type plan struct {
	workspaces []workspace
	partitions int               // of each stream
	latency    time.Duration     // of the destination
	lasts      time.Duration     // the backlog is for at least this long
	items      int               // events of an attempt at most; 1 when 0
	users      *rig.Lines        // 10,000 by the plain law of power 1.1 when nil
	settings   map[string]string // of each workspace, beside the above
}

// workspace is one destination with a budget, and one stream into it.
type workspace struct {
	name string
	rate int // requests a second
}

// stage is a plan brought to life: topics with a backlog, a simulator, and the
// members that were started. One goroutine at a time may use it.
type stage struct {
	plan
	rig     *rig.Rig
	kafka   *rig.Kafka
	config  rig.Config
	file    string // a written form of config, for commands
	sim     *rig.Simulator
	members []*rig.Member // all that were ever started, for their logs
	seen    []rig.Arrival
}

// stage makes topics and fills them.
func (s budgets) stage(ctx context.Context, p plan) (*stage, error) {
	kafka, err := s.rig.RelayedKafka(ctx)
	if err != nil {
		return nil, err
	}
	st := &stage{plan: p, rig: s.rig, kafka: kafka}
	if err := st.configure(ctx); err != nil {
		return nil, err
	}
	if err := st.topics(ctx); err != nil {
		return nil, err
	}
	return st, st.fill(ctx)
}

// topics makes the streams' topics. When several checks do so at once it may
// take a broker longer to hear of it than the command waits (done in part).
func (st *stage) topics(ctx context.Context) error {
	binary, err := st.rig.Sluice()
	if err != nil {
		return err
	}
	const partly, tries = 3, 3
	for range tries {
		_, err = rig.Command(ctx, st.rig.Dir, nil, binary, "topics", "apply", "-c", st.file)
		if rig.ExitCode(err) != partly {
			break
		}
	}
	return err
}

// configure starts the simulator and writes the members' common configuration.
// Topics become unique; workspaces keep their names, for the simulator and
// the group are this stage's own.
func (st *stage) configure(ctx context.Context) (err error) {
	names := make([]string, len(st.workspaces))
	for i, w := range st.workspaces {
		names[i] = w.name
	}
	if st.sim, err = st.rig.Simulate(ctx, names, "--latency", st.latency.String()); err != nil {
		return err
	}
	st.config = rig.Config{Brokers: st.kafka.Brokers, Group: st.rig.Name("group"), LogLevel: "debug"}
	for _, w := range st.workspaces {
		settings := map[string]string{
			"budget":          fmt.Sprintf("{requests: %d/s, events: unlimited}", w.rate),
			"max_batch_items": fmt.Sprint(max(1, st.items)),
		}
		maps.Copy(settings, st.settings)
		st.config.Workspaces = append(st.config.Workspaces, rig.Workspace{Name: w.name, BaseURL: st.sim.URL, Settings: settings})
		st.config.Streams = append(st.config.Streams, rig.Stream{Name: st.rig.Name(w.name), Workspace: w.name, Partitions: st.partitions})
	}
	st.file, err = st.config.Write(st.rig, "off", "off")
	return err
}

// fill produces each stream's backlog: nothing is consumed yet.
func (st *stage) fill(ctx context.Context) error {
	for i, w := range st.workspaces {
		lines := st.users
		if lines == nil {
			lines = rig.NewSkewed(10_000, uint64(11+i), 1.1)
		}
		n := int(st.lasts.Seconds()*float64(w.rate)) * max(1, st.items)
		file, err := st.rig.WriteLines(w.name, lines, n)
		if err != nil {
			return err
		}
		if _, err := st.rig.Produce(ctx, st.file, st.config.Streams[i].Name, file); err != nil {
			return err
		}
	}
	return nil
}

// start starts one member; instance may be empty. It is not waited for.
func (st *stage) start(instance string) (*rig.Member, error) {
	m, err := st.rig.Run(st.config, instance)
	if err == nil {
		st.members = append(st.members, m)
	}
	return m, err
}

// join starts one member for each instance name and waits until all of them
// are in the group together.
func (st *stage) join(ctx context.Context, instances ...string) error {
	for _, instance := range instances {
		if _, err := st.start(instance); err != nil {
			return err
		}
	}
	return st.joined(ctx)
}

// joined waits until every member that runs is in the group.
func (st *stage) joined(ctx context.Context) error {
	running := st.running()
	for _, m := range running {
		if err := m.Ready(ctx); err != nil {
			return err
		}
	}
	return st.kafka.AwaitJoined(ctx, st.config.Group, st.config.Streams[0].Name, len(running))
}

func (st *stage) running() []*rig.Member {
	return slices.DeleteFunc(slices.Clone(st.members), func(m *rig.Member) bool { return !m.Running() })
}

// flowing waits until a workspace is delivered to at its rate, which a group's
// first members are after their quarantine.
func (st *stage) flowing(ctx context.Context, w workspace) error {
	return rig.Await(ctx, 40*time.Second, w.name+" to flow at its rate", func(ctx context.Context) bool {
		now := time.Now()
		return st.update(ctx) == nil && st.accepted(w).Rate(now.Add(-2*time.Second), now) >= settledShare*float64(w.rate)
	})
}

// owner is the member that has most of a workspace's budget.
func (st *stage) owner(ctx context.Context, w workspace) (*rig.Member, error) {
	var best *rig.Member
	most, telling := 0.0, 0
	for _, m := range st.running() {
		share, ok := m.Share(ctx, w.name)
		if ok {
			telling++
		}
		if share > most {
			best, most = m, share
		}
	}
	if best == nil {
		return nil, fmt.Errorf("nobody owns %s: %d of %d members tell sluice_budget_share, and none has any", w.name, telling, len(st.running()))
	}
	return best, nil
}

// owners is how many members have a part of a workspace's budget, and the sum
// of their parts.
func (st *stage) owners(ctx context.Context, w workspace) (n int, sum float64) {
	for _, m := range st.running() {
		if share, ok := m.Share(ctx, w.name); ok && share > 0 {
			n, sum = n+1, sum+share
		}
	}
	return n, sum
}

// stop ends all members as an operator would; each must end by itself.
func (st *stage) stop() error {
	for _, m := range st.running() {
		if err := m.Stop(40 * time.Second); err != nil {
			return err
		}
	}
	return nil
}
