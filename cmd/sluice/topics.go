package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/tiers"
)

func topicsCommand(sh *shell) *cobra.Command {
	return group("topics", "Look after the topics of the streams and of operator state, and who may use them",
		planCommand(sh), applyCommand(sh), checkTopicsCommand(sh), aclsCommand(sh))
}

const (
	forceHelp = "accept fewer than three replicas or two in sync"
	marksHelp = `Each line has a mark: + will be created, ~ will be changed, = is as it should be,
! is refused, or differs and cannot be changed from here. What is refused holds
everything else back.`
)

func planCommand(sh *shell) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what topics apply would do, and do nothing",
		Long: `Compare the topics of every stream of the configuration, and that of operator state,
with those that exist: partitions, replication, retention, replicas in sync, cleanup and
the largest record. Nothing is changed.

` + marksHelp + `

Exit codes: 0 nothing to do, 3 changes are pending, 1 something is refused.`,
		Example: `  sluice topics plan -c sluice.yaml
  sluice topics plan -o json | jq '.topics[] | select(.action != "keep")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := sh.planTopics(cmd.Context(), force)
			if err != nil {
				return err
			}
			switch {
			case report.Refused > 0:
				return verdict(exitFailed, "%d topics are refused", report.Refused)
			case report.Pending > 0:
				return verdict(exitPart, "%d topics are to be created or changed", report.Pending)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, forceHelp)
	return cmd
}

func checkTopicsCommand(sh *shell) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Tell a script whether the topics are as they should be",
		Long: `Compare like topics plan and change nothing. The difference is in the exit code: it is
0 only when every topic is as it should be, so also not when the number of replicas
differs, which topics apply leaves alone.

` + marksHelp + `

Exit codes: 0 all is as it should be, 3 something differs, 1 something is refused.`,
		Example: `  sluice topics check -c sluice.yaml
  sluice topics check --force -o json    # a single broker`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := sh.planTopics(cmd.Context(), force)
			if err != nil {
				return err
			}
			switch {
			case report.Refused > 0:
				return verdict(exitFailed, "%d topics are refused", report.Refused)
			case report.Pending+report.Differing > 0:
				return verdict(exitPart, "%d topics differ", report.Pending+report.Differing)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, forceHelp)
	return cmd
}

func applyCommand(sh *shell) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Create the topics that the configuration needs and mend their settings",
		Long: `Create the topics of every stream of the configuration, and that of operator state, and
mend the settings of those that exist; topics plan shows beforehand what that is. It may
be repeated: what is right stays.

A stream has four topics: the live one; TOPIC.held for what waits for a later attempt;
TOPIC.replay for what is sent again on purpose; TOPIC.dead for dead letters. All have the
stream's partitions, replication and retention, at least two in-sync replicas and no
compaction; those beside the live one take larger records, so that an event always fits
them together with what is noted of it. One topic for all streams (kafka.state_topic)
keeps replay jobs, pauses and the audit trail: one partition, compacted, with as many
replicas as the stream that has most.

Nothing is changed when a topic could lose or disorder events: fewer than three
replicas or two in sync (--force allows that, for a test cluster), compaction of events,
or another partition count than the topic has, which would move users to other shards.

Exit codes: 0 done, 1 refused or failed, 3 done in part.`,
		Example: `  sluice topics apply -c sluice.yaml
  sluice topics apply --force    # a single broker`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sh.applyTopics(cmd.Context(), force) },
	}
	cmd.Flags().BoolVar(&force, "force", false, forceHelp)
	return cmd
}

// planTopics compares and prints, and changes nothing.
func (sh *shell) planTopics(ctx context.Context, force bool) (topicsReport, error) {
	cfg, err := sh.config()
	if err != nil {
		return topicsReport{}, err
	}
	var plan partition.Plan
	err = ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		plan, err = planTopics(ctx, a, cfg, force)
		return err
	})
	if err != nil {
		return topicsReport{}, err
	}
	report := reportTopics(plan.Topics)
	return report, sh.answer(report, report.text)
}

func (sh *shell) applyTopics(ctx context.Context, force bool) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	var done []partition.TopicPlan
	err = ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		done, err = applyTopics(ctx, a, cfg, force)
		return err
	})
	if err != nil && len(done) == 0 {
		return err
	}
	report := reportTopics(done)
	report.Applied = true
	if err := errors.Join(err, sh.answer(report, report.text)); err != nil {
		return part(err)
	}
	return nil
}

// planTopics compares the configuration's topics with those that exist.
func planTopics(ctx context.Context, a *partition.Admin, cfg config.Config, force bool) (partition.Plan, error) {
	have, err := a.Topics(ctx, tiers.Topics(cfg)...)
	if err != nil {
		return partition.Plan{}, err
	}
	plan, err := a.Plan(ctx, tiers.Specs(cfg, have), force)
	return tiers.Explain(cfg, plan), err
}

// applyTopics makes the configuration's topics as they should be and returns
// those that are done.
func applyTopics(ctx context.Context, a *partition.Admin, cfg config.Config, force bool) ([]partition.TopicPlan, error) {
	plan, err := planTopics(ctx, a, cfg, force)
	if err != nil {
		return nil, err
	}
	done, err := a.Apply(ctx, plan)
	return done, lost(err, "sluice topics plan")
}
