package sinktest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"

	"sluice/sink"
)

// hang makes a handler that answers nothing, or begins to, until the test
// ends, and the sink for it.
func (t trial) hang(begin func(http.ResponseWriter)) sink.Sink {
	t.Helper()
	leave := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begin(w)
		<-leave
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(leave) })
	return t.sinkFor(server.URL, hasty())
}

func (t trial) deadline() {
	to := t.hang(func(http.ResponseWriter) {})
	ctx, cancel := context.WithTimeout(t.Context(), attempt/8)
	defer cancel()
	check(t, promptly(t, patience, func() sink.Result { return to.Deliver(ctx, one(t, to, "a")) }), sink.Unavailable, false)
}

func (t trial) hung() {
	to := t.hang(func(http.ResponseWriter) {})
	check(t, promptly(t, attempt+patience, func() sink.Result { return to.Deliver(t.Context(), one(t, to, "a")) }), sink.Unavailable, false)
}

func (t trial) hungInAnswer() {
	to := t.hang(func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
	})
	result := promptly(t, attempt+patience, func() sink.Result { return to.Deliver(t.Context(), one(t, to, "a")) })
	check(t, result, sink.Unavailable, false)
	if result.Status != http.StatusOK {
		t.Errorf("want the status that came, have %d", result.Status)
	}
}

// hijack ends the connection after writing text to it.
func hijack(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

func (t trial) cut() {
	to, _ := t.serve(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		hijack(w, "")
	})
	check(t, to.Deliver(t.Context(), one(t, to, "a")), sink.Unavailable, true)
}

// cutInAnswer: a success that is cut short is an unknown outcome, while any
// other status says enough.
func (t trial) cutInAnswer() {
	var status atomic.Int64
	to, _ := t.serve(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		hijack(w, fmt.Sprintf("HTTP/1.1 %d Status\r\nContent-Length: 100\r\n\r\n{", status.Load()))
	})
	for code, want := range map[int64]sink.Verdict{200: sink.Unavailable, 429: sink.Throttled, 401: sink.Refused, 503: sink.Unavailable} {
		status.Store(code)
		result := to.Deliver(t.Context(), one(t, to, "a"))
		check(t, result, want, true)
		if result.Status != int(code) {
			t.Errorf("want the status that came, %d, have %d", code, result.Status)
		}
	}
}

// cutWhenIdle: a server that closes a kept connection just as the next request
// goes out on it. The transport of net/http would send some requests again by
// itself; a sink makes one attempt.
func (t trial) cutWhenIdle() {
	var requests atomic.Int64
	to, _ := t.serve(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1) > 1 {
			hijack(w, "")
		}
	})
	check(t, to.Deliver(t.Context(), one(t, to, "a")), sink.Delivered, false)
	check(t, to.Deliver(t.Context(), one(t, to, "b")), sink.Unavailable, true)
	if requests.Load() != 2 {
		t.Errorf("%d requests for two attempts", requests.Load())
	}
}

func (t trial) noServer() {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	to := t.sinkFor(server.URL, patient())
	check(t, to.Deliver(t.Context(), one(t, to, "a")), sink.Unavailable, true)
}

func (t trial) untrusted() {
	var requests atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	server.Config.ErrorLog = zap.NewStdLog(zap.NewNop()) // it would print each handshake
	server.StartTLS()
	t.Cleanup(server.Close)
	to := t.sinkFor(server.URL, patient())
	check(t, to.Deliver(t.Context(), one(t, to, "a")), sink.Unavailable, true)
	if requests.Load() != 0 {
		t.Error("a request reached a server whose certificate nobody vouches for")
	}
}

// notHTTP: what the other end wrote must not come back in a reason, above all
// not when it is an echo of the request.
func (t trial) notHTTP() {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			n, _ := conn.Read(buf)
			_, _ = conn.Write(buf[:n])
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	to := t.sinkFor("http://"+listener.Addr().String(), patient())
	check(t, to.Deliver(t.Context(), one(t, to, "a")), sink.Unavailable, true)
}

// hugeAnswer: an answer without end costs neither memory nor more than the
// attempt's time, whatever verdict the sink gives it.
func (t trial) hugeAnswer() {
	var written atomic.Int64
	to, _ := t.serve(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		chunk := strings.Repeat(" ", 64<<10)
		for {
			n, err := io.WriteString(w, chunk)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	})
	result := promptly(t, patience, func() sink.Result { return to.Deliver(t.Context(), one(t, to, "a")) })
	if result.Verdict != sink.Delivered && result.Verdict != sink.Unavailable {
		t.Errorf("want delivered or unavailable, have %v", result.Verdict)
	}
	const most = 32 << 20 // what a loopback's buffers may hold beyond the bound
	if written.Load() > most {
		t.Errorf("%d bytes were taken", written.Load())
	}
}
