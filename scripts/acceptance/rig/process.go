package rig

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is a program that runs beside the checks. Its output is in Log.
type Process struct {
	Name string
	Log  string // path

	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
	err   error         // of Wait; read after ended
}

// Start starts a program. Its standard output and error go to a log in the
// rig's folder, or its output to stdout when that is given; stdin may be nil.
func (r *Rig) Start(name string, io Pipes, program string, args ...string) (*Process, error) {
	p := &Process{Name: r.Name(name), ended: make(chan struct{})}
	p.Log = r.Path(p.Name + ".log")
	log, err := os.Create(p.Log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = r.Dir
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = io.In, log, log
	if io.Out != nil {
		p.cmd.Stdout = io.Out
	}
	p.cmd.Env = append(os.Environ(), io.Env...)
	p.cmd.SysProcAttr = ownGroup()
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	r.mu.Lock()
	r.processes = append(r.processes, p)
	r.mu.Unlock()
	return p, nil
}

// Pipes are a process's input and output and what is added to its environment.
type Pipes struct {
	In  io.Reader
	Out io.Writer
	Env []string
}

// Pid is the process id, which is also its group's.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Running tells whether it has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Kill is kill -9, of the whole group, and waits for the end.
func (p *Process) Kill() {
	if p.Running() {
		_ = killGroup(p.Pid()) // it may have ended meanwhile
	}
	<-p.ended
}

// Freeze stops it where it is (SIGSTOP), as a machine that is paused would.
func (p *Process) Freeze() error { return p.signal(syscall.SIGSTOP) }

// Thaw lets it go on (SIGCONT).
func (p *Process) Thaw() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("send %v to %s: %w", s, p.Name, err)
	}
	return nil
}

// Stop asks it to end (SIGTERM) and waits; after limit it is killed, which is
// an error, as is an exit code other than 0.
func (p *Process) Stop(limit time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && p.Running() {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	select {
	case <-p.ended:
	case <-time.After(limit):
		p.Kill()
		return fmt.Errorf("stop %s: still there after %v", p.Name, limit)
	}
	if p.err != nil {
		return fmt.Errorf("stop %s: %w: %s", p.Name, p.err, p.Tail(3))
	}
	return nil
}

// Wait waits for its end.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of %s: %w", p.Name, ctx.Err())
	case <-p.ended:
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", p.Name, p.err, p.Tail(3))
	}
	return nil
}

// Tail is the last lines of its log, on one line.
func (p *Process) Tail(lines int) string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return filepath.Base(p.Log) + " cannot be read"
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], " | ")
}

// Logged tells whether its log holds text.
func (p *Process) Logged(text string) bool {
	log, err := os.ReadFile(p.Log)
	return err == nil && strings.Contains(string(log), text)
}
