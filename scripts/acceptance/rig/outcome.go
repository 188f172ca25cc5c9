package rig

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Call is a program that is run to its end.
type Call struct {
	Dir  string    // the folder it runs in
	Env  []string  // added to the environment
	In   io.Reader // its standard input; nil: none
	Args []string  // the program and its arguments
}

// Outcome is how a program ended and all that it said.
type Outcome struct {
	Code     int
	Out, Err string
}

// Try runs a program whose failure is something to look at, not an error: an
// error means that it could not be run, or did not end by itself.
func Try(ctx context.Context, c Call) (Outcome, error) {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.Dir, append(os.Environ(), c.Env...), c.In
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = 5 * time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	o := Outcome{Code: ExitCode(err), Out: out.String(), Err: said.String()}
	if o.Code < 0 {
		return o, fmt.Errorf("%s: %w: %.400s", filepath.Base(c.Args[0]), err, o.Err)
	}
	return o, nil
}

// Try runs the built binary to its end in the rig's folder.
func (r *Rig) Try(ctx context.Context, args ...string) (Outcome, error) {
	binary, err := r.Sluice()
	if err != nil {
		return Outcome{}, err
	}
	return Try(ctx, Call{Dir: r.Dir, Args: append([]string{binary}, args...)})
}
