//go:build !race

package event_test

import (
	"testing"

	"sluice/pipeline/event"
)

// The race detector makes pools forget on purpose, so this is left out there.
// It is not parallel: AllocsPerRun counts the whole process.
//
//nolint:paralleltest // see above
func TestRecycledEventDoesNotAllocate(t *testing.T) {
	long := `{"type":"person","action":"event","identifiers":{"email":"a@b.example"},"name":"n","id":"order-1","timestamp":"1613063089.5"}`
	for name, r := range map[string]event.Record{
		"fit":       record(purchase, header("class", "bulk"), header("id", ulidA), header("other", "value")),
		"derived":   record(purchase),
		"replaced":  record(long),
		"arguments": record(`{"segment_id":7,"body":{"ids":["42"]}}`, header("op", "segment_add")),
	} {
		var e event.Event
		buf := make([]byte, 0, 1024)
		allocs := testing.AllocsPerRun(200, func() {
			e.Load(r, "cluster")
			e.PrepareEntity()
			buf = e.AppendEntity(buf[:0])
		})
		// Below 1 and not 0: a collection in between empties the decoder's pool.
		if e.Fault != nil || allocs >= 1 {
			t.Errorf("%s: want no allocation and no fault, have %v and %v", name, allocs, e.Fault)
		}
	}
}
