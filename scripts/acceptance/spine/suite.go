// Package spine is the suite of the way from a topic to Customer.io: each user
// in order, nothing lost, through kills, outages, poison and lost retention.
package spine

import (
	"context"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// Suite lists the checks. They share one Kafka of three nodes, and each has
// topics, a group and simulators of its own.
func Suite(r *rig.Rig) suite.Suite {
	s := spine{r}
	return suite.Suite{Name: "spine", Checks: []suite.Check{
		{Name: "demo", What: "make run in a fresh clone, Go alone", Run: s.demo},
		{Name: "test", What: "make test passes", Limit: 15 * time.Minute, Run: s.test},
		{Name: "full-file", What: "all purchases once each and in order, two members", Run: s.fullFile},
		{Name: "kill-member", What: "kill -9 of one of two members at 1,000/s", Limit: s.limit(4, 12), Run: s.killMember},
		{Name: "kill-backlog", What: "kill -9 of a member with full windows", Run: s.killBacklog},
		{Name: "kill-broker", What: "kill -9 of brokers, the coordinator first", Limit: s.limit(4, 10), Run: s.killBroker},
		{Name: "poison", What: "poison is set aside with its reason, neighbours flow", Run: s.poison},
		{Name: "refused", What: "a refused key pauses the workspace and loses nothing", Run: s.refused},
		{Name: "bad-user", What: "one failing user does not hold the breaker open", Run: s.badUser},
		{Name: "outage", What: "a destination down, its neighbour unharmed", Run: s.outage},
		{Name: "retention", What: "a watermark deleted by retention stops its shard", Run: s.retention},
		{Name: "race", What: "race-clean, repeated", Limit: s.limit(10, 90), Run: s.race},
		{Name: "leaks", What: "every package that starts goroutines counts them", Run: s.leaks},
		{Name: "fuzz", What: "fuzz targets without a finding", Limit: s.limit(10, 60), Run: s.fuzz},
		{Name: "micro", What: "micro-benchmarks run", Limit: 10 * time.Minute, Run: s.micro},
		{Name: "bench", What: "the whole path on real Kafka beside the reference", Limit: s.limit(8, 20), Run: s.bench},
	}}
}

type spine struct{ rig *rig.Rig }

// limit is a check's bound in minutes, short and long.
func (s spine) limit(short, long int) time.Duration {
	return time.Duration(s.pick(short, long)) * time.Minute
}

// pick takes the short form's number or the full one.
func (s spine) pick(short, long int) int {
	if s.rig.Long {
		return long
	}
	return short
}

// stage is what a check plays on: topics that exist, simulators that answer,
// members that have joined.
type stage struct {
	rig    *rig.Rig
	kafka  *rig.Kafka
	config rig.Config
	file   string // a written form of config, for commands
	stream string // the first
}

// stage makes the topics of a configuration whose brokers, group and stream
// names it fills in; streams[i].Name becomes unique.
func (s spine) stage(ctx context.Context, c rig.Config) (*stage, error) {
	kafka, err := s.rig.Kafka(ctx, 3)
	if err != nil {
		return nil, err
	}
	c.Brokers, c.Group = kafka.Brokers, s.rig.Name("group")
	for i := range c.Streams {
		c.Streams[i].Name = s.rig.Name(c.Streams[i].Name)
	}
	st := &stage{rig: s.rig, kafka: kafka, config: c, stream: c.Streams[0].Name}
	if st.file, err = c.Write(s.rig, "off", "off"); err != nil {
		return nil, err
	}
	binary, err := s.rig.Sluice()
	if err != nil {
		return nil, err
	}
	_, err = rig.Command(ctx, s.rig.Dir, nil, binary, "topics", "apply", "-c", st.file)
	return st, err
}

// members starts one member for each instance name (empty: a dynamic member)
// and waits until the group is stable.
func (st *stage) members(ctx context.Context, instances ...string) ([]*rig.Member, error) {
	members := make([]*rig.Member, 0, len(instances))
	for _, instance := range instances {
		m, err := st.rig.Run(st.config, instance)
		if err != nil {
			return members, err
		}
		members = append(members, m)
	}
	for _, m := range members {
		if err := m.Ready(ctx); err != nil {
			return members, err
		}
	}
	return members, st.kafka.AwaitStable(ctx, st.config.Group, st.stream, len(members))
}

// settled waits until all that the stream's topic holds now is settled.
func (st *stage) settled(ctx context.Context, limit time.Duration) error {
	return st.kafka.AwaitCaughtUp(ctx, st.config.Group, st.stream, limit)
}

// clean puts the checker's verdict on an input into the result: all of it
// delivered, nothing lost, doubled in effect, or out of order.
func clean(r *suite.Result, v rig.Verdict, read int64) {
	r.Equal("read", v.Read, read)
	r.Equal("delivered", v.Delivered, read)
	r.Equal("lost", v.Lost, 0)
	r.Equal("order breaks", v.OrderBreaks, 0)
	r.Equal("double effects", v.DoubleEffects, 0)
}

// stop ends members as an operator would; each must end by itself, with code 0.
func stop(members []*rig.Member) error {
	for _, m := range members {
		if err := m.Stop(40 * time.Second); err != nil {
			return err
		}
	}
	return nil
}
