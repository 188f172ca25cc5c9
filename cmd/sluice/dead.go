package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline/config"
	"sluice/pipeline/deadletters"
)

func deadCommand(sh *shell) *cobra.Command {
	return group("dead", "Look after dead letters: the events that were set aside for a person",
		deadListCommand(sh), deadShowCommand(sh), deadRedriveCommand(sh), deadExportCommand(sh), deadDropCommand(sh))
}

const filterHelp = `Choose letters by --reason, --verdict, --workspace, --status, --user, --id, --since and
--until. Several values of one flag are alternatives; different flags must all agree.`

// letterFlags choose letters.
type letterFlags struct {
	reasons, verdicts, workspaces, statuses, users, ids []string
	since, until                                        string
}

func (f *letterFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.reasons, "reason", nil, "why they were set aside, as ls counts it: `REASON,...`")
	flags.StringSliceVar(&f.verdicts, "verdict", nil, "what the last attempt meant: `VERDICT,...`, as rejected, or faulted for what was never sent")
	flags.StringSliceVar(&f.workspaces, "workspace", nil, "the workspace that they were for: `NAME,...`")
	flags.StringSliceVar(&f.statuses, "status", nil, "the last HTTP status: `STATUS,...`, as 422, 4xx or none")
	flags.StringArrayVar(&f.users, "user", nil, "the record key, exactly: `USER`; may be given again")
	flags.StringSliceVar(&f.ids, "id", nil, "the event's id: `ID,...`")
	flags.StringVar(&f.since, "since", "", "died then or later: `TIME`, as 2026-11-21, 2026-11-21T14:00:00Z, or 2h for two hours ago")
	flags.StringVar(&f.until, "until", "", "died before then: `TIME`")
}

// filter is what the flags say; a fault is one of usage.
func (f letterFlags) filter(now time.Time) (deadletters.Filter, error) {
	filter := deadletters.Filter{Reasons: f.reasons, Verdicts: f.verdicts, Workspaces: f.workspaces, Users: f.users}
	for _, id := range f.ids {
		filter.IDs = append(filter.IDs, strings.ToUpper(id))
	}
	for _, text := range f.statuses {
		statuses, err := deadletters.ParseStatuses(text)
		if err != nil {
			return filter, usage(fmt.Errorf("--status %q: %w", text, err))
		}
		filter.Statuses = append(filter.Statuses, statuses)
	}
	var err error
	if filter.Since, err = pointInTime(f.since, now); err != nil {
		return filter, usage(fmt.Errorf("--since %q: %w", f.since, err))
	}
	if filter.Until, err = pointInTime(f.until, now); err != nil {
		return filter, usage(fmt.Errorf("--until %q: %w", f.until, err))
	}
	if !filter.Since.IsZero() && !filter.Until.IsZero() && !filter.Since.Before(filter.Until) {
		return filter, usage(errors.New("--since must be before --until: nothing lies between them"))
	}
	return filter, nil
}

// pointInTime reads a time, a day (in UTC), or how long ago; "" is none.
func pointInTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	ago, err := config.ParseDuration(strings.TrimSuffix(text, " ago"))
	if err != nil {
		return time.Time{}, errors.New("write it as 2026-11-21, 2026-11-21T14:00:00Z, or as how long ago: 90m, 2h, 3d")
	}
	return now.Add(-ago), nil
}

// opened is a stream's dead letters, with the configuration that they came of.
type opened struct {
	*deadletters.Box
	cfg    config.Config
	stream config.Stream
	list   string // the command that lists them
	close  func() // lets go of Kafka
}

// deadBox opens the dead letters of a stream whose topics exist.
func (sh *shell) deadBox(ctx context.Context, streamName string) (opened, error) {
	cfg, stream, err := sh.stream(streamName)
	if err != nil {
		return opened{}, err
	}
	if err := needsTopics(ctx, cfg.Kafka, stream.Topic, stream.DeadTopic()); err != nil {
		return opened{}, err
	}
	cluster, err := deadletters.NewCluster(cfg.Kafka, sh.logger(zapcore.WarnLevel))
	if err != nil {
		return opened{}, err
	}
	list := sh.withConfig("sluice dead ls " + shellWord(stream.Name))
	return opened{deadletters.Open(cluster, stream.Topic, stream.DeadTopic()), cfg, stream, list, cluster.Close}, nil
}

// whoAmI is the name that the audit keeps unless --by gives another.
func whoAmI() string {
	name := "unknown"
	if me, err := user.Current(); err == nil && me.Username != "" {
		name = me.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// visible is text that somebody else wrote, without what would move a
// terminal's cursor or colour it.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return '\uFFFD'
		}
		return r
	}, text)
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02 15:04:05Z")
}

// problem words what went wrong while letters were read.
func (o opened) problem(err error) error { return unreached(o.cfg.Kafka, err, 0) }

// noLetter says that a name is of no letter; err says more, and that it may be
// something else.
func (o opened) noLetter(err error, sought string) error {
	if !errors.Is(err, deadletters.ErrNone) {
		return o.problem(err)
	}
	return fmt.Errorf("%w: %s has none %s; it may be deleted by retention, or of another stream\nwhat there is: %s",
		deadletters.ErrNone, o.stream.DeadTopic(), sought, o.list)
}

// unknown says which of the names are of no workspace; letters of one that was
// removed may be there all the same, so it is no fault.
func (o opened) unknown(workspaces []string) string {
	names := namesOf(o.cfg.Workspaces)
	for _, name := range workspaces {
		if !slices.Contains(names, name) {
			return fmt.Sprintf("no workspace is named %q now; there is %s", visible(name), few(names, 5))
		}
	}
	return ""
}
