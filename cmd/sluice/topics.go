package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/config"
)

func topicsCommand(sh *shell) *cobra.Command {
	var force bool
	apply := &cobra.Command{
		Use:   "apply",
		Short: "Create the topics of every stream and mend their settings",
		Long: `Create the live and the dead-letter topic of every stream of the configuration, and
mend the settings of those that exist. It may be repeated: what is right stays.

A live topic has the stream's partitions, replication and retention, at least two
in-sync replicas and no compaction. The dead-letter topic takes records 64 KiB larger,
so that an event always fits it together with its reason.

Nothing is changed when a topic could lose or disorder events: fewer than three
replicas or two in sync (--force allows that, for a test cluster), compaction, or
another partition count than the topic has, which would move users to other shards.`,
		Example: `  sluice topics apply -c sluice.yaml
  sluice topics apply --force    # a single broker`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sh.applyTopics(cmd.Context(), force) },
	}
	apply.Flags().BoolVar(&force, "force", false, "accept fewer than three replicas or two in sync")
	return group("topics", "Look after the streams' topics", apply)
}

// applied is the result of topics apply.
type applied struct {
	Changes []partition.Change `json:"changes"`
}

func (sh *shell) applyTopics(ctx context.Context, force bool) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	var changes []partition.Change
	err = ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		specs, err := topicSpecs(ctx, a, cfg.Streams)
		if err == nil {
			changes, err = a.Apply(ctx, specs, force)
		}
		return err
	})
	if err != nil && len(changes) == 0 {
		return err
	}
	if answerErr := sh.answer(applied{changes}, func(w io.Writer) {
		table(w, func(row func(string, ...any)) {
			for _, c := range changes {
				row("%s\t%s", c.Topic, c.What)
			}
		})
	}); answerErr != nil {
		return answerErr
	}
	if err != nil {
		return part(err)
	}
	return nil
}

const (
	settingMaxBytes = "max.message.bytes"
	// usualMaxBytes is Kafka's own default for a record batch.
	usualMaxBytes = 1048588
	// deadRoom is how much larger a dead letter may be than its source: its
	// headers say why.
	deadRoom   = 64 << 10
	minInSync  = 2
	inSyncName = "min.insync.replicas"
)

// topicSpecs says how the topics of the streams should be. What a live topic
// takes is left as it is; its dead letters follow it. The dead topic's
// partition count is no stream's concern, so an existing one keeps its own.
func topicSpecs(ctx context.Context, a *partition.Admin, streams []config.Stream) ([]partition.TopicSpec, error) {
	var names []string
	for _, s := range streams {
		names = append(names, s.Topic, s.DeadTopic())
	}
	existing, err := a.Topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	var specs []partition.TopicSpec
	for _, s := range streams {
		maxBytes := usualMaxBytes
		live := partition.TopicSpec{Name: s.Topic, Partitions: s.Partitions, Replication: s.Replication, Settings: settings(s)}
		if have := existing[s.Topic]; !have.Exists {
			live.Settings[settingMaxBytes] = strconv.Itoa(maxBytes)
		} else if known, err := strconv.Atoi(have.Settings[settingMaxBytes]); err == nil {
			maxBytes = known
		}
		dead := partition.TopicSpec{Name: s.DeadTopic(), Partitions: s.Partitions, Replication: s.Replication, Settings: settings(s)}
		dead.Settings[settingMaxBytes] = strconv.Itoa(maxBytes + deadRoom)
		if have := existing[dead.Name]; have.Exists {
			dead.Partitions = have.Partitions
		}
		specs = append(specs, live, dead)
	}
	return specs, nil
}

func settings(s config.Stream) map[string]string {
	return map[string]string{
		"cleanup.policy": "delete",
		"retention.ms":   strconv.FormatInt(s.Retention.Milliseconds(), 10),
		// More than there are replicas would refuse every append.
		inSyncName: fmt.Sprint(min(minInSync, s.Replication)),
	}
}
