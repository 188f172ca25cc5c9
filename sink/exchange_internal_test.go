package sink

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A server may answer before it has read the request. Then the transport goes
// on reading the body after the attempt is over, and a recycled buffer would
// put another user's event into the old request. The connection is a pipe, for
// a socket's buffers would take the whole body.
func TestEarlyAnswerIsNotRecycled(t *testing.T) {
	t.Parallel()
	client, err := NewClient(DefaultHTTPConfig(), Options{AnswerBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	client.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = theirs.Close() })
		go func() {
			_, _ = io.ReadFull(theirs, make([]byte, 1024))
			_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}()
		return ours, nil
	}
	for range 8 { // sync.Pool may forget one
		x := client.Begin()
		x.Method, x.URL, x.Header = http.MethodPost, &url.URL{Scheme: "http", Host: "pipe"}, http.Header{}
		x.Body = append(x.Body, strings.Repeat("x", 64<<10)...)
		answer := x.Do(t.Context())
		if answer.Err != nil || answer.Status != http.StatusOK || string(answer.Body) != "{}" {
			t.Fatalf("status %d, %q, %v", answer.Status, answer.Body, answer.Err)
		}
		x.End()
		if client.Begin() == x {
			t.Fatal("an exchange whose body is still being sent was recycled")
		}
	}
}
