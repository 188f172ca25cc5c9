package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/gateway"
)

// prompt acknowledges at once, on the caller's goroutine.
type prompt struct{}

func (prompt) Append(_ context.Context, _ event.Record, done func(partition.Position, error)) {
	done(partition.Position{}, nil)
}

// floor reads the body and appends it, cut into as many records: what any
// gateway must do.
func floor(a gateway.Appender, records int) http.Handler {
	keys := make([][]byte, records)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "user-%d", i)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		done := make(chan error, records)
		for i := range records {
			part := body[i*len(body)/records : (i+1)*len(body)/records]
			a.Append(r.Context(), event.Record{Topic: "events", Partition: -1, Key: keys[i], Value: part}, func(_ partition.Position, err error) { done <- err })
		}
		for range records {
			if err := <-done; err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, "{}\n")
	})
}

// BenchmarkRequest measures a request over a kept connection beside the floor.
// The client is the same few lines for both.
func BenchmarkRequest(b *testing.B) {
	for _, work := range []struct {
		name, path, body string
		records          int
	}{
		{"track", "/api/v1/customers/42/events", `{"name":"purchase","data":{"price":23.45,"product":"shoes","size":"42"}}`, 1},
		{"entity", "/api/v2/entity", sampleEntity(1), 1},
		{"batch100", "/api/v2/batch", sampleBatch(100), 100},
	} {
		b.Run(work.name+"/floor", func(b *testing.B) { load(b, floor(prompt{}, work.records), work.path, work.body) })
		b.Run(work.name+"/gateway", func(b *testing.B) {
			g, err := gateway.New(benchConfig(), []gateway.Stream{{Name: "events", Topic: "events"}}, prompt{}, zap.NewNop(), prometheus.NewRegistry())
			if err != nil {
				b.Fatal(err)
			}
			load(b, g.Handler(), work.path, work.body)
		})
	}
}

func benchConfig() gateway.Config {
	cfg := gateway.DefaultConfig()
	cfg.Credentials = []gateway.Credential{{SiteID: "site", APIKey: "key", Stream: "events"}}
	return cfg
}

func sampleEntity(n int) string {
	return fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":"user-%d"},"name":"purchase","attributes":{"price":23.45,"product":"running shoes","size":"42","currency":"EUR","shop":"north-%d","items":[{"sku":"A-100","count":2},{"sku":"B-200","count":1}]}}`, n, n)
}

func sampleBatch(size int) string {
	items := make([]string, size)
	for i := range items {
		items[i] = sampleEntity(i)
	}
	return `{"batch":[` + strings.Join(items, ",") + `]}`
}

func load(b *testing.B, h http.Handler, path, body string) {
	b.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	request := []byte("POST " + path + " HTTP/1.1\r\nHost: gateway\r\nAuthorization: Basic c2l0ZTprZXk=\r\nContent-Type: application/json\r\nContent-Length: " +
		fmt.Sprint(len(body)) + "\r\n\r\n" + body)
	reader := bufio.NewReader(conn)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		readOK(b, reader)
	}
}

// readOK reads an answer that must be 200 with the body {} and a line feed.
func readOK(b *testing.B, reader *bufio.Reader) {
	b.Helper()
	line, err := reader.ReadSlice('\n')
	if err != nil || !bytes.Contains(line, []byte(" 200 ")) {
		b.Fatalf("want 200, have %q, %v", line, err)
	}
	for len(bytes.TrimSpace(line)) > 0 {
		if line, err = reader.ReadSlice('\n'); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := reader.Discard(3); err != nil {
		b.Fatal(err)
	}
}
