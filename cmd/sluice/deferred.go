package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline/config"
	"sluice/pipeline/deferral"
	"sluice/pipeline/rules"
	"sluice/pipeline/state"
)

func deferredCommand(sh *shell) *cobra.Command {
	return group("deferred", "Look after deferred events: those that wait for their time",
		deferredListCommand(sh), deferredCancelCommand(sh), deferredWithdrawCommand(sh))
}

const (
	ruleFlag = "the rule that deferred them, or " + rules.DefaultClass + " for those that only a header did: `RULE`"
	userFlag = "the record key, exactly: `USER`"
)

func deferredListCommand(sh *shell) *cobra.Command {
	var q deferredQuery
	cmd := &cobra.Command{
		Use:   "ls STREAM",
		Short: "Count a stream's deferred events by rule, and show the next ones",
		Long: `Count the events of a stream that wait for their time on its delay topics, by the rule
that deferred them, and show which are due next: they are no backlog, unless they are
late. Payloads are not shown. What is recalled
stays counted until it wakes. What was due within ten seconds when it came never went to
a delay topic and is not counted.

Recalls that were made with sluice deferred cancel are listed below, until 90 days have
passed: nothing is deferred for longer.`,
		Example: `  sluice deferred ls events-us
  sluice deferred ls events-us --user 42
  sluice deferred ls events-us --rule digest -o json | jq .events`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.listDeferred(cmd.Context(), args[0], q)
		},
	}
	cmd.Flags().StringVar(&q.user, "user", "", userFlag)
	cmd.Flags().StringVar(&q.rule, "rule", "", ruleFlag)
	cmd.Flags().IntVar(&q.next, "next", 20, "show `N` of those due next, at most 1000")
	return cmd
}

// deferredQuery chooses deferred events.
type deferredQuery struct {
	user, rule string
	next       int
}

// deferredReport is the result of deferred ls.
type deferredReport struct {
	Stream  string            `json:"stream"`
	User    string            `json:"user,omitempty"`
	Rule    string            `json:"rule,omitempty"`
	Events  int               `json:"events"`
	Late    int               `json:"late"` // of them, whose time is up for more than ten seconds
	Rules   []deferredRule    `json:"rules"`
	Next    []deferredEvent   `json:"next"`    // the first to come first
	Recalls []deferral.Recall `json:"recalls"` // of the stream
	Notes   []string          `json:"notes,omitempty"`
}

// deferredRule is what one rule has deferred.
type deferredRule struct {
	Rule   string    `json:"rule"`
	Events int       `json:"events"`
	First  time.Time `json:"first"` // due
	Last   time.Time `json:"last"`
}

type deferredEvent struct {
	Due    time.Time `json:"due"`
	User   string    `json:"user,omitempty"`
	Rule   string    `json:"rule"`
	Came   time.Time `json:"came"`
	Source string    `json:"source"`
}

func (sh *shell) listDeferred(ctx context.Context, name string, q deferredQuery) error {
	if q.next < 0 || q.next > mostListed {
		return usage(fmt.Errorf("--next must be from 0 to %d, have %d", mostListed, q.next))
	}
	cfg, stream, err := sh.deferring(name)
	if err != nil {
		return err
	}
	report := deferredReport{Stream: stream.Name, User: q.user, Rule: q.rule, Recalls: []deferral.Recall{}}
	found, err := deferredOf(ctx, cfg, stream, q)
	if err != nil {
		return err
	}
	report.Events, report.Late, report.Rules, report.Next = found.events(), found.late, found.byRule(), found.first()
	err = sh.withState(ctx, cfg, func(_ context.Context, store *state.Store) error {
		recalls, unread := deferral.List(store)
		for _, r := range recalls {
			if r.Stream == stream.Name && time.Now().Before(r.Over()) {
				report.Recalls = append(report.Recalls, r)
			}
		}
		if unread != nil { // which hides none of the others
			report.Notes = append(report.Notes, "some recalls cannot be read, and drop nothing: "+unread.Error())
		}
		return nil
	})
	if err != nil {
		return err
	}
	return sh.answer(report, report.text)
}

