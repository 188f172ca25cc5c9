package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/config"
)

func groupDescribeCommand(sh *shell) *cobra.Command {
	q := groupQuery{limit: shownShards}
	cmd := &cobra.Command{
		Use:   "describe [GROUP]",
		Short: "Tell how far a group is: its lag, by workspace and shard, and who owns what",
		Long: `Tell how far the configuration's group, or another one, is with the streams of the
configuration. Nothing is changed, and members are only asked which shards have stopped.

LAG counts the events in the live topic that are not settled; what is settled above the
watermark, the next event to settle, is left out. HELD counts those that keep failing,
with their users' later ones behind them, and REPLAY those that wait to be sent again.
TAKES is all of them at the workspace's budget, when nothing more comes and nothing
fails: the whole budget for one workspace, of which each shard takes its part. One
without a limit is judged by what its members measured when they last joined, with
--watch by what is settled meanwhile. OLDEST is the age of the first live event that is
not settled.

With rules there is more. OVERFLOW counts the events that are over the rate of their
class, with their users' later ones behind them; TAKES has them at the rates of the
classes. DEFERRED counts those that wait for their time on the delay topics, NEXT DUE is
when the first of them is due ("by" a time: at the latest then). An event that waits for
its time is no backlog: it is in neither LAG nor TAKES. LATE counts those whose time was
up and that nobody took or moved within ten seconds; they are in TAKES.

COMMIT says who holds a shard by its last commit: owned, released (handed over in good
order), plain (set by a reset or another program) or none. RETRIES counts the live events
that failed and wait, as far as commits tell.

WAITS FOR says why a shard with unsettled events goes no faster: a member to own it; an
operator (stopped); the held or the overflow tier, until its owner knows whose events are
on it; commit, last owner or lease, which pass by themselves; the destination (breaker,
refused, pause); the rate of a class, when all of it is on overflow; or its budget, when
nothing else is known and the lag is more than a second of it.

--held lists instead the users who are held, those longest held first: how many events,
since when, how often the first of them was tried. --overflow lists those who are on
overflow: how many events, of which class, since when. Either reads what is there;
payloads are not shown. What is deferred, one by one: sluice deferred ls.

Stopped shards come first, then those that lag most. JSON holds all shards; with --watch
it is one object a line.`,
		Example: `  sluice group describe -c sluice.yaml
  sluice group describe --workspace acme-us --watch
  sluice group describe --stream events-us --limit 0
  sluice group describe --held
  sluice group describe --overflow --stream events-us
  sluice group describe -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				q.group = args[0]
			}
			if cmd.Flags().Changed("watch") && q.every < watchLeast {
				return usage(fmt.Errorf("--watch must be %v or more, have %v", watchLeast, q.every))
			}
			switch {
			case q.held && q.overflow:
				return usage(errors.New("--held and --overflow are two lists; ask for one of them"))
			case q.held && q.every > 0:
				return usage(errors.New("--held reads all that is held, so it looks once; leave --watch out"))
			case q.overflow && q.every > 0:
				return usage(errors.New("--overflow reads all that is there, so it looks once; leave --watch out"))
			case q.held:
				return sh.describeHeld(cmd.Context(), q)
			case q.overflow:
				return sh.describeOverflow(cmd.Context(), q)
			}
			return sh.describeGroup(cmd.Context(), q)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.stream, "stream", "", "only the shards of this stream: `NAME`")
	flags.StringVar(&q.workspace, "workspace", "", "only the shards that go to this workspace: `NAME`")
	flags.IntVar(&q.limit, "limit", q.limit, "show so many shards, or users, as text, 0 for all: `N`")
	flags.BoolVar(&q.held, "held", false, "list the users whose events are held")
	flags.BoolVar(&q.overflow, "overflow", false, "list the users whose events are on overflow")
	flags.DurationVar(&q.every, "watch", 0, "show it again and again until interrupted, every `TIME` (--watch=5s)")
	flags.Lookup("watch").NoOptDefVal = "2s"
	return cmd
}

// watchLeast keeps a watch from being a load of its own.
const watchLeast = 100 * time.Millisecond

// groupQuery is what group describe is asked.
type groupQuery struct {
	group             string // empty: the configuration's
	stream, workspace string // empty: all
	held, overflow    bool   // who is on that tier, and nothing else
	limit             int
	every             time.Duration // 0: once
}

// complete fills in the group and refuses what the configuration does not have.
func (sh *shell) complete(q groupQuery) (groupQuery, config.Config, error) {
	cfg, err := sh.config()
	if err != nil {
		return q, cfg, err
	}
	if q.stream != "" {
		if cfg, _, err = sh.stream(q.stream); err != nil {
			return q, cfg, err
		}
	}
	if q.workspace != "" {
		if _, _, err = sh.workspace(q.workspace); err != nil {
			return q, cfg, err
		}
	}
	if q.group == "" {
		q.group = cfg.Kafka.Group
	}
	return q, cfg, judgeLimit(q.limit)
}

func (sh *shell) describeGroup(ctx context.Context, q groupQuery) error {
	q, cfg, err := sh.complete(q)
	if err != nil {
		return err
	}
	if q.every > 0 {
		return sh.watchGroup(ctx, cfg, q)
	}
	report, err := surveyGroup(ctx, cfg, q)
	if err != nil {
		return err
	}
	report.finish()
	return sh.answer(report, func(w io.Writer) { report.text(w, q.limit) })
}

// watchGroup shows the group again and again until ctx ends. Once it has been
// seen, brokers that do not answer for a while end nothing: a watch is most
// needed when they come and go.
func (sh *shell) watchGroup(ctx context.Context, cfg config.Config, q groupQuery) error {
	tick := time.NewTicker(q.every)
	defer tick.Stop()
	var last *groupReport
	for {
		report, err := surveyGroup(ctx, cfg, q)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && last == nil:
			return err
		case err != nil:
			_, _ = fmt.Fprintf(sh.err, "sluice: %s; trying again\n", brief(err))
		default:
			if last != nil {
				report.measure(*last)
			}
			report.finish()
			if err := sh.answer(report, func(w io.Writer) { sh.redraw(w, report, q.limit) }); err != nil {
				return err
			}
			last = &report
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// redraw shows a report in the place of the last one on a terminal, and below
// it elsewhere.
func (sh *shell) redraw(w io.Writer, report groupReport, limit int) {
	const home = "\x1b[H\x1b[2J"
	if isTerminal(sh.out) {
		_, _ = io.WriteString(w, home)
	}
	_, _ = fmt.Fprintln(w, report.At.Format(time.RFC3339))
	report.text(w, limit)
	_, _ = fmt.Fprintln(w)
}

// oldestTime bounds the reading of the oldest events, and of those that are due
// next: they are few numbers among others, and the others must not wait for them.
const oldestTime = 5 * time.Second

// surveyGroup asks Kafka, and the members, once. Its report is to be finished.
func surveyGroup(ctx context.Context, cfg config.Config, q groupQuery) (groupReport, error) {
	var report groupReport
	err := ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		state, err := a.Group(ctx, q.group)
		if err != nil {
			return err
		}
		lags, err := a.Lag(ctx, q.group, q.topics(cfg)...)
		if err != nil {
			return err
		}
		if err := a.FindDeferred(ctx, lags, stepsOf(cfg.Streams)); err != nil {
			return err
		}
		wanted := q.wanted(cfg, lags)
		unread, undue := readFirst(ctx, a, wanted)
		if err := cmp.Or(unread, undue); err != nil && ctx.Err() != nil { // the whole time is up, not that of the reading
			return err
		}
		report = newGroupReport(cfg, state, wanted)
		report.notesOfTopics(cfg, q, lags)
		report.notesOfLeftovers(ctx, a, cfg, q)
		if unread != nil {
			report.note("the age of some events is not known: %v", unread)
		}
		if undue != nil {
			report.note("when the next deferred event is due is not known: %v", undue)
		}
		return nil
	})
	if err == nil {
		report.askMembers(ctx)
	}
	return report, err
}

// readFirst finds the oldest of the live events, and which deferred one is due
// next. Each error says why some are not known.
func readFirst(ctx context.Context, a *partition.Admin, wanted map[partition.Tier][]partition.ShardLag) (unread, undue error) {
	reading, cancel := context.WithTimeout(ctx, oldestTime)
	defer cancel()
	unread = a.FindOldest(reading, wanted[partition.Live])
	for t, lags := range wanted {
		if t.Delays() && undue == nil {
			undue = a.FindDue(reading, lags)
		}
	}
	return unread, undue
}

// topics are those of the streams that are asked about, of every tier.
func (q groupQuery) topics(cfg config.Config) []string {
	var topics []string
	for _, s := range cfg.Streams {
		if q.stream != "" && q.stream != s.Name {
			continue
		}
		for _, t := range tiersOf(s) {
			topics = append(topics, topicOf(s, t))
		}
	}
	return topics
}

// wanted are the lags of the workspace that is asked about, by tier.
func (q groupQuery) wanted(cfg config.Config, lags []partition.ShardLag) map[partition.Tier][]partition.ShardLag {
	wanted := map[partition.Tier][]partition.ShardLag{}
	for _, l := range lags {
		s, tier := streamOn(cfg, l.Topic)
		if name, _ := s.Route(l.Partition); q.workspace == "" || name == q.workspace {
			wanted[tier] = append(wanted[tier], l)
		}
	}
	return wanted
}
