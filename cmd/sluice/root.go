package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline/config"
)

// shell is what a command needs of the process around it, and what the global
// flags say. It is used by one goroutine.
type shell struct {
	in       io.Reader
	out, err io.Writer
	lookup   config.LookupFunc
	read     func(folder, path string) ([]byte, error)
	asks     bool                                           // somebody reads err and writes in: questions can be asked
	hangups  func() (hangups <-chan os.Signal, stop func()) // nil: none come

	configPath string
	configSet  bool // the flag was given, not only its default
	output     string
	logLevel   string
	begun      bool // flags and arguments were right: what goes wrong now is no usage error
	answered   bool // the result is printed
}

// execute runs one command line and returns its exit code.
func (sh *shell) execute(ctx context.Context, args []string) int {
	root := newRoot(sh)
	root.SetArgs(args)
	root.SetIn(sh.in)
	root.SetOut(sh.out)
	root.SetErr(sh.err)
	called, err := root.ExecuteContextC(ctx)
	if err != nil && !sh.begun {
		err = usage(fmt.Errorf("%s; see %s --help", strings.Join(strings.Fields(err.Error()), " "), called.CommandPath()))
	}
	if err != nil {
		sh.complain(diagnosed(err))
	}
	return exitCode(err)
}

func newRoot(sh *shell) *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Deliver events from Kafka to Customer.io and other HTTP APIs, each user in order",
		Long: `sluice delivers events from Kafka to Customer.io and other HTTP APIs: each user
in order, within each API's budget, nothing lost.

Commands print text for people; with -o json they print one JSON object as the
last line of standard output. What they log, and errors, go to standard error.`,
		Example: `  sluice config check -c sluice.yaml
  sluice topics apply -c sluice.yaml
  sluice produce events-us purchases.ndjson -c sluice.yaml`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			sh.configSet = cmd.Flags().Changed("config")
			if !slices.Contains([]string{outputText, outputJSON}, sh.output) {
				return fmt.Errorf("--output must be text or json, have %q", sh.output)
			}
			if _, err := sh.level(zapcore.InfoLevel); err != nil {
				return err
			}
			sh.begun = true
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&sh.configPath, "config", "c", "sluice.yaml", "configuration `FILE`")
	flags.StringVarP(&sh.output, "output", "o", outputText, "what to print: `text|json`")
	flags.StringVar(&sh.logLevel, "log-level", "", "least `LEVEL` that is logged: debug, info, warn or error; by default info while serving, else warn")
	root.AddCommand(
		runCommand(sh),
		devCommand(sh),
		produceCommand(sh),
		sendCommand(sh),
		simulateCommand(sh),
		checkCommand(sh),
		topicsCommand(sh),
		doctorCommand(sh),
		configCommand(sh),
		groupCommand(sh),
		shardCommand(sh),
		deadCommand(sh),
		replayCommand(sh),
		deferredCommand(sh),
		rulesCommand(sh),
		routeCommand(sh),
		healthCommand(sh),
		completionCommand(sh),
		manCommand(sh),
		versionCommand(sh),
	)
	root.SetUsageTemplate(root.UsageTemplate() + "\n" + exitCodes + "\n")
	sh.completeFlags(root)
	return root
}

// exitCodes closes the help of every command.
const exitCodes = `Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 done in part;
where a command gives them another meaning, its text says so.`

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.Name()
	}
	cmd := &cobra.Command{
		Use:     use,
		Short:   short,
		Long:    short + ".",
		Example: "  sluice " + use + " " + names[0] + " --help",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("a command must follow %s: %s", use, strings.Join(names, ", "))
			}
			return fmt.Errorf("unknown command %q; there is %s", args[0], strings.Join(names, ", "))
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	cmd.AddCommand(commands...)
	return cmd
}
