package rig

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// program is a process in a group of its own, which ends with ctx, and the end
// of what it says.
func program(ctx context.Context, name string, args ...string) (*exec.Cmd, *tail) {
	cmd, stderr := exec.CommandContext(ctx, name, args...), new(tail)
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Stderr = stderr
	return cmd, stderr
}

// explain adds to an error what was run and what it said last.
func (t *tail) explain(cmd *exec.Cmd, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), err, t.String())
}
