package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/partition"
)

// configWith is configFor with further keys of kafka.
func configWith(t *testing.T, broker, keys string) string {
	t.Helper()
	path := configFor(t, broker)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "secure.yaml", strings.Replace(string(text), "group: tests", "group: tests, "+keys, 1))
}

// What stands between a command and Kafka is one line on standard error, with
// its remedy, and exit code 1.
func TestARefusalIsOneLine(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { // as Kafka's plaintext listener answers a TLS greeting
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(conn, make([]byte, 4))
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	config := configWith(t, l.Addr().String(), "tls: true")
	for _, args := range [][]string{
		{"topics", "apply", "-c", config},
		{"produce", "purchases", "-", "-c", config},
		{"shard", "resume", "purchases", "0", "--at", "start", "-c", config},
	} {
		o := sluice(t, `{"user":"42","event":"a"}`+"\n", args...)
		if o.code != exitFailed || strings.Count(o.err, "\n") != 1 || !strings.HasPrefix(o.err, "sluice: broker ") ||
			!strings.Contains(o.err, "does not speak TLS on this port; use the port of its TLS listener, or remove kafka.tls (") {
			t.Errorf("%v: have %d %s", args, o.code, o.err)
		}
	}
}

// Whatever is asked of a Kafka that is away is refused alike: which brokers do
// not answer, that nothing was changed, and what to type.
func TestKafkaAwayIsToldAlike(t *testing.T) {
	t.Parallel()
	brokers := nobodyListens(t)
	config := configFor(t, brokers)
	want := "Kafka cannot be reached: " + brokers + " refuses the connection (kafka.brokers: " + brokers + ")\n" +
		"nothing was changed; what is wrong: sluice doctor -c " + config
	for _, line := range []string{
		"dead ls purchases", "dead show purchases 0/1", "dead redrive purchases", "dead drop purchases --all --yes --why none",
		"dead export purchases", "group ls", "group describe", "group describe --held", "group reset --stream purchases --to start --yes",
		"shard resume purchases 0 --at start", "shard resume purchases all --at start",
		"replay plan purchases --since 1h", "replay start purchases --since 1h --yes", "replay ls", "replay status R8ST",
		"replay pause R8ST", "replay resume R8ST", "replay cancel R8ST", "topics plan", "topics apply", "produce purchases -",
	} {
		o := sluice(t, "", append(strings.Fields(line), "-c", config)...)
		if have := strings.ReplaceAll(o.err, "sluice: ", ""); o.code != exitFailed || have != want+"\n" || o.out != "" {
			t.Errorf("%s: want\n%s\nhave %d\n%s%s", line, want, o.code, o.out, o.err)
		}
	}
	var have struct{ Error string }
	o := sluice(t, "", "replay", "ls", "-o", "json", "-c", config)
	if o.last(t, &have); have.Error != want {
		t.Errorf("want it in JSON too, have %q", have.Error)
	}
}

// nobodyListens is an address of this machine that refuses connections.
func nobodyListens(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// Who stops a command is not told to look for a fault.
func TestStoppedIsNoFaultOfKafka(t *testing.T) {
	t.Parallel()
	config := kafkaWithTopics(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, line := range []string{"group describe", "dead ls purchases", "replay ls", "replay plan purchases --since 1h"} {
		o := sluiceUntil(ctx, "", append(strings.Fields(line), "-c", config)...)
		if want := "sluice: stopped before it was done\nsluice: nothing was changed\n"; o.code != exitFailed || o.err != want {
			t.Errorf("%s: want\n%shave %d\n%s", line, want, o.code, o.err)
		}
	}
}

func TestUnreached(t *testing.T) {
	t.Parallel()
	kafka := partition.Config{Brokers: []string{"a:9092", "b:9092", "c:9092", "d:9092"}}
	const named = " (kafka.brokers: a:9092, b:9092, c:9092 and 1 more)\n"
	addr := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9092}
	dial := func(err error) error {
		return fmt.Errorf("list brokers: %w", &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: err})
	}
	for _, tt := range []struct {
		name string
		err  error
		late time.Duration
		want string
	}{
		{"refused", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), 0, "Kafka cannot be reached: 10.0.0.1:9092 refuses the connection" + named + unchanged},
		{"silent", dial(os.ErrDeadlineExceeded), 0, "Kafka cannot be reached: 10.0.0.1:9092 does not answer" + named + unchanged},
		{"no way", dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), 0, "Kafka cannot be reached: 10.0.0.1:9092 cannot be dialled (no route to host)" + named + unchanged},
		{"unknown", dial(&net.DNSError{Name: "kafka", IsNotFound: true}), 0, "Kafka cannot be reached: no host is named kafka" + named + unchanged},
		{"nameless", dial(&net.DNSError{Name: "kafka", IsTemporary: true}), 0, "Kafka cannot be reached: the name kafka cannot be looked up" + named + unchanged},
		{"cut", &net.OpError{Op: "read", Addr: addr, Err: syscall.ECONNRESET}, 0, "Kafka cannot be reached: 10.0.0.1:9092 cut the connection" + named + unchanged},
		{"closed", fmt.Errorf("ask: %w", io.EOF), 0, "Kafka cannot be reached: the connection was closed" + named + unchanged},
		{"late", fmt.Errorf("ask: %w", context.DeadlineExceeded), 20 * time.Second, "Kafka cannot be reached: no answer within 20s" + named + unchanged},
		{"late, with a reason", errors.New("the coordinator is\nloading"), time.Second, `Kafka cannot be reached: no answer within 1s but "the coordinator is loading"` + named + unchanged},
		{"our own port", &net.OpError{Op: "listen", Addr: addr, Err: syscall.EADDRINUSE}, 0, ""},
		{
			"a deed", unsure(dial(syscall.ECONNREFUSED), "sluice replay ls"), 0,
			"Kafka cannot be reached: 10.0.0.1:9092 refuses the connection" + named + "whether it was done is not known: look with sluice replay ls",
		},
		{"stopped", dial(context.Canceled), 0, "stopped before it was done\n" + unchanged},
		{"an answer", errors.New("topic x does not exist"), 0, "topic x does not exist"},
		{"somebody else", &url.Error{Op: "Get", URL: "http://a", Err: dial(syscall.ECONNREFUSED)}, time.Second, ""},
		{"nothing", nil, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			have := unreached(kafka, tt.err, tt.late)
			switch {
			case tt.want == "" && !errors.Is(have, tt.err):
				t.Errorf("want it as it was, have %v", have)
			case tt.want != "" && have.Error() != tt.want:
				t.Errorf("want %s\nhave %s", tt.want, have)
			}
			if tt.err != nil && !errors.Is(unreached(kafka, have, 0), tt.err) {
				t.Errorf("the cause is lost: %v", have)
			}
		})
	}
	if have := unreachedAfter(kafka, dial(syscall.ECONNREFUSED), "the rest waits").Error(); !strings.HasSuffix(have, "\nthe rest waits") {
		t.Errorf("have %s", have)
	}
	for want, err := range map[bool]error{true: dial(syscall.ECONNREFUSED), false: errors.New("refused")} {
		if _, have := errors.AsType[*unsureError](lost(err, "x")); have != want {
			t.Errorf("%v: want it unsure: %v", err, want)
		}
	}
}

func TestGivenUpSafetyIsToldAtEveryStart(t *testing.T) {
	t.Parallel()
	config := configWith(t, "127.0.0.1:1", `tls: {insecure_skip_verify: "no authority yet"}, sasl: {mechanism: PLAIN, username: u, password: "${KEY}"}`)
	o := sluice(t, "", "config", "check", "-c", config)
	if o.code != exitDone || !strings.Contains(o.err, "kafka.tls.insecure_skip_verify") || !strings.Contains(o.err, "no authority yet") || strings.Contains(o.err+o.out, testKey) {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	quiet := configWith(t, "127.0.0.1:1", "tls: true")
	if o := sluice(t, "", "config", "check", "-c", quiet); o.code != exitDone || o.err != "" {
		t.Errorf("nothing given up: have %d %s", o.code, o.err)
	}
}
