package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// What the linker is told when the source comes without its history, as in a
// container build; else the Go tool knows it all by itself.
//
//nolint:gochecknoglobals // only variables can be set by the linker
var stampedVersion, stampedCommit, stampedDate string

// build is what this program was made from.
type build struct {
	Version     string `json:"version"`
	Commit      string `json:"commit,omitempty"`
	Modified    bool   `json:"modified"` // the tree held changes that no commit has
	Date        string `json:"date,omitempty"`
	Go          string `json:"go"`
	KafkaClient string `json:"kafka_client,omitempty"`
	Platform    string `json:"platform"`
}

func versionCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show what this program was built from",
		Long: `Show the version, the commit of the source and its date, the Go release, the Kafka
client and the platform that this program was built from and for. A build of a tree
with uncommitted changes says so.`,
		Example: "  sluice version\n  sluice version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			b := describe(info, build{Version: stampedVersion, Commit: stampedCommit, Date: stampedDate})
			return sh.answer(b, b.text)
		},
	}
}

// kafkaClient is the module whose version is told beside our own.
const kafkaClient = "github.com/twmb/franz-go"

// describe joins what the linker was told, which wins, with what the Go tool
// recorded: the commit under `go build`, the version alone under `go install`.
// info is nil in a program built without modules.
func describe(info *debug.BuildInfo, stamped build) build {
	b := stamped
	b.Go, b.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	if info == nil {
		b.Version = cmp.Or(b.Version, "unknown")
		return b
	}
	commit, date := fromPseudo(info.Main.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.time":
			date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	for _, dep := range info.Deps {
		if dep.Path == kafkaClient {
			if dep.Replace != nil {
				dep = dep.Replace
			}
			b.KafkaClient = dep.Path + " " + dep.Version
		}
	}
	b.Version = cmp.Or(b.Version, strings.Trim(info.Main.Version, "()"), "devel")
	b.Commit, b.Date = cmp.Or(b.Commit, commit), cmp.Or(b.Date, date)
	return b
}

// fromPseudo reads the commit and its date out of a version that the Go tool
// made up for a commit without a tag.
func fromPseudo(version string) (commit, date string) {
	parts := regexp.MustCompile(`[-.](\d{14})-([0-9a-f]{12})(?:\+|$)`).FindStringSubmatch(version)
	if parts == nil {
		return "", ""
	}
	at, err := time.Parse("20060102150405", parts[1])
	if err != nil {
		return "", ""
	}
	return parts[2], at.Format(time.RFC3339)
}

func (b build) text(w io.Writer) {
	commit := cmp.Or(b.Commit, "unknown")
	if b.Modified {
		commit += ", with uncommitted changes"
	}
	_, _ = fmt.Fprintf(w, "sluice %s\n", b.Version)
	table(w, func(row func(string, ...any)) {
		row("  commit\t%s", commit)
		row("  date\t%s", cmp.Or(b.Date, "unknown"))
		row("  go\t%s %s", b.Go, b.Platform)
		row("  kafka client\t%s", cmp.Or(b.KafkaClient, "unknown"))
	})
}
