package gateway

import (
	"net/http"
	"testing"
)

// BenchmarkV1Track is what a single track call costs beyond HTTP and Kafka.
func BenchmarkV1Track(b *testing.B) {
	body := []byte(`{"name":"purchase","data":{"price":23.45,"product":"socks","colour":"red","size":42,"_seq":17},"timestamp":1613063089}`)
	b.ReportAllocs()
	for b.Loop() {
		e, args := v1Endpoint(http.MethodPost, "/api/v1/customers/user-1234/events")
		items, refused := e.decode(&call{args: args, body: body, now: doorTime()})
		if len(items) != 1 || refused.status != 0 {
			b.Fatal("want one item")
		}
	}
}

// BenchmarkV1Identify is the same of an identify.
func BenchmarkV1Identify(b *testing.B) {
	body := []byte(`{"email":"bob@example.com","created_at":1361205308,"plan":"basic","first_name":"Bob","seats":4,"_timestamp":1613063089}`)
	b.ReportAllocs()
	for b.Loop() {
		e, args := v1Endpoint(http.MethodPut, "/api/v1/customers/user-1234")
		items, refused := e.decode(&call{args: args, body: body, now: doorTime()})
		if len(items) != 1 || refused.status != 0 {
			b.Fatal("want one item")
		}
	}
}
