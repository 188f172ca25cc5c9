package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sluice/pipeline/config"
)

func configCheckCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Judge the configuration without contacting anything",
		Long: `Read the configuration with its environment variables and files and report
everything that is wrong at once, each fault with its line, its column, its key and
what to write instead. Nothing is contacted: whether the brokers and the credentials
work is not checked. Secrets are not printed.`,
		Example: `  sluice config check -c sluice.yaml
  CIO_US_API_KEY=x sluice config check -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return sh.checkConfig() },
	}
}

// configReport is the result of config check.
type configReport struct {
	File       string            `json:"file"`
	OK         bool              `json:"ok"`
	Faults     []configFault     `json:"faults"`
	Workspaces []workspaceReport `json:"workspaces"`
	Streams    []streamReport    `json:"streams"`
	Gateway    *gatewayReport    `json:"gateway,omitempty"` // nil: there is none
}

type configFault struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

type workspaceReport struct {
	Name        string `json:"name"`
	Sink        string `json:"sink"`
	Region      string `json:"region"`
	Requests    string `json:"requests"`
	Events      string `json:"events"`
	InFlight    int    `json:"in_flight"`
	MaxInFlight int    `json:"max_in_flight"`
}

type streamReport struct {
	Name       string   `json:"name"`
	Topic      string   `json:"topic"`
	Partitions int32    `json:"partitions"`
	Residency  string   `json:"residency"`
	Workspaces []string `json:"workspaces"`
}

func (sh *shell) checkConfig() error {
	cfg, err := sh.config()
	if faults, ok := errors.AsType[*config.Error](err); ok {
		return sh.answerFaults(faults)
	}
	if err != nil {
		return err
	}
	report := reportOf(sh.configPath, cfg)
	return sh.answer(report, report.text)
}

// answerFaults tells the faults to a program as objects; a person is told by
// the error itself.
func (sh *shell) answerFaults(faults *config.Error) error {
	if sh.output != outputJSON {
		return faults
	}
	report := configReport{File: faults.File, Workspaces: []workspaceReport{}, Streams: []streamReport{}}
	for _, f := range faults.List {
		report.Faults = append(report.Faults, configFault(f))
	}
	return errors.Join(sh.writeJSON(report), faults)
}

func reportOf(file string, cfg config.Config) configReport {
	report := configReport{File: file, OK: true, Faults: []configFault{}}
	for _, w := range cfg.Workspaces {
		report.Workspaces = append(report.Workspaces, workspaceReport{
			Name: w.Name, Sink: string(w.Kind), Region: w.Region, InFlight: w.InFlight, MaxInFlight: w.MaxInFlight,
			Requests: config.FormatRate(w.Budget.Requests), Events: config.FormatRate(w.Budget.Events),
		})
	}
	for _, s := range cfg.Streams {
		stream := streamReport{Name: s.Name, Topic: s.Topic, Partitions: s.Partitions, Residency: s.Residency}
		for _, r := range s.Routes {
			stream.Workspaces = append(stream.Workspaces, fmt.Sprintf("%s (%d-%d)", r.Workspace, r.From, r.To))
		}
		report.Streams = append(report.Streams, stream)
	}
	report.Gateway = gatewayReportOf(cfg.Gateway)
	return report
}

func (r configReport) text(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%s has no faults\n\n", r.File)
	table(w, func(row func(string, ...any)) {
		row("WORKSPACE\tSINK\tREGION\tREQUESTS\tEVENTS\tIN FLIGHT")
		for _, w := range r.Workspaces {
			row("%s\t%s\t%s\t%s\t%s\t%d to %d", w.Name, w.Sink, orDash(w.Region), w.Requests, w.Events, w.InFlight, w.MaxInFlight)
		}
	})
	_, _ = fmt.Fprintln(w)
	table(w, func(row func(string, ...any)) {
		row("STREAM\tTOPIC\tPARTITIONS\tRESIDENCY\tWORKSPACES")
		for _, s := range r.Streams {
			row("%s\t%s\t%d\t%s\t%s", s.Name, s.Topic, s.Partitions, orDash(s.Residency), strings.Join(s.Workspaces, ", "))
		}
	})
	if r.Gateway != nil {
		r.Gateway.text(w)
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
