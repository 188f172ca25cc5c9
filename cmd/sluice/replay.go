package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline/config"
	"sluice/pipeline/replay"
	"sluice/pipeline/state"
	"sluice/sink"
)

func replayCommand(sh *shell) *cobra.Command {
	return group("replay", "Send a window of a stream again: plan it, rehearse it, start it, follow it",
		replayPlanCommand(sh), replayStartCommand(sh), replayListCommand(sh), replayStatusCommand(sh),
		replayPauseCommand(sh), replayResumeCommand(sh), replayCancelCommand(sh))
}

// replays are a configuration's replays, with what they are kept in.
type replays struct {
	*replay.Desk
	cfg   config.Config
	store *state.Store
	sinks []sink.Sink
}

// replays opens the state that replays are kept in, and asks nothing else.
func (sh *shell) replays(ctx context.Context, cfg config.Config) (replays, error) {
	if err := needsTopics(ctx, cfg.Kafka, cfg.StateTopic); err != nil { // who opens the state waits long for brokers that are away
		return replays{}, err
	}
	log := sh.logger(zapcore.WarnLevel)
	opening, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	store, err := state.Open(opening, state.Config{Kafka: cfg.Kafka, Topic: cfg.StateTopic}, log)
	if err != nil {
		return replays{}, unreached(cfg.Kafka, err, late(ctx, opening, askTime))
	}
	deps, sinks, err := replayDeps(cfg, store, log)
	if err != nil {
		store.Close()
		return replays{}, err
	}
	return replays{Desk: replay.NewDesk(deps), cfg: cfg, store: store, sinks: sinks}, nil
}

// askReplays calls fn with the configuration's replays, for a few questions.
func (sh *shell) askReplays(ctx context.Context, fn func(context.Context, replays) error) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	desk, err := sh.replays(ctx, cfg)
	if err != nil {
		return err
	}
	defer desk.close()
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return unreached(cfg.Kafka, fn(asking, desk), late(ctx, asking, askTime))
}

func (r replays) close() {
	for _, s := range r.sinks {
		s.Close()
	}
	r.store.Close()
}

// replayDeps is what replays need to know of a configuration. The sinks only
// judge events; they are the caller's to close.
func replayDeps(cfg config.Config, store *state.Store, log *zap.Logger) (replay.Deps, []sink.Sink, error) {
	deps := replay.Deps{Kafka: cfg.Kafka, Group: cfg.Kafka.Group, Store: store, Log: log}
	var sinks []sink.Sink
	for _, w := range cfg.Workspaces {
		s, err := newSink(w, log)
		if err != nil {
			return deps, sinks, fmt.Errorf("workspace %s: %w", w.Name, err)
		}
		sinks = append(sinks, s)
		kind := string(w.Kind)
		if w.Kind == config.Customerio {
			kind = replay.KindCustomerio
		}
		deps.Workspaces = append(deps.Workspaces, replay.Workspace{
			Name: w.Name, Kind: kind, Region: w.Region, Rate: float64(w.Budget.Requests), EventRate: float64(w.Budget.Events),
			Batch: w.BatchItems, EventID: w.Dedup.EventID, Prepare: s.Prepare,
		})
	}
	for _, s := range cfg.Streams {
		deps.Streams = append(deps.Streams, replay.Stream{
			Name: s.Name, Topic: s.Topic, ReplayTopic: s.ReplayTopic(), Residency: s.Residency, Partitions: s.Partitions, Routes: partitionStream(s).Routes,
		})
	}
	return deps, sinks, nil
}

// job finds a replay by its id, or by what tells it from the others.
func (r replays) job(ctx context.Context, text string) (replay.Status, error) {
	all, err := r.Jobs(ctx)
	if err != nil {
		return replay.Status{}, err
	}
	ids := make([]string, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	at, err := matching(ids, text, listed{"replay", "sluice replay ls"})
	if err != nil {
		return replay.Status{}, err
	}
	return all[at], nil
}

// leastOfID is how much of an id must be given: by less, a slip of the hand
// would name one.
const leastOfID = 4

// listed is a kind of thing that has ids, and what lists them.
type listed struct{ what, by string }

// matching finds the one id that is, begins or ends as text does.
func matching(ids []string, text string, of listed) (int, error) {
	wanted := strings.ToUpper(strings.TrimSpace(text))
	found := -1
	var also []string
	for i, id := range ids {
		switch {
		case id == wanted:
			return i, nil
		case len(wanted) >= leastOfID && (strings.HasPrefix(id, wanted) || strings.HasSuffix(id, wanted)):
			found, also = i, append(also, id)
		}
	}
	switch {
	case len(also) == 1:
		return found, nil
	case len(also) > 1:
		return 0, usage(fmt.Errorf("%q may be any of %s; write more of it, best its end", visible(text), few(also, 5)))
	case len(wanted) < leastOfID:
		return 0, usage(fmt.Errorf("%q is too little of an id: write %d characters or more of its beginning or end; %s shows them", visible(text), leastOfID, of.by))
	}
	return 0, fmt.Errorf("no %s has the id %q; %s shows those there are", of.what, visible(text), of.by)
}

// replayIDs completes the id of a replay, or nothing when Kafka does not answer
// at once: a shell that completes must not wait.
func (sh *shell) replayIDs(fit func(replay.State) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const patience = 3 * time.Second
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), patience)
		defer cancel()
		var names []string
		_ = sh.askReplays(ctx, func(ctx context.Context, desk replays) error { // a shell that completes is no place for faults
			all, err := desk.Jobs(ctx)
			for _, s := range all {
				if fit(s.State) {
					names = append(names, fmt.Sprintf("%s\t%s of %s", s.ID, s.State, s.Selection.Stream))
				}
			}
			return err
		})
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// withConfig is the global flags that a command must be given again to mean the
// same.
func (sh *shell) withConfig(command string) string {
	if sh.configSet {
		command += " -c " + shellWord(sh.configPath)
	}
	return command
}
