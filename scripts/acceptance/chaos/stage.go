package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
)

// stage is what a run plays on: topics, a simulator behind a wire for each
// workspace, Kafka behind another, members and the traffic.
type stage struct {
	rig     *rig.Rig
	seed    uint64
	kafka   *rig.Kafka
	config  rig.Config
	file    string   // a written form of config, for commands
	topics  []string // of the streams and of their tiers
	sim     *rig.Simulator
	brokers *rig.Wire   // between half of the members and Kafka
	sinks   []*rig.Wire // between the members and the destination, by workspace
	fleet   *fleet
	feeds   []*rig.Feed
	log     *journal
	books   map[string]*ledger // by workspace
	read    int64              // arrivals that are in the books
}

// newStage makes the topics and starts the simulator; no member runs yet. What
// it started ends with close, also when it fails.
func newStage(ctx context.Context, r *rig.Rig, seed uint64, log *journal) (*stage, error) {
	s := &stage{rig: r, seed: seed, log: log, books: map[string]*ledger{}}
	for _, w := range workspaces() {
		s.books[w.name] = newLedger()
	}
	return s, errors.Join(s.wire(ctx), s.configure(ctx))
}

// wire brings up Kafka and the simulator and stands between them and the members.
func (s *stage) wire(ctx context.Context) (err error) {
	if s.kafka, err = s.rig.RelayedKafka(ctx); err != nil {
		return err
	}
	s.brokers, err = rig.NewWire(strings.Split(s.kafka.Relayed(), ","), strings.Split(s.kafka.Printed["RELAY_TO"], ","))
	if err != nil {
		return err
	}
	names := make([]string, 0, len(workspaces()))
	for _, w := range workspaces() {
		names = append(names, w.name)
	}
	if s.sim, err = s.rig.Simulate(ctx, names, "--latency", "20ms"); err != nil {
		return err
	}
	for range workspaces() {
		wire, err := rig.NewWire([]string{"127.0.0.1:0"}, []string{strings.TrimPrefix(s.sim.URL, "http://")})
		if err != nil {
			return err
		}
		s.sinks = append(s.sinks, wire)
	}
	return nil
}

// configure writes the members' configuration and makes the topics.
func (s *stage) configure(ctx context.Context) (err error) {
	if len(s.sinks) < len(workspaces()) {
		return nil // said already
	}
	s.config = rig.Config{
		Brokers: s.kafka.Brokers, Group: s.rig.Name("chaos"), LogLevel: "debug", Drain: "5s",
		Kafka: map[string]string{"reach": fmt.Sprintf("%d/s", reach)},
	}
	for i, w := range workspaces() {
		s.config.Workspaces = append(s.config.Workspaces, rig.Workspace{Name: w.name, BaseURL: "http://" + s.sinks[i].Addrs()[0], Settings: w.settings()})
		s.config.Streams = append(s.config.Streams, rig.Stream{Name: s.rig.Name(w.name), Workspace: w.name, Partitions: partitions})
	}
	if s.file, err = s.config.Write(s.rig, "off", "off"); err != nil {
		return err
	}
	s.fleet = newFleet(s.rig, s.log, s.config, s.kafka.Relayed())
	binary, err := s.rig.Sluice()
	if err != nil {
		return err
	}
	if _, err = rig.Command(ctx, s.rig.Dir, nil, binary, "topics", "apply", "-c", s.file); err != nil {
		return err
	}
	for _, stream := range s.config.Streams {
		for _, tier := range []string{"", heldTier, ".replay", deadTier} {
			if n, err := s.kafka.Partitions(ctx, stream.Name+tier); err == nil && n > 0 {
				s.topics = append(s.topics, stream.Name+tier)
			}
		}
	}
	return nil
}

// What a stream's topics beside the live one are called.
const (
	heldTier = ".held"
	deadTier = ".dead"
)

// flow starts the first member and the traffic and waits until both workspaces
// are delivered to.
func (s *stage) flow(ctx context.Context) error {
	if err := s.fleet.open(0); err != nil {
		return err
	}
	if err := s.fleet.member(0).Ready(ctx); err != nil {
		return err
	}
	for i, w := range workspaces() {
		feed, err := s.rig.Feed(s.file, s.config.Streams[i].Name, fmt.Sprintf("%d/s", w.feed), w.lines(s.seed))
		if err != nil {
			return err
		}
		s.feeds = append(s.feeds, feed)
	}
	return rig.Await(ctx, 60*time.Second, "both workspaces to flow", func(ctx context.Context) bool {
		if s.update(ctx) != nil {
			return false
		}
		for _, book := range s.books {
			if len(book.firsts) == 0 {
				return false
			}
		}
		return true
	})
}

// update enters what arrived since the last update into the books.
func (s *stage) update(ctx context.Context) error {
	arrivals, err := s.sim.History(ctx, s.read)
	if err != nil {
		return err
	}
	s.read += int64(len(arrivals))
	for _, a := range arrivals {
		if book := s.books[a.Workspace]; book != nil {
			book.add(a)
		}
	}
	return nil
}

// mend ends whatever trouble there may still be.
func (s *stage) mend(ctx context.Context) error {
	s.brokers.SetAll(rig.Trouble{})
	for _, w := range s.sinks {
		w.SetAll(rig.Trouble{})
	}
	return s.sim.Configure(ctx, map[string]any{
		"limit": "unlimited", "errors": "0%", "down": false, "hang": false, "cut": false, "fail_user": "",
	})
}

// keep leaves the arrivals in the rig's folder, for whoever wants to look.
func (s *stage) keep(ctx context.Context) error {
	status, body, err := rig.Get(ctx, s.sim.URL+"/_sim/history")
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("the simulator answered %d", status)
	}
	if err == nil {
		err = os.WriteFile(s.rig.Path("arrivals-"+s.config.Group+".ndjson"), body, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the arrivals: %w", err)
	}
	return nil
}

// close ends what the run started; Kafka stays for the next one.
func (s *stage) close() error {
	if s.fleet != nil {
		s.fleet.end()
	}
	for _, f := range s.feeds { // those that were not stopped in time
		ending, cancel := context.WithTimeout(context.Background(), time.Second)
		_, _, _ = f.Finish(ending) // it goes on to its end by itself
		cancel()
	}
	if s.sim != nil {
		s.sim.Kill()
	}
	var errs []error
	for _, w := range append(s.sinks, s.brokers) {
		if w != nil {
			errs = append(errs, w.Close())
		}
	}
	return errors.Join(errs...)
}
