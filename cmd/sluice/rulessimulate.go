package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/pipeline/config"
	"sluice/pipeline/event"
	rehearse "sluice/pipeline/rehearsal"
	"sluice/pipeline/rules"
	"sluice/sink/budget"
)

// rulesSimulateFlags are those of rules simulate.
type rulesSimulateFlags struct {
	inputFlags
	stream, at, rate, svg string
	atOnce                bool
	members               int
}

func rulesSimulateCommand(sh *shell) *cobra.Command {
	var f rulesSimulateFlags
	cmd := &cobra.Command{
		Use:   "simulate FILE|-",
		Short: "Draw when the events of a file would be sent, without and with the rules",
		Long: `Play the events of a file, as sluice produce reads it, through the rules and the budget
of the workspace that takes them, in virtual time: ten days take seconds. What is drawn
is how many events a second would be sent without rules, as fast as the budget allows,
and with them; below it when each class would be done, and its busiest second. --svg
draws the same as a picture.

The events come at once, or evenly with --rate, from now on or from --at TIME on. The
destination is taken to answer at once and to refuse nothing; an event's own deliver_at
and class are heeded. Workspaces are played by a single owner, as they are while their
budget is within one member's reach; --members deals the shards to several, each with
its part of the budget. Nothing is sent and nobody is contacted.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 lines of the file could
not be read, or events would be dead letters.`,
		Example: `  sluice rules simulate launch.ndjson -c sluice.yaml
  sluice rules simulate launch.ndjson --stream messages --at "2026-11-27 12:30" \
    --rate 1000/s --svg launch.svg
  sluice rules simulate customers.csv --map user=customer_id --event launch --members 4
  sluice rules simulate launch.ndjson -o json | jq '.workspaces[].after.peak'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return sh.simulateRules(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.stream, "stream", "", "`NAME` of the stream that the events come to; needed when there are several")
	flags.StringVar(&f.at, "at", "", "when the first comes: `TIME`, as 2026-11-27, \"2026-11-27 12:30\" (UTC) or 2026-11-27T12:30:00Z; by default now")
	flags.StringVar(&f.rate, "rate", "", "events that come, evenly, as 1000/s: `RATE`")
	flags.BoolVar(&f.atOnce, "at-once", false, "all come at once: what is done without --rate")
	flags.StringVar(&f.svg, "svg", "", "write the picture to `FILE`; those of further workspaces go beside it, as FILE.WORKSPACE.svg")
	flags.IntVar(&f.members, "members", 1, "members that the shards of a workspace are dealt to: `N`")
	f.register(flags)
	return cmd
}

// mostSimulated bounds the events of one simulation, which are held in memory.
const mostSimulated = 1_000_000

// rulesSimulation is the result of rules simulate.
type rulesSimulation struct {
	File       string               `json:"file"`
	Stream     string               `json:"stream"`
	Begin      time.Time            `json:"begin"`
	Rate       string               `json:"rate,omitempty"` // at which events come; empty: at once
	Members    int                  `json:"members"`
	Events     int                  `json:"events"`
	Unread     int                  `json:"unread"` // lines that are no events
	Pictures   []string             `json:"pictures,omitempty"`
	Workspaces []simulatedWorkspace `json:"workspaces"`
}

// simulatedWorkspace is what would come to one workspace.
type simulatedWorkspace struct {
	Workspace    string           `json:"workspace"`
	Events       int              `json:"events"`
	Before       course           `json:"before"` // without rules
	After        course           `json:"after"`
	Classes      []simulatedClass `json:"classes"` // that have events
	Deferred     int              `json:"deferred"`
	Dead         map[string]int   `json:"dead"`   // events that would be dead letters, by reason
	Unsent       int              `json:"unsent"` // whose turn would not come in a hundred years
	UnknownClass int              `json:"unknown_class"`
	UnknownZone  int              `json:"unknown_zone"`
	Series       series           `json:"series"`

	rules int
	chart rehearse.Chart
}

// course is when some events would be sent.
type course struct {
	Events       int       `json:"events"`
	First        time.Time `json:"first,omitzero"`
	Finish       time.Time `json:"finish,omitzero"`
	Seconds      float64   `json:"seconds"` // from the beginning to the finish
	Peak         int       `json:"peak"`    // the most in any second
	Requests     int       `json:"requests,omitempty"`
	PeakRequests int       `json:"peak_requests,omitempty"`
}

type simulatedClass struct {
	Class  string `json:"class"`
	Rate   string `json:"rate"`
	Before course `json:"before"`
	After  course `json:"after"`
}

// series is the events sent in stretches of time.
type series struct {
	WidthSeconds float64 `json:"width_seconds"`
	Before       []int   `json:"before"`
	After        []int   `json:"after"`
}

func (sh *shell) simulateRules(ctx context.Context, path string, f rulesSimulateFlags) error {
	coming, err := f.coming(time.Now())
	if err != nil {
		return usage(err)
	}
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	stream, err := sh.theStream(cfg, f.stream, "--stream")
	if err != nil {
		return err
	}
	from, err := newFileStream(sh, cfg, stream)
	if err != nil {
		return err
	}
	defer from.close()
	events, err := sh.simulated(ctx, path, f.inputFlags, from, coming)
	if err != nil {
		return err
	}
	result := rulesSimulation{
		File: path, Stream: stream.Name, Begin: coming.begin.UTC(), Members: f.members, Events: from.read, Unread: from.unread, Rate: f.rate,
		Workspaces: []simulatedWorkspace{},
	}
	for _, w := range cfg.Workspaces {
		if len(events[w.Name]) == 0 {
			continue
		}
		one, err := play(ctx, w, stagedFor(cfg, w, from, f.members), events[w.Name])
		if err != nil {
			return err
		}
		result.Workspaces = append(result.Workspaces, one)
	}
	if f.svg != "" {
		if err := result.draw(f.svg); err != nil {
			return err
		}
	}
	if err := sh.answer(result, func(w io.Writer) { result.text(w, chartWidth(sh.out)) }); err != nil {
		return err
	}
	return errors.Join(from.unreadLines(path), result.leftOut())
}

// coming is when events come: the first at begin, each a step after the other.
type coming struct {
	begin time.Time
	rate  float64 // a second; 0: all at once
}

func (f rulesSimulateFlags) coming(now time.Time) (c coming, err error) {
	if f.rate != "" && f.atOnce {
		return c, errors.New("--rate and --at-once exclude each other")
	}
	if f.members < 1 {
		return c, fmt.Errorf("--members must be 1 or more, have %d", f.members)
	}
	c.begin = now.Round(0)
	if f.at != "" {
		if c.begin, err = windowTime(f.at, now); err != nil {
			return c, fmt.Errorf("--at %q: %w", f.at, err)
		}
	}
	if f.rate == "" {
		return c, nil
	}
	rate, err := config.ParseRate(f.rate)
	if err != nil {
		return c, fmt.Errorf("--rate %s: %w", f.rate, err)
	}
	c.rate = float64(rate)
	return c, nil
}

func (c coming) when(n int) time.Time {
	if c.rate == 0 {
		return c.begin
	}
	return c.begin.Add(time.Duration(float64(n) / c.rate * float64(time.Second)))
}

// simulated reads the events of a file, by workspace.
func (sh *shell) simulated(ctx context.Context, path string, f inputFlags, from *fileStream, c coming) (map[string][]*event.Event, error) {
	in, file, err := f.open(path, sh.in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	events := map[string][]*event.Event{}
	err = from.each(ctx, in, c.when, func(workspace string, _ int, e *event.Event) error {
		if from.read > mostSimulated {
			return fmt.Errorf("a simulation holds its events in memory: %d at most, and %s has more", mostSimulated, path)
		}
		events[workspace] = append(events[workspace], e)
		return nil
	})
	if err == nil && from.read == 0 {
		err = errors.Join(fmt.Errorf("%s has no events", path), from.unreadLines(path))
	}
	return events, err
}

// stagedFor is how a workspace sends what comes by a stream.
func stagedFor(cfg config.Config, w config.Workspace, from *fileStream, members int) rehearse.Config {
	limits := from.sinks[w.Name].Limits()
	staged := rehearse.Config{
		Rules: w.RuleSet(), Budget: w.Budget, Items: min(limits.Items, w.BatchItems), Bytes: limits.Bytes,
		Place:        rules.Place{Stream: from.stream.Name, Partitions: from.stream.Partitions},
		OrderByClass: from.stream.OrderByClass, Defers: from.stream.Deferral, Hand: cfg.Kafka.ShardRecords, Members: members,
	}
	for _, r := range from.stream.Routes {
		for p := r.From; r.Workspace == w.Name && p <= r.To; p++ {
			staged.Shards = append(staged.Shards, p)
		}
	}
	return staged
}

// play sends a workspace's events without and with its rules.
func play(ctx context.Context, w config.Workspace, staged rehearse.Config, events []*event.Event) (simulatedWorkspace, error) {
	one := simulatedWorkspace{Workspace: w.Name, Events: len(events), Classes: []simulatedClass{}, rules: len(w.Rules.Rules)}
	after, err := rehearse.Run(ctx, staged, events)
	if err != nil {
		return one, fmt.Errorf("workspace %s: %w", w.Name, err)
	}
	staged.Rules = nil
	before, err := rehearse.Run(ctx, staged, events)
	if err != nil {
		return one, fmt.Errorf("workspace %s: %w", w.Name, err)
	}
	one.Before, one.After = courseOf(&before, nil), courseOf(&after, nil)
	for _, c := range []struct {
		of   *course
		from *rehearse.Outcome
	}{{&one.Before, &before}, {&one.After, &after}} {
		c.of.Requests, c.of.PeakRequests = len(c.from.Requests), c.from.PeakRequests()
	}
	one.Deferred, one.Dead, one.Unsent, one.UnknownClass, one.UnknownZone = after.Deferred, after.Dead, after.Unsent, after.UnknownClass, after.UnknownZone
	for class, name := range after.Classes {
		chosen := func(e int) bool { return int(after.Class[e]) == class }
		c := simulatedClass{Class: name, Rate: config.FormatRate(0), Before: courseOf(&before, chosen), After: courseOf(&after, chosen)}
		if class > 0 {
			c.Rate = config.FormatRate(budget.Rate(w.Rules.Rules[class-1].Rate))
		}
		if c.Before.Events+c.After.Events > 0 {
			one.Classes = append(one.Classes, c)
		}
	}
	one.Series = seriesOf(&before, &after)
	one.chart = rehearse.Chart{
		Classes: after.Classes, Class: after.Class,
		Panels: []rehearse.Panel{{Title: "without rules: " + one.Before.words(), Outcome: &before}, {Title: "with rules: " + one.After.words(), Outcome: &after}},
	}
	return one, nil
}

func courseOf(o *rehearse.Outcome, chosen func(int) bool) course {
	f := o.Figures(chosen)
	c := course{Events: f.Events, Seconds: f.Last.Seconds(), Peak: f.Peak}
	if f.Events > 0 {
		c.First, c.Finish = o.Begin.Add(f.First).UTC(), o.Begin.Add(f.Last).UTC()
	}
	return c
}

// mostColumns bounds a series.
const mostColumns = 600

func seriesOf(before, after *rehearse.Outcome) series {
	span := time.Duration(0)
	for _, o := range []*rehearse.Outcome{before, after} {
		if n := len(o.Sends); n > 0 {
			span = max(span, o.Sends[n-1].At)
		}
	}
	width := rehearse.WidthFor(span, mostColumns)
	events := func(o *rehearse.Outcome) []int {
		var all []int
		for _, c := range o.Columns(width, span, after.Class, len(after.Classes)).Columns {
			all = append(all, c.Events)
		}
		return all
	}
	return series{WidthSeconds: width.Seconds(), Before: events(before), After: events(after)}
}

// leftOut makes an outcome of events that would not be delivered.
func (r rulesSimulation) leftOut() error {
	dead, unsent := 0, 0
	for _, w := range r.Workspaces {
		for _, n := range w.Dead {
			dead += n
		}
		unsent += w.Unsent
	}
	if dead+unsent == 0 {
		return nil
	}
	return part(fmt.Errorf("%d of %d events would be dead letters, and %d would not be sent in a hundred years", dead, r.Events, unsent))
}
