package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/pipeline/config"
	"sluice/pipeline/event"
	rehearse "sluice/pipeline/rehearsal"
	"sluice/pipeline/rules"
	"sluice/sink/budget"
)

// rulesCheckFlags are those of rules check.
type rulesCheckFlags struct {
	inputFlags
	sample, stream string
}

func rulesCheckCommand(sh *shell) *cobra.Command {
	var f rulesCheckFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Show every rule as it is understood, and what looks wrong",
		Long: `Show the rules of every workspace as they are understood: what each matches, its rate,
priority, weight and floor, when its events are sent, and whether they keep the order of
their users' other events. Below each stands what looks wrong (!) or may surprise (i): a
rule that an earlier one hides, a rate above the budget, floors of more than 100%, quiet
hours that leave too little time.

--sample tries the events of a file, as sluice produce reads it: how many each takes, an
example of each with its values masked, and which path of a rule is in none of them.
Nothing is sent and nobody is contacted.

Exit codes: 0 nothing looks wrong, 1 something does, 2 wrong usage or configuration,
3 lines of the sample could not be read and nothing else looks wrong.`,
		Example: `  sluice rules check -c sluice.yaml
  sluice rules check --sample purchases.ndjson --stream events-us
  sluice rules check -o json | jq '.workspaces[].findings[] | select(.wrong)'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sh.checkRules(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.sample, "sample", "", "`FILE` of events to try the rules on, or - for standard input")
	cmd.Flags().StringVar(&f.stream, "stream", "", "`NAME` of the stream that the sample is of; needed when there are several")
	f.register(cmd.Flags())
	return cmd
}

// rulesReport is the result of rules check.
type rulesReport struct {
	File       string           `json:"file"`
	OK         bool             `json:"ok"` // nothing looks wrong
	Sample     string           `json:"sample,omitempty"`
	Stream     string           `json:"stream,omitempty"` // of the sample
	Unread     int              `json:"unread"`           // lines of the sample that are no events
	Unfit      string           `json:"unfit,omitempty"`  // what is wrong with the first of these
	Workspaces []ruledWorkspace `json:"workspaces"`
}

// ruledWorkspace is one workspace with its rules.
type ruledWorkspace struct {
	Workspace string             `json:"workspace"`
	Requests  string             `json:"requests"`
	Events    string             `json:"events"`
	Streams   []string           `json:"streams"` // that lead to it
	Rules     []ruleReport       `json:"rules"`
	Findings  []rehearse.Finding `json:"findings"`
	Sample    *rehearse.Tried    `json:"sample,omitempty"` // nil: no event of it comes here
}

// ruleReport is one rule as it is understood.
type ruleReport struct {
	Name      string  `json:"name"`
	Matches   string  `json:"matches"`
	Rate      string  `json:"rate"`  // unlimited: none of its own
	Every     string  `json:"every"` // between two events at that rate; empty: none
	Priority  string  `json:"priority"`
	Weight    float64 `json:"weight"`
	Floor     string  `json:"floor"`
	Sends     string  `json:"sends"`
	KeepsUser bool    `json:"keeps_order"` // of its users' other events
	Order     string  `json:"order"`

	aMinute string // the rate by the minute, as many write it; empty: Rate says it, or it is no whole number
}

func (sh *shell) checkRules(ctx context.Context, f rulesCheckFlags) error {
	if f.sample == "" && (f.stream != "" || f.inputFlags != inputFlags{}) {
		return usage(errors.New("--stream, --format, --map and --event are about a sample: add --sample FILE"))
	}
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	report := rulesReport{File: sh.configPath, OK: true, Sample: f.sample, Workspaces: []ruledWorkspace{}}
	for _, w := range cfg.Workspaces {
		report.Workspaces = append(report.Workspaces, ruledOf(cfg, w))
	}
	var left error
	if f.sample != "" {
		if left, err = sh.trySample(ctx, cfg, f, &report); err != nil {
			return err
		}
	}
	for _, w := range report.Workspaces {
		report.OK = report.OK && !slices.ContainsFunc(w.Findings, func(found rehearse.Finding) bool { return found.Wrong })
	}
	if err := sh.answer(report, report.text); err != nil {
		return err
	}
	if !report.OK {
		return verdict(exitFailed, "something looks wrong in the rules")
	}
	return left
}

// ruledOf says how the rules of a workspace are understood.
func ruledOf(cfg config.Config, w config.Workspace) ruledWorkspace {
	ruled := rehearse.Ruled{Rules: w.Rules.Rules, Budget: w.Budget, Items: w.BatchItems}
	var byClass []string
	for _, s := range cfg.Streams {
		if !slices.ContainsFunc(s.Routes, func(r config.Route) bool { return r.Workspace == w.Name }) {
			continue
		}
		ruled.Streams = append(ruled.Streams, s.Name)
		if s.OrderByClass {
			byClass = append(byClass, s.Name)
		}
	}
	report := ruledWorkspace{
		Workspace: w.Name, Requests: config.FormatRate(w.Budget.Requests), Events: config.FormatRate(w.Budget.Events),
		Streams: append([]string{}, ruled.Streams...), Rules: []ruleReport{}, Findings: append([]rehearse.Finding{}, ruled.Findings()...),
	}
	if set := w.RuleSet(); set != nil {
		classes := set.Classes()[1:]
		for i, r := range w.Rules.Rules {
			report.Rules = append(report.Rules, ruleOf(r, classes[i], byClass))
		}
	}
	return report
}

// ruleOf says how one rule is understood; its class has the defaults.
func ruleOf(r rules.Rule, c rules.Class, byClass []string) ruleReport {
	one := ruleReport{
		Name: r.Name, Matches: matchWords(r.Match), Rate: config.FormatRate(budget.Rate(r.Rate)), Priority: r.Priority.String(),
		Weight: c.Weight, Floor: rehearse.Percent(c.Floor), Sends: sendWords(r),
		KeepsUser: r.Spread.Over == 0 && r.At == nil && r.Quiet == nil && len(byClass) == 0,
	}
	if r.Rate > 0 {
		one.Every = rehearse.Every(r.Rate)
		if perMinute := math.Round(60 * r.Rate); strings.HasSuffix(one.Rate, "/s") && math.Abs(60*r.Rate-perMinute) < 1e-6 {
			one.aMinute = fmt.Sprintf(" (%.0f/min)", perMinute)
		}
	}
	one.Order = orderWords(r, byClass)
	return one
}

// trySample tries the events of a file; left is what could not be read of it.
func (sh *shell) trySample(ctx context.Context, cfg config.Config, f rulesCheckFlags, report *rulesReport) (left, err error) {
	stream, err := sh.theStream(cfg, f.stream, "--stream")
	if err != nil {
		return nil, err
	}
	in, file, err := f.open(f.sample, sh.in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	from, err := newFileStream(sh, cfg, stream)
	if err != nil {
		return nil, err
	}
	defer from.close()
	samples := map[string]*rehearse.Sample{}
	for name := range from.sinks {
		w, _ := cfg.Workspace(name)
		if samples[name], err = rehearse.NewSample(w.Rules.Rules, rules.Place{Stream: stream.Name, Partitions: stream.Partitions}); err != nil {
			return nil, fmt.Errorf("workspace %s: %w", name, err)
		}
	}
	now := time.Now()
	err = from.each(ctx, in, func(int) time.Time { return now }, func(workspace string, line int, e *event.Event) error {
		samples[workspace].Try(line, e, now)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if from.read == 0 && from.unread == 0 {
		return nil, fmt.Errorf("%s has no events", f.sample)
	}
	report.Stream, report.Unread = stream.Name, from.unread
	if from.first != nil {
		report.Unfit = from.first.Error()
	}
	for i := range report.Workspaces {
		w := &report.Workspaces[i]
		if s := samples[w.Workspace]; s != nil && s.Tried().Events > 0 {
			tried := s.Tried()
			w.Sample = &tried
			w.Findings = append(w.Findings, s.Findings()...)
		}
	}
	return from.unreadLines(f.sample), nil
}
