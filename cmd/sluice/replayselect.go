package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/pipeline/config"
	"sluice/pipeline/replay"
)

const selectionHelp = `--since and --until say what the window is, by the time at which an event was produced:
the first is in it, the second is not. Instead of them --offsets names places of one
shard. Of the window --workspace, --shard, --user, --event and --field choose; different
flags must all agree.

By default events go where their shards are routed. --to another workspace sends them
there, if the stream's residency allows it. --to simulator sends them nowhere: a
simulated Customer.io takes them, and what would have arrived is printed.`

// selectionFlags say what is replayed, and where to, as it is written.
type selectionFlags struct {
	since, until, offsets string
	workspace, user, to   string
	shards                []string
	events, fields        []string
	takeRest              bool
}

func (f *selectionFlags) register(sh *shell, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.since, "since", "", "produced then or later: `TIME`, as 2026-11-21, \"2026-11-21 14:00\" (UTC), 2026-11-21T14:00:00Z, 2h for two hours ago, or start for all that the topic has")
	flags.StringVar(&f.until, "until", "", "produced before then: `TIME`; by default now")
	flags.StringVar(&f.offsets, "offsets", "", "places of one --shard, the last included: `A-B`, as 1200-1399, 1200 for one alone, or 1200- for all from there on")
	flags.StringVar(&f.workspace, "workspace", "", "only shards that are routed to this workspace: `NAME`")
	flags.StringSliceVar(&f.shards, "shard", nil, "only these shards, by their partition: `P,P-P,...`")
	flags.StringVar(&f.user, "user", "", "only events with this record key, exactly: `USER`")
	flags.StringSliceVar(&f.events, "event", nil, "only events of these names: `NAME,...`")
	flags.StringArrayVar(&f.fields, "field", nil, "only events in which a field says this: `PATH=TEXT`, as attributes.plan=gold; may be given again, then all must agree")
	flags.BoolVar(&f.takeRest, "take-rest", false, "take what is left of a window whose beginning the topic's retention has deleted")
	flags.StringVar(&f.to, "to", "", "where to, instead of where they belong: `WORKSPACE|simulator|simulator:URL`")
	_ = cmd.RegisterFlagCompletionFunc("to", sh.names(func(cfg config.Config) []string {
		return append(workspacesOf(cfg), simulatorWord)
	}))
}

// replayTarget is where a replay goes; the zero value is where shards are routed.
type replayTarget struct {
	workspace string // another one
	rehearsal bool   // a simulator takes it
	url       string // of a simulator that runs; empty: one of our own
}

// simulatorWord is what --to calls a simulator.
const simulatorWord = "simulator"

func parseDestination(text string) (replayTarget, error) {
	word, address, running := strings.Cut(text, ":")
	if word != simulatorWord {
		return replayTarget{workspace: text}, nil
	}
	to := replayTarget{rehearsal: true}
	if !running {
		return to, nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return to, errors.New("write it as simulator:http://127.0.0.1:8090, the address that sluice simulate printed")
	}
	to.url = strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/")
	return to, nil
}

// selection is what the flags say; a fault is one of usage.
func (f selectionFlags) selection(sh *shell, cfg config.Config, stream config.Stream) (replay.Selection, replayTarget, error) {
	s := replay.Selection{Stream: stream.Name, Workspace: f.workspace, User: f.user, Events: f.events, TakeRest: f.takeRest, FromOffset: -1, ToOffset: -1}
	to, err := parseDestination(f.to)
	if err != nil {
		return s, to, usage(fmt.Errorf("--to %s: %w", f.to, err))
	}
	s.Target = to.workspace
	for _, named := range []struct{ flag, name string }{{"workspace", f.workspace}, {"to", to.workspace}} {
		if _, ok := cfg.Workspace(named.name); named.name != "" && !ok {
			return s, to, usage(fmt.Errorf("--%s: no workspace is named %q; %s has %s", named.flag, named.name, sh.configPath, strings.Join(namesOf(cfg.Workspaces), ", ")))
		}
	}
	if len(f.shards) > 0 {
		if s.Shards, err = parsePartitions(f.shards, stream.Partitions); err != nil {
			return s, to, usage(fmt.Errorf("--shard takes partitions of %s, 0 to %d, as 3 or 0-5,9; have %q", stream.Name, stream.Partitions-1, strings.Join(f.shards, ",")))
		}
	}
	if s.Fields, err = parseFields(f.fields); err != nil {
		return s, to, usage(err)
	}
	if err := f.window(&s, time.Now()); err != nil {
		return s, to, usage(err)
	}
	if err := s.Validate(); err != nil {
		return s, to, usage(err)
	}
	return s, to, nil
}

