package producer_test

import (
	"context"
	"encoding/json"
	"testing"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// instant is a Kafka that acknowledges at once: what is measured is the
// library alone.
type instant struct{}

func (instant) Append(_ context.Context, _ event.Record, done func(partition.Position, error)) {
	done(partition.Position{}, nil)
}

func (instant) Flush(context.Context) error { return nil }

// purchase is event data as an application has it.
type purchase struct {
	Quantity int      `json:"quantity"`
	Value    float64  `json:"value_usd"`
	Title    string   `json:"title"`
	Tags     []string `json:"tags,omitempty"`
}

func BenchmarkTrack(b *testing.B) {
	bought := purchase{Quantity: 2, Value: 29.33, Title: "Kind of Blue", Tags: []string{"jazz", "1959"}}
	text, err := json.Marshal(bought)
	if err != nil {
		b.Fatal(err)
	}
	config := producer.DefaultConfig()
	config.Topic = "events"
	for name, data := range map[string]any{
		"struct": bought,
		"map":    map[string]any{"quantity": 2, "value_usd": 29.33, "title": "Kind of Blue", "tags": []string{"jazz", "1959"}},
		"text":   json.RawMessage(text),
	} {
		for _, wait := range []string{"async", "waiting"} {
			b.Run(wait+"/"+name, func(b *testing.B) {
				p, err := producer.New(instant{}, config)
				if err != nil {
					b.Fatal(err)
				}
				p = map[string]*producer.Producer{"async": p.Async(nil), "waiting": p}[wait]
				who := producer.ID("customer-48213")
				b.ReportAllocs()
				for b.Loop() {
					if err := p.Track(b.Context(), who, "purchase", data); err != nil {
						b.Fatal(err)
					}
				}
				if err := p.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// Many goroutines at once, as a server's handlers are.
func BenchmarkTrackParallel(b *testing.B) {
	config := producer.DefaultConfig()
	config.Topic = "events"
	p, err := producer.New(instant{}, config)
	if err != nil {
		b.Fatal(err)
	}
	later := p.Async(nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := later.Track(b.Context(), producer.ID("customer-48213"), "purchase", purchase{Quantity: 2}); err != nil {
				b.Error(err)
			}
		}
	})
	if err := p.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
