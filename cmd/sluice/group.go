package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/config"
)

func groupCommand(sh *shell) *cobra.Command {
	return group("group", "See how far the consumer groups are, and move one",
		groupDescribeCommand(sh), groupListCommand(sh), groupResetCommand(sh))
}

func groupListCommand(sh *shell) *cobra.Command {
	limit := shownGroups
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the cluster's groups that are sluice's",
		Long: `List the consumer groups of the cluster that are sluice's, by name: those that share out
their shards by sluice's protocol, and those without members whose commits are sluice's.
The configuration's own group is marked with * and is listed also when a reset or another
program has set its offsets.

LAG counts the events that are in the live topics and not settled, over all streams that
the group has committed offsets of; HELD those that keep failing, with their users' later
ones behind them, and REPLAY those that wait to be sent again. Where there are any,
OVERFLOW counts those whose class is over its own rate, DEFERRED those that wait for
their time, which are no backlog, and LATE those of them that were not taken in time.
STOPPED counts the shards, each tier of one by itself, at which a member stops until
sluice shard resume, for their next event is not in the topic any more.`,
		Example: `  sluice group ls -c sluice.yaml
  sluice group ls -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sh.listGroups(cmd.Context(), limit) },
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "show so many groups as text, 0 for all: `N`")
	return cmd
}

const (
	// shownGroups and shownShards bound what is printed as text: a cluster may
	// have thousands, and the worst come first.
	shownGroups = 50
	shownShards = 20
)

// groupEntry is one group in a list.
type groupEntry struct {
	Group      string   `json:"group"`
	Configured bool     `json:"configured"` // the configuration's own
	State      string   `json:"state"`
	Members    int      `json:"members"`
	Topics     []string `json:"topics"` // live ones
	Lag        int64    `json:"lag"`    // of the live tier
	tierCounts
	Stopped int `json:"stopped"` // shards at which a member stops, each tier by itself
}

// groupList is the result of group ls.
type groupList struct {
	Groups []groupEntry `json:"groups"`
}

func (sh *shell) listGroups(ctx context.Context, limit int) error {
	if err := judgeLimit(limit); err != nil {
		return err
	}
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	result := groupList{Groups: []groupEntry{}}
	err = ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		found, err := a.Groups(ctx, cfg.Kafka.Group)
		for _, g := range found {
			result.Groups = append(result.Groups, entryOf(g, cfg))
		}
		return err
	})
	if err != nil {
		return err
	}
	return sh.answer(result, func(w io.Writer) { result.text(w, limit) })
}

func entryOf(g partition.GroupLag, cfg config.Config) groupEntry {
	entry := groupEntry{Group: g.Name, Configured: g.Name == cfg.Kafka.Group, State: g.State, Members: len(g.Members), Topics: []string{}}
	known := func(live string) bool {
		return slices.ContainsFunc(g.Topics, func(t partition.TopicLag) bool { return t.Topic == live })
	}
	for _, t := range g.Topics {
		entry.Stopped += t.Halted
		switch partition.TierOf(t.Topic, known) {
		case partition.Held:
			entry.Held += t.Lag
		case partition.Replay:
			entry.Replay += t.Lag
		case partition.Overflow:
			entry.Overflow += t.Lag
		case partition.Delay10s, partition.Delay10m, partition.Delay6h:
			entry.Deferred += t.Deferred
			entry.Late += t.Lag
		case partition.Live:
			entry.Topics = append(entry.Topics, t.Topic)
			entry.Lag += t.Lag
		}
	}
	return entry
}

func (r groupList) text(w io.Writer, limit int) {
	if len(r.Groups) == 0 {
		_, _ = fmt.Fprintln(w, "no group of the cluster is sluice's: none has ever run, or the brokers do not show them to this principal")
		return
	}
	shown := bounded(r.Groups, limit)
	var all tierCounts
	for _, g := range r.Groups {
		all.add(g.tierCounts)
	}
	columns := tierColumns{overflow: all.Overflow > 0, delays: all.Deferred+all.Late > 0}
	table(w, func(row func(string, ...any)) {
		row("\tGROUP\tSTATE\tMEMBERS\tLAG\t" + columns.head() + "\tSTOPPED\tTOPICS")
		for _, g := range shown {
			mark := ""
			if g.Configured {
				mark = "*"
			}
			row("%s\t%s\t%s\t%d\t%d\t%s\t%d\t%s", mark, g.Group, g.State, g.Members, g.Lag, columns.cells(g.tierCounts), g.Stopped, few(g.Topics, 5))
		}
	})
	more(w, len(r.Groups)-len(shown), "more group", "more groups")
}

func judgeLimit(limit int) error {
	if limit < 0 {
		return usage(fmt.Errorf("--limit must be 0 (all) or more, have %d", limit))
	}
	return nil
}

// bounded is the beginning of a list; a limit of 0 is none.
func bounded[T any](list []T, limit int) []T {
	if limit == 0 || limit >= len(list) {
		return list
	}
	return list[:limit]
}

// few names the first of several, and counts the others.
func few(names []string, most int) string {
	if len(names) == 0 {
		return "-"
	}
	text := strings.Join(bounded(names, most), ", ")
	if n := len(names) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// ranges writes numbers in short: 0-3, 7, 9-11.
func ranges(numbers []int32) string {
	var texts []string
	sorted := slices.Clone(numbers)
	slices.Sort(sorted)
	for i := 0; i < len(sorted); {
		end := i
		for end+1 < len(sorted) && sorted[end+1] == sorted[end]+1 {
			end++
		}
		text := fmt.Sprint(sorted[i])
		if end > i {
			text += fmt.Sprintf("-%d", sorted[end])
		}
		texts = append(texts, text)
		i = end + 1
	}
	return few(texts, 8)
}

// inWords writes a time in seconds as a person says it, in two units at most;
// nil is one that is not known.
func inWords(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	const day, century = 24 * time.Hour, 100 * 365 * 24 * time.Hour
	d := time.Duration(min(*seconds, century.Seconds()) * float64(time.Second))
	switch {
	case d >= century:
		return "for ever"
	case d <= 0:
		return "0s"
	case d < time.Second:
		return "<1s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}

// groupMember is one member of a group in a report.
type groupMember struct {
	Member   string `json:"member"`
	Instance string `json:"instance,omitempty"`
	Region   string `json:"region,omitempty"`
	Host     string `json:"host"`
	Actions  string `json:"actions,omitempty"` // where it takes actions
	Shards   int    `json:"shards"`
}

// memberOf counts a member's shards, which are the streams' partitions, however
// many tiers each has.
func memberOf(m partition.GroupMember, streams []config.Stream) groupMember {
	host := strings.TrimPrefix(m.Host, "/") // as Java writes addresses
	if alone, _, err := net.SplitHostPort(host); err == nil {
		host = alone
	}
	one := groupMember{Member: m.ID, Instance: m.Instance, Region: m.Told.Region, Host: host, Actions: m.Told.Admin}
	for _, s := range streams {
		for number := range s.Partitions {
			if m.Owns(s.Topic, number) {
				one.Shards++
			}
		}
	}
	return one
}

// name is what a person knows a member by.
func (m groupMember) name() string { return cmp.Or(m.Instance, m.Member) }
