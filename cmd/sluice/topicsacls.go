package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sluice/pipeline/tiers"
)

func aclsCommand(sh *shell) *cobra.Command {
	var principal, roles string
	cmd := &cobra.Command{
		Use:   "acls",
		Short: "List the least that Kafka must allow, ready for kafka-acls",
		Long: `List what an authorizer of Kafka must allow for the topics of the configuration, and
nothing more: as a table and as kafka-acls commands. Kafka is not asked; doctor checks
whether what a member needs is granted.

Roles: deliver is sluice run; produce is sluice produce, run with a gateway, or any other
producer; apply is topics apply; operate is topics plan and check, doctor, group, shard
resume, check, dead and replay. Give each a principal of its own where you can: this
lists what one needs.

Read and Write imply Describe, so Describe is not listed beside them. Brokers before 2.8
want IdempotentWrite on the cluster as well, of whoever delivers or produces.`,
		Example: `  sluice topics acls -c sluice.yaml
  sluice topics acls --principal User:sluice --roles deliver
  sluice topics acls --roles produce --principal User:shop -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			wanted, err := tiers.ParseRoles(roles)
			if err != nil {
				return usage(fmt.Errorf("--roles: %w", err))
			}
			if kind, name, ok := strings.Cut(principal, ":"); !ok || kind == "" || name == "" {
				return usage(fmt.Errorf("--principal must be as User:NAME, have %q", principal))
			}
			return sh.acls(principal, wanted)
		},
	}
	cmd.Flags().StringVar(&principal, "principal", "User:sluice", "who is to be allowed: `User:NAME`")
	cmd.Flags().StringVar(&roles, "roles", joined(tiers.Roles()), "what the principal does: `ROLE,...`")
	return cmd
}

// aclsReport is the result of topics acls.
type aclsReport struct {
	Principal string        `json:"principal"`
	ACLs      []tiers.Grant `json:"acls"`
	Commands  []string      `json:"commands"`
}

func (sh *shell) acls(principal string, roles []tiers.Role) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	grants := tiers.Grants(cfg, roles)
	report := aclsReport{Principal: principal, ACLs: grants, Commands: tiers.Commands(grants, cfg.Kafka.Brokers, principal)}
	return sh.answer(report, report.text)
}

func (r aclsReport) text(w io.Writer) {
	table(w, func(row func(string, ...any)) {
		row("PRINCIPAL\tRESOURCE\tNAME\tOPERATION\tFOR")
		for _, g := range r.ACLs {
			row("%s\t%s\t%s\t%s\t%s", r.Principal, g.Resource, g.Name, g.Operation, joined(g.Roles))
		}
	})
	_, _ = fmt.Fprintln(w)
	for _, command := range r.Commands {
		_, _ = fmt.Fprintln(w, command)
	}
}

func joined(roles []tiers.Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, ",")
}
