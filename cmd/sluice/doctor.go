package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/pipeline/config"
	"sluice/pipeline/doctor"
	"sluice/pipeline/tiers"
)

func doctorCommand(sh *shell) *cobra.Command {
	options := doctor.DefaultOptions()
	roles := joined(options.Roles)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine everything that the configuration relies on, and change nothing",
		Long: `Examine what the configuration relies on and say of each thing whether it is ok, what
is wrong with it, and what to do: the configuration itself, every broker and its
version, the topics, what the brokers allow, the newest records (whether they stand
where their keys belong), each destination's name, certificate and credentials, the
clocks, and until when the gateway's certificate is good.

Nothing is changed: no record is appended, no offset committed, no event sent.
Customer.io is asked for the account's region; a webhook's server is sent OPTIONS *,
which reaches none of its endpoints and carries no credential.

Exit codes: 0 all is ok, 3 there are warnings only, 1 something failed.`,
		Example: `  sluice doctor -c sluice.yaml
  sluice doctor --records 1000 -o json
  sluice doctor --force --records 0    # a single broker, no records read`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if options.Roles, err = tiers.ParseRoles(roles); err != nil {
				return usage(fmt.Errorf("--roles: %w", err))
			}
			if options.Records < 0 {
				return usage(fmt.Errorf("--records must be 0 or above, have %d", options.Records))
			}
			return sh.doctor(cmd.Context(), options)
		},
	}
	cmd.Flags().Int64Var(&options.Records, "records", options.Records, "newest records of each partition to look at: `N`, 0 for none")
	cmd.Flags().StringVar(&roles, "roles", roles, "whose access is checked: `ROLE,...` of deliver, produce, apply, operate")
	cmd.Flags().BoolVar(&options.Force, "force", false, forceHelp)
	return cmd
}

func (sh *shell) doctor(ctx context.Context, o doctor.Options) error {
	cfg, err := sh.config()
	findings := sh.configFindings(cfg, err)
	if err == nil {
		findings = append(findings, certificateFindings(sh.located(cfg), time.Now())...)
		findings = append(findings, doctor.Examine(ctx, cfg, o)...)
	}
	report := doctor.NewReport(findings)
	if err := sh.answer(report, func(w io.Writer) { writeFindings(w, report) }); err != nil {
		return err
	}
	switch {
	case report.Failed > 0:
		return verdict(exitFailed, "%d checks failed", report.Failed)
	case report.Warnings > 0:
		return verdict(exitPart, "%d warnings", report.Warnings)
	}
	return nil
}

// configFindings are the configuration's own: each fault is one.
func (sh *shell) configFindings(cfg config.Config, err error) []doctor.Finding {
	f := doctor.Finding{Check: doctor.Settings, Subject: sh.configPath, State: doctor.OK}
	if err == nil {
		f.What = fmt.Sprintf("no faults: %s, %s", count(len(cfg.Workspaces), "workspace", "workspaces"), count(len(cfg.Streams), "stream", "streams"))
		return []doctor.Finding{f}
	}
	f.State, f.What, f.Remedy = doctor.Failed, err.Error(), "nothing else was looked at: mend this, and run doctor again"
	faults, ok := errors.AsType[*config.Error](err)
	if !ok {
		return []doctor.Finding{f}
	}
	var found []doctor.Finding
	for _, fault := range faults.List {
		found = append(found, doctor.Finding{
			Check: doctor.Settings, State: doctor.Failed, Subject: fmt.Sprintf("%s:%d:%d", sh.configPath, fault.Line, fault.Column),
			What: fault.Path + ": " + fault.What, Remedy: fault.Remedy,
		})
	}
	return found
}

// writeFindings puts what to do below the finding that it mends.
func writeFindings(w io.Writer, r doctor.Report) {
	table(w, func(row func(string, ...any)) {
		row("STATE\tCHECK\tSUBJECT\tFINDING")
		for _, f := range r.Findings {
			row("%s\t%s\t%s\t%s", f.State, f.Check, f.Subject, f.What)
			if f.Remedy != "" {
				row("\t\t\t-> %s", f.Remedy)
			}
		}
	})
	_, _ = fmt.Fprintf(w, "\n%d ok, %s, %d failed\n", r.OK, count(r.Warnings, "warning", "warnings"), r.Failed)
}
