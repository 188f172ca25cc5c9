package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sluice/pipeline/config"
)

func configCommand(sh *shell) *cobra.Command {
	return group("config", "Write, judge and explain the configuration",
		configCheckCommand(sh), configInitCommand(sh), configShowCommand(sh), configSchemaCommand(sh), configDocsCommand(sh))
}

func configShowCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the configuration as it is in effect, defaults included",
		Long: `Print the configuration as it is in effect: every key with its value, whether the
file gives it or a default does, as YAML or with -o json as one object. A secret is
shown as the reference that the file has for it, else as a placeholder.`,
		Example: `  sluice config show -c sluice.yaml
  sluice config show -o json | jq .workspaces`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := sh.config()
			if err != nil {
				return err
			}
			text, err := cfg.YAML()
			if err != nil {
				return err
			}
			return sh.answer(cfg.Effective(), func(w io.Writer) { _, _ = w.Write(text) })
		},
	}
}

func configSchemaCommand(sh *shell) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Long: `Print a JSON Schema (draft 2020-12) of the configuration, by which editors complete
and check it: begin the file with "# yaml-language-server: $schema=sluice.schema.json".`,
		Example: `  sluice config schema --to sluice.schema.json
  sluice config schema -o json | jq .properties.kafka`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Schema()
			if err != nil {
				return err
			}
			if to == "" && sh.output == outputJSON {
				var line bytes.Buffer
				if err := json.Compact(&line, text); err != nil {
					return fmt.Errorf("write the schema: %w", err)
				}
				return sh.writeJSON(json.RawMessage(line.Bytes()))
			}
			return sh.page(to, text)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "write to `FILE` instead, replacing it")
	return cmd
}

func configDocsCommand(sh *shell) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "docs",
		Short: "Print what every key of the configuration means",
		Long: `Print every key of the configuration as a page in Markdown: what it means, what it
looks like, its default, and whether a change applies without a restart.`,
		Example: `  sluice config docs
  sluice config docs --to CONFIG.md`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return sh.page(to, []byte(config.Reference())) },
	}
	cmd.Flags().StringVar(&to, "to", "", "write to `FILE` instead, replacing it")
	return cmd
}

// page prints a text, or writes it to a file and says so.
func (sh *shell) page(to string, text []byte) error {
	if to == "" {
		return sh.answer(map[string]string{"text": string(text)}, func(w io.Writer) { _, _ = w.Write(text) })
	}
	if err := os.WriteFile(to, text, 0o644); err != nil { //nolint:gosec // a page without secrets, for everybody
		return fmt.Errorf("write the page: %w", err)
	}
	return sh.answer(map[string]string{"file": to}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "wrote %s\n", to) })
}

// writeNew writes a file that must not be there yet, unless force.
func writeNew(path string, text []byte, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(path, flags, 0o600) //nolint:gosec // the user names it
	if errors.Is(err, os.ErrExist) {
		return usage(fmt.Errorf("%s exists already; name another with --to, or replace it with --force", path))
	}
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}
