package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what this program was made from.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show what this program was built from",
		Long:    "Show the version, the revision of the source, the Go release and the platform that\nthis program was built from and for. A build from a changed tree is marked with a +.",
		Example: "  sluice version\n  sluice version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := readBuild()
			return sh.answer(b, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "sluice %s %s (%s, %s)\n", b.Version, b.Revision, b.Go, b.Platform)
			})
		},
	}
}

func readBuild() build {
	b := build{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	changed := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	b.Revision += changed
	return b
}
