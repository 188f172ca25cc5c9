// Package ways is the suite of the ways in: producers in other languages,
// configurations that are wrong, brokers that ask who is there, and what a
// newcomer types first.
package ways

import (
	"context"
	"fmt"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// Suite lists the checks. Those that need a plain Kafka share one of a single
// node; each has topics, a group and a simulator of its own.
func Suite(r *rig.Rig) suite.Suite {
	w := ways{r}
	return suite.Suite{Name: "ways", Checks: []suite.Check{
		{Name: "node", What: "kafkajs puts every user where route says", Run: w.landing(node())},
		{Name: "python", What: "confluent-kafka puts every user where route says", Run: w.landing(python())},
		{Name: "java", What: "kafka-clients puts every user where route says", Run: w.landing(java())},
		{Name: "misplaced", What: "librdkafka's own partitioner is counted and found by doctor", Run: w.misplaced},
		{Name: "wrong-config", What: "each wrong file is told by line, key and remedy", Run: w.wrongConfigs},
		{Name: "all-faults", What: "all faults of one file come at once", Run: w.allFaults},
		{Name: "secrets", What: "no output of any command holds a secret", Run: w.secrets},
		{Name: "newcomer", What: "the README word for word in a fresh clone, Go alone", Run: w.goOnly},
		{Name: "newcomer-kafka", What: "the README word for word, with Java and Maven", Run: w.realKafka},
		{Name: "scram", What: "SCRAM over TLS end to end, allowed what topics acls lists", Run: w.scram},
		{Name: "diagnoses", What: "each way that security goes wrong is told in one line", Run: w.diagnoses},
		{Name: "direct", What: "send without Kafka, stopped and resumed, loses and repeats nothing", Run: w.direct},
		{Name: "kill-dev", What: "kill -9 of dev --data loses nothing acknowledged", Run: w.killDev},
	}}
}

type ways struct{ rig *rig.Rig }

// stage is what a check plays on: one stream's topics on the plain Kafka, and a
// simulator for its workspace.
type stage struct {
	rig    *rig.Rig
	kafka  *rig.Kafka
	sim    *rig.Simulator
	config rig.Config
	file   string // a written form of config, for commands
	stream string
}

func (w ways) stage(ctx context.Context, name string) (*stage, error) {
	kafka, err := w.rig.Kafka(ctx, 1)
	if err != nil {
		return nil, err
	}
	st, err := w.prepare(ctx, kafka, name, nil)
	if err != nil {
		return nil, err
	}
	return st, st.apply(ctx)
}

// prepare is a stage without its topics, with further keys of the kafka section.
func (w ways) prepare(ctx context.Context, kafka *rig.Kafka, name string, keys map[string]string) (*stage, error) {
	sim, err := w.rig.Simulate(ctx, []string{"shop"})
	if err != nil {
		return nil, err
	}
	st := &stage{rig: w.rig, kafka: kafka, sim: sim, stream: w.rig.Name(name)}
	st.config = rig.Config{
		Brokers: kafka.Brokers, Group: w.rig.Name("group"), Kafka: keys,
		Workspaces: []rig.Workspace{{Name: "shop", BaseURL: sim.URL, Settings: map[string]string{"budget": "{requests: unlimited, events: unlimited}"}}},
		Streams:    []rig.Stream{{Name: st.stream, Workspace: "shop", Partitions: partitions, Copies: 1}},
	}
	st.file, err = st.config.Write(w.rig, "off", "off")
	return st, err
}

// apply makes the topics, on one node.
func (st *stage) apply(ctx context.Context) error {
	o, err := st.rig.Try(ctx, "topics", "apply", "--force", "-c", st.file)
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("topics apply ended with code %d: %s", o.Code, o.Err)
	}
	return err
}
