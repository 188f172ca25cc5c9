package gateway_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/pipeline/gateway"
)

// BenchmarkWebhook measures a reporting webhook of a usual size, without the
// network.
func BenchmarkWebhook(b *testing.B) {
	g, err := gateway.New(hooked(gateway.SchemeCustomerio, func(w *gateway.Webhook) { w.ID = nil }), streams(), prompt{}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	body := strings.Replace(report("01E4C4CT6YDC7Y5M7FE1GWWPQJ", "42"), `"data":{`, `"data":{"subject":"`+strings.Repeat("x", 1000)+`",`, 1)
	r := reported(hookSecret, body, time.Now())
	b.ReportAllocs()
	for b.Loop() {
		again := r.Clone(b.Context())
		again.Body = inbound(body).Body
		w := httptest.NewRecorder()
		if g.Handler().ServeHTTP(w, again); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
