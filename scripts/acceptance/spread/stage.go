package spread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

const (
	workspace  = "shop"
	partitions = 12
)

// stage is one stream into one workspace that has rules. One goroutine at a time
// may use it.
type stage struct {
	spread
	kafka   *rig.Kafka
	config  rig.Config
	file    string // a written form of config, for commands
	stream  string
	sim     *rig.Simulator
	members []*rig.Member // all that were ever started
	seen    []rig.Arrival
}

// stage starts a simulator, makes the topics and starts so many members.
func (s spread) stage(ctx context.Context, members int, settings map[string]string) (*stage, error) {
	kafka, err := s.rig.Kafka(ctx, 1)
	if err != nil {
		return nil, err
	}
	st := &stage{spread: s, kafka: kafka, stream: s.rig.Name("events")}
	if st.sim, err = s.rig.Simulate(ctx, []string{workspace}, "--latency", "10ms"); err != nil {
		return nil, err
	}
	st.config = rig.Config{
		Brokers: kafka.Brokers, Group: s.rig.Name("group"),
		Workspaces: []rig.Workspace{{Name: workspace, BaseURL: st.sim.URL, Settings: settings}},
		Streams: []rig.Stream{{
			Name: st.stream, Workspace: workspace, Partitions: partitions, Copies: 1, Settings: map[string]string{"deferral": "true"},
		}},
	}
	if err := st.apply(ctx); err != nil {
		return nil, err
	}
	return st, st.start(ctx, members)
}

// apply writes the configuration for commands and makes the topics.
func (st *stage) apply(ctx context.Context) (err error) {
	if st.file, err = st.config.Write(st.rig, "off", "off"); err != nil {
		return err
	}
	o, err := st.rig.Try(ctx, "topics", "apply", "--force", "-c", st.file)
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("topics apply ended with code %d: %s", o.Code, o.Err)
	}
	return err
}

// start starts that many members and waits until all that run are in the group.
func (st *stage) start(ctx context.Context, n int) error {
	for range n {
		m, err := st.rig.Run(st.config, "")
		if err != nil {
			return err
		}
		st.members = append(st.members, m)
	}
	running := st.running()
	for _, m := range running {
		if err := m.Ready(ctx); err != nil {
			return err
		}
	}
	return st.kafka.AwaitJoined(ctx, st.config.Group, st.stream, len(running))
}

func (st *stage) running() []*rig.Member {
	return slices.DeleteFunc(slices.Clone(st.members), func(m *rig.Member) bool { return !m.Running() })
}

// owner is the member that sends for the workspace.
func (st *stage) owner(ctx context.Context) (*rig.Member, error) {
	for _, m := range st.running() {
		if share, ok := m.Share(ctx, workspace); ok && share > 0 {
			return m, nil
		}
	}
	return nil, errors.New("no member has a share of the workspace")
}

// stop ends all members as an operator would.
func (st *stage) stop() error {
	for _, m := range st.running() {
		if err := m.Stop(40 * time.Second); err != nil {
			return err
		}
	}
	return nil
}

// produce appends n events as fast as they go in; line makes each.
func (st *stage) produce(ctx context.Context, n int, line func(i int) string) error {
	var b bytes.Buffer
	for i := range n {
		b.WriteString(line(i))
		b.WriteByte('\n')
	}
	path := st.rig.Path(st.rig.Name("burst") + ".ndjson")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the input: %w", err)
	}
	o, err := st.rig.Try(ctx, "produce", st.stream, path, "--seq", "-c", st.file)
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("produce ended with code %d: %s", o.Code, o.Err)
	}
	return err
}

// warm waits until the members deliver: the first owner of a shard waits for as
// long as somebody before might still send.
func (st *stage) warm(ctx context.Context) error {
	if err := st.produce(ctx, 1, func(int) string { return `{"user":"w","event":"warm","data":{}}` }); err != nil {
		return err
	}
	return st.arrived(ctx, "warm", 1, 30*time.Second)
}

// update reads what arrived since the last update.
func (st *stage) update(ctx context.Context) error {
	arrivals, err := st.sim.History(ctx, int64(len(st.seen)))
	st.seen = append(st.seen, arrivals...)
	return err
}

// arrived waits until so many different events of a name were accepted.
func (st *stage) arrived(ctx context.Context, name string, want int, limit time.Duration) error {
	have := 0
	err := rig.Await(ctx, limit, fmt.Sprintf("%d events to be delivered", want), func(ctx context.Context) bool {
		if st.update(ctx) != nil {
			return false
		}
		have = len(st.firsts(name))
		return have >= want
	})
	if err != nil {
		return fmt.Errorf("%w; %d were", err, have)
	}
	return nil
}

// firsts is when each event of a name was accepted first, by the line that it
// was in its input.
func (st *stage) firsts(name string) map[int64]time.Time {
	at := map[int64]time.Time{}
	for _, a := range st.seen {
		if _, known := at[a.N]; a.Accepted() && a.Name == name && !known {
			at[a.N] = time.Unix(0, a.Time)
		}
	}
	return at
}

// times is when events of a name were accepted, each time.
func (st *stage) times(name string) rig.Times {
	var moments []int64
	for _, a := range st.seen {
		if a.Accepted() && a.Name == name {
			moments = append(moments, a.Time)
		}
	}
	return rig.NewTimes(moments)
}

// once holds a stage to having delivered each of n events, and none of them with
// an effect twice.
func (st *stage) once(r *suite.Result, name string, n int) {
	t := rig.NewTally()
	t.Add(slices.DeleteFunc(slices.Clone(st.seen), func(a rig.Arrival) bool { return a.Name != name }))
	r.Equal("lost", int64(n)-t.Unique, 0)
	r.Equal("double effects", t.DoubleEffects, 0)
	r.Note("duplicates", fmt.Sprint(t.Duplicates))
}