// window reads times or offsets.
func (f selectionFlags) window(s *replay.Selection, now time.Time) error {
	if f.offsets != "" {
		switch {
		case f.since != "" || f.until != "":
			return errors.New("--offsets and --since or --until exclude each other: the window is one of places or of times")
		case len(s.Shards) != 1:
			return errors.New("--offsets are places of one shard: add --shard P")
		}
		var err error
		s.FromOffset, s.ToOffset, err = parseOffsets(f.offsets)
		return err
	}
	var err error
	switch f.since {
	case "":
		return errors.New("--since is needed: from when on? Write it as 2h for two hours ago, as \"2026-11-21 14:00\", or start for all that the topic has")
	case "start":
	default:
		if s.From, err = windowTime(f.since, now); err != nil {
			return fmt.Errorf("--since %q: %w", f.since, err)
		}
	}
	if s.To, err = windowTime(f.until, now); err != nil {
		return fmt.Errorf("--until %q: %w", f.until, err)
	}
	switch {
	case s.From.After(now):
		return fmt.Errorf("--since %s is yet to come: now is %s", stamp(s.From), stamp(now))
	case s.To.After(now):
		return fmt.Errorf("--until %s is yet to come: now is %s; leave it out to replay what there is", stamp(s.To), stamp(now))
	case !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To):
		return errors.New("--since must be before --until: nothing lies between them")
	}
	return nil
}

// windowTime reads what pointInTime does and what a person, or stamp, writes
// with a space in it. It is a whole second, so that the time which a plan prints
// is the time that it was made for.
func windowTime(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	at, err := pointInTime(text, now)
	if err != nil {
		return at, errors.New("write it as 2026-11-21, \"2026-11-21 14:00\", 2026-11-21T14:00:00Z, or as how long ago: 90m, 2h, 3d")
	}
	return at.Truncate(time.Second).UTC(), nil
}

// parseOffsets reads A-B, both included, as a range that ends before its to; -1
// is no end.
func parseOffsets(text string) (from, to int64, err error) {
	wrong := fmt.Errorf("--offsets %q: write it as 1200-1399, 1200 for one alone, or 1200- for all from there on", text)
	low, high, ranged := strings.Cut(strings.TrimSpace(text), "-")
	const bits = 62 // so that the place after the last is a number too
	first, err := strconv.ParseUint(low, 10, bits)
	if err != nil {
		return 0, 0, wrong
	}
	last := first
	switch {
	case ranged && high == "":
		return int64(first), -1, nil
	case ranged:
		if last, err = strconv.ParseUint(high, 10, bits); err != nil || last < first {
			return 0, 0, wrong
		}
	}
	return int64(first), int64(last) + 1, nil
}

func parseFields(texts []string) (map[string]string, error) {
	var fields map[string]string
	for _, text := range texts {
		path, want, ok := strings.Cut(text, "=")
		if path = strings.TrimSpace(path); !ok || path == "" {
			return nil, fmt.Errorf("--field %q: write it as PATH=TEXT, as attributes.plan=gold", text)
		}
		if _, twice := fields[path]; twice {
			return nil, fmt.Errorf("--field %s is given twice: an event says one thing there, so none would be chosen", path)
		}
		if fields == nil {
			fields = map[string]string{}
		}
		fields[path] = want
	}
	return fields, nil
}
