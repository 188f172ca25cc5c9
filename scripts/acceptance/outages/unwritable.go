package outages

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"sluice/partition"
	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// poisoned is a user whose first event is poison, and the next one good.
const poisoned = "poisoned"

// unwritable has the topic of the dead letters refuse every record while poison
// is produced.
func (s outages) unwritable(ctx context.Context, r *suite.Result) error {
	st, err := s.stage(ctx, plan{rate: 100, items: 10, latency: "5ms"})
	if err != nil {
		return err
	}
	if err := st.start(ctx, 1); err != nil {
		return err
	}
	if err := st.traffic(100, rig.NewLines(200, 9)); err != nil {
		return err
	}
	if err := st.arrived(ctx, 200, 40*time.Second); err != nil {
		return err
	}
	if err := st.set(ctx, st.dead(), partition.SettingMaxBytes, "20"); err != nil {
		return err
	}
	const poison = 2 // records: one is of a user who has good events around it
	if err := st.kafka.Produce(ctx, st.stream, []rig.Raw{
		{Key: []byte(poisoned), Value: []byte("{")},
		{Key: []byte("u00007"), Value: []byte("no JSON")},
		{Key: []byte(poisoned), Value: fmt.Appendf(nil, `{"type":"person","action":"identify","identifiers":{"id":%q},"attributes":{"after":true}}`, poisoned)},
	}); err != nil {
		return err
	}
	if err := st.refuses(ctx, r); err != nil {
		return err
	}
	if err := st.waits(ctx, r); err != nil {
		return err
	}
	if err := st.apply(ctx); err != nil { // as the remedy says
		return err
	}
	if err := st.mended(ctx, r); err != nil {
		return err
	}
	produced, err := st.quiet(ctx)
	if err != nil {
		return err
	}
	if err := st.kafka.AwaitCaughtUp(ctx, st.config.Group, st.stream, time.Minute); err != nil {
		return err
	}
	if err := st.settled(ctx, r, produced+poison, poison); err != nil {
		return err
	}
	return st.stop()
}

// set changes one setting of a topic, as somebody might by mistake.
func (st *stage) set(ctx context.Context, topic, setting, value string) error {
	cfg := partition.DefaultConfig()
	cfg.Brokers = strings.Split(st.kafka.Brokers, ",")
	admin, err := partition.NewAdmin(cfg)
	if err != nil {
		return err
	}
	defer admin.Close()
	topics, err := admin.Topics(ctx, topic)
	if err != nil {
		return err
	}
	have := topics[topic]
	wrong, err := admin.Plan(ctx, []partition.TopicSpec{{
		Name: topic, Partitions: have.Partitions, Replication: int16(have.Replication), Settings: map[string]string{setting: value},
	}}, true)
	if err != nil {
		return err
	}
	_, err = admin.Apply(ctx, wrong)
	return err
}

// refuses holds what a member says about a dead topic that takes nothing.
func (st *stage) refuses(ctx context.Context, r *suite.Result) error {
	m := st.members[0]
	since := time.Now()
	var said rig.Outcome
	err := rig.Await(ctx, 30*time.Second, "readiness to be taken back", func(ctx context.Context) bool {
		var err error
		said, err = st.rig.Try(ctx, "health", "-c", m.Config)
		return err == nil && said.Code == 1
	})
	r.Holds("readiness is taken back", err == nil, fmt.Sprintf("after %.0f s", time.Since(since).Seconds()), "within 30 s")
	if err != nil {
		return ctx.Err() // the rest would only repeat it
	}
	tells(r, "sluice health", said.Out, st.dead())
	waiting, err := healthOf(ctx, m)
	if err != nil {
		return err
	}
	good := waiting.Topic == st.dead() && waiting.Reason != "" && waiting.Remedy != "" && time.Since(waiting.Since) < time.Minute
	r.Holds("/health", good, fmt.Sprintf("says %+v", waiting), "names topic, reason, since when and what to do")
	metrics, err := m.Metrics(ctx)
	if err != nil {
		return err
	}
	r.Equal("the metric", int64(metrics.Sum("sluice_pipeline_unwritable", `workspace="`+workspace+`"`)), 1)
	o, err := st.say(ctx, "group", "describe")
	if err != nil {
		return err
	}
	tells(r, "group describe", o.Out, st.dead())
	return nil
}

