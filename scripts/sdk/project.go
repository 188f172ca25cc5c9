// Package sdk runs Customer.io's own client libraries, at pinned versions,
// against a Track API and tells what their caller sees. Each library has a
// folder with what it needs and the plays that it can be asked for: each method
// that it has, refusals, an API that is away, a retry.
package sdk

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"sluice/scripts/acceptance/rig"
)

// Library is one client library.
type Library struct {
	Name string // of its folder
	TLS  bool   // it speaks https alone

	runtime string   // what must be installed, in words
	probe   []string // a command that succeeds where it is
	install []string // commands, one after another
	play    []string // the program; the play's name follows
}

// Node is customerio-node.
func Node() Library {
	return Library{
		Name:    "node",
		runtime: "Node 20 or later with npm",
		probe:   []string{"sh", "-c", "npm --version && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'"},
		install: []string{"npm ci"},
		play:    []string{"node", "plays.mjs"},
	}
}

// Python is customerio.
func Python() Library {
	return Library{
		Name: "python", TLS: true,
		runtime: "Python 3.10 or later with venv",
		probe:   []string{"python3", "-c", "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)"},
		install: []string{"python3 -m venv .venv", ".venv/bin/pip install -r requirements.txt"},
		play:    []string{".venv/bin/python", "plays.py"},
	}
}

// Missing says which runtime is not here, or nothing.
func (l Library) Missing(ctx context.Context) string {
	if err := exec.CommandContext(ctx, l.probe[0], l.probe[1:]...).Run(); err != nil {
		return fmt.Sprintf("%s is not installed (%s: %v)", l.runtime, l.probe[0], err)
	}
	return ""
}

// Install copies the library's folder below .work of the project at root and
// installs there what it needs, unless that very folder was installed before.
// It returns where.
func (l Library) Install(ctx context.Context, root string) (string, error) {
	return rig.Installed(ctx, filepath.Join(root, "scripts", "sdk", l.Name), filepath.Join(root, ".work", "sdk", l.Name), l.install...)
}