// deferring finds a stream that has delay topics.
func (sh *shell) deferring(name string) (config.Config, config.Stream, error) {
	cfg, stream, err := sh.stream(name)
	if err == nil && !stream.Deferral {
		err = usage(fmt.Errorf("stream %s defers nothing: none of its rules has spread, at or quiet, and it has no deferral: true; "+
			"if events from before wait on its delay topics, deferral: true has them delivered", name))
	}
	return cfg, stream, err
}

// withState calls fn with the operators' state.
func (sh *shell) withState(ctx context.Context, cfg config.Config, fn func(context.Context, *state.Store) error) error {
	if err := needsTopics(ctx, cfg.Kafka, cfg.StateTopic); err != nil {
		return err
	}
	opening, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	store, err := state.Open(opening, state.Config{Kafka: cfg.Kafka, Topic: cfg.StateTopic}, sh.logger(zapcore.WarnLevel))
	if err != nil {
		return unreached(cfg.Kafka, err, late(ctx, opening, askTime))
	}
	defer store.Close()
	return unreached(cfg.Kafka, fn(opening, store), late(ctx, opening, askTime))
}

func (r deferredReport) text(w io.Writer) {
	if r.Events == 0 {
		_, _ = fmt.Fprintf(w, "no event of %s%s is deferred\n", r.Stream, chosenBy(r.User, r.Rule))
	} else {
		_, _ = fmt.Fprintf(w, "%s of %s%s: they wait for their time, and are no backlog\n\n",
			count(r.Events, "deferred event", "deferred events"), r.Stream, chosenBy(r.User, r.Rule))
		table(w, func(row func(string, ...any)) {
			row("RULE\tEVENTS\tFIRST DUE\tLAST DUE")
			for _, one := range r.Rules {
				row("%s\t%d\t%s\t%s", visible(one.Rule), one.Events, stamp(one.First), stamp(one.Last))
			}
		})
	}
	if len(r.Next) > 0 {
		_, _ = fmt.Fprintf(w, "\nthe next %d of %d:\n", len(r.Next), r.Events)
		table(w, func(row func(string, ...any)) {
			row("DUE\tUSER\tRULE\tCAME\tFIRST STOOD AT")
			for _, e := range r.Next {
				row("%s\t%s\t%s\t%s\t%s", stamp(e.Due), orDash(visible(clipped(e.User))), visible(e.Rule), stamp(e.Came), visible(e.Source))
			}
		})
	}
	if len(r.Recalls) > 0 {
		_, _ = fmt.Fprintln(w, "\nrecalled, and dropped when they wake or are due:")
		table(w, func(row func(string, ...any)) {
			row("RECALL\tUSER\tRULE\tCAME BEFORE\tBY\tWHY")
			for _, one := range r.Recalls {
				row("%s\t%s\t%s\t%s\t%s\t%s", one.ID, orDash(visible(clipped(one.User))), orDash(visible(one.Rule)), stamp(one.Before),
					visible(clipped(one.By)), orDash(visible(clipped(one.Why))))
			}
		})
	}
	if r.Late > 0 {
		_, _ = fmt.Fprintf(w, "\n! %s late: the time was up and no member took or moved them; why: sluice group describe --stream %s\n",
			count(r.Late, "of them is", "of them are"), shellWord(r.Stream))
	}
	for _, note := range r.Notes {
		_, _ = fmt.Fprintf(w, "\n! %s\n", visible(note))
	}
	if r.Events > 0 {
		_, _ = fmt.Fprintf(w, "\nwhat would be cancelled, without doing it: sluice deferred cancel %s%s\n", shellWord(r.Stream), r.choice())
	}
	if len(r.Recalls) > 0 {
		_, _ = fmt.Fprintln(w, "\ntake a recall back: sluice deferred withdraw RECALL")
	}
}

// choice is the flags that choose what the report is of, or a hint at them.
func (r deferredReport) choice() string {
	if r.User == "" && r.Rule == "" {
		return " --user USER or --rule RULE"
	}
	return choosing(r.User, r.Rule)
}