// waiting is why a workspace waits, in /health.
type waiting struct {
	Since                 time.Time
	Topic, Reason, Remedy string
}

// healthOf asks a member's /health, at the address that its file says.
func healthOf(ctx context.Context, m *rig.Member) (waiting, error) {
	file, err := os.ReadFile(m.Config)
	if err != nil {
		return waiting{}, fmt.Errorf("read the configuration of %s: %w", m.Name, err)
	}
	address := regexp.MustCompile(`listen: \{metrics: "([^"]+)"`).FindSubmatch(file)
	if address == nil {
		return waiting{}, fmt.Errorf("%s names no address for probes", m.Config)
	}
	_, body, err := rig.Get(ctx, "http://"+string(address[1])+"/health")
	if err != nil {
		return waiting{}, err
	}
	var entries map[string]struct{ Waiting waiting }
	if err := json.Unmarshal(body, &entries); err != nil {
		return waiting{}, fmt.Errorf("read /health of %s: %w", m.Name, err)
	}
	return entries[workspace].Waiting, nil
}

// tells holds a text to naming the topic, what is safe and a command to type.
func tells(r *suite.Result, who, text, topic string) {
	missing := []string{}
	for _, want := range []string{topic, "nothing is lost", "sluice topics"} {
		if !strings.Contains(text, want) {
			missing = append(missing, want)
		}
	}
	r.Holds(who, len(missing) == 0, fmt.Sprintf("leaves out %q", missing), "says all")
}

// waits holds that nothing passes the poison and that everybody else flows.
func (st *stage) waits(ctx context.Context, r *suite.Result) error {
	if err := st.update(ctx); err != nil {
		return err
	}
	before, from := st.tally().Unique, time.Now()
	if err := rig.Pause(ctx, 10*time.Second); err != nil {
		return err
	}
	if err := st.update(ctx); err != nil {
		return err
	}
	rate := float64(st.tally().Unique-before) / time.Since(from).Seconds()
	r.AtLeast("the others meanwhile", rate, 70, "/s")
	_, passed, err := st.sim.Person(ctx, workspace, poisoned)
	if err != nil {
		return err
	}
	r.Holds("what follows the poison", !passed, fmt.Sprintf("delivered %t", passed), "waits")
	log, err := os.ReadFile(st.members[0].Log)
	if err != nil {
		return fmt.Errorf("read a member's log: %w", err)
	}
	// At once and then every minute: a line for each try were more.
	complaints := strings.Count(string(log), "nothing can be appended")
	r.Holds("complaints in the log", complaints >= 1 && complaints <= 2, fmt.Sprint(complaints), "1 or 2")
	return nil
}

// mended holds that all clears by itself once the topic takes records again.
func (st *stage) mended(ctx context.Context, r *suite.Result) error {
	m, since := st.members[0], time.Now()
	if err := m.Ready(ctx); err != nil {
		return err
	}
	r.AtMost("ready again after", time.Since(since).Seconds(), 30, " s")
	err := rig.Await(ctx, 30*time.Second, "what followed the poison", func(ctx context.Context) bool {
		_, found, err := st.sim.Person(ctx, workspace, poisoned)
		return err == nil && found
	})
	r.Holds("what followed the poison", err == nil, fmt.Sprintf("delivered %t", err == nil), "is delivered then")
	metrics, err := m.Metrics(ctx)
	if err != nil {
		return err
	}
	r.Equal("the metric then", int64(metrics.Sum("sluice_pipeline_unwritable")), 0)
	return nil
}
