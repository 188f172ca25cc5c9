package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"sluice/partition"
	"sluice/pipeline/config"
)

func routeCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "route STREAM USER...",
		Short: "Show which shard, workspace and region a user's events go to",
		Long: `Show for each user the key, its partition, the shard and the workspace and region
that its events are delivered to, as the configuration has it. Kafka is not asked.

What of a user is held, or is sent again, is on the partition of the same number of the
stream's other topics: TOPIC.held and TOPIC.replay.

USER is the record key itself: a user's id, an email in lower case, an anonymous id,
or type:id for an object. Any producer that uses Kafka's default partitioner
(murmur2 of the key) comes to the same partition.`,
		Example: `  sluice route events-us 42 ada@example.com
  sluice route events-us 42 -o json`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: sh.streamNames,
		RunE:              func(_ *cobra.Command, args []string) error { return sh.route(args[0], args[1:]) },
	}
}

// routed is where one user's events go.
type routed struct {
	User      string `json:"user"`
	Partition int32  `json:"partition"`
	Shard     string `json:"shard"`
	Workspace string `json:"workspace"`
	Region    string `json:"region"`
}

// routes is the result of route.
type routes struct {
	Stream string   `json:"stream"`
	Topic  string   `json:"topic"`
	Routes []routed `json:"routes"`
}

func (sh *shell) route(streamName string, users []string) error {
	cfg, stream, err := sh.stream(streamName)
	if err != nil {
		return err
	}
	result := routes{Stream: stream.Name, Topic: stream.Topic}
	for _, user := range users {
		if user == "" {
			return usage(errors.New("a user must not be empty: an empty key is bad input"))
		}
		result.Routes = append(result.Routes, routeOf(cfg, stream, user))
	}
	return sh.answer(result, func(w io.Writer) {
		table(w, func(row func(string, ...any)) {
			row("KEY\tPARTITION\tSHARD\tWORKSPACE\tREGION")
			for _, r := range result.Routes {
				row("%s\t%d\t%s\t%s\t%s", r.User, r.Partition, r.Shard, r.Workspace, orDash(r.Region))
			}
		})
	})
}

func routeOf(cfg config.Config, stream config.Stream, user string) routed {
	shard := partition.ShardID{Stream: stream.Name, Partition: partition.ShardOf([]byte(user), stream.Partitions)}
	r := routed{User: user, Partition: shard.Partition, Shard: shard.String()}
	if name, ok := stream.Route(shard.Partition); ok {
		w, _ := cfg.Workspace(name)
		r.Workspace, r.Region = name, w.Region
	}
	return r
}
