package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/pipeline/config"
	"sluice/pipeline/deferral"
	"sluice/pipeline/rules"
	"sluice/pipeline/state"
)

// recallFlags are those of cancel.
type recallFlags struct {
	deferredQuery
	yes     bool
	by, why string
}

func deferredCancelCommand(sh *shell) *cobra.Command {
	var f recallFlags
	cmd := &cobra.Command{
		Use:   "cancel STREAM",
		Short: "Drop deferred events of a user or a rule; without --yes, say which",
		Long: `Recall the deferred events of a user, of a rule, or of both together: members drop them
when they wake or are due, and count them as dropped. Events that come after the
command are not meant. Without --yes nothing is done: what would be dropped is counted.

A recall is kept with who made it and why. Until its events are dropped it can be taken
back: sluice deferred withdraw. What a destination has already is not undone.`,
		Example: `  sluice deferred cancel events-us --user 42
  sluice deferred cancel events-us --rule digest --yes --why "wrong template"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.cancelDeferred(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.user, "user", "", userFlag)
	flags.StringVar(&f.rule, "rule", "", ruleFlag)
	flags.BoolVar(&f.yes, "yes", false, "do it; without, say what would be done")
	flags.StringVar(&f.by, "by", "", "who asks, for the audit: `NAME`; by default the user and host")
	flags.StringVar(&f.why, "why", "", "why, for the audit: `TEXT`")
	return cmd
}

// recallReport is the result of deferred cancel.
type recallReport struct {
	Stream string           `json:"stream"`
	User   string           `json:"user,omitempty"`
	Rule   string           `json:"rule,omitempty"`
	DryRun bool             `json:"dry_run"`
	Events int              `json:"events"` // that waited for their time
	First  time.Time        `json:"first,omitzero"`
	Last   time.Time        `json:"last,omitzero"`
	Recall *deferral.Recall `json:"recall,omitempty"`
}

func (sh *shell) cancelDeferred(ctx context.Context, name string, f recallFlags) error {
	if f.user == "" && f.rule == "" {
		return usage(errors.New("name whose events: --user USER, --rule RULE, or both; sluice deferred ls shows what there is"))
	}
	cfg, stream, err := sh.deferring(name)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	found, err := deferredOf(ctx, cfg, stream, f.deferredQuery)
	if err != nil {
		return err
	}
	report := recallReport{Stream: stream.Name, User: f.user, Rule: f.rule, DryRun: !f.yes, Events: found.events()}
	report.First, report.Last = found.span()
	if report.Events == 0 {
		if err := knownRule(cfg, stream, f.rule); err != nil {
			return usage(err)
		}
	}
	if f.yes {
		if f.by == "" {
			f.by = whoAmI()
		}
		err := sh.withState(ctx, cfg, func(ctx context.Context, store *state.Store) error {
			kept, err := deferral.Add(ctx, store, deferral.Recall{Stream: stream.Name, User: f.user, Rule: f.rule, Before: now, By: f.by, Why: f.why})
			report.Recall = &kept
			return err
		})
		if err != nil {
			return err
		}
	}
	return sh.answer(report, report.text)
}

// knownRule refuses the name of a rule that no workspace of the stream has: it is
// mistyped, unless something is deferred by a rule of that name from before.
func knownRule(cfg config.Config, stream config.Stream, rule string) error {
	names := []string{rules.DefaultClass}
	for _, route := range stream.Routes {
		w, _ := cfg.Workspace(route.Workspace)
		for _, r := range w.Rules.Rules {
			names = append(names, r.Name)
		}
	}
	if rule == "" || slices.Contains(names, rule) {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("no rule of stream %s is named %q, and nothing is deferred by one; there is %s",
		stream.Name, visible(rule), strings.Join(slices.Compact(names), ", "))
}

func (r recallReport) text(w io.Writer) {
	whose := r.Stream + chosenBy(r.User, r.Rule)
	switch {
	case r.Events == 0:
		_, _ = fmt.Fprintf(w, "no event of %s is deferred just now\n", whose)
	case r.DryRun:
		_, _ = fmt.Fprintf(w, "%s of %s would be dropped", count(r.Events, "deferred event", "deferred events"), whose)
	default:
		_, _ = fmt.Fprintf(w, "%s of %s will be dropped", count(r.Events, "deferred event", "deferred events"), whose)
	}
	switch {
	case r.Events == 1:
		_, _ = fmt.Fprintf(w, ", due %s\n", stamp(r.First))
	case r.Events > 1:
		_, _ = fmt.Fprintf(w, ", due from %s to %s\n", stamp(r.First), stamp(r.Last))
	}
	if !r.DryRun {
		_, _ = fmt.Fprintln(w, "the members drop what came before now, when it wakes or is due; what comes later is delivered")
		_, _ = fmt.Fprintf(w, "take it back before that: sluice deferred withdraw %s\n", r.Recall.ID)
		return
	}
	_, _ = fmt.Fprintf(w, "%s; what comes later is not meant\n", unchanged)
	if r.Events == 0 {
		_, _ = fmt.Fprintf(w, "what there is: sluice deferred ls %s\n", shellWord(r.Stream))
	}
	_, _ = fmt.Fprintf(w, "do it: sluice deferred cancel %s%s --yes\n", shellWord(r.Stream), choosing(r.User, r.Rule))
}
