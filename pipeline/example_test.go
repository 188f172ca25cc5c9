package pipeline_test

import (
	"context"
	"fmt"

	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/sink"
)

// printer stands in for a destination, where an application has a
// *customerio.Sink or a *webhook.Sink.
type printer struct{}

func (printer) Prepare(e *event.Event) { e.PrepareEntity() }
func (printer) Limits() sink.Limits    { return sink.Limits{Items: 1} }
func (printer) Close()                 {}

func (printer) Deliver(_ context.Context, batch []*event.Event) sink.Result {
	for _, e := range batch {
		fmt.Printf("%s: %s\n", e.Key, e.Value)
	}
	return sink.Result{Verdict: sink.Delivered, Status: 200}
}

func ExampleDirect() {
	ctx := context.Background()
	cfg := pipeline.DefaultDirectConfig()
	cfg.Workspace.Name, cfg.Workspace.Sink = "acme-us", printer{}
	cfg.Workspace.Budget.Requests = 80
	d, err := pipeline.NewDirect(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, entity := range []string{
		`{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"plan":"pro"}}`,
		`{"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase"}`,
	} {
		if err := d.Send(ctx, event.Record{Key: event.KeyOfID("42"), Value: []byte(entity)}); err != nil {
			fmt.Println(err)
		}
	}
	// Only now is it known what the destination took.
	report, err := d.Close(ctx)
	fmt.Println(report.Delivered, "delivered,", report.Failed, "failed,", err)
	// Output:
	// 42: {"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"plan":"pro"}}
	// 42: {"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase"}
	// 2 delivered, 0 failed, <nil>
}
