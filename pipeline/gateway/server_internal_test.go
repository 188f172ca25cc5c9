package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
)

// taking is an Appender that takes everything.
type taking struct{}

func (taking) Append(_ context.Context, _ event.Record, done func(partition.Position, error)) {
	done(partition.Position{}, nil)
}

// piped is a listener of connections in memory, so that time can be a bubble's.
type piped struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *piped) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *piped) Close() error { close(p.closed); return nil }
func (*piped) Addr() net.Addr { return &net.TCPAddr{} }

// dialled starts the gateway's server and returns a connection to it.
func dialled(t *testing.T) net.Conn {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Credentials = []Credential{{SiteID: "site", APIKey: "key", Stream: "events"}}
	g, err := New(cfg, []Stream{{Name: "events", Topic: "events"}}, taking{}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	server, err := g.server()
	if err != nil {
		t.Fatal(err)
	}
	l := &piped{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	client, served := net.Pipe()
	l.conns <- served
	t.Cleanup(func() {
		_ = client.Close()
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return client
}

const head = "POST /api/v2/entity HTTP/1.1\r\nHost: gateway\r\nAuthorization: Basic c2l0ZTprZXk=\r\nContent-Length: "

// drip sends text byte by byte until the connection breaks.
func drip(conn net.Conn, text string, pause time.Duration) {
	for i := range len(text) {
		if _, err := conn.Write([]byte{text[i]}); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

func TestSlowHeadIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := dialled(t)
		started := time.Now()
		var dripping sync.WaitGroup
		dripping.Go(func() { drip(conn, head, time.Second) })
		_, _ = io.Copy(io.Discard, conn)
		if have := time.Since(started); have > headTime+time.Second {
			t.Errorf("want it cut after %v, have %v", headTime, have)
		}
		_ = conn.Close()
		dripping.Wait()
	})
}

func TestSlowBodyIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := dialled(t)
		started := time.Now()
		var dripping sync.WaitGroup
		dripping.Go(func() {
			_, _ = io.WriteString(conn, head+"1000\r\n\r\n")
			drip(conn, strings.Repeat(" ", 1000), time.Second)
		})
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusRequestTimeout {
			t.Errorf("want 408, have %d", answer.StatusCode)
		}
		if have := time.Since(started); have != readTime {
			t.Errorf("want an answer after %v, have %v", readTime, have)
		}
		_ = conn.Close()
		dripping.Wait()
	})
}

func TestHugeHeadIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := dialled(t)
		go func() {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: gateway\r\nX-Junk: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
		}()
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("want 431, have %d", answer.StatusCode)
		}
	})
}

func TestIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := dialled(t)
		entity := `{"type":"person","action":"delete","identifiers":{"id":"1"}}`
		go func() { _, _ = io.WriteString(conn, head+"60\r\n\r\n"+entity) }()
		reader := bufio.NewReader(conn)
		answer, err := http.ReadResponse(reader, nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("want 200, have %v, %v", answer, err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Error(err)
		}
		_ = answer.Body.Close()
		started := time.Now()
		_, _ = io.Copy(io.Discard, reader)
		if have := time.Since(started); have != idleTime {
			t.Errorf("want it closed after %v, have %v", idleTime, have)
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := &piped{conns: make(chan net.Conn, 3), closed: make(chan struct{})}
		l := &bounded{Listener: inner, slots: make(chan struct{}, 2), closed: make(chan struct{}), log: zap.NewNop()}
		accepted := make(chan net.Conn)
		go func() {
			defer close(accepted)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- conn
			}
		}()
		for range 3 {
			_, served := net.Pipe()
			inner.conns <- served
		}
		first, second := <-accepted, <-accepted
		synctest.Wait()
		select {
		case <-accepted:
			t.Error("want two connections at a time, have a third")
		default:
		}
		_ = first.Close()
		_ = first.Close() // gives back one slot, not two
		third := <-accepted
		_, served := net.Pipe()
		inner.conns <- served
		synctest.Wait()
		select {
		case <-accepted:
			t.Error("want two connections at a time, have a third")
		default:
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, open := <-accepted; open {
			t.Error("want Accept to end with the listener")
		}
		_, _ = second.Close(), third.Close()
	})
}

func TestCertificateFollowsItsFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		put := func(certPEM, keyPEM []byte) {
			for name, text := range map[string][]byte{cert: certPEM, key: keyPEM} {
				if err := os.WriteFile(name, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		firstCert, firstKey := selfSigned(t, "first")
		secondCert, secondKey := selfSigned(t, "second")
		put(firstCert, firstKey)
		k, err := newKeyPair(cert, key, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		want := func(name string) {
			t.Helper()
			pair, err := k.current(&tls.ClientHelloInfo{})
			if err != nil || pair.Leaf.Subject.CommonName != name {
				t.Errorf("want the certificate %q, have %v, %v", name, pair, err)
			}
		}
		want("first")
		time.Sleep(time.Second)
		put(secondCert, firstKey) // half of a change
		want("first")
		time.Sleep(time.Second)
		put(secondCert, secondKey)
		want("second")
		time.Sleep(time.Second)
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		want("second")
		time.Sleep(time.Second)
		put(firstCert, firstKey)
		want("first")
	})
}
