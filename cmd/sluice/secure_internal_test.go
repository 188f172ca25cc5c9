//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/scripts/kafka/authority"
)

// secured runs the built program against a real cluster with SCRAM over TLS.
type secured struct {
	*partitiontest.Secure
	program string
	folder  string
	stream  string
	sim     string // the simulator's address
}

// TestSecure builds the program once and plays with it.
func TestSecure(t *testing.T) {
	t.Parallel()
	s := &secured{Secure: partitiontest.NewSecure(t), program: filepath.Join(t.TempDir(), "sluice")}
	if out, err := exec.Command("go", "build", "-o", s.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for name, play := range map[string]func(*testing.T, secured){
		"end to end":                     secureEndToEnd,
		"wrong ways are one line":        secureWrongWays,
		"run recovers without a restart": secureRecovery,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := *s
			own.folder, own.sim = t.TempDir(), freeAddress(t)
			own.stream = fmt.Sprintf("secure-%d", time.Now().UnixNano())
			play(t, own)
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// config writes a configuration with these settings of kafka. The topic of
// operators' state is the play's own, as an ACL for it goes when its play ends.
func (s secured) config(t *testing.T, broker, tls, sasl string) string {
	t.Helper()
	return write(t, "sluice.yaml", fmt.Sprintf(`kafka:
  brokers: [%[1]q]
  group: %[2]s
  state_topic: %[2]s.state
  tls: %[3]s
  sasl: %[4]s
listen: {metrics: off, actions: off}
workspaces:
  shop: {sink: customerio, region: us, site_id: site, api_key: key, base_url: "http://%[5]s"}
streams:
  %[2]s: {workspace: shop, partitions: 3, replication: 1}
`, broker, s.stream, tls, sasl, s.sim))
}

func (s secured) tls() string { return fmt.Sprintf("{ca: %q}", "file:"+s.File("ca.pem")) }
func (s secured) sasl() string {
	return fmt.Sprintf("{mechanism: SCRAM-SHA-512, username: sluice, password: %q}", "file:"+s.File("sluice.password"))
}

// run runs a command to its end, which must come within seconds.
func (s secured) run(t *testing.T, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &errs, s.folder
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && (!exited || ctx.Err() != nil) {
		t.Fatalf("%v: %v\n%s", args, err, errs.String())
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// served is a command that runs until it is stopped.
type served struct {
	cmd  *exec.Cmd
	log  string // the file of what it logs
	done bool
}

// serve starts a command that the test's end stops, if nothing did before.
func (s secured) serve(t *testing.T, args ...string) *served {
	t.Helper()
	log, err := os.CreateTemp(s.folder, args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p := &served{cmd: exec.Command(s.program, args...), log: log.Name()}
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(t) })
	return p
}

// stop stops the command in good order and tells what it logged.
func (p *served) stop(t *testing.T) string {
	t.Helper()
	if !p.done {
		p.done = true
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%v: %v\n%s", p.cmd.Args, err, p.said(t))
		}
	}
	return p.said(t)
}

// said tells what the command has logged so far.
func (p *served) said(t *testing.T) string {
	t.Helper()
	log, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

func secureEndToEnd(t *testing.T, s secured) {
	t.Helper()
	config := s.config(t, s.Brokers, s.tls(), s.sasl())
	if o := s.run(t, "topics", "apply", "--force", "-c", config); o.code != exitFailed || !oneLine(o.err, "this user may not") {
		t.Fatalf("without ACLs: have %d %s", o.code, o.err)
	}
	s.prepare(t, config)
	const events = 500
	input := filepath.Join(s.folder, "in.ndjson")
	var lines strings.Builder
	for i := range events {
		fmt.Fprintf(&lines, `{"user":"u%d","event":"bought"}`+"\n", i%37)
	}
	if err := os.WriteFile(input, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := s.run(t, "produce", s.stream, input, "--seq", "-c", config); o.code != exitDone {
		t.Fatalf("produce: have %d %s", o.code, o.err)
	}
	s.serve(t, "simulate", "--listen", s.sim, "--key", "site:key")
	member := s.serve(t, "run", "-c", config)
	s.awaitEvents(t, events)
	if log := member.stop(t); strings.Contains(log, `"level":"error"`) {
		t.Errorf("run logged errors:\n%s", log)
	}
	o := s.run(t, "check", "--input", input, "--sim", "http://"+s.sim, "-c", config, "-o", "json")
	var judged struct{ Delivered, Lost, Duplicates int }
	if o.last(t, &judged); o.code != exitDone || judged.Delivered != events || judged.Lost != 0 || judged.Duplicates != 0 {
		t.Errorf("check: have %d %s%s", o.code, o.out, o.err)
	}
}

// prepare grants what topics acls lists, which must be enough for all that
// follows, and makes the topics.
func (s secured) prepare(t *testing.T, config string) {
	t.Helper()
	var listed struct {
		ACLs []partition.Access `json:"acls"`
	}
	s.run(t, "topics", "acls", "-c", config, "-o", "json").last(t, &listed)
	if len(listed.ACLs) == 0 {
		t.Fatal("topics acls lists nothing")
	}
	s.Allow(t, "User:sluice", listed.ACLs...)
	if o := s.run(t, "topics", "apply", "--force", "-c", config); o.code != exitDone {
		t.Fatalf("topics apply: have %d %s", o.code, o.err)
	}
}

func (s secured) awaitEvents(t *testing.T, want int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 600 {
		<-tick.C
		response, err := http.Get("http://" + s.sim + "/_sim/history") //nolint:forbidigo // the test's own simulator
		if err != nil {
			continue
		}
		var all bytes.Buffer
		_, err = all.ReadFrom(response.Body)
		_ = response.Body.Close()
		if err == nil && bytes.Count(all.Bytes(), []byte("\n")) >= want {
			return
		}
	}
	t.Fatalf("the simulator was not sent %d events in a minute", want)
}

// oneLine tells whether a text is one line that says so and names a remedy.
func oneLine(text, want string) bool {
	return strings.Count(text, "\n") == 1 && strings.Contains(text, want) && strings.Contains(text, "; ")
}

func secureWrongWays(t *testing.T, s secured) {
	t.Helper()
	other, err := authority.New("another authority")
	if err != nil {
		t.Fatal(err)
	}
	foreign := write(t, "other.pem", string(other.PEM))
	scram := func(user, password string) string {
		return fmt.Sprintf("{mechanism: SCRAM-SHA-512, username: %s, password: %q}", user, password)
	}
	cases := map[string]struct{ config, want string }{
		"wrong password":      {s.config(t, s.Brokers, s.tls(), scram("sluice", "hunter2-wrong")), "user is unknown or the password is wrong"},
		"unknown user":        {s.config(t, s.Brokers, s.tls(), scram("nobody", "hunter2-wrong")), "user is unknown or the password is wrong"},
		"mechanism":           {s.config(t, s.Brokers, s.tls(), "{mechanism: PLAIN, username: sluice, password: hunter2-wrong}"), "does not offer this SASL mechanism"},
		"expired certificate": {s.config(t, s.Expired, s.tls(), s.sasl()), "expired on "},
		"wrong authority":     {s.config(t, s.Brokers, fmt.Sprintf("{ca: %q}", "file:"+foreign), s.sasl()), "authority that is not trusted"},
		"other name":          {s.config(t, s.Brokers, fmt.Sprintf("{ca: %q, server_name: kafka}", "file:"+s.File("ca.pem")), s.sasl()), "not for kafka"},
		"plaintext to TLS":    {s.config(t, s.Brokers, "false", s.sasl()), "takes no unencrypted connection"},
		"TLS to plaintext":    {s.config(t, s.Internal, s.tls(), s.sasl()), "does not speak TLS"},
		"missing ACL":         {s.config(t, s.Brokers, s.tls(), s.sasl()), "may not do that with the topic"},
		"expired token":       {s.config(t, s.Brokers, s.tls(), fmt.Sprintf("{mechanism: OAUTHBEARER, token: %q}", expiredToken())), "the token, which expired on 2001-"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{{"topics", "apply", "--force", "-c", tc.config}, {"produce", s.stream, os.DevNull, "-c", tc.config}} {
				began := time.Now()
				o := s.run(t, args...)
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("%s: the answer took %v", args[0], took)
				}
				if o.code != exitFailed || !oneLine(o.err, tc.want) || strings.Contains(o.err, "hunter2") {
					t.Errorf("%s: want exit 1 and one line with %q, have %d %s", args[0], tc.want, o.code, o.err)
				}
			}
		})
	}
}

// expiredToken is an unsigned one that ended in 2001.
func expiredToken() string {
	return "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzbHVpY2UiLCJpYXQiOjk5OTk5OTAwMCwiZXhwIjoxMDAwMDAwMDAwfQ."
}

// A member whose password is wrong stays, says what is wrong, and delivers once
// the password's file is right: no restart is needed.
func secureRecovery(t *testing.T, s secured) {
	t.Helper()
	good, err := os.ReadFile(s.File("sluice.password"))
	if err != nil {
		t.Fatal(err)
	}
	password := write(t, "password", "wrong\n")
	config := s.config(t, s.Brokers, s.tls(), fmt.Sprintf("{mechanism: SCRAM-SHA-512, username: sluice, password: %q}", "file:"+password))
	right := s.config(t, s.Brokers, s.tls(), s.sasl())
	s.prepare(t, right)
	input := filepath.Join(s.folder, "in.ndjson")
	if err := os.WriteFile(input, []byte(`{"user":"1","event":"a"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := s.run(t, "produce", s.stream, input, "-c", right); o.code != exitDone {
		t.Fatalf("produce: have %d %s", o.code, o.err)
	}
	s.serve(t, "simulate", "--listen", s.sim, "--key", "site:key")
	member := s.serve(t, "run", "-c", config)
	for tries := 300; !refused(member.said(t)); tries-- {
		if tries == 0 {
			t.Fatalf("run did not say in half a minute why it was refused:\n%s", member.said(t))
		}
		<-time.After(100 * time.Millisecond)
	}
	if err := os.WriteFile(password, good, 0o600); err != nil {
		t.Fatal(err)
	}
	s.awaitEvents(t, 1)
}

// refused tells whether a log names a wrong password as an error, with what to do.
func refused(log string) bool {
	for line := range strings.Lines(log) {
		var entry struct{ Level, What, Remedy string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Level == "error" && strings.Contains(entry.What, "password is wrong") && entry.Remedy != "" {
			return true
		}
	}
	return false
}
