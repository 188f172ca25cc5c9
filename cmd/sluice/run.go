package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline/config"
)

// roleDeliver is the role that this version knows.
const roleDeliver = "deliver"

type runFlags struct {
	instance string
	roles    string
}

func runCommand(sh *shell) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Deliver the configured streams as a member of the group",
		Long: `Deliver the configured streams as one member of the consumer group. Start as many
as you like: the group shares the partitions among them. On SIGINT or SIGTERM a
member takes nothing more, lets attempts in flight end (drain), commits and
leaves; a second signal ends it at once, and nothing is lost by that either.

With --instance the member has a static identity: its shards wait for it over a
restart that is quicker than kafka.session_timeout.`,
		Example: `  sluice run -c sluice.yaml
  sluice run -c sluice.yaml --instance sluice-0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := f.apply(sh)
			if err != nil {
				return err
			}
			return sh.run(cmd.Context(), cfg)
		},
	}
	cmd.Flags().StringVar(&f.instance, "instance", "", "static group identity, the same after a restart: `ID`")
	cmd.Flags().StringVar(&f.roles, "roles", roleDeliver, "what this member does: `deliver`")
	return cmd
}

func (f runFlags) apply(sh *shell) (config.Config, error) {
	for role := range strings.SplitSeq(f.roles, ",") {
		if strings.TrimSpace(role) != roleDeliver {
			return config.Config{}, usage(fmt.Errorf("--roles: %q is not a role that this version knows; it knows %s", role, roleDeliver))
		}
	}
	cfg, err := sh.config()
	if err == nil && f.instance != "" {
		cfg.Kafka.Instance = f.instance
	}
	return cfg, err
}

func (sh *shell) run(ctx context.Context, cfg config.Config) error {
	m, err := newMember(ctx, cfg, sh.logger(zapcore.InfoLevel))
	if err != nil {
		return err
	}
	return m.run(ctx)
}
