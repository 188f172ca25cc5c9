package ways

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	"sluice/scripts/acceptance/rig"
)

// language is one of the producers in scripts/examples: how it is installed and
// called, in the words of its README.
type language struct {
	name    string
	needs   []need
	install []string // commands, one after another
	produce string   // the command; brokers, topic and users follow
}

// need is a command that succeeds where a runtime is as it must be.
type need struct {
	what string
	try  []string
}

func node() language {
	return language{
		name:    "node",
		needs:   []need{{"Node 18 or later with npm", []string{"sh", "-c", "npm --version && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'"}}},
		install: []string{"npm ci"},
		produce: "node produce.mjs",
	}
}

func python() language {
	return language{
		name:    "python",
		needs:   []need{{"Python 3.8 or later with venv", []string{"python3", "-c", "import sys, venv, ensurepip; assert sys.version_info >= (3, 8)"}}},
		install: []string{"python3 -m venv .venv", ".venv/bin/pip install -r requirements.txt"},
		produce: ".venv/bin/python produce.py",
	}
}

func java() language {
	return language{
		name: "java",
		needs: []need{
			{"a JDK of 17 or later", []string{"sh", "-c", "java --version && javac --release 17 --version"}},
			maven(),
		},
		install: []string{"mvn -q dependency:copy-dependencies -DoutputDirectory=lib"},
		produce: "java -cp 'lib/*' Produce.java",
	}
}

func maven() need { return need{"Maven 3.8 or later", []string{"mvn", "--version"}} }

// missing says which runtime is not here, or nothing.
func (l language) missing(ctx context.Context) string {
	for _, n := range l.needs {
		if err := exec.CommandContext(ctx, n.try[0], n.try[1:]...).Run(); err != nil {
			return fmt.Sprintf("%s is not installed (%s: %v)", n.what, n.try[0], err)
		}
	}
	return ""
}

// installed copies the example to .work and installs there what it needs, unless
// that very example was installed before. It returns the folder.
func (l language) installed(ctx context.Context, root string) (string, error) {
	return rig.Installed(ctx, filepath.Join(root, "scripts", "examples", l.name), filepath.Join(root, ".work", "examples", l.name), l.install...)
}

// send runs the example in dir with the keys, one a line, as its input.
func (l language) send(ctx context.Context, dir, brokers, topic string, keys io.Reader) error {
	o, err := rig.Try(ctx, rig.Call{Dir: dir, In: keys, Args: []string{"sh", "-c", l.produce + ` "$@"`, "sh", brokers, topic}})
	if err != nil {
		return err
	}
	if o.Code != 0 {
		return fmt.Errorf("the %s producer ended with code %d: %s", l.name, o.Code, strings.TrimSpace(o.Err))
	}
	return nil
}
