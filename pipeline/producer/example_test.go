package producer_test

import (
	"context"
	"fmt"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// printer stands in for Kafka, where an application has a *partition.Appender.
type printer struct{}

func (printer) Append(_ context.Context, r event.Record, done func(partition.Position, error)) {
	fmt.Printf("%s: %s\n", r.Key, r.Value)
	done(partition.Position{}, nil)
}

func (printer) Flush(context.Context) error { return nil }

func ExampleProducer() {
	ctx := context.Background()
	cfg := producer.DefaultConfig()
	cfg.Topic = "events-us"
	p, err := producer.New(printer{}, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range []producer.Event{
		{User: "42", Traits: map[string]any{"plan": "pro"}},
		{User: "42", Name: "purchase", Data: map[string]any{"total": 12.5}},
	} {
		if err := p.Send(ctx, e); err != nil {
			fmt.Println(err)
		}
	}
	// Only now is it known that Kafka has them all.
	if err := p.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 42: {"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"plan":"pro"}}
	// 42: {"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase","attributes":{"total":12.5}}
}
