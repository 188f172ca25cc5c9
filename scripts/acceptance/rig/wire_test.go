package rig_test

import (
	"io"
	"net"
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
)

func wired(t *testing.T, servers ...string) *rig.Wire {
	t.Helper()
	listen := make([]string, len(servers))
	for i := range listen {
		listen[i] = "127.0.0.1:0"
	}
	w, err := rig.NewWire(listen, servers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w
}

// ends: the connection is over, after what may still be read.
func (c *client) ends(want string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	have, err := io.ReadAll(c.lines)
	if netErr, ok := err.(net.Error); ok && netErr.Timeout() { //nolint:errorlint // as the connection gives it
		c.t.Fatal("want the end of the connection, have it open")
	}
	if string(have) != want {
		c.t.Fatalf("want %q before the end, have %q", want, have)
	}
}

func TestWireStallsAndCutsOneLink(t *testing.T) {
	t.Parallel()
	w := wired(t, echo(t, "one "), echo(t, "two "))
	first, second := dial(t, w.Addrs()[0]), dial(t, w.Addrs()[1])
	first.say("a")
	first.hears("one a")

	w.Set(0, rig.Trouble{Stall: true})
	first.say("b")
	second.say("b")
	second.hears("two b")
	first.hearsNothing()
	w.Set(0, rig.Trouble{})
	first.hears("one b") // late

	w.Set(0, rig.Trouble{Cut: true})
	first.ends("")
	if c, err := net.Dial("tcp", w.Addrs()[0]); err == nil { // or reset before it was made
		if text, _ := io.ReadAll(c); len(text) > 0 {
			t.Errorf("cut: want nothing, have %q", text)
		}
		_ = c.Close()
	}
	second.say("c")
	second.hears("two c")
	w.Set(0, rig.Trouble{})
	again := dial(t, w.Addrs()[0])
	again.say("d")
	again.hears("one d")

	w.SetAll(rig.Trouble{Stall: true})
	again.say("e")
	second.say("e")
	if err := w.Close(); err != nil { // also while they are stalled
		t.Fatal(err)
	}
	again.ends("")
	second.ends("")
}

func TestWireDelaysAndHalves(t *testing.T) {
	t.Parallel()
	w := wired(t, echo(t, "12345"))
	c := dial(t, w.Addrs()[0])
	const delay = 60 * time.Millisecond
	w.SetAll(rig.Trouble{Delay: delay})
	began := time.Now()
	c.say("6789")
	c.hears("123456789")
	if took := time.Since(began); took < 2*delay { // there and back
		t.Errorf("want at least %v, have %v", 2*delay, took)
	}
	w.SetAll(rig.Trouble{Half: true})
	c.say("6789")
	c.ends("12345") // of ten bytes with the newline
	if _, err := rig.NewWire([]string{"127.0.0.1:0"}, nil); err == nil {
		t.Error("want an error: an address without a server")
	}
	if _, err := rig.NewWire([]string{"127.0.0.1:0", "no address"}, []string{"a", "b"}); err == nil {
		t.Error("want an error: nowhere to listen")
	}
}
