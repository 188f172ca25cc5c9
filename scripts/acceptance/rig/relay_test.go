package rig_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
)

// echo is a server that returns each line with its mark before it.
func echo(t *testing.T, mark string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if _, err := io.WriteString(c, mark+lines.Text()+"\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// client is one connection through a relay.
type client struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) hears(want string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if have, err := c.lines.ReadString('\n'); err != nil || have != want+"\n" {
		c.t.Fatalf("want %q, have %q, %v", want, have, err)
	}
}

// hearsNothing: that nothing comes can only be waited for.
func (c *client) hearsNothing() {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
	if have, err := c.lines.ReadString('\n'); err == nil {
		c.t.Fatalf("want nothing, have %q", have)
	}
}

func TestRelay(t *testing.T) {
	t.Parallel()
	servers := []string{echo(t, "one "), echo(t, "two ")}
	relay, err := rig.NewRelay([]string{"127.0.0.1:0", "127.0.0.1:0"}, servers)
	if err != nil {
		t.Fatal(err)
	}
	first, second := dial(t, relay.Addrs()[0]), dial(t, relay.Addrs()[1])
	first.say("a")
	first.hears("one a")
	second.say("a")
	second.hears("two a")

	relay.Cut()
	relay.Cut() // twice is once
	first.say("b")
	first.hearsNothing()
	late := dial(t, relay.Addrs()[0]) // taken, and silent
	late.say("c")
	late.hearsNothing()
	relay.Heal()
	relay.Heal()
	first.hears("one b") // what was on its way arrives late
	late.hears("one c")
	first.say("d")
	first.hears("one d")

	relay.Cut()
	first.say("e")
	if err := relay.Close(); err != nil { // also while it is cut
		t.Errorf("close: %v", err)
	}
	_ = first.SetReadDeadline(time.Now().Add(10 * time.Second))
	if text, err := io.ReadAll(first.lines); len(text) > 0 {
		t.Errorf("closed: want nothing, have %q, %v", text, err)
	}
	if c, err := net.Dial("tcp", relay.Addrs()[0]); err == nil {
		_ = c.Close()
		t.Error("closed: want no connection, have one")
	}
}

func TestRelayEndsWithASide(t *testing.T) {
	t.Parallel()
	relay, err := rig.NewRelay([]string{"127.0.0.1:0", "127.0.0.1:0"}, []string{echo(t, ""), "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = relay.Close() }()
	c := dial(t, relay.Addrs()[0])
	c.say("a")
	c.hears("a")
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.lines.ReadString('\n'); err == nil {
		t.Error("want the end of the connection")
	}
	nobody := dial(t, relay.Addrs()[1])
	_ = nobody.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := nobody.lines.ReadString('\n'); err == nil {
		t.Error("no server: want the end of the connection")
	}
	if _, err := rig.NewRelay([]string{"127.0.0.1:0"}, nil); err == nil {
		t.Error("want an error: an address without a server")
	}
}
