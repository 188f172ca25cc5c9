package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/pipeline/config"
)

func completionCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print what teaches a shell to complete sluice's commands",
		Long: `Print a script that teaches a shell to complete commands, flags and their values,
also the names of streams and workspaces, which are read from the configuration
(-c, else sluice.yaml).

Bash needs the package bash-completion. Put the script where your shell looks for
completions, as the examples do, and start a new shell.`,
		Example: `  sluice completion bash > /etc/bash_completion.d/sluice
  sluice completion zsh > "${fpath[1]}/_sluice"
  sluice completion fish > ~/.config/fish/completions/sluice.fish
  source <(sluice completion bash)`,
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, args []string) error { return writeCompletion(cmd.Root(), args[0], sh.out) },
	}
}

func writeCompletion(root *cobra.Command, shell string, out io.Writer) error {
	var err error
	switch shell {
	case "bash":
		err = root.GenBashCompletionV2(out, true)
	case "zsh":
		err = root.GenZshCompletion(out)
	case "fish":
		err = root.GenFishCompletion(out, true)
	default:
		err = root.GenPowerShellCompletionWithDesc(out)
	}
	if err != nil {
		return fmt.Errorf("write the completion script: %w", err)
	}
	return nil
}

// completeFlags teaches every command the values of its flags. A flag means the
// same in every command that has it, unless the command brought its own.
func (sh *shell) completeFlags(cmd *cobra.Command) {
	values := map[string]cobra.CompletionFunc{
		"output":    words(outputText, outputJSON),
		"log-level": words("debug", "info", "warn", "error"),
		"format":    words(formatNDJSON, formatCSV),
		"region":    words("us", "eu"),
		"on-limit":  words("429", "degrade"),
		"sink":      words(string(config.Customerio), string(config.Webhook)),
		"data":      folders,
		"stream":    sh.names(streamsOf),
		"workspace": sh.names(workspacesOf),
	}
	learn := func(flag *pflag.Flag) {
		complete, ok := values[flag.Name]
		if _, own := cmd.GetFlagCompletionFunc(flag.Name); ok && !own {
			_ = cmd.RegisterFlagCompletionFunc(flag.Name, complete) // refuses only what does not exist, or a second one
		}
	}
	cmd.LocalNonPersistentFlags().VisitAll(learn)
	cmd.PersistentFlags().VisitAll(learn)
	for _, child := range cmd.Commands() {
		sh.completeFlags(child)
	}
}

func words(all ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)
}

func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// names completes with names of the configuration.
func (sh *shell) names(of func(config.Config) []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) { return sh.configured(of) }
}

// configured completes with names of the configuration, or with nothing when
// it cannot be read: a shell that completes is no place for its faults.
func (sh *shell) configured(names func(config.Config) []string) ([]string, cobra.ShellCompDirective) {
	cfg, err := sh.config()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names(cfg), cobra.ShellCompDirectiveNoFileComp
}

func streamsOf(cfg config.Config) []string {
	names := make([]string, len(cfg.Streams))
	for i, s := range cfg.Streams {
		names[i] = s.Name
	}
	return names
}

func workspacesOf(cfg config.Config) []string {
	names := make([]string, len(cfg.Workspaces))
	for i, w := range cfg.Workspaces {
		names[i] = w.Name
	}
	return names
}

// streamNames completes a first argument that is a stream of the
// configuration; the shell's own completion of files follows it.
func (sh *shell) streamNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return sh.configured(streamsOf)
}
