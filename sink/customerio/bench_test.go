package customerio_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/sink"
	"sluice/sink/customerio"
)

func BenchmarkPack(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "{}\n")
	}))
	b.Cleanup(server.Close)
	cfg := good()
	cfg.BaseURL = server.URL
	s, err := customerio.New(cfg, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	var values []string
	for i := range 100 {
		values = append(values, fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":"%d"},"name":"purchase","attributes":{"x":"%s"}}`, i, strings.Repeat("x", 205)))
	}
	batch := prepare(b, s, values...)
	b.ReportAllocs()
	for b.Loop() {
		if result := s.Deliver(b.Context(), batch); result.Verdict != sink.Delivered {
			b.Fatal(result.Reason)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}
