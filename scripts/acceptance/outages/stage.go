package outages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// plan is what a check plays on: one stream into one workspace.
type plan struct {
	rate     int               // requests a second
	items    int               // events of an attempt at most
	latency  string            // of the destination
	settings map[string]string // of the workspace, beside the above
}

const (
	workspace  = "shop"
	partitions = 12
)

// stage is a plan brought to life. One goroutine at a time may use it.
type stage struct {
	plan
	outages
	kafka   *rig.Kafka
	config  rig.Config
	file    string // a written form of config, for commands
	stream  string // also the live topic
	sim     *rig.Simulator
	members []*rig.Member // all that were ever started, for their logs
	feed    *rig.Feed     // the traffic, once there is some
	seen    []rig.Arrival
	read    int64 // of the simulator's history, which a wipe ends
}

// stage starts a simulator and makes the topics.
func (s outages) stage(ctx context.Context, p plan) (*stage, error) {
	kafka, err := s.rig.Kafka(ctx, 1)
	if err != nil {
		return nil, err
	}
	st := &stage{plan: p, outages: s, kafka: kafka, stream: s.rig.Name("events")}
	if st.sim, err = s.rig.Simulate(ctx, []string{workspace}, "--latency", p.latency); err != nil {
		return nil, err
	}
	settings := map[string]string{
		"budget":          fmt.Sprintf("{requests: %d/s, events: unlimited}", p.rate),
		"max_batch_items": fmt.Sprint(p.items),
	}
	maps.Copy(settings, p.settings)
	st.config = rig.Config{
		Brokers: kafka.Brokers, Group: s.rig.Name("group"), LogLevel: "debug",
		Workspaces: []rig.Workspace{{Name: workspace, BaseURL: st.sim.URL, Settings: settings}},
		Streams:    []rig.Stream{{Name: st.stream, Workspace: workspace, Partitions: partitions, Copies: 1}},
	}
	if st.file, err = st.config.Write(s.rig, "off", "off"); err != nil {
		return nil, err
	}
	return st, st.apply(ctx)
}

// apply makes what topics are missing, on one node.
func (st *stage) apply(ctx context.Context) error {
	o, err := st.rig.Try(ctx, "topics", "apply", "--force", "-c", st.file)
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("topics apply ended with code %d: %s", o.Code, o.Err)
	}
	return err
}

// dead is the topic of the stream's dead letters.
func (st *stage) dead() string { return st.stream + ".dead" }

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

// stop ends all members as an operator would; each must end by itself.
func (st *stage) stop() error {
	for _, m := range st.running() {
		if err := m.Stop(40 * time.Second); err != nil {
			return err
		}
	}
	return nil
}

// traffic begins to produce so many events a second, of so many users.
func (st *stage) traffic(rate int, lines *rig.Lines) (err error) {
	st.feed, err = st.rig.Feed(st.file, st.stream, fmt.Sprintf("%d/s", rate), lines)
	return err
}

// quiet ends the traffic and returns how many events there were.
func (st *stage) quiet(ctx context.Context) (int64, error) {
	report, err := st.feed.Stop(ctx)
	if err == nil && report.Failed > 0 {
		err = fmt.Errorf("%d events could not be produced", report.Failed)
	}
	return report.Succeeded, err
}

// arrived waits until so many different events were accepted since the stage
// began, for everything may have gone through another tier than the live one.
func (st *stage) arrived(ctx context.Context, want int64, limit time.Duration) error {
	var have int64
	err := rig.Await(ctx, limit, fmt.Sprintf("%d events to be delivered", want), func(ctx context.Context) bool {
		if st.update(ctx) != nil {
			return false
		}
		have = st.tally().Unique
		return have >= want
	})
	if err != nil {
		return fmt.Errorf("%w; %d were", err, have)
	}
	return nil
}

// update reads what arrived since the last update.
func (st *stage) update(ctx context.Context) error {
	arrivals, err := st.sim.History(ctx, st.read)
	st.seen = append(st.seen, arrivals...)
	st.read += int64(len(arrivals))
	return err
}

// tally judges the traffic's events among what arrived.
func (st *stage) tally() *rig.Tally {
	t := rig.NewTally()
	t.Add(slices.DeleteFunc(slices.Clone(st.seen), func(a rig.Arrival) bool { return a.N == 0 }))
	return t
}

// sends are when the members' budgets granted their attempts.
func (st *stage) sends() (rig.Times, error) {
	var moments []int64
	for _, m := range st.members {
		attempts, err := m.Attempts()
		if err != nil {
			return nil, err
		}
		for _, a := range attempts {
			moments = append(moments, a.Sent.UnixNano())
		}
	}
	return rig.NewTimes(moments), nil
}

// settled holds the whole of a check to what must be true in the end: every
// event delivered once and in its user's order, none set aside but so many, and
// never more requests than the budget.
func (st *stage) settled(ctx context.Context, r *suite.Result, produced, letters int64) error {
	if err := st.update(ctx); err != nil {
		return err
	}
	t := st.tally()
	r.AtLeast("events", float64(produced), 100, "")
	r.Equal("lost", produced-letters-t.Unique, 0)
	r.Equal("order breaks", t.OrderBreaks, 0)
	r.Equal("double effects", t.DoubleEffects, 0)
	r.Note("duplicates", fmt.Sprint(t.Duplicates))
	dead, err := st.kafka.Count(ctx, st.dead())
	if err != nil {
		return err
	}
	r.Equal("dead letters", dead, letters)
	return st.budget(r)
}

// budget holds the worst second to the budget, by the senders' own logs: on the
// way requests may bunch up.
func (st *stage) budget(r *suite.Result) error {
	sends, err := st.sends()
	if err != nil {
		return err
	}
	requests := rig.Requests(st.seen)
	// Without their lines in the logs the members' worst second would be none.
	r.AtLeast("attempts told", 100*float64(len(sends))/float64(max(1, len(requests))), 95, "%")
	r.AtMost("worst 1 s sent", float64(sends.Busiest(time.Second)), float64(st.rate), "")
	return nil
}

// say runs a command on the stage's configuration and returns what it printed.
func (st *stage) say(ctx context.Context, args ...string) (rig.Outcome, error) {
	return st.rig.Try(ctx, append(args, "-c", st.file)...)
}

// must is say for a command that has to succeed, decoded from its last line.
func (st *stage) must(ctx context.Context, into any, args ...string) error {
	o, err := st.say(ctx, append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	if o.Code != 0 {
		return fmt.Errorf("sluice %s ended with code %d: %s", strings.Join(args, " "), o.Code, o.Err)
	}
	if into == nil {
		return nil
	}
	return rig.LastObject(o.Out, into)
}
