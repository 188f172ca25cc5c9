package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// childArgs asks the test binary to be the program itself, with these
// arguments, so that a test can kill it.
const childArgs = "SLUICE_TEST_ARGS"

// TestBeTheProgram is no test: it is the process that other tests start.
func TestBeTheProgram(t *testing.T) { //nolint:paralleltest // it never returns
	line, ok := os.LookupEnv(childArgs)
	if !ok {
		t.Skip("only in a process that a test starts")
	}
	sh := &shell{in: strings.NewReader(""), out: os.Stdout, err: os.Stderr, lookup: os.LookupEnv, read: readSecret}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the end of standard input is the request to stop in good order
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		cancel()
	}()
	os.Exit(sh.execute(ctx, strings.Split(line, "\n")))
}

// program is a running sluice of its own process.
type program struct {
	cmd   *exec.Cmd
	stdin io.Closer
	kafka string // the embedded broker's address
	lines chan string
}

// startDev starts `sluice dev` and returns once it has printed its addresses.
func startDev(t *testing.T, args ...string) *program {
	t.Helper()
	if !slices.Contains(args, "-c") { // then it has a gateway of its own
		args = append([]string{"--gateway", "127.0.0.1:0"}, args...)
	}
	args = append([]string{"dev", "--kafka", "127.0.0.1:0", "--simulator", "127.0.0.1:0"}, args...)
	p := &program{cmd: exec.Command(os.Args[0], "-test.run=^TestBeTheProgram$"), lines: make(chan string, 1000)}
	p.cmd.Env = append(os.Environ(), childArgs+"="+strings.Join(args, "\n"))
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default: // nobody reads so much
			}
		}
	}()
	var seen []string
	for line := range p.lines {
		seen = append(seen, line)
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "Kafka" {
			p.kafka = fields[1]
			return p
		}
	}
	t.Fatalf("sluice dev ended: %v\n%s", p.cmd.Wait(), strings.Join(seen, "\n"))
	return nil
}

// kill is kill -9.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// stop asks for a stop in good order and tells how it ended.
func (p *program) stop() error {
	_ = p.stdin.Close()
	for range p.lines { // until its standard error ends
	}
	return p.cmd.Wait()
}
