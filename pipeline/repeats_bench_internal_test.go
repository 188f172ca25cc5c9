package pipeline

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/guard"
	"sluice/sink"
	"sluice/sink/budget"
)

// BenchmarkGuardedCycle is BenchmarkCycle of one workspace with and without its
// guards, one event an attempt and 100: what is between is what they cost.
func BenchmarkGuardedCycle(b *testing.B) {
	for _, items := range []int{1, 100} {
		for name, rules := range map[string]guard.Rules{"off": {}, "on": guard.DefaultRules()} {
			b.Run(fmt.Sprintf("items=%d/guards=%s", items, name), func(b *testing.B) { guardedCycle(b, items, rules) })
		}
	}
}

// whole is a destination that takes as many events at once as there are.
type whole struct {
	instant
	items int
}

func (whole) Prepare(e *event.Event) { e.PrepareBytes() }

func (w whole) Limits() sink.Limits { return sink.Limits{Items: w.items, Bytes: 1 << 20} }

func guardedCycle(b *testing.B, items int, rules guard.Rules) {
	b.Helper()
	const inHand = 16_000
	ctx, to := b.Context(), whole{items: items}
	local, err := partition.NewLocal(partition.LocalConfig{
		Workspace: "a", Prepare: func(_ string, e *event.Event) { to.Prepare(e) }, From: 1, MaxRecords: inHand + 1, MaxBytes: 1 << 30,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer local.Close()
	w := benched{newWorkspace(Workspace{
		Name: "a", Sink: to, InFlight: DefaultInFlight, BatchItems: items, Budget: budget.Config{Requests: 1e9, Events: 1e9},
		Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(), Dedup: rules,
	}, workspaceParts{lanes: local, appender: undertaker(nil), log: zap.NewNop(), metrics: newMetrics(prometheus.NewRegistry())}), local}
	w.pacer.SetShare(1, 1)
	w.guard.Reassigned(true)
	if _, err := w.pacer.Wait(ctx, func(budget.Room) budget.Charge { return budget.Charge{} }); err != nil {
		b.Fatal(err)
	}
	cycle := func() {
		for settled := 0; settled < inHand; {
			j, ok := w.following(ctx, ctx)
			if !ok { // the budget of events wants a moment after a batch
				if records, _ := local.InHand("a"); records == 0 {
					b.Fatal("something was dropped")
				}
				continue
			}
			settled += len(j.batch.Picks)
			w.attempt(ctx, j)
			w.lanes.Recycle(w.Name, j.batch)
		}
	}
	for range 2*guard.MaxEventIDs/inHand + 1 { // all that may be known is
		w.fill(b, inHand)
		cycle()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; left -= inHand { // whole rounds: measure many
		b.StopTimer()
		w.fill(b, inHand)
		b.StartTimer()
		cycle()
	}
}
