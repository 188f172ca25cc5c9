package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sluice/pipeline/config"
)

type initFlags struct {
	answers config.Answers
	sink    string
	to      string
	force   bool
}

func configInitCommand(sh *shell) *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a first configuration, with a comment at every key",
		Long: `Write a configuration with one workspace and one stream, a comment at every key. What
the flags leave open is asked for on a terminal; elsewhere it is an error. Secrets are
not asked for: the file refers to environment variables, which are named at the end.
A file that exists is left alone unless --force is given.`,
		Example: `  sluice config init
  sluice config init --brokers k1:9092,k2:9092 --workspace acme --region us --stream a
  sluice config init --workspace acme --region eu --gateway
  sluice config init --workspace hook --url https://example.com/in --to hook.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.answers.Sink = config.Kind(f.sink)
			if f.sink == "" && f.answers.URL != "" {
				f.answers.Sink = config.Webhook
			}
			if f.sink == "" && f.answers.URL == "" && f.answers.Region != "" {
				f.answers.Sink = config.Customerio
			}
			if !cmd.Flags().Changed("to") && sh.configSet {
				f.to = sh.configPath
			}
			return sh.initConfig(f)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.answers.Brokers, "brokers", nil, "`HOST:PORT` of one or more brokers, comma-separated")
	flags.StringVar(&f.answers.Workspace, "workspace", "", "`NAME` of the workspace")
	flags.StringVar(&f.sink, "sink", "", "the API behind it: `customerio|webhook`; by default what --region or --url says")
	flags.StringVar(&f.answers.Region, "region", "", "where the account's data is: `us|eu`")
	flags.StringVar(&f.answers.URL, "url", "", "`URL` of a webhook; one that may hold a secret is not written down")
	flags.StringVar(&f.answers.Stream, "stream", "", "`NAME` of the stream, and of its topic")
	flags.BoolVar(&f.answers.Gateway, "gateway", false, "also take the calls of Customer.io's SDKs, on this machine, with the account's own credentials")
	flags.StringVar(&f.to, "to", "sluice.yaml", "`FILE` to write; - is standard output")
	flags.BoolVar(&f.force, "force", false, "replace the file if it exists")
	return cmd
}

// initReport is the result of config init.
type initReport struct {
	File      string   `json:"file"`
	Variables []string `json:"variables"`
}

func (sh *shell) initConfig(f initFlags) error {
	if err := sh.interview(&f.answers); err != nil {
		return err
	}
	text, err := f.answers.File()
	if err != nil {
		return usage(err)
	}
	if f.to == "-" {
		return sh.answer(map[string]string{"text": string(text)}, func(w io.Writer) { _, _ = w.Write(text) })
	}
	if err := writeNew(f.to, text, f.force); err != nil {
		return err
	}
	report := initReport{File: f.to, Variables: f.answers.Variables()}
	return sh.answer(report, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "wrote %s; next:\n", f.to)
		for _, name := range report.Variables {
			_, _ = fmt.Fprintf(w, "  export %s=…\n", name)
		}
		_, _ = fmt.Fprintf(w, "  sluice config check -c %s\n  sluice topics apply -c %[1]s\n  sluice run -c %[1]s\n", f.to)
	})
}

// interview asks for what the flags left open, where somebody can answer.
func (sh *shell) interview(a *config.Answers) error {
	if !sh.asks {
		return nil
	}
	lines := bufio.NewScanner(sh.in)
	for questions := a.Questions(); len(questions) > 0; questions = a.Questions() {
		q := questions[0]
		prompt := q.Text
		if len(q.Options) > 0 {
			prompt += " (" + strings.Join(q.Options, " or ") + ")"
		}
		if q.Default != "" {
			prompt += " [" + q.Default + "]"
		}
		_, _ = fmt.Fprint(sh.err, prompt+": ")
		if !lines.Scan() {
			return usage(errors.Join(fmt.Errorf("the answers ended at --%s", q.Flag), lines.Err()))
		}
		answer := strings.TrimSpace(lines.Text())
		if answer == "" {
			answer = q.Default
		}
		if len(q.Options) > 0 && !slices.Contains(q.Options, answer) {
			_, _ = fmt.Fprintf(sh.err, "  please write %s\n", strings.Join(q.Options, " or "))
			continue
		}
		a.Answer(q.Flag, answer)
	}
	return nil
}
