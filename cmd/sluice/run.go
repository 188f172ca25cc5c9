package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline/config"
)

type runFlags struct {
	instance string
	remain   bool
	roles    string
}

func runCommand(sh *shell) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Deliver the configured streams, and take events by HTTP, as a member",
		Long: `Deliver the configured streams as one member of the consumer group. Start as many
as you like: the group shares the partitions among them, and a workspace's budget
holds over all of them together. On SIGINT or SIGTERM a member takes nothing more,
lets attempts in flight end (drain), commits and leaves; a second signal ends it at
once, and nothing is lost by that either.

With gateway: in the configuration it also takes events by HTTP: Customer.io's Track
API and webhooks. --roles divides the two: a member with gateway alone joins no group,
one with deliver alone opens no door. Stopped, a member with both first ends the
requests under way, then drains. /readyz says that it can take requests once it listens
and has found Kafka with its topics, and goes on to say so in an outage of Kafka:
callers then get 503 with Retry-After, which no load balancer would tell them.

It takes a changed configuration by itself, and at once on SIGHUP: budgets, attempts in
flight, batch sizes, breakers, retries, credentials, URLs, the log level, and who may
call the gateway. What needs a restart (kafka, addresses, streams, workspaces that come
or go) is said in the log; with a faulty file nothing changes. A workspace that is
refused is asked again at each reload.

With --instance the member has a static identity: after a crash its shards wait for
it, up to kafka.session_timeout, and it has them again as soon as it is back. Stopped
by a signal it leaves the group by that identity all the same, so its shards move to
others at once. With --remain (or kafka.remain) it stays in the group then too: the
shards wait for it, up to kafka.session_timeout, for a restart that is quicker than
moving them twice. Give no two members the same identity: the later one takes the
place of the other, which ends.`,
		Example: `  sluice run -c sluice.yaml
  sluice run -c sluice.yaml --instance sluice-0
  sluice run -c sluice.yaml --instance sluice-0 --remain
  sluice run -c sluice.yaml --roles gateway`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := parseRoles(f.roles); err != nil {
				return err
			}
			return sh.run(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.instance, "instance", "", "static group identity, the same after a restart: `ID`")
	cmd.Flags().BoolVar(&f.remain, "remain", false, "stay in the group when stopped; needs an instance")
	cmd.Flags().StringVar(&f.roles, "roles", "", "what this member does: `ROLE,...` of deliver and gateway; by default all that the configuration has a part for")
	return cmd
}

// load reads the configuration as the flags change it, and what it was made of.
func (f runFlags) load(sh *shell) (config.Config, sources, error) {
	cfg, made, err := sh.configAndSources()
	if err != nil {
		return cfg, made, err
	}
	if f.instance != "" {
		cfg.Kafka.Instance = f.instance
	}
	cfg.Kafka.Remain = cfg.Kafka.Remain || f.remain
	if cfg.Kafka.Remain && cfg.Kafka.Instance == "" {
		err = usage(errors.New("--remain (kafka.remain) needs a static identity to come back with: give --instance ID or kafka.instance"))
	}
	return sh.located(cfg), made, err
}

// run plays its roles until ctx ends, and reloads the configuration meanwhile.
func (sh *shell) run(ctx context.Context, f runFlags) error {
	cfg, made, err := f.load(sh)
	if err != nil {
		return err
	}
	level, follows, err := sh.servingLevel(cfg)
	if err != nil {
		return err
	}
	log := sh.loggerAt(level)
	var hangups <-chan os.Signal
	if sh.hangups != nil {
		received, ignore := sh.hangups()
		defer ignore()
		hangups = received
	}
	plays, err := rolesFor(f.roles, cfg)
	if err != nil {
		return err
	}
	m, err := newMember(ctx, cfg, plays, log)
	if err != nil {
		return err
	}
	r := &reloader{
		load: func() (config.Config, sources, error) { return f.load(sh) }, read: os.ReadFile,
		member: m, log: log.Named("config"), metrics: newReloadMetrics(m.registry), running: cfg, seen: made,
	}
	if follows {
		r.level = &level
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var watcher sync.WaitGroup
	watcher.Go(func() { r.watch(watching, hangups) })
	err = m.run(ctx)
	stop()
	watcher.Wait()
	return err
}

// servingLevel is the level of --log-level, else the configuration's, which a
// log then follows.
func (sh *shell) servingLevel(cfg config.Config) (level zap.AtomicLevel, follows bool, err error) {
	usual, err := zapcore.ParseLevel(cfg.LogLevel)
	if err != nil {
		return level, false, fmt.Errorf("log_level: %w", err)
	}
	at, err := sh.level(usual)
	return zap.NewAtomicLevelAt(at), sh.logLevel == "", err
}
