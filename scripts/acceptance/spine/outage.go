package spine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The outage check feeds two workspaces at this rate; the pacer allows this
// many requests a second, so that catching up is bound by the pacer.
const (
	outageRate  = 300 // events a second
	outagePaced = 60  // requests a second
	outageItems = 10  // events of a request

	outagePartitions = 6
)

// outage takes one of two destinations away for a while.
func (s spine) outage(ctx context.Context, r *suite.Result) error {
	down := time.Duration(s.pick(10, 60)) * time.Second
	probeAfter := time.Duration(s.pick(3, 30)) * time.Second
	sims := map[string]*rig.Simulator{}
	config := rig.Config{}
	for _, name := range []string{"down", "well"} {
		sim, err := s.rig.Simulate(ctx, []string{name}, "--latency", "5ms")
		if err != nil {
			return err
		}
		sims[name] = sim
		config.Workspaces = append(config.Workspaces, rig.Workspace{Name: name, BaseURL: sim.URL, Settings: map[string]string{
			"budget":          fmt.Sprintf("{requests: %d/s, events: unlimited}", outagePaced),
			"max_batch_items": fmt.Sprint(outageItems),
			"breaker":         fmt.Sprintf("{failures: 5, probe_after: %v, successes: 3}", probeAfter),
		}})
		config.Streams = append(config.Streams, rig.Stream{Name: name, Workspace: name, Partitions: outagePartitions})
	}
	st, err := s.stage(ctx, config)
	if err != nil {
		return err
	}
	members, err := st.members(ctx, "")
	if err != nil {
		return err
	}
	o := &outage{stage: st, r: r, most: 1.25, member: members[0], sick: sims["down"], well: sims["well"]}
	if s.rig.Long {
		o.most = 1.05
	}
	for i := range o.feeds {
		if o.feeds[i], err = s.rig.Feed(st.file, st.config.Streams[i].Name, fmt.Sprintf("%d/s", outageRate), rig.NewLines(1_000, uint64(5+i))); err != nil {
			return err
		}
	}
	if err := o.strike(ctx, down); err != nil {
		return err
	}
	if err := o.recover(ctx, probeAfter); err != nil {
		return err
	}
	if err := o.finish(ctx); err != nil {
		return err
	}
	return stop(members)
}

type outage struct {
	*stage
	r          *suite.Result
	member     *rig.Member
	sick, well *rig.Simulator
	feeds      [2]*rig.Feed // sick, well
	before     int64        // arrivals at the sick one when it came back
	most       float64      // of the rate, in its busiest second on arrival
}

// strike holds the outage and looks at both workspaces while it lasts.
func (o *outage) strike(ctx context.Context, down time.Duration) error {
	if err := rig.Pause(ctx, 3*time.Second); err != nil {
		return err
	}
	calm := rig.NewTally()
	if err := calm.Update(ctx, o.well); err != nil {
		return err
	}
	healthy, began := calm.Unique, time.Now()
	fed, err := o.fed(ctx)
	if err != nil {
		return err
	}
	if err := o.sick.Configure(ctx, map[string]any{"down": true}); err != nil {
		return err
	}
	if err := awaitCircuit(ctx, o.member, "down", "open"); err != nil {
		return err
	}
	// What was fetched before the partitions were paused may still come in.
	if err := rig.Pause(ctx, time.Second); err != nil {
		return err
	}
	before, err := o.reads(ctx)
	if err != nil {
		return err
	}
	if err := rig.Pause(ctx, down-time.Since(began)); err != nil {
		return err
	}
	after, err := o.reads(ctx)
	if err != nil {
		return err
	}
	o.r.Equal("paused partitions of the one down", still(before[0], after[0]), outagePartitions)
	o.r.Equal("of its neighbour", still(before[1], after[1]), 0)
	if err := calm.Update(ctx, o.well); err != nil {
		return err
	}
	now, err := o.fed(ctx)
	if err != nil {
		return err
	}
	// Of what was produced to it meanwhile, for that may falter on a busy machine.
	o.r.AtLeast("the neighbour's rate kept", float64(calm.Unique-healthy)/float64(max(now-fed, 1))*100, 95, "%")
	o.r.AtLeast("its events meanwhile", float64(now-fed), 1_000, "")
	history, err := o.sick.History(ctx, 0)
	o.before = int64(len(history))
	return err
}

// reads is what was read from each partition of both streams, which are fed all
// the time: one that is not read is paused.
func (o *outage) reads(ctx context.Context) (reads [2][]float64, err error) {
	for i, stream := range o.config.Streams {
		if reads[i], err = o.member.Reads(ctx, stream.Name, outagePartitions); err != nil {
			return reads, err
		}
	}
	return reads, nil
}

// fed is how many events the healthy stream's topic holds.
func (o *outage) fed(ctx context.Context) (int64, error) {
	return o.kafka.Count(ctx, o.config.Streams[1].Name)
}

// still counts the partitions that nothing was read from.
func still(before, after []float64) int64 {
	n := int64(0)
	for p := range before {
		if before[p] == after[p] {
			n++
		}
	}
	return n
}

// recover ends the outage and times the way back.
func (o *outage) recover(ctx context.Context, probeAfter time.Duration) error {
	began := time.Now()
	if err := o.sick.Configure(ctx, map[string]any{"down": false}); err != nil {
		return err
	}
	if err := awaitCircuit(ctx, o.member, "down", "closed"); err != nil {
		return err
	}
	// One probe interval, jitter and three answers; the rest is polling.
	o.r.AtMost("breaker closed after", time.Since(began).Seconds(), probeAfter.Seconds()*1.1+2, " s")
	return nil
}

// finish lets the backlog drain and judges the whole of it.
func (o *outage) finish(ctx context.Context) error {
	if err := o.settled(ctx, 3*time.Minute); err != nil {
		return err
	}
	var read int64
	for i, feed := range o.feeds {
		report, err := feed.Stop(ctx)
		if err != nil {
			return err
		}
		if i == 0 {
			read = report.Succeeded
		}
	}
	if err := o.settled(ctx, time.Minute); err != nil {
		return err
	}
	v, err := o.rig.Check(ctx, o.feeds[0].File, o.sick.URL)
	if err != nil {
		return err
	}
	clean(o.r, v, read)
	letters, err := o.kafka.Count(ctx, o.stream+".dead")
	if err != nil {
		return err
	}
	o.r.Equal("dead letters", letters, 0)
	after, err := o.sick.History(ctx, o.before)
	if err != nil {
		return err
	}
	o.r.AtMost("requests in the busiest second after", float64(rig.MaxRequests(after, int64(time.Second))), o.most*outagePaced, "") // on the way, not as sent
	return nil
}

// awaitCircuit waits until a workspace's breaker is in that state.
func awaitCircuit(ctx context.Context, m *rig.Member, workspace, state string) error {
	have := ""
	err := rig.Await(ctx, time.Minute, fmt.Sprintf("the breaker of %s to be %s", workspace, state), func(ctx context.Context) bool {
		health, err := m.Health(ctx)
		have = health[workspace].CircuitState
		return err == nil && have == state
	})
	if err != nil {
		return fmt.Errorf("%w; it is %q", err, have)
	}
	return nil
}

// linesWithout counts the lines of a file that do not name a user.
func linesWithout(file, user string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("read the input: %w", err)
	}
	return int64(bytes.Count(text, []byte("\n")) - strings.Count(string(text), `"user":"`+user+`"`)), nil
}
