package main

import (
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
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
