package event_test

import (
	"testing"

	"sluice/pipeline/event"
)

// purchase is an everyday event of about 340 bytes.
const purchase = `{"type":"person","identifiers":{"id":"user-0000048213"},"action":"event","name":"purchase","timestamp":1613063089,` +
	`"attributes":{"order_id":"A-20931-77","total":129.95,"currency":"EUR","items":3,"coupon":null,"first":false,` +
	`"category":"outdoor/tents","store":"Utrecht \u00e9\u00e9n","tags":["sale","spring"],"note":"left at the door, 12a"}}`

func BenchmarkDecode(b *testing.B) {
	r := record(purchase)
	var e event.Event
	b.SetBytes(int64(len(purchase)))
	b.ReportAllocs()
	for b.Loop() {
		e.Load(r, "cluster")
		e.PrepareEntity()
	}
	if e.Fault != nil {
		b.Fatal(*e.Fault)
	}
}

func BenchmarkSplice(b *testing.B) {
	r := record(purchase)
	var e event.Event
	e.Load(r, "cluster")
	e.PrepareEntity()
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendEntity(buf[:0])
	}
	if len(buf) != e.Size {
		b.Fatalf("appended %d bytes, Size is %d", len(buf), e.Size)
	}
}

func BenchmarkEntityKey(b *testing.B) {
	entity := []byte(purchase)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.EntityKey(entity); err != nil {
			b.Fatal(err)
		}
	}
}
