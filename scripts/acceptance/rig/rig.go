// Package rig puts real parts together and takes them apart: the built sluice
// binary, a real Kafka, simulators, members that can be killed, and the files
// they read. All that it starts ends with Close; all that it writes lies in one
// folder, which is kept for whoever wants to look.
package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Rig owns a folder and all that was started in it. It is safe for concurrent
// use.
type Rig struct {
	Root string // of the project
	Dir  string // for configurations, inputs, logs and Kafka's data
	Long bool   // the full numbers

	binary func() (string, error) // built once

	mu        sync.Mutex
	kafkas    map[string]*Kafka // guarded by mu
	processes []*Process        // guarded by mu
	relays    []*Relay          // guarded by mu
	names     int               // guarded by mu: names handed out
}

// New makes a rig with an own folder below .work of the project at root.
func New(root, name string, long bool) (*Rig, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the project: %w", err)
	}
	base := filepath.Join(root, ".work", name)
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, fmt.Errorf("make the rig's folder: %w", err)
	}
	dir, err := os.MkdirTemp(base, time.Now().Format("0102-1504-"))
	if err != nil {
		return nil, fmt.Errorf("make the rig's folder: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		return nil, fmt.Errorf("make the rig's folder: %w", err)
	}
	r := &Rig{Root: root, Dir: dir, Long: long, kafkas: map[string]*Kafka{}}
	r.binary = sync.OnceValues(r.build)
	return r, nil
}

// Close ends every process and the brokers, and removes what is large and can be
// made again: Kafka's data and the programs.
func (r *Rig) Close() error {
	r.mu.Lock()
	processes, relays, kafkas := r.processes, r.relays, r.kafkas
	r.processes, r.relays, r.kafkas = nil, nil, map[string]*Kafka{}
	r.mu.Unlock()
	for _, p := range processes {
		p.Kill()
	}
	var errs []error
	for _, relay := range relays {
		errs = append(errs, relay.Close())
	}
	for _, k := range kafkas {
		errs = append(errs, k.close())
	}
	return errors.Join(append(errs, os.RemoveAll(r.Path("bin")))...)
}

// Sluice is the path of the binary, built from the tree at the first call.
func (r *Rig) Sluice() (string, error) { return r.binary() }

// Program is where a built program of that name belongs.
func (r *Rig) Program(name string) string { return filepath.Join(r.Dir, "bin", name) }

func (r *Rig) build() (string, error) {
	out := r.Program("sluice")
	cmd := exec.Command("go", "build", "-o", out, "./cmd/sluice")
	cmd.Dir = r.Root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sluice: %w: %s", err, text)
	}
	return out, nil
}

// Name makes a name that this rig has not handed out before: for topics,
// groups and files of one check.
func (r *Rig) Name(stem string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names++
	return fmt.Sprintf("%s-%d", stem, r.names)
}

// Path is a file in the rig's folder.
func (r *Rig) Path(name string) string { return filepath.Join(r.Dir, name) }

// FreeAddr is a loopback address that nothing listened on a moment ago.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return addr, nil
}

// Await asks every so often until ok, and says what it waited for when ctx or
// the limit ends first.
func Await(ctx context.Context, limit time.Duration, what string, ok func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok(ctx) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s, at most %v: %w", what, limit, ctx.Err())
		case <-tick.C:
		}
	}
}

// Pause waits, unless ctx ends first.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Command runs a program to its end in dir and returns its standard
// output. A non-zero exit is an *exec.ExitError whose text carries the end of
// what it said.
func Command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd, stderr := program(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	return string(out), stderr.explain(cmd, err)
}

// ExitCode is the code in an error of Command: 0 for nil, -1 when the program
// did not end by itself.
func ExitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// tail keeps the last 4 KiB that were written to it.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	const keep = 4 << 10
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - keep; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.buf)) }
